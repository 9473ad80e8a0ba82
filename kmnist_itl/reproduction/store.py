"""Trained runs and their measurements, each kept by the key of its training and found again.

A trained run is a folder in the cache: its weights and a record. Its measurements are one row of
measurements.csv, which stands with the tables: a table is a selection of these rows, so two tables cannot
disagree. The same seed on another machine is another training, so a row says where it was made.
"""

import contextlib
import csv
import functools
import hashlib
import inspect
import json
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from kmnist_itl import files, forms, models, priors, settings, training
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.augmentation import RandomHandwriting
from kmnist_itl.reproduction import measures
from kmnist_itl.reproduction.cost import device_name
from kmnist_itl.reproduction.progress import Progress

# Part of a training's key: raise the first when a change in training.py or models.py decides other weights,
# the second when one in divergence.py or priors.py does: then only what has a prior is trained again.
TRAINING_VERSION = 1
REGULARIZER_VERSION = 4
# The same for augmentation.py, the clustering network, its training and forms.find_forms, which it learns.
CLUSTERING_VERSION = 1

RUN_MEGABYTES = 50  # a kept run takes 8, and as much again while it is written

MEASUREMENTS = "measurements.csv"
_WHERE = ("processor", "threads", "tensorflow")
_TEXT = ("run", "encoder", "training", "processor", "tensorflow", "remark")  # a key may look like a number
# Two measures begin with an accuracy: whose it is tells the training.
_ACCURACY_OF = {"clusters": "autoencoder", "classes": ("classifier", "CNN")}
_FIRST = ("run", "training", "seed", "most_epochs", *_WHERE, "remark")


