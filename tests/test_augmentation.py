import numpy as np
import pytest

from kmnist_itl._tensorflow import keras
from kmnist_itl.augmentation import RandomHandwriting

STILL = dict.fromkeys(("rotation", "shift", "zoom", "shear", "elastic", "stroke"), 0)


@pytest.fixture
def images(rng):
    return rng.random((5, 28, 28, 1), dtype=np.float32)


def test_it_does_nothing_outside_of_training(images):
    assert np.array_equal(RandomHandwriting()(images, training=False), images)


def test_without_any_change_the_images_stay_as_they_are(images):
    np.testing.assert_allclose(RandomHandwriting(**STILL)(images, training=True), images, atol=1e-6)


def test_each_image_changes_in_its_own_way_and_keeps_its_range(images):
    same = np.repeat(images[:1], 4, axis=0)
    written = np.asarray(RandomHandwriting(seed=0)(same, training=True))
    assert written.shape == same.shape and written.dtype == np.float32
    assert written.min() >= 0 and written.max() <= 1 + 1e-6
    assert len(np.unique(written.reshape(4, -1), axis=0)) == 4


def test_the_seed_decides(images):
    one, other = (np.asarray(RandomHandwriting(seed=3)(images, training=True)) for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, RandomHandwriting(seed=4)(images, training=True))


def test_what_lies_beyond_the_image_is_0():
    written = RandomHandwriting(**{**STILL, "shift": 20}, seed=0)(
        np.ones((50, 28, 28, 1), np.float32), training=True
    )
    assert np.asarray(written).min() == 0 and np.asarray(written).max() == pytest.approx(1)


def test_strokes_become_thicker_and_thinner():
    line = np.zeros((200, 28, 28, 1), np.float32)
    line[:, :, 12:16] = 1
    ink = np.asarray(RandomHandwriting(**{**STILL, "stroke": 1}, seed=0)(line, training=True)).mean(
        axis=(1, 2, 3)
    )
    assert ink.min() < 0.75 * line[0].mean() and ink.max() > 1.3 * line[0].mean()


def test_it_is_rebuilt_from_its_config():
    layer = RandomHandwriting(rotation=5, seed=7)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.settings == layer.settings and again.seed == 7


@pytest.mark.parametrize("name", STILL)
@pytest.mark.parametrize("bad", [-1, np.inf, np.nan, "1", True])
def test_a_bad_strength_is_refused(name, bad):
    with pytest.raises(ValueError, match=f"{name} must be a number"):
        RandomHandwriting(**{name: bad})


def test_a_stroke_above_1_is_refused():
    with pytest.raises(ValueError, match=r"stroke must be a number, in \[0, 1\]; got 1.5"):
        RandomHandwriting(stroke=1.5)
