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


def confusion(matrix, *arguments):
    """The panels of a figure by the first word of their titles, and the caption."""
    figure, caption = figures.confusion(matrix, *arguments, title="MLP")
    figure.draw_without_rendering()
    return {axis.get_title().split(" ")[0].rstrip(","): axis for axis in figure.axes}, caption


def test_confusion_matrices_share_a_scale_and_leave_small_counts_blank(few):
    matrix = 90 * np.eye(10, dtype=int)
    matrix[2, 3], matrix[0, 1] = 17, 4
    panels, caption = confusion(matrix, "fig03", replace(few, name="kmnist"))
    assert sorted(int(text.get_text()) for text in panels["ours"].texts) == [17, *[90] * 10]
    assert [panels[name].collections[0].get_clim() for name in ("ours", "the")] == [(5, 982)] * 2
    assert caption.endswith("Most often confused in ours: 2 taken for 3, 17 images.")


@pytest.mark.parametrize(
    ("name", "data_name", "words"), [("fig03", "digits", "of KMNIST"), ("fig11", "kmnist", "45.19%")]
)
def test_words_stand_in_the_place_of_a_matrix_that_was_not_published(name, data_name, words, few):
    panels, _ = confusion(np.eye(10, dtype=int), name, replace(few, name=data_name))
    (text,) = panels["the"].texts
    assert words in text.get_text()


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
