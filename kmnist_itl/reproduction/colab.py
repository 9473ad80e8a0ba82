"""Colab's badge and set-up cell in every notebook, from the repository's address in pyproject.toml."""

import re

import nbformat

from kmnist_itl import files, settings

_ADDRESS = re.compile(r'^Repository = "https://github\.com/([^/"]+/[^/"]+)"\n', re.MULTILINE)
_BADGE = re.compile(r"\n\n\[!\[Open in Colab\][^\n]*")
_SETUP = """# In Colab the package is missing at first; Colab's own TensorFlow stays as it is.
import importlib.util

if importlib.util.find_spec("kmnist_itl") is None:
    %pip install -q git+https://github.com/{address}"""


def write(name=None):
    """Write badges and set-up cells into the project's notebooks; without an address they have neither.

    `name`, owner/name on GitHub (else ValueError), is written into pyproject.toml first; None takes the one
    there.
    """
    project = settings.project_dir() / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    if name:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise ValueError(f"REPO must be owner/name, as in GitHub's addresses; got {name!r}.")
        if "[project.urls]\n" not in text:
            text = text.replace("[tool.setuptools]\n", "[project.urls]\n\n[tool.setuptools]\n", 1)
        line = f'[project.urls]\nRepository = "https://github.com/{name}"\n'
        text = _ADDRESS.sub("", text).replace("[project.urls]\n", line, 1)
        files.write_whole(project, lambda beside: beside.write_text(text, encoding="utf-8"))
    address = name or (_ADDRESS.search(text) or [None, None])[1]
    for path in sorted((project.parent / "notebooks").glob("[0-9]*.ipynb")):
        notebook = with_colab(nbformat.read(path, as_version=4), path.name, address)
        files.write_whole(path, lambda beside, notebook=notebook: nbformat.write(notebook, beside))
    print(f"Badges and set-up cells: {address or 'no address, so there are none'}")


def with_colab(notebook, file_name, address):
    """A notebook with the badge below its title and a set-up cell; without both if address is None."""
    first, *cells = notebook.cells
    first.source = _BADGE.sub("", first.source)
    cells = [cell for cell in cells if cell.get("id") != "colab"]
    if address:
        page = f"https://colab.research.google.com/github/{address}/blob/main/notebooks/{file_name}"
        badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({page})"
        title, _, rest = first.source.partition("\n")
        first.source = f"{title}\n\n{badge}\n{rest}"
        cells.insert(0, nbformat.v4.new_code_cell(_SETUP.format(address=address), id="colab"))
    notebook.cells = [first, *cells]
    return notebook
