import numpy as np
import pytest

from kmnist_itl import models
from kmnist_itl._tensorflow import keras


def test_the_autoencoder_is_the_papers():
    model = models.stacked_autoencoder(30)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    assert [layer.units for layer in encoder.layers + decoder.layers] == [800, 400, 30, 400, 800, 784]
    activations = [layer.activation.__name__ for layer in encoder.layers + decoder.layers]
    assert activations == ["tanh", "tanh", "linear", "relu", "relu", "sigmoid"]
    images = np.random.default_rng(0).random((3, 784), dtype=np.float32)
    codes = encoder.predict(images, verbose=0)
    assert codes.shape == (3, 30)
    np.testing.assert_allclose(decoder.predict(codes, verbose=0), model.predict(images, verbose=0), atol=1e-6)


def test_the_autoencoder_puts_the_regularizer_between_code_and_decoder():
    noop = models.layers.Activation("linear", name="watch")
    assert noop in models.stacked_autoencoder(3, noop).layers


@pytest.mark.parametrize("bad", [0, -3, 2.5, "30", None])
def test_a_bad_latent_dim_is_refused(bad):
    if bad == "30":
        assert models.stacked_autoencoder(bad).get_layer("encoder").output_shape == (None, 30)
        return
    with pytest.raises(ValueError, match="latent_dim"):
        models.stacked_autoencoder(bad)


def test_a_regularizer_that_is_no_layer_is_refused():
    with pytest.raises(TypeError, match="regularizer"):
        models.stacked_autoencoder(3, "csd")


def test_the_classifier_is_the_papers():
    plain = models.mlp_classifier(30)
    sizes = [(30, 1000), (1000, 500), (500, 500), (500, 10)]
    assert plain.count_params() == sum(n * m + m for n, m in sizes)
    full = models.mlp_classifier(30, batch_norm=True, dropout=0.25)
    kinds = [type(layer).__name__ for layer in full.layers]
    assert kinds == ["Dense", "BatchNormalization", "ReLU", "Dropout"] * 3 + ["Dense"]
    assert {layer.rate for layer in full.layers if hasattr(layer, "rate")} == {0.25}
    probabilities = full.predict(np.zeros((2, 30), np.float32), verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("bad", [-0.1, 1.0, "a quarter"])
def test_a_bad_dropout_is_refused(bad):
    with pytest.raises(ValueError, match="dropout"):
        models.mlp_classifier(30, dropout=bad)


def test_the_cnn_is_the_papers():
    model = models.cnn_classifier()
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"]
    assert kinds == ["Reshape", *block * 3, "Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.filters for layer in model.layers if hasattr(layer, "filters")] == [32, 32, 64]
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [128, 64, 10]
    assert model.input_shape == (None, 784) and model.output_shape == (None, 10)
    # Without a padded edge or with another stride the last feature map would not be 3 x 3.
    assert model.get_layer(index=12).output.shape[1:] == (3, 3, 64)


def test_the_cnn_is_the_same_whatever_keras_json_says_of_channels():
    keras.config.set_image_data_format("channels_first")
    try:
        model = models.cnn_classifier()
    finally:
        keras.config.set_image_data_format("channels_last")
    assert model.get_layer(index=12).output.shape[1:] == (3, 3, 64)
    assert model.count_params() == models.cnn_classifier().count_params()
