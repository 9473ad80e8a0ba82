"""Training as in the paper's section III.B: build a model, compile it, fit it with early stopping.

Adam at 1e-3, mini-batches of 1,000, and the weights of the epoch with the best validation loss, "throughout
the paper". Nothing is kept here: `kmnist_itl.reproduction` keeps what the notebooks train.
"""

import time
from dataclasses import dataclass

import numpy as np

from kmnist_itl import models, settings
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer

RECONSTRUCTION_LOSSES = ("mean_squared_error", "mean_absolute_error")
CLASSIFICATION_LOSS = "sparse_categorical_crossentropy"
MONITORS = ("val_loss", "val_accuracy")

# Steps of a training from which on XLA saves more than compiling with it takes (measured on two cores: 14 s
# more for an autoencoder with a prior, then 30 ms less for each step).
XLA_PAYS_FROM = 500
# Below this, not even a graph pays: tracing it takes 2 s on this kind of machine, a step 0.1.
GRAPH_PAYS_FROM = 20


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training.

    `model` has the weights of the best epoch, `history` a list for each of Keras' logs, `epochs` is how many
    were run and `best_epoch` (from 1) the one whose weights were taken. `seconds` is the whole of it,
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
        seed: int from 0 to 2**32 - 1, which decides weights, batch order and prior samples.
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
    model.compile(adam(model), loss, **execution(steps, jit=steps >= XLA_PAYS_FROM))
    timer = StepTimer()
    history = model.fit(
        batches(data.train.images, seed=seed),
        validation_data=batches(data.validation.images),
        epochs=profile.epochs,
        shuffle=False,  # the pipeline shuffles
        verbose=verbose,
        callbacks=[timer, *early_stopping(profile, "val_loss"), *callbacks],
    )
    return finished_run(history, timer, "val_loss")


def autoencoder(latent_dim, *, prior=None, sigma=None, weight=None, seed=0):
    """The untrained stacked autoencoder, with or without a prior that its codes are regularized towards.

    Args:
        latent_dim: int >= 1, units of the bottleneck.
        prior: None, or what the codes are regularized towards, as in priors.py: then
            weight * CSD(codes || prior) is added to the loss that the model is compiled with.
        sigma: float > 0, the CSD's kernel size; needed with a prior.
        weight: float >= 0, the paper's lambda; needed with a prior.
        seed: int from 0 to 2**32 - 1, which decides the weights and the prior's samples.

    Returns and raises: uncompiled keras.Model as in `models.stacked_autoencoder`; errors as in
    `train_autoencoder`.
    """
    seed, regularizer = settings.check_seed(seed), None
    arguments = {"prior": prior, "sigma": sigma, "weight": weight}
    given = [name for name, value in arguments.items() if value is not None]
    if len(given) == 3:
        regularizer = CauchySchwarzRegularizer(prior, sigma, weight, seed=seed)
    elif given:
        raise ValueError(f"prior, sigma and weight go together; got only {' and '.join(given)}.")
    keras.utils.set_random_seed(seed)
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
    profile, seed = settings.get_profile(profile), settings.check_seed(seed)
    settings.check_choice("monitor", monitor, MONITORS)
    train, validation = data.train.images, data.validation.images
    if encoder:
        train, validation = encode(encoder, train), encode(encoder, validation)
    keras.utils.set_random_seed(seed)
    model = models.mlp_classifier(train.shape[1], batch_norm=batch_norm, dropout=dropout)
    steps = steps_per_epoch(data.train) * profile.epochs
    options = execution(steps, jit=not batch_norm)  # XLA slows batch normalization down on a CPU
    model.compile(adam(model), CLASSIFICATION_LOSS, metrics=["accuracy"], **options)
    timer = StepTimer()
    history = model.fit(
        batches(train, data.train.labels, seed=seed),
        validation_data=batches(validation, data.validation.labels),
        epochs=profile.epochs,
        shuffle=False,
        verbose=verbose,
        callbacks=[timer, *early_stopping(profile, monitor), *callbacks],
    )
    return finished_run(history, timer, monitor)


def train_cnn(data, *, profile="paper", seed=0, monitor="val_accuracy", verbose=0, callbacks=()):
    """Train the CNN to classify a data set's training images.

    As in the authors' earlier report, early stopping watches the validation accuracy. Arguments, result and
    errors as in `train_classifier`.
    """
    profile, seed = settings.get_profile(profile), settings.check_seed(seed)
    settings.check_choice("monitor", monitor, MONITORS)
    keras.utils.set_random_seed(seed)
    model = models.cnn_classifier()
    steps = steps_per_epoch(data.train) * profile.epochs
    options = execution(steps, jit=False)  # with XLA a step takes a third longer on a CPU
    model.compile(adam(model), CLASSIFICATION_LOSS, metrics=["accuracy"], **options)
    timer = StepTimer()
    history = model.fit(
        batches(data.train.images, data.train.labels, seed=seed),
        validation_data=batches(data.validation.images, data.validation.labels),
        epochs=profile.epochs,
        shuffle=False,
        verbose=verbose,
        callbacks=[timer, *early_stopping(profile, monitor), *callbacks],
    )
    return finished_run(history, timer, monitor)


def adam(model, rate=settings.LEARNING_RATE):
    """The paper's optimizer with its variables for the model, or Keras would trace the first step twice."""
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)
    return optimizer


def early_stopping(profile, monitor):
    """Callbacks that end a training as the Profile says and restore the best weights, or end it at NaN."""
    options = {"mode": "min" if monitor == "val_loss" else "max", "patience": profile.patience}
    best = keras.callbacks.EarlyStopping(monitor, restore_best_weights=True, **options)
    return [best, keras.callbacks.TerminateOnNaN()]


def finished_run(history, timer, monitor=None):
    """The Run of what `fit` returned; a ValueError if the loss became NaN or infinite.

    `monitor` decided the best epoch; None where the weights of the last one were kept.
    """
    logs = {name: [float(value) for value in values] for name, values in history.history.items()}
    epochs = len(logs["loss"])
    if not np.all(np.isfinite(logs["loss"] + logs.get("val_loss", []))):
        raise ValueError(f"The loss became NaN or infinite in epoch {epochs}.")
    best_epoch = epochs
    if monitor is not None:
        best_epoch = int((np.argmin if monitor == "val_loss" else np.argmax)(logs[monitor])) + 1
    seconds_per_step = timer.seconds_per_step(history.params["steps"])
    return Run(history.model, logs, epochs, best_epoch, timer.seconds, seconds_per_step)


def steps_per_epoch(split):
    """How many mini-batches a data.Split fills."""
    return -(-len(split) // settings.BATCH_SIZE)


def execution(steps, jit):
    """How Keras runs a training of so many steps, as arguments of `compile`: a matter of speed only.

    With fewer than GRAPH_PAYS_FROM steps eagerly, else as a graph, with XLA if `jit`.
    """
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
    """Measures the `seconds` of a training, and those of each epoch's steps without its validation."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_train_begin(self, logs=None):
        self.train_started = time.perf_counter()

    def on_train_end(self, logs=None):
        self.seconds = time.perf_counter() - self.train_started

    def on_epoch_begin(self, epoch, logs=None):
        self.started, self.stopped = time.perf_counter(), None

    def on_test_begin(self, logs=None):
        self.stopped = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((self.stopped or time.perf_counter()) - self.started)

    def seconds_per_step(self, steps):
        """The median over the epochs but the first, which compiles, for `steps` in each."""
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
