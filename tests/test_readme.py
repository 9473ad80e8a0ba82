"""What README.md and the pages around it promise: their examples run, and their links lead somewhere."""

import re

import pytest
import said

from kmnist_itl import data
from kmnist_itl._tensorflow import keras

WITH_EXAMPLES = ("README.md", "docs/layer.md")  # test_labels.py goes through docs/clustering.md
DOCS = sorted(f"docs/{page.name}" for page in (said.PROJECT / "docs").glob("*.md"))
WITH_LINKS = ("README.md", *DOCS, "CONTRIBUTING.md", "notebooks/README.md")


def _examples():
    """(page, heading, code) of each block of Python."""
    for page in WITH_EXAMPLES:
        for section in re.split(r"^#+ ", said.text(page), flags=re.MULTILINE):
            for code in re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
                yield page, section.partition("\n")[0], code


def _regularizes(names):
    history = names["model"].history.history
    falls = all(history[name][-1] < history[name][0] for name in ("csd", "loss"))
    return falls and names["codes"].shape == (None, 3)


def _classifies(names, accuracy, csd, sigma):
    return accuracy > 80 and csd < names["history"]["csd"][0] and 1 < sigma < 10


HALVES = r"CSD ([\d.]+) before, ([\d.]+) after\n", lambda _, before, after: 0 < after < before / 2
COMES_BACK = "True\n", lambda _: True
# What the example below a heading prints, and what its names and these numbers must be.
CHECKS = {
    "The layer in your own Keras model": (".*csd.*", _regularizes),
    "Regularize the codes of an autoencoder towards a prior": HALVES,
    "Make the features of a classifier Gaussian": (
        r"accuracy (\d+)%, CSD ([\d.]+), sigma ([\d.]+)\n",
        _classifies,
    ),
    "Bring two views together": (r"loss ([\d.]+) before, ([\d.]+) after\n", lambda _, a, b: 0 < b < a),
    'Read "csd"': (r".*?CSD of ([\d.]+).*CSD of ([\d.]+).*", lambda _, few, many: 0 < many < few / 3),
    "Warm-up of lambda": HALVES,
    "Save and load": COMES_BACK,
    "Export": COMES_BACK,
    "Mutual information, and weights": (
        r"([\d.]+) of at most ([\d.]+)\n",
        lambda _, information, most: 0 < information < most == 2.3,
    ),
}


@pytest.mark.parametrize(("page", "heading", "code"), list(_examples()))
def test_an_example_does_what_the_text_says(page, heading, code, monkeypatch, capsys):
    load = data.load  # the digits instead: the same with and without KMNIST
    monkeypatch.setattr(data, "load", lambda name, **options: load("digits", **options))
    keras.utils.set_random_seed(0)  # so that the examples before it do not decide its weights
    names = {}
    exec(compile(code, page, "exec"), names)
    form, check = CHECKS[heading]
    numbers = re.fullmatch(form, capsys.readouterr().out, re.DOTALL).groups()
    assert check(names, *map(float, numbers)), numbers


def test_every_check_has_its_example():
    assert sorted(heading for _, heading, _ in _examples()) == sorted(CHECKS)


@pytest.mark.parametrize("page", WITH_LINKS)
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", said.text(page), flags=re.DOTALL)  # without code
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"\w+:", link)]
    assert links
    for link in links:
        path, _, heading = link.partition("#")
        target = (said.PROJECT / page).parent / path if path else said.PROJECT / page
        assert target.exists(), link
        assert not heading or heading in _anchors(target.read_text(encoding="utf-8")), link


def _anchors(text):
    """The anchors that GitHub gives the headings of a Markdown page."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
