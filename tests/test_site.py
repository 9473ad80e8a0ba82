"""The site's table of contents. `make site` builds the site, and fails at a link that leads nowhere."""

import fnmatch

import yaml

from kmnist_itl import settings

PROJECT = settings.project_dir()
CONTENTS = yaml.safe_load((PROJECT / "docs" / "site" / "_toc.yml").read_text(encoding="utf-8"))
ENTRIES = [entry for part in CONTENTS["subtrees"] for entry in part["entries"]]


def _pages():
    """README, notebooks and docs, without their endings as Sphinx names them."""
    paths = [
        PROJECT / "CONTRIBUTING.md",
        *(PROJECT / "notebooks").glob("*.*"),
        *(PROJECT / "docs").rglob("*.*"),
    ]
    pages = [path for path in paths if path.suffix in (".md", ".rst", ".ipynb")]
    return sorted(path.relative_to(PROJECT).with_suffix("").as_posix() for path in pages)


def test_every_page_stands_in_the_table_of_contents():
    named = [entry["file"] if "file" in entry else entry["glob"] for entry in ENTRIES]
    assert [page for page in _pages() if not any(fnmatch.fnmatch(page, name) for name in named)] == []
    assert [name for name in named if not fnmatch.filter(_pages(), name)] == []


def test_the_api_documents_every_module_of_the_helper_module():
    documented = (PROJECT / "docs" / "site" / "api.rst").read_text(encoding="utf-8")
    folder = PROJECT / "kmnist_itl"
    modules = [
        path.stem for path in folder.glob("[a-z]*.py") if path.stem != "files"
    ]  # reads and writes files
    packages = [
        path.parent.name for path in folder.glob("[a-z]*/__init__.py") if path.parent.name != "reproduction"
    ]
    missing = [
        name for name in modules + packages if f".. automodule:: kmnist_itl.{name}\n" not in documented
    ]
    assert missing == []
