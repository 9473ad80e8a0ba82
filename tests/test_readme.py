"""What README.md and the pages around it promise: their examples run, and their links lead somewhere."""

import re

import pytest

from kmnist_itl import data, settings

PROJECT = settings.project_dir()
WITH_EXAMPLES = ("README.md", *sorted(f"docs/{page.name}" for page in (PROJECT / "docs").glob("*.md")))
WITH_LINKS = (*WITH_EXAMPLES, "CONTRIBUTING.md", "notebooks/README.md")


def _read(page):
    return (PROJECT / page).read_text(encoding="utf-8")


def _examples():
    for page in WITH_EXAMPLES:
        for code in re.findall(r"^```python\n(.*?)^```", _read(page), re.DOTALL | re.MULTILINE):
            yield page, code


def _classifies_codes(names, printed):
    dataset, codes = names["dataset"], names["codes"]
    assert codes.shape == (len(dataset.test), 30)
    assert len(names["autoencoder"].history["loss"]) == names["autoencoder"].epochs <= 20
    percent, images, name = re.fullmatch(
        r"([\d.]+)% of ([\d,]+) test images recognized \((\w+)\)\n", printed
    ).groups()
    assert float(percent) > 50  # chance is 10
    assert (int(images.replace(",", "")), name) == (len(dataset.test), dataset.name)


def _pulls_codes_to_the_prior(names, printed):
    assert names["codes"].shape == (None, 3)
    history = names["model"].history.history
    assert history["csd"][-1] < history["csd"][0] and history["loss"][-1] < history["loss"][0]
    assert "csd" in printed


# What an example does, by a piece of its code.
CHECKS = {
    "training.train_classifier(": _classifies_codes,
    "divergence.CauchySchwarzRegularizer(": _pulls_codes_to_the_prior,
}


@pytest.mark.parametrize(("page", "code"), list(_examples()))
def test_an_example_does_what_the_text_says(page, code, monkeypatch, capsys):
    (check,) = [check for piece, check in CHECKS.items() if piece in code]  # a new example needs a check
    load = data.load
    monkeypatch.setattr(
        data, "load", lambda name, **how: load("digits", **how)
    )  # the same with and without KMNIST
    names = {}
    exec(compile(code, page, "exec"), names)
    check(names, capsys.readouterr().out)


def test_every_check_has_its_example():
    codes = [code for _, code in _examples()]
    assert [sum(piece in code for code in codes) for piece in CHECKS] == [1] * len(CHECKS)


@pytest.mark.parametrize("page", WITH_LINKS)
def test_relative_links_lead_somewhere(page):
    links = [link for link in _links(_read(page)) if not re.match(r"\w+:", link)]
    assert links
    assert [link for link in links if not _leads_somewhere(PROJECT / page, link)] == []


def _leads_somewhere(page, link):
    path, _, heading = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not heading or heading in _anchors(target.read_text(encoding="utf-8")))


def _links(text):
    """The targets of a Markdown page's links and pictures, without those in its code."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL))


def _anchors(text):
    """The anchors that GitHub gives the headings of a Markdown page."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.M
    )
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
