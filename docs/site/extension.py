"""What the site needs beyond Sphinx: links to files that are no pages, and docstrings as reStructuredText."""

import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.util.osutil import relative_uri

ROOT = Path(__file__).resolve().parents[2]
EXPLORE = "docs/explore.html"


def setup(app):
    app.connect("autodoc-process-docstring", _as_restructured_text, priority=100)  # before napoleon
    app.connect("doctree-read", _link_files, priority=100)  # before Sphinx collects the downloads
    app.connect("build-finished", _add_files)


def _as_restructured_text(app, what, name, object_, options, lines):
    if what in ("property", "attribute"):
        lines[:0] = ["..", ""]  # an empty comment; else napoleon takes what stands before a colon for a type
    # |x| is a norm, and in code it is an or.
    code_or_bar = re.compile(r">>>.*|`[^`]*`|\|")
    lines[:] = [code_or_bar.sub(lambda match: r"\|" if match[0] == "|" else match[0], line) for line in lines]


def _link_files(app, document):
    """Link what is no page: the page to touch on the site, files in the repository if it is known."""
    page = app.env.docname
    repository = app.config.html_theme_options.get("repository_url")
    here, address = Path(app.env.doc2path(page)).parent, app.builder.get_target_uri(page)
    for node in list(document.findall(lambda node: "reftarget" in getattr(node, "attributes", {}))):
        target = node["reftarget"]
        places = (here / target).resolve(), ROOT / f"{target}.md"  # a Markdown file comes as a page's name
        file = next((file for file in places if file.exists() and target not in app.env.found_docs), None)
        if file is None:
            continue
        name = file.relative_to(ROOT).as_posix()
        if name == EXPLORE:
            linked = nodes.reference(refuri=relative_uri(address, EXPLORE))
        elif repository:
            linked = nodes.reference(refuri=f"{repository}/blob/main/{name}")
        elif file.is_dir():
            linked = nodes.reference(refuri=relative_uri(address, "docs/site/api.html"))
        else:
            linked = addnodes.download_reference(reftarget=f"/{name}")
        node.replace_self(linked)
        linked += node.children


def _add_files(app, exception):
    if not exception:
        site = Path(app.outdir)
        shutil.copy(ROOT / EXPLORE, site / EXPLORE)
        shutil.copy(site / "README.html", site / "index.html")
