import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import colab, command

ROOT = Path(__file__).parent.parent


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of what the command reads and writes."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    monkeypatch.setattr(settings, "project_dir", lambda: tmp_path)
    return tmp_path


def state(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.*"))}


def test_the_committed_notebooks_are_those_of_the_committed_address(checkout):
    before = state(checkout)
    assert command.main(["colab"]) == 0
    assert state(checkout) == before


def test_an_address_is_written_into_all_notebooks_once_and_can_be_replaced(checkout):
    for name in ("someone/kmnist-itl", "some.one/else_where"):
        assert command.main(["colab", name]) == 0
        written = state(checkout)
        assert command.main(["colab", name]) == 0 and state(checkout) == written
        assert colab.address(checkout) == name
        for path in (checkout / "notebooks").glob("*.ipynb"):
            first, setup, *rest = nbformat.read(path, as_version=4).cells
            assert first.source.startswith("# ") and first.source.count("colab-badge") == 1
            assert f"/github/{name}/blob/main/notebooks/{path.name})" in first.source
            assert f"git+https://github.com/{name}" in setup.source
            assert not any("%pip install" in cell.source for cell in rest)
        assert "someone/" not in "".join(written.values()) or name.startswith("someone/")


def test_the_set_up_cell_does_nothing_where_the_package_is(checkout):
    command.main(["colab", "someone/kmnist-itl"])
    setup = nbformat.read(checkout / "notebooks" / "01_kmnist.ipynb", as_version=4).cells[1].source
    assert "%pip" in setup.splitlines()[-1] and setup.splitlines()[-2].startswith("if ")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    ran = []
    shell.run_line_magic = lambda *arguments, **_: ran.append(arguments)
    assert shell.run_cell(setup).success and ran == []


def test_ruff_reads_the_set_up_cell(checkout):
    command.main(["colab", "someone/kmnist-itl"])
    for check in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *check, str(checkout)], check=True)


@pytest.mark.parametrize("name", ["kmnist-itl", "https://github.com/a/b", "a/b/c"])
def test_something_else_than_owner_and_name_is_told_and_changes_nothing(name, checkout, capsys):
    before = state(checkout)
    assert command.main(["colab", name]) == 2
    assert "REPO must be owner/name" in capsys.readouterr().err and state(checkout) == before
