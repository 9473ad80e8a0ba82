"""The site's table of contents. `make site` builds the site, and fails at a link that leads nowhere."""

import fnmatch

import yaml

from kmnist_itl import settings

PROJECT = settings.project_dir()


def test_every_page_stands_in_the_table_of_contents():
    contents = yaml.safe_load((PROJECT / "docs" / "site" / "_toc.yml").read_text(encoding="utf-8"))
    entries = [entry for part in contents["subtrees"] for entry in part["entries"]]
    named = [entry["file"] if "file" in entry else entry["glob"] for entry in entries]
    paths = [path for part in ("CONTRIBUTING.md", "notebooks/*", "docs/**/*") for path in PROJECT.glob(part)]
    pages = [path.relative_to(PROJECT) for path in paths if path.suffix in (".md", ".rst", ".ipynb")]
    pages = [page.with_suffix("").as_posix() for page in pages]  # as Sphinx names them
    assert [page for page in pages if not any(fnmatch.fnmatch(page, name) for name in named)] == []
    assert [name for name in named if not fnmatch.filter(pages, name)] == []


def test_the_api_documents_every_module_of_the_helper_module():
    documented = (PROJECT / "docs" / "site" / "api.rst").read_text(encoding="utf-8")
    modules = {path.stem for path in (PROJECT / "kmnist_itl").glob("[a-z]*")} - {"files", "reproduction"}
    assert {name for name in modules if f".. automodule:: kmnist_itl.{name}\n" not in documented} == set()
