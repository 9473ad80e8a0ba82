"""Training as in the paper's section III.B; a trained run is kept and found again by its settings."""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from kmnist_itl import files, models, settings
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer
from kmnist_itl.progress import Progress

# Steps of a training from which on XLA saves more than compiling with it takes (measured on two cores: 14 s
# more for an autoencoder with a prior, then 30 ms less for each step).
XLA_PAYS_FROM = 500
# Below this, not even a graph pays: tracing it takes 2 s on this kind of machine, a step 0.1.
GRAPH_PAYS_FROM = 20

RUN_MEGABYTES = 50  # a kept run takes 8, and as much again while it is written

RECONSTRUCTION_LOSSES = ("mean_squared_error", "mean_absolute_error")
MONITORS = ("val_loss", "val_accuracy")
STRATEGIES = ("mirrored",)

# Part of a kept run's key: raise the first when a change here or in models.py decides other weights, the
# second when one in divergence.py or priors.py does: then only what was trained with a prior is done again.
TRAINING_VERSION = 1
REGULARIZER_VERSION = 4


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training.

    `model`, not compiled, has the weights of the epoch with the best validation loss. `history` holds a
    list for each of Keras' logs, `epochs` how many were run, `best_epoch` (from 1) which one was kept.
    `seconds` is the whole of `fit`, `seconds_per_step` the median over the epochs without the first, which
    compiles, validation not counted. `key` names the run, `settings` is all that decides it, `found` says
    whether it was trained before. Timings are those of the training, also when the run was found again.
    """

    model: keras.Model
    settings: dict
    key: str
    history: dict
    epochs: int
    best_epoch: int
    seconds: float
    seconds_per_step: float
    found: bool


@dataclass(frozen=True, eq=False)
class Task:
    """A training that is described and not yet done or found.

    `settings` is all that decides its result, `key` the name under which its run is kept, `title` what people
    read. `how` is for `run`.
    """

    title: str
    settings: dict
    how: dict

    @property
    def key(self):
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:24]

    @property
    def kept(self):
        """Whether a run is kept; that it is undamaged is seen when it is found."""
        return (runs_dir() / self.key / "run.json").is_file()

    def run(self):
        """Train, or find what was trained before; returns Run."""
        return _train_or_find(self.settings, self.key, title=self.title, **self.how)


def _task(describe):
    """Make of a function that describes a Task one that also runs it; `.task` is the one that does not."""

    @functools.wraps(describe)
    def train(*args, **kwargs):
        return describe(*args, **kwargs).run()

    train.task = describe
    return train


@_task
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
    strategy=None,
):
    """Train a stacked autoencoder on a data set's training images, or find it if it was trained before.

    The paper writes the loss as \\|x - x^\\| and calls it MSE in its text; with the absolute error the
    autoencoder can collapse to one constant image, so the squared error is the default.

    Args:
        data: data.Dataset.
        latent_dim: int >= 1, units of the bottleneck.
        profile: name of a profile or a settings.Profile: the most epochs, the patience.
        seed: int >= 0: weights, batch order and prior samples follow it.
        loss: 'mean_squared_error' or 'mean_absolute_error', the mean over pixels and images.
        prior: None, or what the codes are pulled towards, one of priors.py: then the loss has
            weight * CSD(codes || prior) more, and the run's history has "csd" and "val_csd".
        sigma: float > 0, the CSD's kernel size; needed with a prior.
        weight: float >= 0, the paper's lambda; needed with a prior.
        strategy: None for one device, or 'mirrored': tf.distribute.MirroredStrategy over all GPUs, or over
            TensorFlow's logical CPU devices where there is none. The mini-batch is shared out, so that n
            devices take 1,000 / n images each (of training and validation up to n - 1 images are left out, so
            that all have equal shares); the squared error is that of the whole batch, up to rounding.
            The CSD is the mean of the devices' own, each of its part of the batch to as many points of the
            prior, which is larger: a sample of n points has some divergence even from its own density, about
            in proportion to 1/n. The number of devices is part of what decides the run.

    Returns:
        Run.

    Raises:
        ValueError: an argument out of range, a prior without sigma and weight (or they without it), or the
            loss became NaN or infinite; nothing is kept then.
        OSError: trained runs cannot be kept; said before training.
        TypeError: prior is none that can be sampled.
    """
    profile = settings.get_profile(profile)
    settings.check_choice("loss", loss, RECONSTRUCTION_LOSSES)
    settings.check_choice("strategy", strategy, (None, *STRATEGIES))
    replicas = {"replicas": len(_devices())} if strategy else {}
    latent_dim = settings.check_count("latent_dim", latent_dim)
    seed = settings.check_count("seed", seed, at_least=0)
    given = [
        name for name, value in (("prior", prior), ("sigma", sigma), ("weight", weight)) if value is not None
    ]
    if given and len(given) < 3:
        raise ValueError(f"prior, sigma and weight go together; got only {' and '.join(given)}.")

    def regularizer():
        return CauchySchwarzRegularizer(prior, sigma, weight, seed=seed) if given else None

    return _described_task(
        {
            "model": "stacked_autoencoder",
            "latent_dim": latent_dim,
            "loss": loss,
            "regularizer": _described(regularizer()),
            "data": data.fingerprint,
            **replicas,
        },
        build=lambda: models.stacked_autoencoder(latent_dim, regularizer(), seed=seed),
        compiled={"loss": loss},
        mirrored=strategy == "mirrored",
        jit=not strategy and _steps(len(data.train)) * profile.epochs >= XLA_PAYS_FROM,
        splits=lambda: ((data.train.images, None), (data.validation.images, None)),
        profile=profile,
        seed=seed,
        title=f"autoencoder, {latent_dim} units"
        + (f", {loss.replace('_', ' ')}" if loss != "mean_squared_error" else "")
        + (f", {type(prior).__name__}, sigma {sigma:g}, lambda {weight:g}" if given else "")
        + f", seed {seed}",
    )


def _devices():
    """The names of the devices that 'mirrored' trains on."""
    return [of.name for of in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]


def untrained_autoencoder(latent_dim, *, seed=0):
    """The stacked autoencoder with the weights that `train_autoencoder` begins with, not compiled.

    Without the regularizer, which has no weights. Arguments and errors as of `train_autoencoder`.
    """
    seed = settings.check_count("seed", seed, at_least=0)
    return models.stacked_autoencoder(latent_dim, seed=seed)


@_task
def train_classifier(
    data, *, encoder=None, profile="paper", seed=0, batch_norm=False, dropout=0.0, monitor="val_loss"
):
    """Train the MLP on a data set's training images or on their codes, or find it if it was trained before.

    Args:
        data: data.Dataset.
        encoder: None for the 784 pixels, or the Run (or Task) of an autoencoder whose frozen codes are
            classified.
        profile, seed: as in `train_autoencoder`.
        batch_norm, dropout: as in `models.mlp_classifier`.
        monitor: what decides the best epoch, 'val_loss' (the paper) or 'val_accuracy'.

    Returns:
        Run, of a model that takes codes (or pixels).

    Raises:
        ValueError: as `train_autoencoder`.
    """
    input_dim = encoder.settings["latent_dim"] if encoder else models.INPUT_DIM

    def splits():
        coder = encoder.run() if isinstance(encoder, Task) else encoder
        parts = (data.train, data.validation)
        return [(encode(coder, part.images) if coder else part.images, part.labels) for part in parts]

    return _classifier_task(
        {
            "model": "mlp_classifier",
            "inputs": encoder.key if encoder else "pixels",
            "batch_norm": bool(batch_norm),
            "dropout": models.check_dropout(dropout),
            "data": data.fingerprint,
        },
        build=lambda: models.mlp_classifier(input_dim, batch_norm=batch_norm, dropout=dropout, seed=seed),
        jit=not batch_norm,  # with XLA on a CPU batch normalization takes several times longer
        splits=splits,
        profile=profile,
        seed=seed,
        monitor=monitor,
        title=f"classifier of {input_dim} {'codes' if encoder else 'pixels'}"
        + ", batch normalization" * bool(batch_norm)
        + (f", {dropout:.0%} dropout" if dropout else "")
        + (f", stopped by {monitor}" if monitor != "val_loss" else "")
        + f", seed {seed}",
    )


@_task
def train_cnn(data, *, profile="paper", seed=0, monitor="val_accuracy"):
    """Train the CNN on a data set's training images, or find it if it was trained before.

    As in the authors' earlier report, early stopping watches the validation accuracy. Arguments, result and
    errors as in `train_classifier`.
    """
    return _classifier_task(
        {"model": "cnn_classifier", "momentum": models.CNN_MOMENTUM, "data": data.fingerprint},
        build=lambda: models.cnn_classifier(seed=seed),
        jit=False,  # on a CPU a step takes a third longer with XLA
        splits=lambda: [(part.images, part.labels) for part in (data.train, data.validation)],
        profile=profile,
        seed=seed,
        monitor=monitor,
        title=f"CNN, seed {seed}",
    )


def _classifier_task(decides, *, profile, monitor, **how):
    settings.check_choice("monitor", monitor, MONITORS)
    return _described_task(
        {**decides, "monitor": monitor},
        compiled={"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
        profile=settings.get_profile(profile),
        monitor=monitor,
        **how,
    )


def encode(run, images):
    """The codes, float32 [n, k], that the encoder of an autoencoder's Run gives for images [n, 784]."""
    return outputs(run.model.get_layer("encoder"), images)


