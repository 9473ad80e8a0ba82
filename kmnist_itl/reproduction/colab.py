"""What names the repository, by its address in pyproject.toml: badges, set-up cells, a link."""

import re
import tomllib

import nbformat

from kmnist_itl import files, settings

_BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{name}/blob/main/notebooks/{notebook})"
)
_BADGES = f"""{_BADGE.replace("{notebook}", "00_in_five_minutes.ipynb")}
[![Licence](https://img.shields.io/github/license/{{name}})](https://github.com/{{name}}/blob/main/LICENSE)
[![Tests](https://github.com/{{name}}/actions/workflows/test.yml/badge.svg)]\
(https://github.com/{{name}}/actions/workflows/test.yml)
"""
_SETUP = """# Colab lacks the package at first; its own TensorFlow stays as it is.
import importlib.util

if importlib.util.find_spec("kmnist_itl") is None:
    %pip install -q git+https://github.com/{name}"""


def project_page():
    """The address of the repository; while pyproject.toml has none, the folder above the page that links."""
    text = (settings.project_dir() / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"].get("Repository", "../")


def write(name):
    """Write a repository's `name`, owner/name on GitHub (else ValueError), wherever it is shown."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"REPO must be owner/name, as in GitHub's addresses; got {name!r}.")
    for path in settings.notebooks():
        notebook = nbformat.read(path, as_version=4)
        first, *rest = notebook.cells
        title, _, text = re.sub(r"\n\n\[!\[Open in Colab\].*", "", first.source).partition("\n")
        first.source = f"{title}\n\n{_BADGE.format(name=name, notebook=path.name)}\n{text}"
        setup = nbformat.v4.new_code_cell(_SETUP.format(name=name), id="colab")
        notebook.cells = [first, setup, *(cell for cell in rest if cell.get("id") != "colab")]
        _write(path, nbformat.writes(notebook) + "\n")
    address = f"https://github.com/{name}"
    for file, pattern, shown in (
        ("pyproject.toml", r"(\[project\.urls\]\n)(Repository = .*\n)?", f'Repository = "{address}"\n'),
        ("docs/explore.html", r'(<a id="project" href=")[^"]*', address),
        ("README.md", r"(<!-- badges: .*\n)(?s:.*)(?=<!-- end of badges -->)", _BADGES.format(name=name)),
    ):
        path = settings.project_dir() / file
        _write(path, re.sub(pattern, rf"\g<1>{shown}", path.read_text(encoding="utf-8")))


def _write(path, text):
    files.write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))
