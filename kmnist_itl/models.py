"""The paper's networks as Keras models, the stacked autoencoder, the MLP and the CNN classifier; and one that
clusters.

They are not compiled. `keras.utils.set_random_seed` before building one decides its weights.
"""

from kmnist_itl import settings
from kmnist_itl._tensorflow import keras

INPUT_DIM = 784
IMAGE_SHAPE = (28, 28, 1)
_LAST = "channels_last"  # as in IMAGE_SHAPE, whatever keras.json says
CNN_MOMENTUM = 0.9
CLASSES = 10
layers = keras.layers


def stacked_autoencoder(latent_dim, regularizer=None):
    """The stacked autoencoder of the paper's section II.B, 784-800-400-k-400-800-784.

    The encoder's hidden layers are tanh, the code is linear, the decoder's hidden layers ReLU and its
    output sigmoid. Sub-models: ``get_layer("encoder")`` and ``get_layer("decoder")``.

    Args:
        latent_dim: int >= 1, the units of the bottleneck, k.
        regularizer: None, or a Keras layer that is handed the codes [n, k], hands them on and may add a loss.

    Returns:
        Uncompiled keras.Model, float32 [n, 784] -> [n, 784].

    Raises:
        ValueError: latent_dim is no whole number of at least 1.
        TypeError: regularizer is not a Keras layer.
    """
    latent_dim = settings.check_count("latent_dim", latent_dim)
    if regularizer is not None and not isinstance(regularizer, keras.layers.Layer):
        raise TypeError(f"regularizer must be None or a Keras layer; got {regularizer!r}.")
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


def check_dropout(dropout):
    """Return `dropout` as a float; raise a ValueError unless it lies in [0, 1)."""
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1); got {dropout!r}.")
    return float(dropout)


def mlp_classifier(input_dim, *, batch_norm=False, dropout=0.0):
    """The classifier of the paper's section II.C: 1000-500-500 ReLU units, softmax over 10 classes.

    Args:
        input_dim: int >= 1, the length of an input: k for codes, 784 for images.
        batch_norm: whether each hidden layer is batch-normalized before its ReLU (section III.A.b).
        dropout: share of each hidden layer's outputs that is dropped in training, in [0, 1).

    Returns:
        Uncompiled keras.Model, float32 [n, input_dim] -> [n, 10] class probabilities.

    Raises:
        ValueError: input_dim < 1, or dropout outside [0, 1).
    """
    input_dim = settings.check_count("input_dim", input_dim)
    dropout = check_dropout(dropout)
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

    Three 3x3 convolutions (stride 1, same padding; 32, 32 and 64 filters), each with batch normalization,
    ReLU and 2x2 max pooling, then 128 and 64 ReLU units with 25% dropout after each, and softmax over 10.
    The report does not give the momentum of the normalization's averages; with Keras' 0.99 they lag behind by
    hundreds of steps, and early stopping ends small trainings before they have caught up.

    Returns:
        Uncompiled keras.Model, float32 [n, 784] -> [n, 10] class probabilities.
    """
    model = keras.Sequential([layers.Input((INPUT_DIM,)), layers.Reshape(IMAGE_SHAPE)], name="cnn_classifier")
    for filters in (32, 32, 64):
        # Normalization adds the bias.
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False, data_format=_LAST))
        model.add(layers.BatchNormalization(momentum=CNN_MOMENTUM))
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D(2, data_format=_LAST))
    model.add(layers.Flatten(data_format=_LAST))
    for units in (128, 64):
        model.add(layers.Dense(units, "relu"))
        model.add(layers.Dropout(0.25))
    model.add(layers.Dense(CLASSES, "softmax"))
    return model


HEADS = (20, 30, 40, 60, 120)


def clustering_network(heads=HEADS):
    """A CNN with several softmax outputs, the heads: each gives an image a cluster.

    Five 3x3 convolutions (32, 64, 64, 128 and 128 filters, same padding), each with batch normalization and
    ReLU, 2x2 max pooling after the first, second and fourth. ``get_layer("features")`` is what the heads see.

    Args:
        heads: the number of clusters of each head, ints >= 2; at least one head.

    Returns:
        Uncompiled keras.Model, float32 [n, 784] -> a list of each head's probabilities, float32 [n, k].

    Raises:
        ValueError: no head, or one with fewer than two clusters.
    """
    if not isinstance(heads, tuple | list) or not heads:
        raise ValueError(f"heads must be a tuple of at least one number of clusters; got {heads!r}.")
    heads = [settings.check_count("each of heads", clusters, at_least=2) for clusters in heads]
    images = keras.Input((INPUT_DIM,), name="images")
    maps = layers.Reshape(IMAGE_SHAPE)(images)
    for filters, is_pooled in ((32, True), (64, True), (64, False), (128, True), (128, False)):
        maps = layers.Conv2D(filters, 3, padding="same", use_bias=False, data_format=_LAST)(maps)
        maps = layers.BatchNormalization(momentum=CNN_MOMENTUM)(maps)
        maps = layers.ReLU()(maps)
        if is_pooled:
            maps = layers.MaxPooling2D(2, data_format=_LAST)(maps)
    features = layers.Flatten(data_format=_LAST, name="features")(maps)
    outputs = [
        layers.Dense(clusters, "softmax", name=f"head_{number}")(features)
        for number, clusters in enumerate(heads)
    ]
    return keras.Model(images, outputs, name="clustering_network")
