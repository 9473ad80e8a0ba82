"""What names the repository, from its address in pyproject.toml: badges, set-up cells, a link."""

import re

import nbformat

from kmnist_itl import files, settings

_ADDRESS = re.compile(r'^Repository = "https://github\.com/([^/"]+/[^/"]+)"\n', re.MULTILINE)
_README = re.compile(r"(<!-- badges: written by `make colab` -->\n).*?(<!-- end of badges -->)", re.DOTALL)
_UNKNOWN = "`make colab REPO=owner/name` sets the repository's address, which badges and site read.\n"
_LINK = re.compile(r'(<a id="project" href=")[^"]*')
_OLD = re.compile(r"\n\n\[!\[Open in Colab\][^\n]*")
_BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{address}/blob/main/notebooks/{name})"
)
_BADGES = f"""{_BADGE.replace("{name}", "00_in_five_minutes.ipynb")}
[![Licence](https://img.shields.io/github/license/{{address}})](https://github.com/{{address}}/blob/main/LICENSE)
[![Tests](https://github.com/{{address}}/actions/workflows/test.yml/badge.svg)]\
(https://github.com/{{address}}/actions/workflows/test.yml)
"""
_SETUP = """# Colab lacks the package at first; its own TensorFlow stays as it is.
import importlib.util

if importlib.util.find_spec("kmnist_itl") is None:
    %pip install -q git+https://github.com/{address}"""


def project_page():
    """The address of the repository; while pyproject.toml has none, the folder above the page that links."""
    address = _ADDRESS.search((settings.project_dir() / "pyproject.toml").read_text(encoding="utf-8"))
    return f"https://github.com/{address[1]}" if address else "../"


def write(name=None):
    """Write the repository's address wherever it is shown; without one there are no badges or set-up cells.

    `name`, owner/name on GitHub (else ValueError), is written into pyproject.toml first; None takes the one
    there. Returns the address, or None.
    """
    root, notebooks = settings.project_dir(), settings.notebooks()
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    if name:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise ValueError(f"REPO must be owner/name, as in GitHub's addresses; got {name!r}.")
        if "[project.urls]\n" not in text:
            text = text.replace("[tool.setuptools]\n", "[project.urls]\n\n[tool.setuptools]\n", 1)
        line = f'[project.urls]\nRepository = "https://github.com/{name}"\n'
        text = _ADDRESS.sub("", text).replace("[project.urls]\n", line, 1)
        _replace(root / "pyproject.toml", text)
    found = _ADDRESS.search(text)
    address = found and found[1]
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        _name(notebook, address, path.name)
        _replace(path, nbformat.writes(notebook) + "\n")
    badges = _BADGES.format(address=address) if address else _UNKNOWN
    for page, pattern, shown in (
        ("README.md", _README, rf"\g<1>{badges}\g<2>"),
        ("docs/explore.html", _LINK, rf"\g<1>{project_page()}"),
    ):
        _replace(root / page, pattern.sub(shown, (root / page).read_text(encoding="utf-8")))
    return address


def _name(notebook, address, name):
    """Put the badge below a notebook's title and the set-up cell behind it, or take both out."""
    first = notebook.cells[0]
    title, _, rest = _OLD.sub("", first.source).partition("\n")
    badge = f"\n\n{_BADGE.format(address=address, name=name)}" if address else ""
    first.source = f"{title}{badge}\n{rest}"
    setup = [nbformat.v4.new_code_cell(_SETUP.format(address=address), id="colab")] if address else []
    notebook.cells[:] = [first, *setup, *(cell for cell in notebook.cells[1:] if cell.get("id") != "colab")]


def _replace(path, text):
    files.write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))
