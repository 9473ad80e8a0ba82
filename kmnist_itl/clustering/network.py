"""A network that learns, without labels, which images are alike: from neighbours, then from their forms."""

from dataclasses import replace

import numpy as np

from kmnist_itl import models, settings, training
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.clustering import forms
from kmnist_itl.clustering.checks import check_points
from kmnist_itl.clustering.handwriting import RandomHandwriting
from kmnist_itl.divergence import quadratic_mutual_information
from kmnist_itl.divergence.regularizer import LossLayer, LossMean

INFORMATIONS = ("cauchy_schwarz", "euclidean", "shannon")
HEADS = (20, 30, 40, 60, 120)
# Pairs of a batch and epochs of the first round; epochs, images of a batch and the resolution of the
# communities of the second; and the share of the learning rate that is left in the end.
PAIRS, CLUSTERING_EPOCHS = 600, 7
FORM_EPOCHS, FORM_BATCH, FORM_RESOLUTION = 3, 300, 4
LAST_RATE = 0.02
ONE_REPLICA = "MutualInformation pairs the halves of a batch: no {} replicas, only 1."


def clustering_network(heads=HEADS):
    """A CNN with several softmax outputs, the heads: each gives an image a cluster.

    Five 3x3 convolutions with batch normalization and ReLU, max pooling after the first, second and fourth.
    ``get_layer("features")`` is what the heads see. `heads` are their numbers of clusters, ints >= 2.

    Returns an uncompiled keras.Model, float32 [n, 784] -> a list of probabilities, float32 [n, k] of each.
    Raises ValueError for other heads, or none.
    """
    if not isinstance(heads, tuple | list) or not heads:
        raise ValueError(f"heads must be a tuple of at least one number of clusters; got {heads!r}.")
    heads = [settings.check_count("each of heads", clusters, at_least=2) for clusters in heads]
    layers, channels = keras.layers, models.CHANNELS_LAST
    images = keras.Input((models.INPUT_DIM,), name="images")
    maps = layers.Reshape(models.IMAGE_SHAPE)(images)
    for filters, is_pooled in ((32, True), (64, True), (64, False), (128, True), (128, False)):
        maps = layers.Conv2D(filters, 3, padding="same", use_bias=False, data_format=channels)(maps)
        maps = layers.BatchNormalization(momentum=models.CNN_MOMENTUM)(maps)
        maps = layers.ReLU()(maps)
        if is_pooled:
            maps = layers.MaxPooling2D(2, data_format=channels)(maps)
    features = layers.Flatten(data_format=channels, name="features")(maps)
    heads = [layers.Dense(k, "softmax", name=f"head_{i}")(features) for i, k in enumerate(heads)]
    return keras.Model(images, heads, name="clustering_network")


