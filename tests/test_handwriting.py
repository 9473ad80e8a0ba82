import numpy as np
import pytest

from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.clustering.handwriting import RandomHandwriting

STILL = dict.fromkeys(("rotation", "shift", "zoom", "shear", "elastic", "stroke"), 0)


@pytest.fixture
def images(rng):
    return rng.random((5, 28, 28, 1), dtype=np.float32)


def write(images, **options):
    return np.asarray(RandomHandwriting(**options)(images, training=True))


@pytest.mark.parametrize("name", ["rotation", "stroke", "seed", "settings"])
def test_its_settings_are_fixed(name):
    with pytest.raises(AttributeError, match=name):
        setattr(RandomHandwriting(), name, 0)


def test_without_training_or_any_change_the_images_stay_as_they_are(images):
    assert np.array_equal(RandomHandwriting()(images, training=False), images)
    np.testing.assert_allclose(write(images, **STILL), images, atol=1e-6)


def test_each_image_changes_in_its_own_way_and_keeps_its_range(images):
    written = write(np.repeat(images[:1], 4, axis=0), seed=0)
    assert written.shape == (4, 28, 28, 1) and written.dtype == np.float32
    assert written.min() >= 0 and written.max() <= 1 + 1e-6
    assert len(np.unique(written.reshape(4, -1), axis=0)) == 4


def test_the_seed_decides(images):
    assert np.array_equal(write(images, seed=3), write(images, seed=np.int64(3), rotation=np.float32(15)))
    assert not np.array_equal(write(images, seed=3), write(images, seed=4))


def test_what_lies_beyond_the_image_is_0():
    written = write(np.ones((50, 28, 28, 1), np.float32), **{**STILL, "shift": 20}, seed=0)
    assert written.min() == 0 and written.max() == pytest.approx(1)


def test_strokes_become_thicker_and_thinner():
    line = np.zeros((200, 28, 28, 1), np.float32)
    line[:, :, 12:16] = 1
    ink = write(line, **{**STILL, "stroke": 1}, seed=0).mean(axis=(1, 2, 3))
    assert ink.min() < 0.75 * line[0].mean() and ink.max() > 1.3 * line[0].mean()


@pytest.mark.parametrize("floatx", ["float32", "float64"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_another_policy_writes_the_same_in_its_own_dtype(policy, floatx, images):
    expected = write(images, seed=3)
    keras.config.set_floatx(floatx)
    try:
        written = RandomHandwriting(seed=3, dtype=policy)(images, training=True)
    finally:
        keras.config.set_floatx("float32")
    assert written.dtype == keras.DTypePolicy(policy).compute_dtype
    np.testing.assert_allclose(
        tf.cast(written, "float32"), expected, atol=1e-6 if policy == "float64" else 0.02
    )


def test_bytes_become_floats():
    written = write(np.full((2, 28, 28, 1), 255, np.uint8), **STILL)
    assert written.dtype == np.float32 and np.allclose(written, 255)


def test_an_empty_share_stays_empty():
    assert write(np.zeros((0, 28, 28, 1), np.float32)).shape == (0, 28, 28, 1)


@pytest.mark.parametrize("shape", [(28, 28, 3), (20, 28, 1), (784,)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected (shape|ndim)="):
        RandomHandwriting()(keras.Input(shape))


def test_a_saved_layer_comes_back(tmp_path, images):
    model = keras.Sequential([keras.Input((28, 28, 1)), RandomHandwriting(rotation=5, seed=7)])
    model.save(tmp_path / "model.keras")
    layer = keras.models.load_model(tmp_path / "model.keras").layers[0]
    assert layer.settings == model.layers[0].settings and layer.seed == 7
    assert np.array_equal(layer(images, training=True), model(images, training=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *[({name: -1}, f"{name} must be a number from 0 to ") for name in STILL],
        ({"stroke": 1.5}, r"stroke must be a number from 0 to 1; got 1.5"),
        ({"seed": 2**63}, "seed must be a whole number from 0 to 9223372036854775807; got"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        RandomHandwriting(**options)
