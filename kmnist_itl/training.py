"""Training as in the paper's section III.B: build a model, compile it, fit it with early stopping.

Adam at 1e-3, mini-batches of 1,000, and the weights of the epoch with the best validation loss, "throughout
the paper". Nothing is kept here: `kmnist_itl.reproduction.store` keeps what the notebooks train.
"""

import math
import time
import warnings
from dataclasses import dataclass, replace

import numpy as np

from kmnist_itl import forms, models, settings
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.augmentation import RandomHandwriting
from kmnist_itl.divergence import CauchySchwarzRegularizer, quadratic_mutual_information

RECONSTRUCTION_LOSSES = ("mean_squared_error", "mean_absolute_error")
MONITORS = ("val_loss", "val_accuracy")
INFORMATIONS = ("cauchy_schwarz", "euclidean", "shannon")

# Steps of a training from which on XLA saves more than compiling with it takes (measured on two cores: 14 s
# more for an autoencoder with a prior, then 30 ms less for each step).
XLA_PAYS_FROM = 500
# Below this, not even a graph pays: tracing it takes 2 s on this kind of machine, a step 0.1.
GRAPH_PAYS_FROM = 20

# Of the clustering network: pairs of a batch and epochs of the first round; epochs, images of a batch and the
# resolution of the communities of the second; and the share of the learning rate that is left in the end.
PAIRS, CLUSTERING_EPOCHS = 600, 7
FORM_EPOCHS, FORM_BATCH, FORM_RESOLUTION = 3, 300, 4
LAST_RATE = 0.02


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training.

    `model` has the weights of the best epoch, `history` a list for each of Keras' logs, `epochs` is how many
    were run and `best_epoch` (from 1) the one whose weights were taken. `seconds` is the whole of `fit`,
    `seconds_per_step` the median over the epochs but the first, which compiles, without validation.
    """

    model: keras.Model
    history: dict
    epochs: int
    best_epoch: int
    seconds: float
    seconds_per_step: float


def train_autoencoder(
    data,
    latent_dim,
    *,
    profile="paper",
    seed=0,
    loss="mean_squared_error",
    prior=None,
    sigma=None,
    weight=None,
    verbose=0,
    callbacks=(),
):
    """Train a stacked autoencoder to rebuild a data set's training images.

    The paper writes the loss as \\|x - x^\\| and calls it MSE in its text. With the absolute error the
    autoencoder can collapse to one constant image, so the squared error is the default.

    Args:
        data: data.Dataset.
        latent_dim: int >= 1, units of the bottleneck.
        profile: name of a profile or a settings.Profile: the most epochs, the patience.
        seed: int >= 0, which decides weights, batch order and prior samples.
        loss: 'mean_squared_error' or 'mean_absolute_error', the mean over pixels and images.
        prior, sigma, weight: as in `autoencoder`.
        verbose: as in Keras' `fit`: 2 prints a line for each epoch.
        callbacks: further Keras callbacks.

    Returns:
        Run; with a prior its history has "csd" and "val_csd".

    Raises:
        ValueError: an argument out of range, a prior without sigma and weight (or they without it), or the
            loss became NaN or infinite.
        TypeError: prior cannot be sampled.
    """
    profile = settings.get_profile(profile)
    settings.check_choice("loss", loss, RECONSTRUCTION_LOSSES)
    model = autoencoder(latent_dim, prior=prior, sigma=sigma, weight=weight, seed=seed)
    steps = steps_per_epoch(data.train) * profile.epochs
    model.compile(
        keras.optimizers.Adam(settings.LEARNING_RATE), loss, **_execution(steps, steps >= XLA_PAYS_FROM)
    )
    return _fit(
        model,
        batches(data.train.images, seed=seed),
        batches(data.validation.images),
        profile=profile,
        steps=steps_per_epoch(data.train),
        verbose=verbose,
        callbacks=callbacks,
    )


def autoencoder(latent_dim, *, prior=None, sigma=None, weight=None, seed=0):
    """The untrained stacked autoencoder whose codes are pulled towards a prior, or without one.

    Args:
        latent_dim: int >= 1, units of the bottleneck.
        prior: None, or what the codes are pulled towards, as in priors.py: then
            weight * CSD(codes || prior) is added to the loss that the model is compiled with.
        sigma: float > 0, the CSD's kernel size; needed with a prior.
        weight: float >= 0, the paper's lambda; needed with a prior.
        seed: int >= 0, which decides the weights and the prior's samples.

    Returns and raises: uncompiled keras.Model as in `models.stacked_autoencoder`; errors as in
    `train_autoencoder`.
    """
    regularizer = None
    given = [
        name for name, value in (("prior", prior), ("sigma", sigma), ("weight", weight)) if value is not None
    ]
    if given:
        if len(given) < 3:
            raise ValueError(f"prior, sigma and weight go together; got only {' and '.join(given)}.")
        regularizer = CauchySchwarzRegularizer(prior, sigma, weight, seed=seed)
    keras.utils.set_random_seed(settings.check_count("seed", seed, at_least=0))
    return models.stacked_autoencoder(latent_dim, regularizer)


def train_classifier(
    data,
    *,
    encoder=None,
    profile="paper",
    seed=0,
    batch_norm=False,
    dropout=0.0,
    monitor="val_loss",
    verbose=0,
    callbacks=(),
):
    """Train the MLP to classify a data set's training images, or their codes.

    Args:
        data: data.Dataset.
        encoder: None for the 784 pixels, or the Run of an autoencoder whose frozen codes are classified.
        profile, seed, verbose, callbacks: as in `train_autoencoder`.
        batch_norm, dropout: as in `models.mlp_classifier`.
        monitor: what decides the best epoch, 'val_loss' (the paper) or 'val_accuracy'.

    Returns:
        Run, of a model that takes codes (or pixels). Errors as in `train_autoencoder`.
    """
    parts = (data.train, data.validation)
    inputs = [encode(encoder, part.images) if encoder else part.images for part in parts]
    keras.utils.set_random_seed(settings.check_count("seed", seed, at_least=0))
    model = models.mlp_classifier(inputs[0].shape[1], batch_norm=batch_norm, dropout=dropout)
    # With XLA on a CPU batch normalization takes several times longer.
    return _fit_classifier(model, data, inputs, profile, seed, monitor, not batch_norm, verbose, callbacks)


def train_cnn(data, *, profile="paper", seed=0, monitor="val_accuracy", verbose=0, callbacks=()):
    """Train the CNN to classify a data set's training images.

    As in the authors' earlier report, early stopping watches the validation accuracy. Arguments, result and
    errors as in `train_classifier`.
    """
    keras.utils.set_random_seed(settings.check_count("seed", seed, at_least=0))
    model = models.cnn_classifier()
    inputs = [data.train.images, data.validation.images]
    # On a CPU a step takes a third longer with XLA.
    return _fit_classifier(model, data, inputs, profile, seed, monitor, False, verbose, callbacks)


def _fit_classifier(model, data, inputs, profile, seed, monitor, jit, verbose, callbacks):
    profile = settings.get_profile(profile)
    settings.check_choice("monitor", monitor, MONITORS)
    model.compile(
        keras.optimizers.Adam(settings.LEARNING_RATE),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        **_execution(steps_per_epoch(data.train) * profile.epochs, jit),
    )
    return _fit(
        model,
        batches(inputs[0], data.train.labels, seed=seed),
        batches(inputs[1], data.validation.labels),
        profile=profile,
        steps=steps_per_epoch(data.train),
        monitor=monitor,
        verbose=verbose,
        callbacks=callbacks,
    )


class MutualInformation(keras.layers.Layer):
    """Adds -mean_h I(P_h) to the loss, with P_h the joint distribution of head h's clusters of two views.

    It is handed the probabilities of each head for a batch of views, a list of floats [2 n, k]: the first
    view of each of n pairs, then the second. With rows a_i and b_i of the two, P = 1/(2n) sum_i (a_i b_i^T +
    b_i a_i^T). It hands the probabilities on. Its metric "in_use" is how many of a head's clusters are used,
    1 / sum_a p_a^2 (the exponential of Renyi's quadratic entropy of p), as a part of all, on average.

    Args:
        information: 'cauchy_schwarz' or 'euclidean', as in `divergence.quadratic_mutual_information`, or
            'shannon', sum_ab P_ab log(P_ab / (p_a p_b)).

    The table of two views is that of Ji, Henriques and Vedaldi, "Invariant information clustering", ICCV
    2019, who maximize Shannon's mutual information of it. The quadratic one is Principe's (2010, chapter 2).
    """

    def __init__(self, information="cauchy_schwarz", **kwargs):
        super().__init__(**kwargs)
        self.information = settings.check_choice("information", information, INFORMATIONS)
        self.in_use = keras.metrics.Mean(name="in_use")

    def call(self, heads):
        informations = []
        for probabilities in heads:
            one, other = tf.split(probabilities, 2)
            table = tf.matmul(one, other, transpose_a=True)
            informations.append(self._of(table + tf.transpose(table)))
            marginal = tf.reduce_mean(probabilities, axis=0)
            self.in_use.update_state(1 / (tf.reduce_sum(tf.square(marginal)) * probabilities.shape[1]))
        self.add_loss(-tf.add_n(informations) / len(informations))
        return heads

    def _of(self, table):
        if self.information != "shannon":
            return quadratic_mutual_information(table=table, divergence=self.information)
        joint = tf.maximum(table / tf.reduce_sum(table), 1e-12)
        marginal = tf.reduce_sum(joint, axis=0)
        return tf.reduce_sum(joint * tf.math.log(joint / (marginal[:, None] * marginal)))


class NeighbourPairs(keras.utils.PyDataset):
    """Batches of pairs of an image and one of its neighbours, both drawn anew for each epoch.

    An image comes first in at most one pair of an epoch.

    Args:
        images: float32 [n, 784].
        neighbours: ints [n, k]: numbers of each image's neighbours.
        batch: int in [1, n], the pairs of a batch; what is left over at the end of an epoch is left out.
        seed: int >= 0.
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
        count, most = self.neighbours.shape
        self.order, self.chosen = self.rng.permutation(count), self.rng.integers(most, size=count)


def train_clustering(
    images,
    *,
    heads=models.HEADS,
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

    First the cluster of an image is to tell that of its neighbour: the loss is `MutualInformation`, of pairs
    as in `NeighbourPairs`, both written anew by `augmentation.RandomHandwriting`. The neighbours are the
    nearest images by the pixels. Then the communities of neighbours in the network's features, many
    and small (`forms.find_forms`, resolution 4), are what it learns to tell, by cross-entropy, of images
    written anew. What it has learnt is in `features`; `forms.cluster_by_forms` finds clusters in them.

    Args:
        images: float32 [n, 784], 28 x 28 pixels from 0 (black) to 1 (white), n >= 2.
        heads: as in `models.clustering_network`; they are trained in the first round only.
        neighbours: int >= 0, how many of an image's neighbours it is paired with; with 0 it is paired with
            itself, written anew. The second round's communities are always of ten neighbours, or all others.
        information: as in `MutualInformation`.
        batch: int >= 1, the pairs of a batch in the first round; of fewer images all.
        handwriting: None, or a dict of arguments of `augmentation.RandomHandwriting`: how images are written
            anew, such as {"rotation": 0} where a turned image is another one.
        epochs: int >= 1, those of the first round. There is no early stopping: the learning rate falls from
            1e-3 to 2% of it, along a cosine.
        form_epochs: int >= 0, the same of the second round; 0 leaves it out.
        profile: None, or a name or settings.Profile whose epochs are the most that both rounds take together,
            the second at most half of them.
        seed: int >= 0, which decides weights, pairs, communities and augmentation.
        verbose, callbacks: as in `train_autoencoder`.

    Returns:
        Run, of a `models.clustering_network`; its history has "loss" and "in_use" of the first round (as in
        `MutualInformation`) and "form_loss" of the second.

    Raises:
        ValueError: an argument out of range, images of another shape or range, too few images for so
            many neighbours, or the loss became NaN or infinite.
        TypeError: images are no floats, handwriting is no dict.
    """
    images = _check_images(images)
    epochs, form_epochs = epochs_of_rounds(epochs, form_epochs, profile)
    neighbours = settings.check_count("neighbours", neighbours, at_least=0)
    seed = settings.check_count("seed", seed, at_least=0)
    batch = min(settings.check_count("batch", batch), len(images))
    if handwriting is not None and not isinstance(handwriting, dict):
        raise TypeError(f"handwriting must be a dict of RandomHandwriting's arguments; got {handwriting!r}.")
    hand = RandomHandwriting(**(handwriting or {}), seed=seed)
    keras.utils.set_random_seed(seed)
    network = models.clustering_network(heads)
    views = keras.layers.Reshape(models.IMAGE_SHAPE)(network.input)
    written = keras.layers.Reshape((models.INPUT_DIM,))(hand(views))

    model = keras.Model(network.input, MutualInformation(information)(network(written)))
    near = forms.nearest_neighbours(images, neighbours) if neighbours else np.arange(len(images))[:, None]
    pairs = NeighbourPairs(images, near, batch=batch, seed=seed)
    run = _fit_falling(model, pairs, None, epochs, len(pairs), verbose, callbacks)
    if form_epochs:
        near = min(forms.NEIGHBOURS, len(images) - 1)
        near = forms.nearest_neighbours(_features(network, images), near)
        found = forms.find_forms(near, resolution=FORM_RESOLUTION, seed=seed)
        seen = keras.Model(network.input, network.get_layer("features").output)(written)
        model = keras.Model(network.input, keras.layers.Dense(int(found.max()) + 1)(seen))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        steps = math.ceil(len(images) / FORM_BATCH)
        singly = batches(images, found, seed=seed, size=FORM_BATCH)
        second = _fit_falling(model, singly, loss, form_epochs, steps, verbose, callbacks)
        run = replace(
            run,
            history={**run.history, "form_loss": second.history["loss"]},
            epochs=run.epochs + second.epochs,
            best_epoch=run.epochs + second.epochs,
            seconds=run.seconds + second.seconds,
        )
    return replace(run, model=network)


def epochs_of_rounds(epochs=CLUSTERING_EPOCHS, form_epochs=FORM_EPOCHS, profile=None):
    """How many epochs each round of `train_clustering` takes under a profile, (int, int). Errors as there.

    >>> from kmnist_itl.training import epochs_of_rounds
    >>> epochs_of_rounds(), epochs_of_rounds(profile="smoke")
    ((7, 3), (1, 1))
    """
    epochs = settings.check_count("epochs", epochs)
    form_epochs = settings.check_count("form_epochs", form_epochs, at_least=0)
    if profile is None:
        return epochs, form_epochs
    most = settings.get_profile(profile).epochs
    form_epochs = min(form_epochs, most // 2)
    return min(epochs, most - form_epochs), form_epochs


def _check_images(images, at_least=2):
    images = np.asarray(images)
    if images.dtype.kind != "f":
        raise TypeError(
            f"images must be floats from 0 to 1; got dtype {images.dtype}. Divide bytes by 255: "
            "images.astype('float32') / 255."
        )
    if images.ndim != 2 or images.shape[1] != models.INPUT_DIM or len(images) < at_least:
        raise ValueError(
            f"images must be [n, {models.INPUT_DIM}] with n >= {at_least}; got shape {images.shape}. "
            f"Reshape 28 x 28 pixels to rows of {models.INPUT_DIM}."
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # NaN is neither
        raise ValueError(
            f"images must be from 0 (black) to 1 (white); got {low:.6g} to {high:.6g}. Divide bytes by 255."
        )
    return images.astype(np.float32, copy=False)


def _fit_falling(model, examples, loss, epochs, steps, verbose, callbacks):
    """Fit for a fixed number of epochs with a learning rate that falls along a cosine; returns Run."""
    rate = keras.optimizers.schedules.CosineDecay(settings.LEARNING_RATE, steps * epochs, alpha=LAST_RATE)
    # On a CPU XLA makes convolutions slower.
    model.compile(keras.optimizers.Adam(rate), loss, **_execution(steps * epochs, False))
    model.optimizer.build(model.trainable_variables)
    timer, started = StepTimer(), time.perf_counter()
    history = model.fit(
        examples,
        epochs=epochs,
        shuffle=False,
        verbose=verbose,
        callbacks=[timer, keras.callbacks.TerminateOnNaN(), *callbacks],
    ).history
    seconds = time.perf_counter() - started
    losses = [float(loss) for loss in history["loss"]]
    if not np.all(np.isfinite(losses)):
        raise ValueError(f"The loss became NaN or infinite in epoch {len(losses)}.")
    return Run(
        model,
        history={name: [float(value) for value in values] for name, values in history.items()},
        epochs=epochs,
        best_epoch=epochs,
        seconds=seconds,
        seconds_per_step=timer.seconds_per_step(steps),
    )


def features(run, images):
    """What a clustering network's heads see of images [n, 784], each made of length 1: float32 [n, d].

    Errors as for the images of `train_clustering`; here one is enough.
    """
    return _features(run.model, _check_images(images, at_least=1))


def _features(network, images):
    seen = outputs(keras.Model(network.input, network.get_layer("features").output), images)
    return seen / np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-12)


def _fit(model, train, validation, *, profile, steps, monitor="val_loss", verbose=0, callbacks=()):
    """Fit a compiled model until early stopping ends it, and put its best weights back; returns Run."""
    timer = StepTimer()
    stopping = keras.callbacks.EarlyStopping(
        monitor=monitor,
        mode="min" if monitor == "val_loss" else "max",
        patience=profile.patience,
        restore_best_weights=True,
    )
    model.optimizer.build(model.trainable_variables)  # or Keras traces the first step twice
    started = time.perf_counter()
    with warnings.catch_warnings():
        # The pipeline shuffles; Keras warns that it does not.
        warnings.filterwarnings("ignore", message=".*shuffle=True.*")
        history = model.fit(
            train,
            validation_data=validation,
            epochs=profile.epochs,
            verbose=verbose,
            callbacks=[timer, stopping, keras.callbacks.TerminateOnNaN(), *callbacks],
        ).history
    seconds = time.perf_counter() - started
    if not all(np.all(np.isfinite(history.get(name, 0))) for name in ("loss", "val_loss")):
        raise ValueError(f"The loss became NaN or infinite in epoch {len(history['loss'])}.")
    best = np.argmin if monitor == "val_loss" else np.argmax
    return Run(
        model,
        history={name: [float(value) for value in values] for name, values in history.items()},
        epochs=len(history["loss"]),
        best_epoch=int(best(history[monitor])) + 1,
        seconds=seconds,
        seconds_per_step=timer.seconds_per_step(steps),
    )


def steps_per_epoch(split):
    """How many mini-batches a data.Split fills."""
    return -(-len(split) // settings.BATCH_SIZE)


def _execution(steps, jit):
    """How Keras runs a training of so many steps: a matter of speed only."""
    eagerly = steps < GRAPH_PAYS_FROM
    return {"run_eagerly": eagerly, "jit_compile": jit and not eagerly}


def batches(inputs, targets=None, *, seed=None, size=settings.BATCH_SIZE):
    """A tf.data pipeline of mini-batches (inputs, targets); without targets they are the inputs themselves.

    The arrays are carried once and sliced by index. With a seed the order is shuffled anew for each epoch.
    """
    with tf.device("CPU:0"):
        inputs = tf.constant(inputs)
        targets = None if targets is None else tf.constant(targets)

    def pick(indices):
        picked = tf.gather(inputs, indices)
        return picked, picked if targets is None else tf.gather(targets, indices)

    indices = tf.data.Dataset.range(len(inputs))
    if seed is not None:
        indices = indices.shuffle(len(inputs), seed=seed)
    options = tf.data.Options()
    # Measured on two cores: with autotuning or the shared thread pool, whole epochs take twice as long,
    # at random, because the matrix products then run on one core.
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    return indices.batch(size).map(pick).prefetch(1).with_options(options)


class StepTimer(keras.callbacks.Callback):
    """Seconds that each epoch's training steps take, without its validation."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started, self.stopped = time.perf_counter(), None

    def on_test_begin(self, logs=None):
        self.stopped = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((self.stopped or time.perf_counter()) - self.started)

    def seconds_per_step(self, steps):
        return float(np.median(self.epochs[1:] or self.epochs)) / steps


def encode(run, images):
    """The codes, float32 [n, k], that the encoder of an autoencoder's Run gives for images [n, 784]."""
    return outputs(run.model.get_layer("encoder"), images)


def decode(run, codes):
    """The images, float32 [n, 784], that the decoder of an autoencoder's Run makes of codes [n, k]."""
    return outputs(run.model.get_layer("decoder"), codes)


def reconstruction_error(run, images):
    """Mean squared error over pixels and images [n, 784] of an autoencoder's Run, as a float."""
    # Through the two halves, so that no regularizer is computed (and compiled).
    return mean_squared_error(decode(run, encode(run, images)), images)


def mean_squared_error(rebuilt, images):
    """Mean over pixels and images of the squared difference of two arrays [n, 784], as a float."""
    return float(np.mean(np.square(rebuilt - images), dtype=np.float64))


def accuracy(run, inputs, labels):
    """Share of the inputs [n, d] that a classifier's Run gives their label, as a float in [0, 1]."""
    return float(np.mean(predict_classes(run, inputs) == labels))


def predict_classes(run, inputs):
    """The most probable class, int64 [n], that a classifier's Run gives each of the inputs [n, d]."""
    return outputs(run.model, inputs).argmax(axis=1)


def outputs(model, inputs):
    """A model's outputs, an array of n rows, for inputs [n, d]: as `predict`, without tracing a graph."""
    size = settings.BATCH_SIZE
    starts = range(0, len(inputs), size)
    return np.concatenate([model(inputs[start : start + size], training=False) for start in starts])