@keras.saving.register_keras_serializable("kmnist_itl")
class MutualInformation(LossLayer):
    """Adds -mean_h I(P_h) to the loss, with P_h the joint distribution of head h's clusters of two views.

    It takes and hands on a list of each head's probabilities of views, floats [2 n, k]: the first views of n
    pairs, a_i, then the second, b_i. P = 1/(2n) sum_i (a_i b_i^T + b_i a_i^T), as in Ji, Henriques and
    Vedaldi, "Invariant information clustering", ICCV 2019, whose information is Shannon's. The metric
    "in_use" is the mean share of a head's clusters that are used, 1 / (k sum_a p_a^2), the exponential of
    Renyi's quadratic entropy of p over k. An empty batch adds 0 and leaves the metric alone.

    `information` is 'cauchy_schwarz' or 'euclidean', as in `divergence.quadratic_mutual_information`, or
    'shannon', sum_ab P_ab log(P_ab / (p_a p_b)). Raises ValueError for another and for no list; and, when its
    loss is asked for, of an odd number of views (InvalidArgumentError in a graph of unknown size) and under
    several replicas, which would pair others.
    """

    fixed = ("information",)

    def __init__(self, information="cauchy_schwarz", **kwargs):
        super().__init__(**kwargs)
        self.information = settings.check_choice("information", information, INFORMATIONS)
        self.in_use = LossMean(name="in_use")

    def call(self, heads):
        wanted = "a list of each head's probabilities, floats [2 n, k]"
        if not isinstance(heads, tuple | list) or not heads:
            raise ValueError(f"MutualInformation takes {wanted}; got {type(heads).__name__}.")
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            self.refuse(ONE_REPLICA.format(replicas))
            return heads
        if any((views.shape[0] or 0) % 2 for views in heads):
            shapes = [tuple(views.shape) for views in heads]
            self.refuse(f"MutualInformation takes {wanted}; got {shapes}.")
            return heads
        informations = []
        for probabilities in heads:
            # Half precision has no room for sums over a batch.
            views = tf.cast(probabilities, tf.float64 if self.compute_dtype == "float64" else tf.float32)
            is_filled = tf.cast(tf.shape(views)[0] > 0, views.dtype)
            first, second = tf.split(views, 2)
            table = tf.matmul(first, second, transpose_a=True) + (1 - is_filled)  # of ones: no information
            informations.append(self._of_table(table + tf.transpose(table)))
            marginal = tf.reduce_mean(views, axis=0)
            used = 1 / (tf.reduce_sum(tf.square(marginal)) * views.shape[1])
            self.count(self.in_use, tf.math.multiply_no_nan(used, is_filled), is_filled)
        loss = -tf.add_n(informations) / len(informations)
        self.add_loss(tf.cast(loss, keras.config.floatx()))
        return heads

    def _of_table(self, table):
        if self.information != "shannon":
            return quadratic_mutual_information(table=table, divergence=self.information)
        joint = tf.maximum(table / tf.reduce_sum(table), 1e-12)
        marginal = tf.reduce_sum(joint, axis=0)
        return tf.reduce_sum(joint * tf.math.log(joint / (marginal[:, None] * marginal)))

    def get_config(self):
        return {**super().get_config(), "information": self.information}


class NeighbourPairs(keras.utils.PyDataset):
    """Batches (float32 [2 batch, 784],): images, then a neighbour of each, both drawn anew for each epoch.

    Of images, float32 [n, 784], and their neighbours' numbers, ints [n, k]. An image comes first at most once
    in an epoch of `batch` pairs each, an int in [1, n]; the rest is left out.
    """

    def __init__(self, images, neighbours, *, batch=PAIRS, seed=0):
        super().__init__()
        self.images, self.neighbours, self.batch = images, neighbours, batch
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return len(self.images) // self.batch

    def __getitem__(self, index):
        first = self.order[index * self.batch : (index + 1) * self.batch]
        second = self.neighbours[first, self.chosen[first]]
        return (self.images[np.concatenate([first, second])],)

    def on_epoch_end(self):
        count, neighbours = self.neighbours.shape
        self.order, self.chosen = self.rng.permutation(count), self.rng.integers(neighbours, size=count)


