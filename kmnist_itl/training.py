"""Training as in the paper's section III.B: build a model, compile it, fit it with early stopping.

Adam at 1e-3, mini-batches of 1,000, and the weights of the epoch with the best validation loss, "throughout
the paper". Nothing is kept here: `kmnist_itl.reproduction` keeps what the notebooks train.
"""

import math
import time
from dataclasses import dataclass

import numpy as np

from kmnist_itl import models, settings
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer

RECONSTRUCTION_LOSSES = ("mean_squared_error", "mean_absolute_error")
MONITORS = ("val_loss", "val_accuracy")
QUIETLY = {"shuffle": False, "verbose": 0}  # the pipeline shuffles

# From so many steps on XLA saves more than compiling with it takes (on two cores, with a prior: 14 s, then
# 30 ms a step less); below so many not even a graph pays, whose tracing takes 2 s, a step 0.1.
XLA_PAYS_FROM, GRAPH_PAYS_FROM = 500, 20


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training: its model, with the weights of the `best_epoch` (from 1) of the `epochs` that ran.

    `history` maps each of Keras' logs to a list. `seconds` is the whole of it, `seconds_per_step` the median
    over the epochs but the first, which compiles, without validation.
    """

    model: keras.Model
    history: dict
    epochs: int
    best_epoch: int
    seconds: float
    seconds_per_step: float


def train_autoencoder(
    data, latent_dim, *, profile="paper", seed=0, loss="mean_squared_error",
    prior=None, sigma=None, weight=None, callbacks=(),
):  # fmt: skip
    """Train a stacked autoencoder to rebuild a data set's training images.

    Args:
        data: data.Dataset.
        latent_dim, prior, sigma, weight: as in `autoencoder`.
        profile: name of a profile or a settings.Profile: the most epochs, the patience.
        seed: int from 0 to 2**32 - 1, which decides weights, batch order and prior samples.
        loss: 'mean_squared_error' or 'mean_absolute_error', the mean over pixels and images. The paper writes
            the absolute and says MSE; with the absolute the codes can collapse to one image.
        callbacks: further Keras callbacks.

    Returns the Run; with a prior its history has "csd" and "val_csd". Raises as `autoencoder`, and a
    ValueError for another argument out of range and if the loss becomes NaN or infinite.
    """
    settings.check_choice("loss", loss, RECONSTRUCTION_LOSSES)
    model = autoencoder(latent_dim, prior=prior, sigma=sigma, weight=weight, seed=seed)
    return _fit(model, data, profile, seed, callbacks, loss=loss, xla_from=XLA_PAYS_FROM)


def autoencoder(latent_dim, *, prior=None, sigma=None, weight=None, seed=0):
    """The untrained stacked autoencoder, with or without a prior that its codes are regularized towards.

    Args:
        latent_dim: int >= 1, units of the bottleneck.
        prior: None, or as in priors.py: then weight * CSD(codes || prior) is added to the compiled loss.
        sigma, weight: with a prior, the CSD's kernel size, float > 0, and the paper's lambda, float >= 0.
        seed: int from 0 to 2**32 - 1, which decides the weights and the prior's samples.

    Returns a keras.Model as in `models.stacked_autoencoder`. Raises a ValueError for an argument out of range
    or a prior without sigma and weight (or they without it), a TypeError for a prior that cannot be sampled.
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
    data, *, encoder=None, profile="paper", seed=0, batch_norm=False, dropout=0.0,
    monitor="val_loss", callbacks=(),
):  # fmt: skip
    """Train the MLP to classify a data set's training images, or their codes.

    Args:
        data, profile, seed, callbacks: as in `train_autoencoder`.
        encoder: None for the 784 pixels, or the Run of an autoencoder whose frozen codes are classified.
        batch_norm, dropout: as in `models.mlp_classifier`.
        monitor: what decides the best epoch, 'val_loss' (the paper) or 'val_accuracy'.

    Returns the Run of a model that takes codes (or pixels); raises as `train_autoencoder`.
    """
    inputs = encoder.model.get_layer("encoder").output_shape[-1] if encoder else models.INPUT_DIM
    keras.utils.set_random_seed(settings.check_seed(seed))
    model = models.mlp_classifier(inputs, batch_norm=batch_norm, dropout=dropout)
    # XLA slows batch normalization down on a CPU.
    choices = {"monitor": monitor, "encoder": encoder, "xla_from": math.inf if batch_norm else 0}
    return _fit(model, data, profile, seed, callbacks, **choices)


def train_cnn(data, *, profile="paper", seed=0, monitor="val_accuracy", callbacks=()):
    """Train the CNN to classify a data set's training images; all as in `train_classifier`.

    As in the authors' earlier report, early stopping watches the validation accuracy.
    """
    keras.utils.set_random_seed(settings.check_seed(seed))
    model = models.cnn_classifier()
    # With XLA a step takes longer on a CPU.
    return _fit(model, data, profile, seed, callbacks, monitor=monitor, xla_from=math.inf)


