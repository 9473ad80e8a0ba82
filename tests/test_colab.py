"""What names the repository: badges, set-up cells and a link."""

import shutil
import subprocess
import sys

import nbformat
import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import colab, command


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of what the command reads and writes."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\n\n[project.urls]\n# here\n\n[tool.b]\n')
    badges = "<!-- badges: written by `make colab` -->\n<!-- end of badges -->\n"
    (tmp_path / "README.md").write_text(f"# kmnist-itl\n{badges}")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "explore.html").write_text('Part of <a id="project" href="../">kmnist-itl</a>')
    notebooks = settings.project_dir() / "notebooks"
    shutil.copytree(notebooks, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    monkeypatch.setattr(settings, "project_dir", lambda: tmp_path)
    return tmp_path


def state(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.*"))}


def test_an_address_is_written_into_all_notebooks_once_and_can_be_replaced(checkout):
    assert colab.project_page() == "../"
    for name in ("someone/kmnist-itl", "some.one/else_where"):
        assert command.main(["colab", name]) == 0
        for path in (checkout / "notebooks").glob("*.ipynb"):
            title, setup, *rest = nbformat.read(path, as_version=4).cells
            assert title.source.startswith("# ") and title.source.count("colab-badge") == 1
            assert f"/github/{name}/blob/main/notebooks/{path.name})" in title.source
            assert setup.source.endswith(f"is None:\n    %pip install -q git+https://github.com/{name}")
            assert not any("%pip install" in cell.source for cell in rest)
        readme = (checkout / "README.md").read_text()
        assert readme.count(f"/{name}/") == 4 and readme.count("<!--") == 2
        assert f'href="https://github.com/{name}">' in (checkout / "docs" / "explore.html").read_text()
        assert colab.project_page() == f"https://github.com/{name}"
        written = state(checkout)
        assert command.main(["colab", name]) == 0 and state(checkout) == written


def test_ruff_reads_the_set_up_cell(checkout):
    command.main(["colab", "someone/kmnist-itl"])
    path = checkout / "notebooks" / "01_kmnist.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.write(nbformat.v4.new_notebook(cells=notebook.cells[1:2], metadata=notebook.metadata), path)
    for check in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *check, str(path)], check=True)


def test_outside_of_a_checkout_nothing_is_written(checkout, capsys):
    shutil.rmtree(checkout / "notebooks")
    before = state(checkout)
    assert command.main(["colab", "someone/kmnist-itl"]) == 2 and state(checkout) == before
    assert "There are no notebooks in" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "kmnist-itl", "https://github.com/a/b", "a/b/c"])
def test_something_else_than_owner_and_name_is_told_and_changes_nothing(name, checkout, capsys):
    before = state(checkout)
    assert command.main(["colab", name]) == 2
    assert "REPO must be owner/name" in capsys.readouterr().err and state(checkout) == before
