import numpy as np
import pytest

from kmnist_itl import models
from kmnist_itl._tensorflow import keras


def test_the_autoencoder_is_the_papers():
    model = models.stacked_autoencoder(np.int64(30))
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    assert [layer.units for layer in encoder.layers + decoder.layers] == [800, 400, 30, 400, 800, 784]
    activations = [layer.activation.__name__ for layer in encoder.layers + decoder.layers]
    assert activations == ["tanh", "tanh", "linear", "relu", "relu", "sigmoid"]
    images = np.random.default_rng(0).random((3, 784), dtype=np.float32)
    codes = encoder(images)
    assert codes.shape == (3, 30)
    np.testing.assert_allclose(decoder(codes), model(images), atol=1e-6)
    watch = models.layers.Activation("linear")
    assert watch in models.stacked_autoencoder(3, watch).layers


def test_the_classifier_is_the_papers():
    plain = models.mlp_classifier(30)
    sizes = [(30, 1000), (1000, 500), (500, 500), (500, 10)]
    assert plain.count_params() == sum(n * m + m for n, m in sizes)
    full = models.mlp_classifier(30, batch_norm=True, dropout=np.float32(0.25))
    kinds = [type(layer).__name__ for layer in full.layers]
    assert kinds == ["Dense", "BatchNormalization", "ReLU", "Dropout"] * 3 + ["Dense"]
    assert {layer.rate for layer in full.layers if hasattr(layer, "rate")} == {0.25}
    np.testing.assert_allclose(np.sum(full(np.zeros((2, 30), np.float32)), axis=1), 1, rtol=1e-5)


def test_the_cnn_is_the_papers_whatever_keras_json_says(request):
    request.addfinalizer(lambda: keras.config.set_image_data_format("channels_last"))
    keras.config.set_image_data_format("channels_first")
    model = models.cnn_classifier()
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"]
    assert kinds == ["Reshape", *block * 3, "Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.filters for layer in model.layers if hasattr(layer, "filters")] == [32, 32, 64]
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [128, 64, 10]
    assert model.input_shape == (None, 784) and model.output_shape == (None, 10)
    # Without a padded edge or with another stride the last feature map would not be 3 x 3.
    assert model.get_layer(index=12).output.shape[1:] == (3, 3, 64)


IMAGES = np.full((2, 784), 0.5, np.float32)


def pixel(value, dtype=np.float32):
    changed = IMAGES.astype(dtype)
    changed[1, 3] = value
    return changed


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (IMAGES.astype(np.uint8), TypeError, "got dtype uint8. Divide bytes by 255"),
        (IMAGES > 0, TypeError, "got dtype bool. Convert and scale them"),
        (IMAGES.astype(np.uint16), TypeError, "got dtype uint16. Convert and scale them"),
        (pixel(65535), ValueError, "got 0.5 to 65535. Scale them"),
        ([[0.5], [0.5, 1.0]], ValueError, "images cannot be made an array"),
        (np.ones((2, 28, 28, 3)), ValueError, r"got shape \(2, 28, 28, 3\). Average the channels of RGB"),
        (IMAGES[:1], ValueError, "with n >= 2"),
        (pixel(np.nan), ValueError, "finite"),
        (pixel(1.00001), ValueError, "got 0.5 to 1.00001. Scale them"),
        (pixel(255), ValueError, "got 0.5 to 255. Divide bytes by 255"),
        (pixel(-1), ValueError, "got -1 to 0.5. Scale them"),
    ],
)
def test_bad_images_are_told_what_they_are(bad, error, message):
    with pytest.raises(error, match=message):
        models.check_images(bad, at_least=2)


@pytest.mark.parametrize(("value", "clipped"), [(1.0000002, 1), (-1e-7, 0), (0.25, 0.25)])
def test_rounding_errors_of_pixels_are_clipped(value, clipped):
    checked = models.check_images(pixel(value, np.float64))
    assert checked.dtype == np.float32 and checked[1, 3] == clipped and checked[0, 0] == 0.5
