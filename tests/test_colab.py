"""Colab's badge and set-up cell in the notebooks."""

import shutil
import subprocess
import sys

import nbformat
import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import command


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of what the command reads and writes, of two notebooks."""
    shutil.copy(settings.project_dir() / "pyproject.toml", tmp_path)
    (tmp_path / "notebooks").mkdir()
    for path in sorted((settings.project_dir() / "notebooks").glob("[0-9]*.ipynb"))[:2]:
        shutil.copy(path, tmp_path / "notebooks")
    monkeypatch.setattr(settings, "project_dir", lambda: tmp_path)
    return tmp_path


def state(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.*"))}


def test_an_address_is_written_into_all_notebooks_once_and_can_be_replaced(checkout):
    before = state(checkout)
    assert command.main(["colab"]) == 0 and state(checkout) == before  # as committed
    for name in ("someone/kmnist-itl", "some.one/else_where"):
        assert command.main(["colab", name]) == 0
        for path in (checkout / "notebooks").glob("*.ipynb"):
            title, setup, *rest = nbformat.read(path, as_version=4).cells
            assert title.source.startswith("# ") and title.source.count("colab-badge") == 1
            assert f"/github/{name}/blob/main/notebooks/{path.name})" in title.source
            assert setup.source.endswith(f"is None:\n    %pip install -q git+https://github.com/{name}")
            assert not any("%pip install" in cell.source for cell in rest)
        written = state(checkout)
        assert command.main(["colab"]) == 0 and state(checkout) == written  # from the address written there
    nbformat.write(nbformat.v4.new_notebook(cells=[setup]), checkout / "set_up.ipynb")
    for check in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *check, checkout / "set_up.ipynb"], check=True)


@pytest.mark.parametrize("name", ["kmnist-itl", "https://github.com/a/b", "a/b/c"])
def test_something_else_than_owner_and_name_is_told_and_changes_nothing(name, checkout, capsys):
    before = state(checkout)
    assert command.main(["colab", name]) == 2
    assert "REPO must be owner/name" in capsys.readouterr().err and state(checkout) == before
