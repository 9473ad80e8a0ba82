"""Sphinx's configuration of the site that `make site` builds: README, notebooks, guides and the API."""

import re
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.util.osutil import relative_uri

ROOT = Path(__file__).resolve().parents[2]
_project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# None until `make colab REPO=owner/name` has written it: no launch buttons, and sources are downloads.
REPOSITORY = _project.get("urls", {}).get("Repository")
EXPLORE = "explore.html"

project, release = _project["name"], _project["version"]
author = copyright = "the authors of kmnist-itl"
extensions = [
    "myst_nb",
    "sphinx_external_toc",
    "sphinxcontrib.mermaid",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
external_toc_path = str(Path(__file__).with_name("_toc.yml"))
include_patterns = ["*.md", "notebooks/*", "docs/*", "docs/site/*"]

nb_execution_mode = "off"  # the notebooks are shown as committed
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4
add_module_names = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
default_role = "code"
autodoc_inherit_docstrings = False  # Keras' are in Markdown
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]  # types of NumPy and Keras, whose pages a build does not fetch

html_theme = "sphinx_book_theme"
html_title = "kmnist-itl"
html_extra_path = [f"../{EXPLORE}"]
html_copy_source = False
html_static_path, html_css_files = ["site.css"], ["site.css"]
html_theme_options = {"navbar_persistent": []}  # the sidebar has a search field
if REPOSITORY:
    html_theme_options |= {
        "repository_url": REPOSITORY,
        "use_repository_button": True,
        "launch_buttons": {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
        },
    }


def setup(app):
    app.connect("autodoc-process-docstring", _as_restructured_text, priority=100)  # before napoleon
    app.connect("doctree-read", _link_files, priority=100)  # before Sphinx collects the downloads
    app.connect("build-finished", _begin_with_readme)


def _as_restructured_text(app, what, name, object_, options, lines):
    if what in ("property", "attribute"):
        lines[:0] = ["..", ""]  # an empty comment; else napoleon takes what stands before a colon for a type
    # |x| is a norm, and in code it is an or.
    code_or_bar = re.compile(r">>>.*|`[^`]*`|\|")
    lines[:] = [code_or_bar.sub(lambda match: r"\|" if match[0] == "|" else match[0], line) for line in lines]


def _link_files(app, document):
    """Link what is no page: the page to touch on the site, files in the repository if it is known."""
    page = app.env.docname
    here, address = Path(app.env.doc2path(page)).parent, app.builder.get_target_uri(page)
    for node in list(document.findall(lambda node: "reftarget" in getattr(node, "attributes", {}))):
        target = node["reftarget"]
        places = (here / target).resolve(), ROOT / f"{target}.md"  # a Markdown file comes as a page's name
        file = next((file for file in places if file.exists() and target not in app.env.found_docs), None)
        if file is None:
            continue
        if file.name == EXPLORE:
            linked = nodes.reference(refuri=relative_uri(address, EXPLORE))
        elif REPOSITORY:
            linked = nodes.reference(refuri=f"{REPOSITORY}/blob/main/{file.relative_to(ROOT).as_posix()}")
        elif file.is_dir():
            linked = nodes.reference(
                refuri=relative_uri(address, app.builder.get_target_uri("docs/site/api"))
            )
        else:
            linked = addnodes.download_reference(reftarget=f"/{file.relative_to(ROOT).as_posix()}")
        node.replace_self(linked)
        linked += node.children


def _begin_with_readme(app, exception):
    if not exception:
        (Path(app.outdir) / "index.html").write_bytes((Path(app.outdir) / "README.html").read_bytes())
