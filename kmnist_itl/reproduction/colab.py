"""What names the repository, from its address in pyproject.toml: badges, set-up cells, a link."""

import re

import nbformat

from kmnist_itl import files, settings

_ADDRESS = re.compile(r'^Repository = "https://github\.com/([^/"]+/[^/"]+)"\n', re.MULTILINE)
_README = re.compile(r"(<!-- badges: written by `make colab` -->\n).*?(<!-- end of badges -->)", re.DOTALL)
_UNKNOWN = "`make colab REPO=owner/name` sets the repository's address, which badges and site read.\n"
_LINK = re.compile(r'(<a id="project" href=")[^"]*')
_BADGE = re.compile(r"\n\n\[!\[Open in Colab\][^\n]*")
_SETUP = """# Colab lacks the package at first; its own TensorFlow stays as it is.
import importlib.util

if importlib.util.find_spec("kmnist_itl") is None:
    %pip install -q git+https://github.com/{address}"""


def project_page():
    """The address of the repository; while pyproject.toml has none, the folder above the page that links."""
    address = _address((settings.project_dir() / "pyproject.toml").read_text(encoding="utf-8"))
    return f"https://github.com/{address}" if address else "../"


def write(name=None):
    """Write the repository's address wherever it is shown; without one there are no badges or set-up cells.

    `name`, owner/name on GitHub (else ValueError), is written into pyproject.toml first; None takes the one
    there. Returns the address and how many notebooks changed.
    """
    root, changed = settings.project_dir(), 0
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    if name:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise ValueError(f"REPO must be owner/name, as in GitHub's addresses; got {name!r}.")
        if "[project.urls]\n" not in text:
            text = text.replace("[tool.setuptools]\n", "[project.urls]\n\n[tool.setuptools]\n", 1)
        line = f'[project.urls]\nRepository = "https://github.com/{name}"\n'
        text = _ADDRESS.sub("", text).replace("[project.urls]\n", line, 1)
        _replace(root / "pyproject.toml", text)
    address = _address(text)
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        changed += _replace(path, nbformat.writes(with_colab(notebook, path.name, address)) + "\n")
    for path, pattern, shown in (
        (root / "README.md", _README, rf"\g<1>{_badges(address) if address else _UNKNOWN}\g<2>"),
        (root / "docs" / "explore.html", _LINK, rf"\g<1>{project_page()}"),
    ):
        _replace(path, pattern.sub(shown, path.read_text(encoding="utf-8")))
    return address, changed


def _address(text):
    match = _ADDRESS.search(text)
    return match and match[1]


def _replace(path, text):
    """Write a file whose text is another; returns whether it was."""
    changed = text != path.read_text(encoding="utf-8")
    if changed:
        files.write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    return changed


def _badges(address):
    """README's badges: its first notebook in Colab, the licence, the tests."""
    page = f"https://github.com/{address}"
    tests = f"{page}/actions/workflows/test.yml"
    licence = f"https://img.shields.io/github/license/{address}"
    return "\n".join(
        [
            _colab_badge(address, "00_in_five_minutes.ipynb"),
            f"[![Licence]({licence})]({page}/blob/main/LICENSE)",
            f"[![Tests]({tests}/badge.svg)]({tests})\n",
        ]
    )


def _colab_badge(address, file_name):
    page = f"https://colab.research.google.com/github/{address}/blob/main/notebooks/{file_name}"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({page})"


def with_colab(notebook, file_name, address):
    """A notebook with the badge below its title and a set-up cell; without both if address is None."""
    first, *cells = notebook.cells
    first.source = _BADGE.sub("", first.source)
    cells = [cell for cell in cells if cell.get("id") != "colab"]
    if address:
        title, _, rest = first.source.partition("\n")
        first.source = f"{title}\n\n{_colab_badge(address, file_name)}\n{rest}"
        cells.insert(0, nbformat.v4.new_code_cell(_SETUP.format(address=address), id="colab"))
    notebook.cells = [first, *cells]
    return notebook
