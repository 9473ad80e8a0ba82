"""Sphinx's configuration of the site that `make site` builds: README, notebooks, guides and the API."""

import sys
import tomllib
from pathlib import Path

_folder = Path(__file__).resolve().parent
sys.path.insert(0, str(_folder))  # for extension.py
_project = tomllib.loads((_folder.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# None until `make colab REPO=owner/name` has written it: no launch buttons, and sources are downloads.
_repository = _project.get("urls", {}).get("Repository")

project, release = _project["name"], _project["version"]
author = copyright = "the authors of kmnist-itl"
extensions = [
    "myst_nb",
    "sphinx_external_toc",
    "sphinxcontrib.mermaid",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "extension",
]
external_toc_path = str(_folder / "_toc.yml")
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
html_copy_source = False
html_static_path, html_css_files = ["site.css"], ["site.css"]
html_theme_options = {"navbar_persistent": []}  # the sidebar has a search field
if _repository:
    html_theme_options |= {
        "repository_url": _repository,
        "repository_branch": "main",
        "use_repository_button": True,
        "launch_buttons": {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
        },
    }
