"""What README.md and the pages around it promise: their examples run, and their links lead somewhere."""

import re

import pytest
import said
import said_01_06
import said_07_12

from kmnist_itl import data, settings
from kmnist_itl._tensorflow import keras
from kmnist_itl.reproduction import paper, rules

PROJECT = settings.project_dir()
WITH_EXAMPLES = ("README.md", "docs/layer.md")  # test_labels.py goes through docs/clustering.md
DOCS = sorted(f"docs/{page.name}" for page in (PROJECT / "docs").glob("*.md"))
WITH_LINKS = ("README.md", *DOCS, "CONTRIBUTING.md", "notebooks/README.md")


def _read(page):
    return (PROJECT / page).read_text(encoding="utf-8")


def _examples():
    """(page, heading, code) of each block of Python."""
    for page in WITH_EXAMPLES:
        for section in re.split(r"^#+ ", _read(page), flags=re.MULTILINE):
            for code in re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
                yield page, section.partition("\n")[0], code


def _pulls_codes_to_the_prior(names, printed):
    history = names["model"].history.history
    assert names["codes"].shape == (None, 3) and "csd" in printed
    assert history["csd"][-1] < history["csd"][0] and history["loss"][-1] < history["loss"][0]


def _falls(form, factor=1):
    def check(names, printed):
        before, after = map(float, re.fullmatch(form, printed).groups())
        assert 0 < after < before * factor

    return check


def _classifies_with_gaussian_features(names, printed):
    accuracy, csd, sigma = re.fullmatch(r"accuracy (\d+)%, CSD ([\d.]+), sigma ([\d.]+)\n", printed).groups()
    assert int(accuracy) > 80 and float(csd) < names["history"]["csd"][0] and 1 < float(sigma) < 10


def _chance_falls_with_the_number_of_points(names, printed):
    few, many = (float(value) for value in re.findall(r"CSD of ([\d.]+)", printed))
    assert 0 < many < few / 3


def _comes_back(names, printed):
    assert printed == "True\n"


def _is_below_its_bound(names, printed):
    found, most = map(float, re.fullmatch(r"([\d.]+) of at most ([\d.]+)\n", printed).groups())
    assert 0 < found < most == 2.3


_the_csd_falls = _falls(r"CSD ([\d.]+) before, ([\d.]+) after\n", 0.5)
# What the example below a heading does.
CHECKS = {
    "The layer in your own Keras model": _pulls_codes_to_the_prior,
    "Regularize the codes of an autoencoder towards a prior": _the_csd_falls,
    "Make the features of a classifier Gaussian": _classifies_with_gaussian_features,
    "Bring two views together": _falls(r"loss ([\d.]+) before, ([\d.]+) after\n"),
    'Read "csd"': _chance_falls_with_the_number_of_points,
    "Warm-up of lambda": _the_csd_falls,
    "Save and load": _comes_back,
    "Export": _comes_back,
    "Mutual information, and weights": _is_below_its_bound,
}


@pytest.mark.parametrize(("page", "heading", "code"), list(_examples()))
def test_an_example_does_what_the_text_says(page, heading, code, monkeypatch, capsys):
    load = data.load
    monkeypatch.setattr(
        data, "load", lambda name, **how: load("digits", **how)
    )  # the same with and without KMNIST
    keras.utils.set_random_seed(0)  # so that the examples before it do not decide its weights
    names = {}
    exec(compile(code, page, "exec"), names)
    CHECKS[heading](names, capsys.readouterr().out)


def test_every_check_has_its_example():
    assert sorted(heading for _, heading, _ in _examples()) == sorted(CHECKS)


def test_the_findings_are_those_of_the_tables():
    text, tables = _read("README.md"), said.tables()
    prior = said.values("table2_priors", "prior")
    effect = said.effects("table2_priors", "prior", "none")["gaussian"]
    reported = 100 * (paper.TABLE_2["gaussian"] - paper.TABLE_2["none"])
    assert f"with {len(prior['gaussian'])} seeds on one validation split, the Gaussian prior's" in text
    assert f"{reported:+.1f} points of k-means accuracy become " in text
    assert "become {:+.1f} (95% interval {:+.1f} to {:+.1f}).".format(*said.points(effect)) in text
    splits = said.gain_over_splits("gaussian, σ = 100, λ = 0.1")
    five = "On five splits, with one seed each, they become {:+.1f} ({:+.1f} to {:+.1f}):"
    assert five.format(*said.points(splits)) in text
    assert splits.runs == 5 and said.side(splits) == "open" and splits.high > rules.CLUSTERS_MARGIN
    accuracies = [said.means(*said_01_06.MODELS)[name] for name in (said_01_06.CODES, said_01_06.PIXELS)]
    assert "({:.1%} of the test images, not {:.1%})".format(*accuracies) in text
    assert f"dropout help ({said.means(*said_01_06.MODELS)[said_01_06.CODES_BOTH]:.1%})" in text
    assert f"better still ({said.means('fig04_cnn', 'model')['CNN']:.1%})" in text
    cnn = said.values("fig04_cnn", "model")["CNN"].mean()
    few, new = (said_07_12.by_labels("forms", name).iloc[0] for name in ("all_images", "new_images"))
    assert f"With {few.labels:.0f} labels {few.accuracy:.0%} of the test images" in text
    assert abs(few.accuracy - cnn) < 0.005
    assert f"{new.accuracy:.0%} are right with {new.labels:.0f} labels" in text
    merged = tables["joined_forms"]
    assert f"it is {merged.accuracy.mean():.0%}, and {merged.all_accuracy.mean():.0%} of all images" in text
    assert "(five networks;" in text and len(merged) == 5


def test_what_to_expect_of_labels_is_that_of_the_table():
    text = _read("docs/clustering.md")
    for protocol in ("all_images", "new_images"):
        for row in said_07_12.by_labels("forms", protocol).iloc[[0, 2]].itertuples():
            assert f"| {row.labels:.0f} | {row.accuracy:.1%} | " in text
            assert protocol == "new_images" or f"| {row.accuracy:.1%} | {row.all_accuracy:.1%} |" in text


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
