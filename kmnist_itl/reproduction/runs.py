"""A training by its description: done once, kept, and found again by its key. Its kinds are in trainings.py.

The key is a hash of everything that decides a training. It says *what* is computed and not its last digits:
another machine, another number of threads or a faster way to the same sum leave it as it is, and a row of
measurements says where its run was made. So raise a version below only when a change trains something else.
"""

import contextlib
import functools
import hashlib
import json
import operator
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

import kmnist_itl
from kmnist_itl import files, settings, training
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.reproduction.cost import device_name

TRAINING_VERSION = 1  # training.py and models.py
REGULARIZER_VERSION = 4  # divergence/ and priors.py: only what has a prior is trained again
CLUSTERING_VERSION = 1  # clustering/: the network, its handwriting, and the forms that it learns


@dataclass(frozen=True, eq=False, kw_only=True)
class Training:
    """One training, described. Nothing is trained before `run`.

    A subclass has `train`, which takes a data.Dataset and profile, seed and callbacks as in training.py;
    `build`, the untrained model; `decisive`, a dict of what decides the result besides the fields here; and
    `parts` of the title. `share` is that of the profile's epochs (0: the untrained model).
    """

    fingerprint: str
    profile: settings.Profile
    seed: int
    share: float = 1
    encoder = None  # the Autoencoder whose codes a classifier sees
    prior = None
    columns = MappingProxyType({})  # those of a table that describe this training
    seconds = 0  # on two cores, with all images and all epochs of the paper profile

    @property
    def epochs(self):
        return max(1, int(self.share * self.profile.epochs)) if self.share and self.profile.epochs else 0

    @functools.cached_property
    def configuration(self):
        """All that decides the result, as a dict."""
        usual = {"dtype": "float32", "epsilon": 1e-7}  # what keras.json can change
        now = {"dtype": keras.config.dtype_policy().name, "epsilon": keras.config.epsilon()}
        return {
            **self.decisive(),
            "data": self.fingerprint,
            "seed": self.seed,
            "epochs": self.epochs,
            "patience": self.profile.patience,
            "batch_size": settings.BATCH_SIZE,
            "learning_rate": settings.LEARNING_RATE,
            "training_version": TRAINING_VERSION,
            **{name: value for name, value in now.items() if value != usual[name]},
        }

    @functools.cached_property
    def key(self):
        """The name under which the run is kept: 24 hexadecimal digits, a hash of the configuration's JSON."""
        text = json.dumps(self.configuration, sort_keys=True, default=operator.index)  # of NumPy's ints, too
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def title(self):
        return ", ".join([*self.parts(), f"seed {self.seed}"])

    @property
    def kept(self):
        """Whether the run is kept; that it is undamaged is checked when it is loaded."""
        return not self.epochs or os.path.isfile(runs_dir() / self.key / "run.json")

    def run(self, data):
        """Train on a data.Dataset, or load what was trained before; returns training.Run.

        Raises ValueError if training does or the data are others, and OSError if runs cannot be kept.
        """
        if data.fingerprint != self.fingerprint:
            raise ValueError(f"data must be those that the training was described for; got {data.title}.")
        if not self.epochs:
            return training.Run(self.build(), {}, 0, 0, 0.0, 0.0)
        if run := self._load():
            return run
        files.check_room(runs_dir(), "KMNIST_ITL_CACHE")
        with lock(runs_dir() / f".{self.key}.lock", self.title):
            if run := self._load():  # another process has kept it meanwhile
                return run
            profile = replace(self.profile, epochs=self.epochs)
            try:
                run = self.train(data, profile=profile, seed=self.seed, callbacks=_progress_bar(self.title))
            except ValueError as error:
                raise ValueError(f"{self.title}: {error} Nothing was kept.") from error
            return self._keep(run)

    def _keep(self, run):
        """Write a run beside its place and rename it, so that what stands there is whole; returns it."""
        model = self.build()  # not compiled: the optimizer's moments would be two thirds of the file
        model.set_weights(run.model.get_weights())
        place = runs_dir() / self.key
        with tempfile.TemporaryDirectory(prefix=f".{self.key}-", dir=runs_dir()) as scratch:
            beside = Path(scratch, self.key)
            beside.mkdir()
            model.save_weights(beside / "model.weights.h5")
            record = {name: getattr(run, name) for name in _RECORDED}
            record |= {"settings": self.configuration, "machine": machine(), "keras": keras.__version__}
            record |= {"package": kmnist_itl.__version__, "weights_sha256": _weights_sum(beside)}
            (beside / "run.json").write_text(json.dumps(record, indent=1, default=operator.index))
            with contextlib.suppress(FileNotFoundError):
                os.rename(place, Path(scratch, "damaged"))
            os.rename(beside, place)
        return replace(run, model=model)

    def _load(self):
        """The kept training.Run; None if there is none, or, with a warning, if it is damaged."""
        folder = runs_dir() / self.key
        if not os.path.exists(folder):
            return None
        try:
            record = read_record(folder)
            model = self.build()
            model.load_weights(folder / "model.weights.h5")
            for name, kind in _RECORDED.items():
                if not isinstance(record[name], kind):
                    raise ValueError(f"{name} is {record[name]!r}")
            return training.Run(model, **{name: record[name] for name in _RECORDED})
        except PermissionError as error:
            raise _of_another_user(folder, error) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            if not os.access(folder, os.W_OK):  # nothing could take its place
                raise _of_another_user(folder, error) from error
            warnings.warn(f"The kept run {folder} is damaged and is trained again: {error}", stacklevel=3)
            return None


_RECORDED = {field.name: field.type for field in fields(training.Run) if field.name != "model"}


def runs_dir():
    """The folder of kept runs, as a Path."""
    return settings.cache_dir() / "runs"


def read_record(folder):
    """A kept run's record, a dict; ValueError, KeyError or OSError if it is damaged."""
    record = json.loads((folder / "run.json").read_text())
    if record["weights_sha256"] != _weights_sum(folder):
        raise ValueError("the checksum of its weights differs")
    return record


def _weights_sum(folder):
    return hashlib.sha256((folder / "model.weights.h5").read_bytes()).hexdigest()


@contextlib.contextmanager
def lock(path, title):
    """Let one process work while others that want the same lock wait; OSError if it is another user's."""
    try:
        try:
            held = FileLock(path).acquire(timeout=0)
        except Timeout:
            print(f"{title}: waiting for another process that works on it", flush=True)
            held = FileLock(path).acquire()
    except PermissionError as error:
        raise _of_another_user(path, error) from error
    with held:
        yield


def _of_another_user(path, error):
    return OSError(f"{path} belongs to another user: {error}. Use a folder of your own.")


@functools.lru_cache(maxsize=1)
def machine():
    """Where a training is made: processor (or GPU), threads and TensorFlow's version, as a dict."""
    threads = int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0) or os.cpu_count()
    return {"processor": device_name(), "threads": threads, "tensorflow": tf.__version__}


def _progress_bar(title):
    """A callback that shows progress in a terminal or notebook, as a list; empty with TQDM_DISABLE."""
    is_shown = sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    if os.environ.get("TQDM_DISABLE") or not is_shown:
        return []
    with warnings.catch_warnings(action="ignore"):  # a notebook without widgets shows it as text
        from tqdm.keras import TqdmCallback
    return [TqdmCallback(verbose=0, desc=title)]
