import numpy as np
import pytest
from PIL import Image

from kmnist_itl import priors, settings, training
from kmnist_itl.reproduction import motion

PROFILE = settings.Profile("tiny", train_images=100, epochs=2)
NAMES = [str(digit) for digit in range(10)]


def test_the_callback_keeps_the_codes_of_every_epoch(digits):
    images = digits.test.images[:30]
    keep = motion.KeepCodes(images)
    run = training.train_autoencoder(digits, 3, profile=PROFILE, callbacks=[keep])
    assert [codes.shape for codes in keep.codes] == [(30, 3)] * 3
    assert not np.allclose(keep.codes[0], keep.codes[1])
    if run.best_epoch == 2:  # whose weights the run has
        np.testing.assert_allclose(keep.codes[2], training.encode(run, images), rtol=1e-5, atol=1e-5)


def test_an_animation_has_a_frame_for_each_epoch_and_its_last_one_beside(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(motion, "FRAMES", 3)
    roll = priors.SwissRoll()
    sheet = np.reshape(roll.surface(np.repeat([5.0, 9.0, 13.0], 2), [0.0, 21.0] * 3), (3, 2, 3))
    panels = {"short": [rng.normal(size=(20, 3))] * 2, "long": [rng.normal(size=(20, 3)) for _ in range(5)]}
    path = tmp_path / "flow.webp"
    frames = motion.animate(panels, np.arange(20) % 10, NAMES, path, title="Codes", sheet=sheet)
    assert frames == 3  # of epochs 0, 2 and 4
    moving = Image.open(path)
    assert moving.n_frames == 3 and moving.size == Image.open(tmp_path / "flow.png").size


def test_nothing_is_written_of_no_codes_or_too_many(tmp_path, rng, monkeypatch):
    path = tmp_path / "flow.webp"
    with pytest.raises(ValueError, match="'none' has none"):
        motion.animate({"none": []}, [], NAMES, path, title="Codes")
    monkeypatch.setattr(motion, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="at most 100 bytes"):
        motion.animate({"one": [rng.normal(size=(9, 3))] * 2}, np.arange(9), NAMES, path, title="Codes")
    assert list(tmp_path.glob("flow*")) == []
