"""What README.md and the pages around it promise: their examples run, and their links lead somewhere."""

import re

import pytest

from kmnist_itl import data, settings
from kmnist_itl._tensorflow import keras

PROJECT = settings.project_dir()
WITH_EXAMPLES = ("README.md", *sorted(f"docs/{page.name}" for page in (PROJECT / "docs").glob("*.md")))
WITH_LINKS = (*WITH_EXAMPLES, "CONTRIBUTING.md", "notebooks/README.md")


def _read(page):
    return (PROJECT / page).read_text(encoding="utf-8")


def _examples():
    """(page, heading, code) of each block of Python."""
    for page in WITH_EXAMPLES:
        for section in re.split(r"^#+ ", _read(page), flags=re.MULTILINE):
            for code in re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
                yield page, section.partition("\n")[0], code


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


def _the_csd_falls(names, printed):
    before, after = map(float, re.fullmatch(r"CSD ([\d.]+) before, ([\d.]+) after\n", printed).groups())
    assert after < before / 2


def _classifies_with_gaussian_features(names, printed):
    accuracy, csd, sigma = re.fullmatch(r"accuracy (\d+)%, CSD ([\d.]+), sigma ([\d.]+)\n", printed).groups()
    assert int(accuracy) > 80 and float(csd) < names["history"]["csd"][0] and 1 < float(sigma) < 10


def _the_loss_falls(names, printed):
    before, after = map(float, re.fullmatch(r"loss ([\d.]+) before, ([\d.]+) after\n", printed).groups())
    assert after < before


def _chance_falls_with_the_number_of_points(names, printed):
    few, many = (float(value) for value in re.findall(r"CSD of ([\d.]+)", printed))
    assert 0 < many < few / 3


def _comes_back(names, printed):
    assert printed == "True\n"


def _is_below_its_bound(names, printed):
    found, most = map(float, re.fullmatch(r"([\d.]+) of at most ([\d.]+)\n", printed).groups())
    assert 0 < found < most == 2.3


def _finds_the_digits(names, printed):
    labels, forms, right = re.fullmatch(
        r"\[([\d ]+)\] (\d+) forms\n\[[\d ]+\]\n(\d+)% are right\n", printed
    ).groups()
    assert len(labels.split()) == 10 and int(forms) >= 10 and int(right) > 80


# What the example below a heading does.
CHECKS = {
    "In Python": _classifies_codes,
    "The layer in your own Keras model": _pulls_codes_to_the_prior,
    "Pull the codes of an autoencoder towards a prior": _the_csd_falls,
    "Make the features of a classifier Gaussian": _classifies_with_gaussian_features,
    "Bring two views together": _the_loss_falls,
    'Read "csd"': _chance_falls_with_the_number_of_points,
    "Save and load": _comes_back,
    "Mutual information, and weights": _is_below_its_bound,
    "Clusters of your own images": _finds_the_digits,
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