def decode(run, codes):
    """The images, float32 [n, 784], that the decoder of an autoencoder's Run makes of codes [n, k]."""
    return outputs(run.model.get_layer("decoder"), codes)


def reconstruction_error(run, images):
    """Mean squared error over pixels and images [n, 784] of an autoencoder's Run, as a float."""
    # Through the two halves, so that no regularizer is computed (and compiled) for nothing.
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


def batches(inputs, targets=None, *, seed=None):
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
    return indices.batch(settings.BATCH_SIZE).map(pick).prefetch(1).with_options(options)


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


def fit(model, train, validation, *, compiled, jit, profile, seed, title, monitor="val_loss", eager=True):
    """Compile and fit a Keras model as the paper does; returns (history, seconds, seconds per step).

    Adam at 1e-3, mini-batches of 1,000, early stopping on the best validation loss (or what `monitor`
    names), whose weights are restored. `train` and `validation` are (inputs, targets), targets None for an
    autoencoder; `compiled` is handed to `compile`, `jit` is Keras' jit_compile. Unless `eager` is False,
    a training of a few steps runs eagerly.
    Raises ValueError if the loss becomes NaN or infinite.
    """
    eagerly = eager and _steps(len(train[0])) * profile.epochs < GRAPH_PAYS_FROM
    model.compile(
        optimizer=keras.optimizers.Adam(settings.LEARNING_RATE),
        jit_compile=jit and not eagerly,
        run_eagerly=eagerly,
        **compiled,
    )
    timer = StepTimer()
    stopping = keras.callbacks.EarlyStopping(
        monitor=monitor,
        mode="min" if monitor == "val_loss" else "max",
        patience=profile.patience,
        restore_best_weights=True,
    )
    started = time.perf_counter()
    with warnings.catch_warnings():
        # The pipeline shuffles; Keras warns that it does not.
        warnings.filterwarnings("ignore", message=".*shuffle=True.*")
        history = model.fit(
            batches(*train, seed=seed),
            validation_data=batches(*validation),
            epochs=profile.epochs,
            verbose=0,
            callbacks=[timer, stopping, keras.callbacks.TerminateOnNaN(), Progress(title, profile.epochs)],
        ).history
    seconds = time.perf_counter() - started
    if not np.all(np.isfinite(history["loss"])) or not np.all(np.isfinite(history.get("val_loss", [0]))):
        raise ValueError(
            f"The loss became NaN or infinite in epoch {len(history['loss'])} of: {title}. Nothing was kept."
        )
    return history, seconds, timer.seconds_per_step(_steps(len(train[0])))


