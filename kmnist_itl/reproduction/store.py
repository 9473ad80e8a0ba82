"""Trained runs and their measurements, each kept by the key of its training and found again.

A trained run is a folder in the cache: its weights and a record. Its measurements are one row of
measurements.csv, which stands with the tables: a table is a selection of these rows, so two tables cannot
disagree. The same seed on another machine is another training, so a row says where it was made.
"""

import contextlib
import csv
import functools
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from kmnist_itl import files, models, priors, settings, training
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.reproduction import measures
from kmnist_itl.reproduction.cost import device_name
from kmnist_itl.reproduction.progress import Progress

# Part of a training's key: raise the first when a change in training.py or models.py decides other weights,
# the second when one in divergence.py or priors.py does: then only what has a prior is trained again.
TRAINING_VERSION = 1
REGULARIZER_VERSION = 4

RUN_MEGABYTES = 50  # a kept run takes 8, and as much again while it is written

MEASUREMENTS = "measurements.csv"
_WHERE = ("processor", "threads", "tensorflow")
_FIRST = ("run", "training", "seed", "most_epochs", *_WHERE, "remark")


@dataclass(frozen=True, eq=False)
class Training:
    """One training, described; nothing is trained before `run`.

    `kind` is 'autoencoder', 'classifier' or 'cnn', `arguments` what training.py's function for it is called
    with besides data, profile and seed; a prior is (name, arguments) as of `priors.get`. `fingerprint` is
    that of the data, `encoder` the Training of the autoencoder whose codes a classifier sees. A profile of 0
    epochs is the untrained model.
    """

    kind: str
    fingerprint: str
    profile: settings.Profile
    seed: int
    arguments: dict
    encoder: "Training | None" = None

    @functools.cached_property
    def settings(self):
        """All that decides the result, as a dict."""
        arguments = self.arguments
        if self.kind == "autoencoder":
            decides = {
                "model": "stacked_autoencoder",
                "latent_dim": arguments["latent_dim"],
                "loss": arguments.get("loss", "mean_squared_error"),
                "regularizer": self._regularizer(),
            }
        elif self.kind == "classifier":
            decides = {
                "model": "mlp_classifier",
                "inputs": self.encoder.key if self.encoder else "pixels",
                "batch_norm": arguments.get("batch_norm", False),
                "dropout": models.check_dropout(arguments.get("dropout", 0.0)),
                "monitor": arguments.get("monitor", "val_loss"),
            }
        else:
            decides = {
                "model": "cnn_classifier",
                "momentum": models.CNN_MOMENTUM,
                "monitor": arguments.get("monitor", "val_accuracy"),
            }
        return {
            **decides,
            "data": self.fingerprint,
            "seed": self.seed,
            "epochs": self.profile.epochs,
            "patience": self.profile.patience,
            "batch_size": settings.BATCH_SIZE,
            "learning_rate": settings.LEARNING_RATE,
            "training_version": TRAINING_VERSION,
            **_keras_settings(),
        }

    def _regularizer(self):
        if self.prior is None:
            return None
        return {
            "prior": {"class": type(self.prior).__name__, **self.prior.get_config()},
            "sigma": float(self.arguments["sigma"]),
            "weight": float(self.arguments["weight"]),
            "estimator": "sample",
            "seed": self.seed,
            "version": REGULARIZER_VERSION,
        }

    @property
    def prior(self):
        """The prior as an object of priors.py, or None."""
        named = self.arguments.get("prior")
        return named and priors.get(named[0], **named[1])

    @property
    def setting(self):
        """The prior, its kernel size and lambda, as the tables name them; empty for classifiers."""
        if self.kind != "autoencoder":
            return {}
        prior, *_ = self.arguments.get("prior") or ("none",)
        return {
            "prior": prior,
            "sigma": self.arguments.get("sigma", float("nan")),
            "lambda": self.arguments.get("weight", 0),
        }

    @functools.cached_property
    def key(self):
        """The name under which the run is kept."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:24]

    @property
    def title(self):
        """What people read."""
        arguments, loss = self.arguments, self.arguments.get("loss", "mean_squared_error")
        if self.kind == "cnn":
            parts = ["CNN"]
        elif self.kind == "classifier":
            seen = f"{self.encoder.arguments['latent_dim']} codes" if self.encoder else "784 pixels"
            parts = [f"classifier of {seen}"]
            parts += ["batch normalization"] * arguments.get("batch_norm", False)
            parts += [f"{arguments['dropout']:.0%} dropout"] if arguments.get("dropout") else []
            parts += [f"stopped by {arguments['monitor']}"] if "monitor" in arguments else []
        else:
            parts = [f"autoencoder, {arguments['latent_dim']} units"]
            parts += [loss.replace("_", " ")] if loss != "mean_squared_error" else []
            if self.prior is not None:
                named = f"{type(self.prior).__name__}, sigma {arguments['sigma']:g}"
                parts += [f"{named}, lambda {arguments['weight']:g}"]
        return ", ".join([*parts, f"seed {self.seed}"])

    @property
    def kept(self):
        """Whether the run is kept; that it is undamaged is seen when it is found."""
        return not self.profile.epochs or (runs_dir() / self.key / "run.json").is_file()

    def run(self, data):
        """Train on a data.Dataset, or find what was trained before; returns training.Run.

        Raises:
            ValueError: what training.py's function raises, or data of another fingerprint.
            OSError: trained runs cannot be kept; said before training.
        """
        if data.fingerprint != self.fingerprint:
            raise ValueError(f"data must be those that the training was described for; got {data.title}.")
        if not self.profile.epochs:
            return training.Run(self._build(), {}, 0, 0, 0.0, 0.0)
        progress = Progress(self.title, self.profile.epochs)
        run = self._find()
        if run is None:
            check_room()
            with _alone(self.key, progress) as waited:
                run = self._find() if waited else None
                if run is None:
                    return self._keep(self._train(data, progress))
        progress.found_again(run.epochs)
        return run

    def _train(self, data, progress):
        function = getattr(training, f"train_{self.kind}")
        how = {"profile": self.profile, "seed": self.seed, "callbacks": [progress]}
        if self.encoder:
            how["encoder"] = self.encoder.run(data)
        try:
            return function(data, **{**self.arguments, **self._with_prior()}, **how)
        except ValueError as error:
            raise ValueError(f"{self.title}: {error} Nothing was kept.") from error

    def _with_prior(self):
        return {} if self.prior is None else {"prior": self.prior}

    def _build(self):
        """The untrained model."""
        arguments = {**self.arguments, **self._with_prior()}
        if self.kind == "autoencoder":
            arguments.pop("loss", None)
            return training.autoencoder(**arguments, seed=self.seed)
        if self.kind == "cnn":
            return models.cnn_classifier()
        arguments.pop("monitor", None)
        seen = self.encoder.arguments["latent_dim"] if self.encoder else models.INPUT_DIM
        return models.mlp_classifier(seen, **arguments)

    def _keep(self, run):
        """Write a run beside its place and rename it there, so that what stands there is whole.

        Returns the training.Run with a model that is not compiled, as of a run that is found.
        """
        # Without the optimizer, whose moments are two thirds of the file.
        model = self._build()
        model.set_weights(run.model.get_weights())
        run = training.Run(**{**vars(run), "model": model})
        folder = runs_dir()
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{self.key}-", dir=folder))
        try:
            weights = beside / "model.weights.h5"
            model.save_weights(weights)
            record = {name: value for name, value in vars(run).items() if name != "model"}
            record |= {"settings": self.settings, "machine": machine(), "keras": keras.__version__}
            record |= {"weights_sha256": _sha256(weights)}
            (beside / "run.json").write_text(json.dumps(record, indent=1))
            try:
                os.rename(beside, folder / self.key)
            except OSError:  # something stands there: the same run, which another process has kept meanwhile,
                try:
                    _record(folder / self.key)
                except (OSError, ValueError, KeyError):  # or a damaged one
                    shutil.rmtree(folder / self.key)
                    os.rename(beside, folder / self.key)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return run

    def _find(self):
        """The kept training.Run; None if there is none to trust."""
        folder = runs_dir() / self.key
        if not folder.exists():
            return None
        try:
            record = _record(folder)
            model = self._build()
            model.load_weights(folder / "model.weights.h5")
            names = ("history", "epochs", "best_epoch", "seconds", "seconds_per_step")
            return training.Run(model, **{name: record[name] for name in names})
        except (OSError, ValueError, KeyError) as error:
            warnings.warn(f"The kept run {folder} is damaged and is trained again: {error}", stacklevel=4)
            return None


def _keras_settings():
    """What keras.json or a program has set otherwise than Keras does, and decides a result."""
    found = {"dtype": keras.config.dtype_policy().name, "epsilon": keras.config.epsilon()}
    usual = {"dtype": "float32", "epsilon": 1e-7}
    return {name: value for name, value in found.items() if value != usual[name]}


def runs_dir():
    """The folder of kept runs, as a Path."""
    return settings.cache_dir() / "runs"


def check_room():
    """Raise an OSError, which says what to do, unless the folder of kept runs can be written and has room."""
    files.check_room(runs_dir(), "Trained runs", megabytes=RUN_MEGABYTES, variable="KMNIST_ITL_CACHE")


def records():
    """The records (dicts) of all kept runs; one that cannot be read is left out."""
    for file in sorted(runs_dir().glob("*/run.json")):
        with contextlib.suppress(OSError, ValueError):
            yield json.loads(file.read_text())


def _record(folder):
    """A kept run's record; ValueError, KeyError or OSError if it or its weights are damaged."""
    record = json.loads((folder / "run.json").read_text())
    if record["weights_sha256"] != _sha256(folder / "model.weights.h5"):
        raise ValueError("the checksum of its weights differs")
    return record


