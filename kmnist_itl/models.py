"""The paper's networks as Keras models: the stacked autoencoder, the MLP and the CNN classifier."""

import random

from kmnist_itl import settings
from kmnist_itl._tensorflow import keras

INPUT_DIM = 784
IMAGE_SHAPE = (28, 28, 1)
CNN_MOMENTUM = 0.9
CLASSES = 10
layers = keras.layers


class _Layers:
    """Layers whose weights and dropped units follow a seed; without one Keras draws a seed for each.

    Not through Keras' own seed, which is Python's `random`: where other threads draw from that, too, as in a
    Dask worker, the same seed gives other weights. The seeds are those that Keras would draw undisturbed.
    """

    def __init__(self, seed):
        self._random = None if seed is None else random.Random(seed)

    def _seed(self):
        return None if self._random is None else self._random.randint(1, 10**9)

    def _initializer(self):
        return keras.initializers.GlorotUniform(self._seed())

    def dense(self, units, activation=None, **how):
        return layers.Dense(units, activation, kernel_initializer=self._initializer(), **how)

    def convolution(self, filters, size, **how):
        return layers.Conv2D(filters, size, kernel_initializer=self._initializer(), **how)

    def dropout(self, rate):
        return layers.Dropout(rate, seed=self._seed())


def stacked_autoencoder(latent_dim, regularizer=None, *, seed=None):
    """The stacked autoencoder of the paper's section II.B, 784-800-400-k-400-800-784.

    The encoder's hidden layers are tanh, the code is linear, the decoder's hidden layers ReLU and its
    output sigmoid. Sub-models: ``get_layer("encoder")`` and ``get_layer("decoder")``.

    Args:
        latent_dim: int >= 1, the units of the bottleneck, k.
        regularizer: None, or a Keras layer that is handed the codes [n, k], hands them on and may add a loss.
        seed: None, or an int that decides the weights.

    Returns:
        Uncompiled keras.Model, float32 [n, 784] -> [n, 784].

    Raises:
        ValueError: latent_dim is no whole number of at least 1.
        TypeError: regularizer is not a Keras layer.
    """
    latent_dim = settings.check_count("latent_dim", latent_dim)
    if regularizer is not None and not isinstance(regularizer, keras.layers.Layer):
        raise TypeError(f"regularizer must be None or a Keras layer; got {regularizer!r}.")
    seeded = _Layers(seed)
    encoder = keras.Sequential(
        [
            layers.Input((INPUT_DIM,)),
            seeded.dense(800, "tanh"),
            seeded.dense(400, "tanh"),
            seeded.dense(latent_dim, name="codes"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            layers.Input((latent_dim,)),
            seeded.dense(400, "relu"),
            seeded.dense(800, "relu"),
            seeded.dense(INPUT_DIM, "sigmoid", name="pixels"),
        ],
        name="decoder",
    )
    images = keras.Input((INPUT_DIM,), name="images")
    codes = encoder(images)
    if regularizer is not None:
        codes = regularizer(codes)
    return keras.Model(images, decoder(codes), name="stacked_autoencoder")


def check_dropout(dropout):
    """Return `dropout` as a float; raise a ValueError unless it lies in [0, 1)."""
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1); got {dropout!r}.")
    return float(dropout)


def mlp_classifier(input_dim, *, batch_norm=False, dropout=0.0, seed=None):
    """The classifier of the paper's section II.C: 1000-500-500 ReLU units, softmax over 10 classes.

    Args:
        input_dim: int >= 1, the length of an input: k for codes, 784 for images.
        batch_norm: whether each hidden layer is batch-normalized before its ReLU (section III.A.b).
        dropout: share of each hidden layer's outputs that is dropped in training, in [0, 1).
        seed: None, or an int that decides the weights and what is dropped.

    Returns:
        Uncompiled keras.Model, float32 [n, input_dim] -> [n, 10] class probabilities.

    Raises:
        ValueError: input_dim < 1, or dropout outside [0, 1).
    """
    input_dim = settings.check_count("input_dim", input_dim)
    dropout = check_dropout(dropout)
    seeded = _Layers(seed)
    model = keras.Sequential([layers.Input((input_dim,))], name="mlp_classifier")
    for units in (1000, 500, 500):
        model.add(seeded.dense(units, use_bias=not batch_norm))
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        if dropout:
            model.add(seeded.dropout(dropout))
    model.add(seeded.dense(CLASSES, "softmax"))
    return model


def cnn_classifier(*, seed=None):
    """The CNN that the paper's section III.A.c compares with, from the same authors' earlier report.

    Three 3x3 convolutions (stride 1, same padding; 32, 32 and 64 filters), each with batch normalization,
    ReLU and 2x2 max pooling, then 128 and 64 ReLU units with 25% dropout after each, and softmax over 10.
    The report does not give the momentum of the normalization's averages; with Keras' 0.99 they lag behind by
    hundreds of steps, and early stopping ends small trainings before they have caught up.

    Args:
        seed: None, or an int that decides the weights and what is dropped.

    Returns:
        Uncompiled keras.Model, float32 [n, 784] -> [n, 10] class probabilities.
    """
    seeded = _Layers(seed)
    model = keras.Sequential([layers.Input((INPUT_DIM,)), layers.Reshape(IMAGE_SHAPE)], name="cnn_classifier")
    for filters in (32, 32, 64):
        model.add(
            seeded.convolution(filters, 3, padding="same", use_bias=False)
        )  # normalization adds the bias
        model.add(layers.BatchNormalization(momentum=CNN_MOMENTUM))
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    for units in (128, 64):
        model.add(seeded.dense(units, "relu"))
        model.add(seeded.dropout(0.25))
    model.add(seeded.dense(CLASSES, "softmax"))
    return model