def _steps(images):
    """Steps of an epoch."""
    return -(-images // settings.BATCH_SIZE)


def _best(history, monitor):
    """Index of the epoch whose weights early stopping restores."""
    best = np.argmin if monitor == "val_loss" else np.argmax
    return best(history[monitor])


def runs_dir():
    """The folder of kept runs, as a Path."""
    return settings.cache_dir() / "runs"


def kept_seconds():
    """(settings, seconds) of each kept run; one that cannot be read is left out."""
    for file in sorted(runs_dir().glob("*/run.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = json.loads(file.read_text())
            yield record["settings"], record["seconds"]


def check_room():
    """Raise an OSError, which says what to do, unless the folder of kept runs can be written and has room."""
    files.check_room(runs_dir(), "Trained runs", megabytes=RUN_MEGABYTES, variable="KMNIST_ITL_CACHE")


def _described(regularizer):
    """What decides a regularizer: what it is made of, not its name, which Keras counts up."""
    if regularizer is None:
        return None
    names = ("sigma", "weight", "estimator", "seed")
    prior = {"class": type(regularizer.prior).__name__, **regularizer.prior.get_config()}
    described = {name: getattr(regularizer, name) for name in names}
    return {"prior": prior, **described, "version": REGULARIZER_VERSION}


def _described_task(decides, *, title, profile, seed, **how):
    seed = settings.check_count("seed", seed, at_least=0)
    decides = {
        **decides,
        "seed": seed,
        "epochs": profile.epochs,
        "patience": profile.patience,
        "batch_size": settings.BATCH_SIZE,
        "learning_rate": settings.LEARNING_RATE,
        "training_version": TRAINING_VERSION,
    }
    return Task(title, decides, {"profile": profile, "seed": seed, **how})


def _train_or_find(decides, key, *, title, build, splits, profile, seed, monitor="val_loss", **how):
    progress = Progress(title, profile.epochs)
    model, record = _find(key, build)
    found = record is not None
    if not found:
        check_room()
        with _alone(key, progress) as waited:
            if waited:
                model, record = _find(key, build)
                found = record is not None
            if not found:
                how = {**how, "profile": profile, "title": title}
                model, record = _train(decides, build, splits, seed=seed, monitor=monitor, **how)
                _keep(key, model, record)
    if found:
        progress.found_again(record["epochs"])
    return Run(
        model,
        settings=decides,
        key=key,
        found=found,
        **{name: record[name] for name in ("history", "epochs", "best_epoch", "seconds", "seconds_per_step")},
    )


def _train(decides, build, splits, *, seed, monitor, mirrored=False, **how):
    """A trained model, not compiled, and the record of its training; `how` is handed to `fit`."""
    train, validation = splits()
    keras.utils.set_random_seed(seed)
    where = tf.distribute.MirroredStrategy(_devices()).scope() if mirrored else contextlib.nullcontext()
    with where:
        trained = build()
        if mirrored:  # Keras adds up the devices' first batches to see their shape
            train, validation = (_shared_evenly(part, len(_devices())) for part in (train, validation))
        how = {**how, "seed": seed, "monitor": monitor, "eager": not mirrored}  # eager code is not mirrored
        history, seconds, per_step = fit(trained, train, validation, **how)
    model = build()
    # Without the optimizer, as a run that is found: its moments are two thirds of the file.
    model.set_weights(trained.get_weights())
    record = {
        "settings": decides,
        "history": {name: [float(v) for v in values] for name, values in history.items()},
        "epochs": len(history["loss"]),
        "best_epoch": int(_best(history, monitor)) + 1,
        "seconds": seconds,
        "seconds_per_step": per_step,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    return model, record


def _shared_evenly(arrays, devices):
    return [part if part is None else part[: len(part) // devices * devices] for part in arrays]


@contextlib.contextmanager
def _alone(key, progress):
    """Let one process train a run while others that want the same wait; yields whether this one waited.

    The lock is the operating system's, and so it goes when its process does, however that ends.
    """
    # Locks stay: one that is taken away while another process waits for it would let two in.
    folder = settings.cache_dir() / "locks"
    folder.mkdir(exist_ok=True)
    lock, waited = FileLock(folder / key), False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waited = True
        progress.waiting()
        lock.acquire()
    try:
        yield waited
    finally:
        lock.release()


def _keep(key, model, record):
    """Write a run beside its place and rename it there, so that what stands there is whole."""
    folder = runs_dir()
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder))
    try:
        weights = beside / "model.weights.h5"
        model.save_weights(weights)
        record = {**record, "weights_sha256": _sha256(weights)}
        (beside / "run.json").write_text(json.dumps(record, indent=1))
        try:
            os.rename(beside, folder / key)
        except OSError:  # something stands there: the same run, which another process has kept meanwhile,
            try:
                _record(folder / key)
            except (OSError, ValueError, KeyError):  # or a damaged one
                shutil.rmtree(folder / key)
                os.rename(beside, folder / key)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _find(key, build):
    """A kept run's (model, record); (None, None) if there is none to trust."""
    folder = runs_dir() / key
    if not folder.exists():
        return None, None
    try:
        record = _record(folder)
        model = build()
        model.load_weights(folder / "model.weights.h5")
    except (OSError, ValueError, KeyError) as error:
        warnings.warn(f"The kept run {folder} is damaged and is trained again: {error}", stacklevel=5)
        return None, None
    return model, record


def _record(folder):
    """A kept run's record; ValueError, KeyError or OSError if it or its weights are damaged."""
    record = json.loads((folder / "run.json").read_text())
    if record["weights_sha256"] != _sha256(folder / "model.weights.h5"):
        raise ValueError("the checksum of its weights differs")
    return record


def _sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()
