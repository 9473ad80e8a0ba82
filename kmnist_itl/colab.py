"""Colab's badge and set-up cell in every notebook, from the repository's address in pyproject.toml.

    python -m kmnist_itl.colab owner/name        # make colab REPO=owner/name: sets the address, then writes
    python -m kmnist_itl.colab                   # writes for the address that is set

Running it again changes nothing. Without an address there are no badges and no set-up cells.
"""

import argparse
import re
import sys

import nbformat

from kmnist_itl import files, settings

_ADDRESS = re.compile(r'^Repository = "https://github\.com/([^/"]+/[^/"]+)"\n', re.MULTILINE)
_BADGE = re.compile(r"\n\n\[!\[Open in Colab\][^\n]*")
_CELL = "colab"
_SETUP = """# In Colab the package is missing at first; Colab's own TensorFlow stays as it is.
import importlib.util

if importlib.util.find_spec("kmnist_itl") is None:
    %pip install -q git+https://github.com/{address}"""


def address(folder):
    """The repository's owner/name that pyproject.toml in a folder names, or None."""
    found = _ADDRESS.search((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return found and found[1]


def set_address(folder, name):
    """Write owner/name into pyproject.toml; ValueError if it is no such name."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"REPO must be owner/name, as in GitHub's addresses; got {name!r}.")
    path = folder / "pyproject.toml"
    text = _ADDRESS.sub("", path.read_text(encoding="utf-8"))
    head = "[project.urls]\n"
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
        setup = nbformat.v4.new_code_cell(_SETUP.format(address=name), id=_CELL)
        cells.insert(0, setup)
    notebook.cells = [first, *cells]
    return notebook


def main(arguments=None):
    """Write badges and set-up cells; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_itl.colab", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", help="owner/name of the repository on GitHub")
    given = parser.parse_args(arguments)
    folder = settings.project_dir()
    try:
        if given.name:
            set_address(folder, given.name)
    except ValueError as error:
        print(f"make colab: {error}", file=sys.stderr)
        return 2
    name = address(folder)
    changed = 0
    for path in sorted((folder / "notebooks").glob("[0-9]*.ipynb")):
        before = path.read_text(encoding="utf-8")
        notebook = with_colab(nbformat.reads(before, as_version=4), path.name, name)
        after = nbformat.writes(notebook) + "\n"
        if after != before:
            files.write_whole(path, lambda beside, text=after: beside.write_text(text, encoding="utf-8"))
            changed += 1
    print(f"{name or 'no address'}: {changed} notebooks changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
