"""The paper's networks as Keras models: the stacked autoencoder, the MLP and the CNN classifier.

They are not compiled. `keras.utils.set_random_seed` before building one decides its weights.
"""

import numpy as np

from kmnist_itl import settings
from kmnist_itl._tensorflow import keras

INPUT_DIM = 784
IMAGE_SHAPE = (28, 28, 1)
CHANNELS_LAST = "channels_last"  # as in IMAGE_SHAPE, whatever keras.json says
CNN_MOMENTUM = 0.9
CLASSES = 10
ROUNDING = 1e-6  # by so much a pixel may lie outside of [0, 1]
layers = keras.layers


def check_images(images, at_least=1):
    """Return images as float32 [n, 784] from 0 (black) to 1 (white); rounding errors are clipped.

    Raises a TypeError unless they are floats, and a ValueError for another shape, for fewer than `at_least`
    images, and for a pixel that is NaN, infinite or more than 1e-6 outside of [0, 1].
    """
    images = settings.check_array("images", images)
    if images.dtype.kind != "f":
        advice = "Divide bytes by 255." if images.dtype == np.uint8 else "Convert and scale them."
        raise TypeError(f"images must be floats from 0 to 1; got dtype {images.dtype}. {advice}")
    if images.ndim != 2 or images.shape[1] != INPUT_DIM or len(images) < at_least:
        raise ValueError(
            f"images must be [n, {INPUT_DIM}] with n >= {at_least}; got shape {images.shape}. "
            f"Average the channels of RGB to grey, and reshape 28 x 28 pixels to rows of {INPUT_DIM}."
        )
    if not np.isfinite(images).all():
        raise ValueError("images must be finite; some pixels are NaN or infinite.")
    low, high = images.min(), images.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        advice = "Divide bytes by 255." if low >= 0 and 128 <= high <= 255 else "Scale them."
        raise ValueError(f"images must be from 0 (black) to 1 (white); got {low:.7g} to {high:.7g}. {advice}")
    images = images.astype(np.float32, copy=False)
    return images if low >= 0 and high <= 1 else np.clip(images, 0, 1)


def check_labels(labels):
    """Return labels, whole numbers [n] from 0 to 9, as an array; TypeError or ValueError for others."""
    labels = settings.check_array("labels", labels)
    if labels.dtype.kind not in "iuf" or labels.size != len(labels):
        given = f"dtype {labels.dtype}, shape {labels.shape}"
        advice = "Take the argmax of one-hot rows, and int() of strings."
        raise TypeError(f"labels must be whole numbers [n]; got {given}. {advice}")
    if wrong := labels[~np.isin(labels, range(CLASSES))].tolist():
        raise ValueError(f"labels must be whole numbers from 0 to {CLASSES - 1}; got {wrong[0]}.")
    return labels


def stacked_autoencoder(latent_dim, regularizer=None):
    """The stacked autoencoder of the paper's section II.B, 784-800-400-k-400-800-784.

    ``get_layer("encoder")`` has tanh layers and linear codes, ``get_layer("decoder")`` ReLU and sigmoid.

    Args:
        latent_dim: int >= 1, the units of the bottleneck, k; else a ValueError.
        regularizer: None, or a Keras layer that is handed the codes [n, k], hands them on and may add a loss.

    Returns an uncompiled keras.Model, float32 [n, 784] -> [n, 784].
    """
    latent_dim = settings.check_count("latent_dim", latent_dim)
    encoder = keras.Sequential(
        [
            layers.Input((INPUT_DIM,)),
            layers.Dense(800, "tanh"),
            layers.Dense(400, "tanh"),
            layers.Dense(latent_dim, name="codes"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            layers.Input((latent_dim,)),
            layers.Dense(400, "relu"),
            layers.Dense(800, "relu"),
            layers.Dense(INPUT_DIM, "sigmoid", name="pixels"),
        ],
        name="decoder",
    )
    images = keras.Input((INPUT_DIM,), name="images")
    codes = encoder(images)
    if regularizer is not None:
        codes = regularizer(codes)
    return keras.Model(images, decoder(codes), name="stacked_autoencoder")


def mlp_classifier(input_dim, *, batch_norm=False, dropout=0.0):
    """The classifier of the paper's section II.C: 1000-500-500 ReLU units, softmax over 10 classes.

    Args:
        input_dim: int >= 1, the length of an input: k for codes, 784 for images.
        batch_norm: whether each hidden layer is batch-normalized before its ReLU (section III.A.b).
        dropout: share of each hidden layer's outputs that is dropped in training, in [0, 1].

    Returns an uncompiled keras.Model, float32 [n, input_dim] -> [n, 10] class probabilities; a ValueError for
    an argument out of range.
    """
    input_dim = settings.check_count("input_dim", input_dim)
    dropout = settings.check_number("dropout", dropout, 0, 1)
    model = keras.Sequential([layers.Input((input_dim,))], name="mlp_classifier")
    for units in (1000, 500, 500):
        model.add(layers.Dense(units, use_bias=not batch_norm))
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(CLASSES, "softmax"))
    return model


def cnn_classifier():
    """The CNN that the paper's section III.A.c compares with, from the same authors' earlier report.

    The report does not give the momentum of the normalization's averages. With Keras' 0.99 they lag behind by
    hundreds of steps, and small trainings stop before they have caught up.

    Returns an uncompiled keras.Model, float32 [n, 784] -> [n, 10] class probabilities.
    """
    model = keras.Sequential([layers.Input((INPUT_DIM,)), layers.Reshape(IMAGE_SHAPE)], name="cnn_classifier")
    for filters in (32, 32, 64):
        # Normalization adds the bias.
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False, data_format=CHANNELS_LAST))
        model.add(layers.BatchNormalization(momentum=CNN_MOMENTUM))
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D(2, data_format=CHANNELS_LAST))
    model.add(layers.Flatten(data_format=CHANNELS_LAST))
    for units in (128, 64):
        model.add(layers.Dense(units, "relu"))
        model.add(layers.Dropout(0.25))
    model.add(layers.Dense(CLASSES, "softmax"))
    return model
