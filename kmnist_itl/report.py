"""One page to look at: the summary of the verdicts, then the executed notebooks with all figures and tables.

    python -m kmnist_itl.report --profile paper --dataset kmnist        # make report

It stands beside the figures as report.html and needs no network: pictures, the formulas (as MathML) and
plotly's script are in it.
"""

import argparse
import html
import re
import sys

import nbformat

from kmnist_itl import data, files, settings, summary

NAME = "report.html"
_STYLE = """<style>
main { max-width: 62rem; margin: 0 auto; }
img, svg, iframe { max-width: 100%; }
.jp-RenderedHTMLCommon table { display: block; overflow-x: auto; max-width: 100%; }
.jp-OutputPrompt, .jp-InputPrompt { display: none; }
pre { overflow-x: auto; }
</style>
"""
_MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
_LINK = re.compile(r"\]\((?:notebooks/)?(\d\d_\w+)\.ipynb\)")
_PLOTLY = re.compile(r"&lt;script(?:(?!&gt;).)*?https://cdn\.plot\.ly.*?&lt;/script&gt;", re.DOTALL)


def combined(notebooks, head):
    """One notebook of all: a cell of Markdown, then the cells of each; links between them become anchors.

    `notebooks` maps a name without .ipynb to a notebook, `head` is the Markdown of the first cell.
    """
    cells = [nbformat.v4.new_markdown_cell(_linked(head))]
    for name, notebook in notebooks.items():
        cells.append(nbformat.v4.new_markdown_cell(f'<a id="{name}"></a>'))
        for number, cell in enumerate(notebook.cells):
            cell = cell.copy()
            cell["id"] = f"{name[:2]}-{number}"
            if cell.cell_type == "markdown":
                cell.source = _linked(_with_mathml(cell.source))
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
    return _with_plotly(text)


def _linked(markdown):
    return _LINK.sub(r"](#\1)", markdown)


def _with_mathml(markdown):
    """Formulas between dollar signs as MathML, which browsers draw by themselves."""
    from latex2mathml.converter import convert

    def drawn(match):
        return convert(match[1] or match[2], display="block" if match[1] else "inline")

    return _MATH.sub(drawn, markdown)


def _with_plotly(text):
    """plotly's script itself in each frame that would fetch it."""
    if not _PLOTLY.search(text):
        return text
    from plotly.offline import get_plotlyjs

    script = html.escape(f"<script>{get_plotlyjs()}</script>")
    return _PLOTLY.sub(lambda _: script, text)


def main(arguments=None):
    """Write the page; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_itl.report", description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="paper", help=", ".join(settings.PROFILES))
    parser.add_argument("--dataset", help=", ".join(settings.DATASETS))
    given = parser.parse_args(arguments)
    try:
        wanted = settings.parameters(given.profile, given.dataset or "kmnist")
        dataset = data.resolve(wanted.dataset) if wanted.dataset == "auto" else wanted.dataset
        folder = settings.figures_dir(dataset, wanted.profile)
        in_place = settings.is_the_papers(dataset, wanted.profile)
        where = settings.project_dir() / "notebooks" if in_place else folder / "notebooks"
        found = {path.stem: nbformat.read(path, as_version=4) for path in sorted(where.glob("[0-9]*.ipynb"))}
        verdicts = folder / "verdicts.csv"
        if not found or not verdicts.is_file():
            again = f"make figures PROFILE={wanted.profile.name} DATASET={dataset}"
            raise ValueError(f"there are no executed notebooks or verdicts in {folder}: run {again} first.")
        text = page(
            combined(found, _head(found, summary.read(verdicts), f"{wanted.profile.name}, {dataset}"))
        )
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make report: {error}", file=sys.stderr)
        return 2
    files.write_whole(folder / NAME, lambda path: path.write_text(text, encoding="utf-8"))
    print(f"{folder / NAME}: {len(text) / 1e6:.1f} MB")
    return 0


def _head(notebooks, verdicts, made_with):
    """The page's first lines: what it is, the summary, the contents."""
    titles = {name: of.cells[0].source.splitlines()[0].lstrip("# ") for name, of in notebooks.items()}
    contents = "\n".join(f"- [{title}]({name}.ipynb)" for name, title in titles.items())
    return (
        "# kmnist-itl: what holds\n\n"
        "Autoencoders on Kuzushiji-MNIST with a Cauchy-Schwarz divergence, a reproduction of the course "
        f"paper by Gijung Lee and Mayar Shahin ({made_with}).\n\n{summary.summary(verdicts)}\n\n"
        f"## Contents\n\n{contents}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
