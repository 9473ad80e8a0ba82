"""One page to look at: the summary of the verdicts, the page to touch, then the executed notebooks.

It stands beside the figures as report.html and needs no network: pictures, the formulas (as MathML) and what
can be touched (explore.py's page, interactive.py's figure) are in it.
"""

import html
import re

import nbformat

from kmnist_itl import data, files, settings
from kmnist_itl.reproduction import explore, summary

NAME = "report.html"
_STYLE = """<style>
main { max-width: 62rem; margin: 0 auto; }
img, svg, iframe { max-width: 100%; }
.jp-RenderedHTMLCommon table { display: block; overflow-x: auto; max-width: 100%; }
.jp-OutputPrompt, .jp-InputPrompt { display: none; }
pre { overflow-x: auto; }
caption { text-align: left; color: inherit; }
iframe.touch { width: 100%; height: 85vh; border: 1px solid #d5d5d5; }
</style>
"""
_MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
_LINK = re.compile(r"\]\((?:notebooks/)?(\d\d_\w+)\.ipynb\)")
_CAPTION = re.compile(r"<p>(<strong>(?:(?!</p>).)*)</p>\s*<table\b([^>]*)>", re.DOTALL)
_TOUCH = '<div id="touch"></div>'


def write(profile, dataset):
    """Write the page of a settings.Profile and a data set's name, 'auto' as in `make figures`.

    A data set that is named need not be available: the page is made of what was executed before.

    Returns:
        Path of the page.

    Raises:
        ValueError: nothing has been executed with them.
        OSError: a file cannot be read or written.
    """
    dataset = data.resolve(dataset) if dataset == "auto" else dataset
    folder = settings.figures_dir(dataset, profile)
    in_place = settings.is_the_papers(dataset, profile)
    executed = settings.project_dir() / "notebooks" if in_place else folder / "notebooks"
    notebooks = {path.stem: nbformat.read(path, 4) for path in sorted(executed.glob("[0-9]*.ipynb"))}
    verdicts = folder / "verdicts.csv"
    if not notebooks or not verdicts.is_file():
        again = f"make figures PROFILE={profile.name} DATASET={dataset}"
        raise ValueError(f"there are no executed notebooks or verdicts in {folder}: run {again} first.")
    titles = {name: book.cells[0].source.splitlines()[0].lstrip("# ") for name, book in notebooks.items()}
    contents = "\n".join(f"- [{title}]({name}.ipynb)" for name, title in titles.items())
    holds = summary.summary(summary.read(verdicts), summary.read_methods(verdicts.parent))
    head = (
        "# kmnist-itl: what holds\n\n"
        "Autoencoders on Kuzushiji-MNIST with a Cauchy-Schwarz divergence, a reproduction of the course "
        f"paper by Gijung Lee and Mayar Shahin ({profile.name}, {dataset}).\n\n"
        f"**What the paper says, and what holds**\n\n{holds}\n\n"
    )
    touched = explore.path(profile, dataset)
    if touched.is_file():
        head += f"## Pictures to touch\n\n{_TOUCH}\n\n"
    text = page(combined(notebooks, f"{head}## Contents\n\n{contents}\n"))
    if touched.is_file():
        inside = html.escape(touched.read_text(encoding="utf-8"))
        frame = f'<iframe title="Pictures to touch" srcdoc="{inside}" class="touch"></iframe>'
        text = text.replace(_TOUCH, frame, 1)
    files.write_whole(folder / NAME, lambda path: path.write_text(text, encoding="utf-8"))
    return folder / NAME


def combined(notebooks, head):
    """One notebook of all: a cell of Markdown, then the cells of each; links between them become anchors.

    `notebooks` maps a name without .ipynb to a notebook, `head` is the Markdown of the first cell.
    """
    cells = [nbformat.v4.new_markdown_cell(_LINK.sub(r"](#\1)", head))]
    for name, notebook in notebooks.items():
        cells.append(nbformat.v4.new_markdown_cell(f'<a id="{name}"></a>'))
        for number, cell in enumerate(notebook.cells):
            cell = cell.copy()
            cell["id"] = f"{name[:2]}-{number}"
            if cell.cell_type == "markdown":
                cell.source = _LINK.sub(r"](#\1)", _with_mathml(cell.source))
            cells.append(cell)
    metadata = next(iter(notebooks.values())).metadata
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def page(notebook):
    """A notebook as a self-contained HTML page."""
    from nbconvert import HTMLExporter

    nowhere = dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url"), "")
    exporter = HTMLExporter(template_name="lab", embed_images=True, **nowhere)
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": "kmnist-itl"}})
    # What the template still fetches without an address for it.
    text = re.sub(r'<script[^>]*src=""[^>]*>\s*</script>', "", text)
    text = text.replace("</head>", f"{_STYLE}</head>", 1)
    # A table's title stands above it as bold text.
    return _CAPTION.sub(r"<table\2><caption>\1</caption>", text)


def _with_mathml(markdown):
    """Formulas between dollar signs as MathML, which browsers draw by themselves."""
    from latex2mathml.converter import convert

    def drawn(match):
        return convert(match[1] or match[2], display="block" if match[1] else "inline")

    return _MATH.sub(drawn, markdown)
