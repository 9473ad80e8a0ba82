"""Colab's badge and set-up cell in every notebook, from the repository's address in pyproject.toml.

Without an address there are no badges and no set-up cells.
"""

import re

import nbformat

from kmnist_itl import files, settings

_ADDRESS = re.compile(r'^Repository = "https://github\.com/([^/"]+/[^/"]+)"\n', re.MULTILINE)
_BADGE = re.compile(r"\n\n\[!\[Open in Colab\][^\n]*")
_CELL = "colab"
_SETUP = """# In Colab the package is missing at first; Colab's own TensorFlow stays as it is.
import importlib.util

if importlib.util.find_spec("kmnist_itl") is None:
    %pip install -q git+https://github.com/{address}"""


def write(name=None):
    """Write badges and set-up cells into the project's notebooks; doing it again changes nothing.

    `name`, owner/name on GitHub, is written into pyproject.toml first; None takes the one there. Returns the
    address (None where there is none) and how many notebooks changed.
    Raises ValueError, and writes nothing, if `name` is not owner/name.
    """
    folder, changed = settings.project_dir(), 0
    if name:
        set_address(folder, name)
    name = address(folder)
    for path in sorted((folder / "notebooks").glob("[0-9]*.ipynb")):
        before = path.read_text(encoding="utf-8")
        notebook = with_colab(nbformat.reads(before, as_version=4), path.name, name)
        after = nbformat.writes(notebook) + "\n"
        if after != before:
            files.write_whole(path, lambda beside, text=after: beside.write_text(text, encoding="utf-8"))
            changed += 1
    return name, changed


def address(folder):
    """The repository's owner/name that pyproject.toml in a folder names, or None."""
    found = _ADDRESS.search((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return found and found[1]


def set_address(folder, name):
    """Write owner/name into pyproject.toml; ValueError if it is no such name."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"REPO must be owner/name, as in GitHub's addresses; got {name!r}.")
    path, head = folder / "pyproject.toml", "[project.urls]\n"
    text = _ADDRESS.sub("", path.read_text(encoding="utf-8"))
    if head not in text:
        text = text.replace("[tool.setuptools]\n", f"{head}\n[tool.setuptools]\n", 1)
    text = text.replace(head, f'{head}Repository = "https://github.com/{name}"\n', 1)
    files.write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def with_colab(notebook, file_name, name):
    """A notebook with the badge below its title and a set-up cell; without both if name is None."""
    first, *cells = notebook.cells
    first.source = _BADGE.sub("", first.source)
    cells = [cell for cell in cells if cell.get("id") != _CELL]
    if name:
        page = f"https://colab.research.google.com/github/{name}/blob/main/notebooks/{file_name}"
        badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({page})"
        title, _, rest = first.source.partition("\n")
        first.source = f"{title}\n\n{badge}\n{rest}"
        cells.insert(0, nbformat.v4.new_code_cell(_SETUP.format(address=name), id=_CELL))
    notebook.cells = [first, *cells]
    return notebook