def train_clustering(
    images,
    *,
    heads=HEADS,
    neighbours=forms.NEIGHBOURS,
    information="cauchy_schwarz",
    batch=PAIRS,
    handwriting=None,
    epochs=CLUSTERING_EPOCHS,
    form_epochs=FORM_EPOCHS,
    profile=None,
    seed=0,
    verbose=0,
    callbacks=(),
):
    """Train a network whose features tell which images are alike, in two rounds. No label is used.

    First it maximizes the `MutualInformation` of the clusters of an image and a neighbour by the pixels, both
    written anew by `RandomHandwriting`. Then it learns, by cross-entropy and of images written anew, the
    communities of neighbours in its own features, many and small (`forms.find_forms`, resolution 4).

    Args:
        images: float32 [n, 784], 28 x 28 pixels from 0 (black) to 1 (white), n >= 2, not all equal.
        heads, information: as in `clustering_network` and `MutualInformation`, of the first round only.
        neighbours: int in [0, n - 1], how many of an image's neighbours it is paired with; with 0 it is
            paired with itself. The second round's communities are always of ten neighbours, or all others.
        batch: int >= 1, the pairs of a batch in the first round; of fewer images all.
        handwriting: None, or a dict of arguments of `RandomHandwriting` but seed, such as {"rotation": 0}.
        epochs, form_epochs: ints >= 1 and >= 0, of the first and the second round; without early stopping,
            as the learning rate falls from 1e-3 to 2% of it, along a cosine.
        profile: None, or a name or settings.Profile whose epochs are the most that both rounds take together,
            the second at most half of them.
        seed: int in [0, 2**32 - 1], which decides weights, pairs, communities and handwriting.
        verbose, callbacks: as in Keras' `fit`, in both rounds; so BackupAndRestore is for form_epochs=0.

    Returns training.Run, of a `clustering_network`; its best_epoch is the last, whatever weights a callback
    restores, and its history has "loss" and "in_use" of the first round and "form_loss" of the second.

    Raises ValueError for an argument out of range, other images, several replicas, or a loss that became NaN
    or infinite; TypeError for images that are no floats and a handwriting that is no dict or names a seed.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas > 1:  # told before neighbours are looked for
        raise ValueError(ONE_REPLICA.format(replicas))
    images = check_points("images", models.check_images(images, at_least=2), clusters=2)
    callbacks = training.check_callbacks(callbacks)
    epochs, form_epochs = epochs_of_rounds(epochs, form_epochs, profile)
    neighbours = settings.check_count("neighbours", neighbours, at_least=0)
    seed = settings.check_seed(seed)
    batch = min(settings.check_count("batch", batch), len(images))
    hand = RandomHandwriting(**({} if handwriting is None else handwriting), seed=seed)
    keras.utils.set_random_seed(seed)
    network = clustering_network(heads)
    views = keras.layers.Reshape(models.IMAGE_SHAPE)(network.input)
    written = keras.layers.Reshape((models.INPUT_DIM,))(hand(views))

    model = keras.Model(network.input, MutualInformation(information)(network(written)))
    near = forms.nearest_neighbours(images, neighbours) if neighbours else np.arange(len(images))[:, None]
    pairs = NeighbourPairs(images, near, batch=batch, seed=seed)
    run = replace(_fit(model, pairs, None, epochs, verbose, callbacks), model=network)
    if not form_epochs:
        return run
    near = forms.nearest_neighbours(features(run, images), min(forms.NEIGHBOURS, len(images) - 1))
    communities = forms.find_forms(near, resolution=FORM_RESOLUTION, seed=seed)
    seen = keras.Model(network.input, network.get_layer("features").output)(written)
    model = keras.Model(network.input, keras.layers.Dense(int(communities.max()) + 1)(seen))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    singly = training.batches(images, communities, seed=seed, size=FORM_BATCH)
    second = _fit(model, singly, loss, form_epochs, verbose, callbacks)
    ran, seconds = run.epochs + second.epochs, run.seconds + second.seconds
    history = {**run.history, "form_loss": second.history["loss"]}
    return replace(run, history=history, epochs=ran, best_epoch=ran, seconds=seconds)


def epochs_of_rounds(epochs, form_epochs, profile):
    """How many epochs each round of `train_clustering` takes, (int, int); arguments and errors as there."""
    epochs = settings.check_count("epochs", epochs)
    form_epochs = settings.check_count("form_epochs", form_epochs, at_least=0)
    if profile is None:
        return epochs, form_epochs
    both = settings.check_count("profile.epochs", settings.get_profile(profile).epochs)
    form_epochs = min(form_epochs, both // 2)
    return min(epochs, both - form_epochs), form_epochs


def features(run, images):
    """What a network's heads see of images [n, 784], n >= 1, each made of length 1: float32 [n, d].

    `run` is that of `train_clustering`, and errors are as there.
    """
    seen = keras.Model(run.model.input, run.model.get_layer("features").output)
    seen = training.outputs(seen, models.check_images(images)).astype(np.float32, copy=False)
    return seen / np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-12)


def _fit(model, examples, loss, epochs, verbose, callbacks):
    """Fit for a fixed number of epochs with a learning rate that falls along a cosine; returns Run."""
    steps = epochs * len(examples)
    rate = keras.optimizers.schedules.CosineDecay(settings.LEARNING_RATE, steps, alpha=LAST_RATE)
    # On a CPU XLA makes convolutions slower.
    model.compile(training.adam(model, rate), loss, **training.execution(steps, jit=False))
    timer = training.StepTimer()
    callbacks = [timer, keras.callbacks.TerminateOnNaN(), *callbacks]
    history = model.fit(examples, epochs=epochs, callbacks=callbacks, shuffle=False, verbose=verbose)
    return training.finished_run(history, timer)
