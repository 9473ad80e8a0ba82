"""Figures beside the paper's values, and codes in motion."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kmnist_itl import data, settings, training
from kmnist_itl.reproduction import figures, paper

MATRIX = [[5, 1, 3], [0, 9, 2], [4, 0, 7]]


def test_the_most_confused_pairs_come_first():
    assert figures.confused_pairs(MATRIX, top=3) == [(2, 0), (0, 2), (1, 2)]
    assert figures.confused_pairs(paper.CONFUSION["fig03"], top=1) == [(2, 3)]


@pytest.mark.parametrize(("name", "papers"), [("digits", []), ("kmnist", ["the paper's, 93.25%"])])
def test_a_confusion_matrix_stands_beside_the_papers_if_that_is_of_the_same_data(digits, name, papers):
    matrix = 83 * np.eye(10, dtype=int)
    matrix[2, 3] = 170
    figure, caption = figures.confusion(matrix, "fig03", replace(digits, name=name), title="MLP")
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == [*papers, "ours, 83.00%"]
    assert caption.endswith("Most often confused in ours: 2 taken for 3, 170 images.")


def test_the_callback_keeps_the_codes_of_every_epoch(few):
    keep = figures.KeepCodes(few.test.images[:30])
    tiny = settings.Profile("tiny", train_images=None, epochs=2)
    training.train_autoencoder(few, 3, profile=tiny, callbacks=[keep])
    assert [codes.shape for codes in keep.codes] == [(30, 3)] * 3
    assert not np.allclose(keep.codes[0], keep.codes[1])


def test_an_animation_has_a_frame_for_each_epoch_and_its_last_one_beside(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(figures, "FRAMES", 3)
    monkeypatch.setattr(figures, "LAST_FRAMES", 1)
    panels = {"short": [rng.normal(size=(20, 3))] * 2, "long": [rng.normal(size=(20, 3)) for _ in range(5)]}
    options = {"title": "Codes", "sheet": np.zeros((2, 2, 3))}
    figures.animate(panels, np.arange(20) % 10, list("abcdefghij"), tmp_path / "flow.webp", **options)
    moving, last = Image.open(tmp_path / "flow.webp"), Image.open(tmp_path / "flow.png")
    assert moving.n_frames == 3 and last.width > moving.width > 100  # epochs 0, 2 and 4


def test_the_class_names_are_in_the_font():
    from matplotlib.ft2font import FT2Font
    from matplotlib_fontja import get_font_ttf_path

    font = FT2Font(get_font_ttf_path())
    assert all(font.get_char_index(ord(glyph)) for glyph in data.HIRAGANA)