@dataclass(frozen=True, eq=False)
class Training:
    """One training, described; nothing is trained before `run`.

    `kind` is 'autoencoder', 'classifier', 'cnn' or 'clustering', `arguments` what training.py's function for
    it is called with besides data, profile and seed; a prior is (name, arguments) as in `priors.get`.
    `fingerprint` is that of the data, `encoder` the Training of the autoencoder whose codes a classifier
    sees. A profile of 0 epochs is the untrained model.
    """

    kind: str
    fingerprint: str
    profile: settings.Profile
    seed: int
    arguments: dict
    encoder: "Training | None" = None

    @functools.cached_property
    def complete(self):
        """The arguments, and the training function's defaults of those that are not named."""
        parameters = inspect.signature(getattr(training, f"train_{self.kind}")).parameters.values()
        defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
        return {**defaults, **self.arguments}

    @functools.cached_property
    def settings(self):
        """All that decides the result, as a dict."""
        arguments = self.complete
        if self.kind == "autoencoder":
            decides = {
                "model": "stacked_autoencoder",
                "latent_dim": arguments["latent_dim"],
                "loss": arguments["loss"],
                "regularizer": self._regularizer(),
            }
        elif self.kind == "classifier":
            decides = {
                "model": "mlp_classifier",
                "inputs": self.encoder.key if self.encoder else "pixels",
                "batch_norm": arguments["batch_norm"],
                "dropout": models.check_dropout(arguments["dropout"]),
                "monitor": arguments["monitor"],
            }
        elif self.kind == "clustering":
            decides = {
                "model": "clustering_network",
                "heads": list(arguments["heads"]),
                "neighbours": arguments["neighbours"],
                "information": arguments["information"],
                "epochs_of_rounds": self._rounds,
                "pairs": arguments["batch"],
                "form_resolution": training.FORM_RESOLUTION,
                "form_batch": training.FORM_BATCH,
                "form_neighbours": forms.NEIGHBOURS,
                "last_rate": training.LAST_RATE,
                "momentum": models.CNN_MOMENTUM,
                "handwriting": RandomHandwriting(**(arguments["handwriting"] or {})).settings,
                "clustering_version": CLUSTERING_VERSION,
            }
        else:
            decides = {
                "model": "cnn_classifier",
                "momentum": models.CNN_MOMENTUM,
                "monitor": arguments["monitor"],
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

    @property
    def most_epochs(self):
        """The most epochs that are run: a clustering network has its own number."""
        most = self.profile.epochs
        return sum(self._rounds) if self.kind == "clustering" else most

    @property
    def _rounds(self):
        arguments = self.complete
        return list(training.epochs_of_rounds(arguments["epochs"], arguments["form_epochs"], self.profile))

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
        arguments = self.complete
        if self.kind == "cnn":
            parts = ["CNN"]
        elif self.kind == "clustering":
            parts = ["clustering network"]
            parts += [f"{name} {value}" for name, value in self.arguments.items()]
        elif self.kind == "classifier":
            seen = f"{self.encoder.arguments['latent_dim']} codes" if self.encoder else "784 pixels"
            parts = [f"classifier of {seen}"]
            parts += ["batch normalization"] * arguments["batch_norm"]
            parts += [f"{arguments['dropout']:.0%} dropout"] if arguments["dropout"] else []
            parts += [f"stopped by {arguments['monitor']}"] if arguments["monitor"] != "val_loss" else []
        else:
            parts = [f"autoencoder, {arguments['latent_dim']} units"]
            loss = arguments["loss"].replace("_", " ")
            parts += [loss] if loss != "mean squared error" else []
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
        progress = Progress(self.title, self.most_epochs)
        run = self._find()
        if run is None:
            check_room()
            with _alone(settings.cache_dir() / "locks" / self.key, progress):
                run = self._find()  # another process may have kept it meanwhile
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
            first = data.train.images if self.kind == "clustering" else data  # which sees no labels
            return function(first, **{**self.arguments, **self._with_prior()}, **how)
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
        if self.kind == "clustering":
            return models.clustering_network(self.complete["heads"])
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
def _alone(path, progress=None):
    """Let one process work while others that want the same lock wait.

    The lock is the operating system's: it goes when its process ends, also if it is killed.
    """
    # The file stays: one that is taken away while another process waits for it would let two in.
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            progress.waiting()
        lock.acquire()
    try:
        yield
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
        return {row["run"]: row for row in read_table(self.file).to_dict("records")}

    def alone(self):
        """A context in which no other process writes to the folder's store or refreshes its tables."""
        return _alone(self.file.with_name(f".{self.file.name}.lock"))

    def find(self, described, names, rows=None):
        """The row of a Training if all measures of these names are in it, else None."""
        row = (self.rows() if rows is None else rows).get(described.key)
        return row if row and set(names or [None]) <= {None, *_measures_in(row)} else None

    def measure(self, described, names, data):
        """Train, or find the run, take the measures of these names, and put them into its row.

        A row of another machine is of another training: it is replaced, and what it held is measured anew.

        Args:
            described: Training.
            names: names of measures.MEASURES.
            data: data.Dataset.

        Returns:
            The row, as a dict.
        """
        run = described.run(data)
        encoder = described.encoder and described.encoder.run(data)
        trained = measures.Trained(described, run, data, encoder)
        where, before = self._where(described), self.rows().get(described.key, {})
        same = "not recorded" not in where.values() and all(
            before.get(name) == where[name] for name in _WHERE
        )
        values = measures.of_run(run)
        for name in dict.fromkeys((*names, *(_measures_in(before) if before and not same else ()))):
            values |= measures.MEASURES[name][0](trained)
        with self.alone():
            rows = self.rows()
            # Another process may have measured something else of the same run meanwhile.
            before = rows.get(described.key, {})
            same = all(before.get(name) == where[name] for name in _WHERE)
            rows[described.key] = {
                "run": described.key,
                "training": described.title,
                "seed": described.seed,
                "most_epochs": described.profile.epochs,
                **where,
                **({name: value for name, value in before.items() if name not in _FIRST} if same else {}),
                **values,
            }
            self.write(rows)
        return rows[described.key]

    @staticmethod
    def _where(described):
        file = runs_dir() / described.key / "run.json"
        record = json.loads(file.read_text()) if file.is_file() else {"machine": machine()}
        return record.get("machine") or dict.fromkeys(_WHERE, "not recorded")

    def write(self, rows):
        """Write all rows (dicts by key), sorted by what they are."""
        frame = pd.DataFrame(rows.values())
        columns = [name for name in _FIRST if name in frame] + sorted(set(frame) - set(_FIRST))
        write_table(frame[columns].sort_values(["training", "most_epochs", "run"]), self.file)


def _measures_in(row):
    """The names of the measures that a row holds: the first column of each is never empty."""
    training = str(row["training"])
    others = {name for name, of in _ACCURACY_OF.items() if not training.startswith(of)}
    return [
        name
        for name, (_, columns) in measures.MEASURES.items()
        if name not in others and pd.notna(row.get(columns[0]))
    ]


def read_table(path):
    """A CSV of ours as a DataFrame of ints, floats, bools and strings, gaps as NaN; to the last digit."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = [
            {name: text or float("nan") if name in _TEXT else _value(text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
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