def _fit(model, data, profile, seed, callbacks, *, xla_from, loss=None, monitor="val_loss", encoder=None):
    """The Run of a model, compiled and fitted to images with a `loss`, else to labels of (encoded) images."""
    profile = settings.get_profile(profile)
    settings.check_count("profile.epochs", profile.epochs)
    settings.check_count("profile.patience", profile.patience, at_least=0)
    callbacks = check_callbacks(callbacks)
    settings.check_choice("monitor", monitor, MONITORS)

    def pipeline(split, seed=None):
        inputs = encode(encoder, split.images) if encoder else models.check_images(split.images)
        return batches(inputs, None if loss else models.check_labels(split.labels), seed=seed)

    train = pipeline(data.train, seed)
    steps = profile.epochs * len(train)
    task = {"loss": loss} if loss else {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    model.compile(adam(model), **task, **execution(steps, jit=steps >= xla_from))
    timer = StepTimer()
    stopping = keras.callbacks.EarlyStopping(monitor, patience=profile.patience, restore_best_weights=True)
    history = model.fit(
        train,
        validation_data=pipeline(data.validation),
        epochs=profile.epochs,
        # It stops last, so that no other callback restores weights after it.
        callbacks=[timer, keras.callbacks.TerminateOnNaN(), *callbacks, stopping],
        **QUIETLY,
    )
    return finished_run(history, timer, stopping)


def check_callbacks(callbacks):
    """Return Keras callbacks, of None, one or several, as a list; TypeError for something else."""
    several = [] if callbacks is None else keras.tree.flatten(callbacks)
    if wrong := [value for value in several if not isinstance(value, keras.callbacks.Callback)]:
        raise TypeError(f"callbacks must be a Keras callback or a list of them; got {wrong[0]!r}.")
    return several


def adam(model, rate=None):
    """The paper's optimizer with its variables for the model, or Keras would trace the first step twice."""
    optimizer = keras.optimizers.Adam(rate or settings.LEARNING_RATE)
    optimizer.build(model.trainable_variables)
    return optimizer


def finished_run(history, timer, stopping=None):
    """The Run of what `fit` returned, with the weights of the last epoch or of that of `stopping`.

    Raises a ValueError if the loss became NaN or infinite.
    """
    seconds = time.perf_counter() - timer.started
    logs = {name: [float(value) for value in values] for name, values in history.history.items()}
    epochs = len(logs["loss"])
    if not np.all(np.isfinite(logs["loss"] + logs.get("val_loss", []))):
        raise ValueError(f"The loss became NaN or infinite in epoch {epochs}.")
    seconds_per_step = float(np.median(timer.epochs[1:] or timer.epochs)) / history.params["steps"]
    # Keras counts on from a training that BackupAndRestore continues.
    best_epoch = stopping.best_epoch + 1 - history.epoch[0] if stopping else epochs
    return Run(history.model, logs, epochs, best_epoch, seconds, seconds_per_step)


def execution(steps, jit):
    """How Keras runs a training of so many steps, as arguments of `compile`: a matter of speed only."""
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return {"jit_compile": False}  # replicas take neither eager steps nor XLA on one device
    eagerly = steps < GRAPH_PAYS_FROM
    return {"run_eagerly": eagerly, "jit_compile": jit and not eagerly}


def batches(inputs, targets=None, *, seed=None, size=None):
    """A tf.data pipeline of mini-batches (inputs, targets), else (inputs, inputs); shuffled with a seed."""
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
    return indices.batch(size or settings.BATCH_SIZE).map(pick).prefetch(1).with_options(options)


class StepTimer(keras.callbacks.Callback):
    """Measures the seconds of each of the `epochs` of a training, without validation."""

    def __init__(self):
        super().__init__()
        self.started, self.epochs = time.perf_counter(), []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_started, self.epoch_ended = time.perf_counter(), None

    def on_test_begin(self, logs=None):
        self.epoch_ended = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((self.epoch_ended or time.perf_counter()) - self.epoch_started)


def outputs(model, inputs):
    """A model's outputs, an array of n rows, for inputs [n, d]: as `predict`, without tracing a graph."""
    inputs, size = settings.check_array("inputs", inputs), settings.BATCH_SIZE
    if inputs.ndim != 2 or not len(inputs):
        wanted = f"[n, {model.input_shape[-1]}], n >= 1"
        raise ValueError(f"inputs of {model.name} must be {wanted}; got shape {inputs.shape}.")
    starts = range(0, len(inputs), size)
    return np.concatenate([model(inputs[start : start + size], training=False) for start in starts])


def encode(run, images):
    """The codes, floats [n, k], that the encoder of an autoencoder's Run gives for images [n, 784]."""
    return outputs(run.model.get_layer("encoder"), models.check_images(images))


def decode(run, codes):
    """The images, floats [n, 784], that the decoder of an autoencoder's Run makes of codes [n, k]."""
    return outputs(run.model.get_layer("decoder"), codes)