def _sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextlib.contextmanager
def _alone(name, progress=None):
    """Let one process work while others that want the same wait; yields whether this one waited.

    The lock is the operating system's, and so it goes when its process does, however that ends.
    """
    # Locks stay: one that is taken away while another process waits for it would let two in.
    folder = settings.cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock, waited = FileLock(folder / name), False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waited = True
        if progress:
            progress.waiting()
        lock.acquire()
    try:
        yield waited
    finally:
        lock.release()


@functools.lru_cache(maxsize=1)
def machine():
    """Where a training is made: processor (or GPU), threads and TensorFlow's version, as a dict."""
    threads = (
        os.environ.get("TF_NUM_INTRAOP_THREADS") or tf.config.threading.get_intra_op_parallelism_threads()
    )
    return {
        "processor": device_name(),
        "threads": int(threads) or os.cpu_count(),
        "tensorflow": tf.__version__,
    }


class Measurements:
    """The measurements of all trained runs, one row for each, in a folder's measurements.csv.

    Args:
        folder: Path, where the tables stand.
    """

    def __init__(self, folder):
        self.file = Path(folder) / MEASUREMENTS

    def rows(self):
        """The rows as a dict of dicts by the run's key; what was not measured is NaN."""
        if not self.file.is_file():
            return {}
        frame = read_table(self.file)
        return {row["run"]: row for row in frame.to_dict("records")}

    def measured(self, described, names, rows=None):
        """The row of a Training if all measures of these names are in it, else None."""
        row = (self.rows() if rows is None else rows).get(described.key)
        wanted = [measures.MEASURES[name][1][0] for name in names] or ["epochs"]
        return row if row and all(pd.notna(row.get(column)) for column in wanted) else None

    def measure(self, described, names, data, *, encoder=None):
        """Train, or find the run, take the measures of these names, and put them into its row.

        Values of the same run on the same machine stay in the row beside them. A row of another machine is
        of another training, and is replaced as a whole.

        Args:
            described: Training.
            names: names of measures.MEASURES.
            data: data.Dataset.
            encoder: the Training of the autoencoder whose codes a classifier sees, or None.

        Returns:
            The row, as a dict.
        """
        run = described.run(data)
        trained = measures.Trained(described, run, data, encoder and encoder.run(data))
        values = measures.of_run(run)
        for name in names:
            values |= measures.MEASURES[name][0](trained)
        where = self._where(described)
        with _alone(hashlib.sha256(str(self.file).encode()).hexdigest()[:24]):
            rows = self.rows()
            before = rows.get(described.key, {})
            if any(str(before.get(name)) != str(value) for name, value in where.items()):
                before = {}
            row = {
                "run": described.key,
                "training": described.title,
                "seed": described.seed,
                "most_epochs": described.profile.epochs,
                **where,
                **{name: value for name, value in before.items() if name not in (*_FIRST, *values)},
                **values,
            }
            rows[described.key] = row
            self.write(rows)
        return row

    def _where(self, described):
        file = runs_dir() / described.key / "run.json"
        kept = json.loads(file.read_text()) if file.is_file() else {"machine": machine()}
        return kept.get("machine") or dict.fromkeys(_WHERE, "not recorded")

    def write(self, rows):
        """Write all rows (dicts by key), sorted by what they are."""
        frame = pd.DataFrame(rows.values())
        columns = [name for name in _FIRST if name in frame] + sorted(set(frame) - set(_FIRST))
        frame = frame[columns].sort_values(["training", "most_epochs", "run"])
        write_table(frame, self.file)


def read_table(path):
    """A CSV of ours as a DataFrame of ints, floats, bools and strings, gaps as NaN; to the last digit."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]
    return pd.DataFrame(rows, dtype=object)


def _value(text):
    if text in ("", "True", "False"):
        return {"": float("nan"), "True": True, "False": False}[text]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def write_table(frame, path):
    """Write a DataFrame as CSV, whole numbers as such also in columns that have gaps."""
    files.write_whole(path, lambda beside: frame.convert_dtypes().to_csv(beside, index=False))
