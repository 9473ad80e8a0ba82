"""Which trainings a profile and a number of seeds imply: listed, and done before the notebooks ask."""

import contextlib
import functools
import os
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass

import joblib

from kmnist_itl import data, settings
from kmnist_itl.reproduction import experiments, measurements
from kmnist_itl.reproduction.runs import Training
from kmnist_itl.reproduction.trainings import Clustering

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
_loaded = functools.lru_cache(maxsize=1)(data.load)


@dataclass
class Planned:
    """A runs.Training, the first notebook that asks for it, and whether measured rows will do for all."""

    training: Training
    notebook: str
    measured: bool = True

    @property
    def missing(self):
        return not (self.training.kept or self.measured)

    @property
    def seconds(self):
        """About how many seconds it takes on two cores; even the shortest has to compile."""
        epochs = 1 if isinstance(self.training, Clustering) else self.training.epochs / 100
        images = (self.training.profile.train_images or 54_000) / 54_000
        return int(5 + epochs * images * self.training.seconds)


def planned(dataset, profile, seeds, notebooks):
    """Each training that these notebooks (names without .ipynb) ask for, once, as a list of Planned."""
    known = measurements.known(settings.figures_dir(dataset.name, profile))
    plan = {}
    for table in experiments.TABLES:
        if table.notebook not in notebooks:
            continue
        for label, seed, training in table.trainings(dataset.fingerprint, profile, seeds):
            drawn = seed == seeds[0] and label in table.drawn
            measured = not drawn and measurements.holds(known, table.parts(training))
            for part in (training.encoder, training):
                if part and part.epochs:  # neither the encoder of pixels nor the untrained model
                    plan.setdefault(part.key, Planned(part, table.notebook)).measured &= measured
    return list(plan.values())


def summary(plan):
    """What is to be trained, what is kept and about how long it takes, as a line."""
    missing = [entry for entry in plan if entry.missing]
    kept = sum(entry.training.kept for entry in plan)
    line = f"{kept} are kept, {len(plan) - len(missing) - kept} measured before."
    if not missing:
        return f"Nothing to train: of {len(plan)} trainings {line}"
    seconds = sum(entry.seconds for entry in missing)
    return f"{len(missing)} trainings to do, about {duration(seconds)} one after another; {line}"


def lines(plan):
    """A plan as text: a line for each training, below that of its notebook."""
    for number, entry in enumerate(plan):
        if not number or entry.notebook != plan[number - 1].notebook:
            yield entry.notebook
        about = f"about {duration(entry.seconds)}" if entry.missing else "measured"
        yield f"  {'kept' if entry.training.kept else about:>14}  {entry.training.title}"


def duration(seconds):
    """Seconds as people say them: '50 s', '12 min', '3 h 05 min'."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def train(dataset, plan, *, jobs=1, dask=None):
    """Train what is missing of a plan: first what needs no other training, then classifiers of codes.

    `jobs` processes of this machine train, each with its share of the cores, or the workers of the scheduler
    at the address `dask`. Yields (title, seconds) of each training as it ends; raises ValueError if one does,
    Dask is not installed, or no scheduler answers.
    """
    missing = [entry.training for entry in plan if entry.missing]
    environment = {"KMNIST_ITL_CACHE": str(settings.cache_dir())}
    if jobs > 1:  # the number of threads decides the order of sums, and so the last digits
        share = str(max(1, (os.cpu_count() or 1) // jobs))
        environment |= {name: os.environ.get(name, share) for name in THREADS}
    train_one = joblib.delayed(_train_in_a_process if dask else _train_one)
    with _dask(dask) if dask else joblib.parallel_config("loky", n_jobs=jobs):
        for is_second in (False, True):
            wave = [training for training in missing if (training.encoder is not None) == is_second]
            work = (train_one(training, dataset.name, environment) for training in wave)
            yield from joblib.Parallel(return_as="generator_unordered", pre_dispatch="all")(work)


@contextlib.contextmanager
def _dask(address):
    """joblib's context in which the workers of a Dask scheduler do the work."""
    try:
        from dask.distributed import Client

        client = Client(address, timeout=10)
    except ImportError as error:
        raise ValueError("dask needs the package: pip install 'dask[distributed]'.") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"dask: no scheduler answers at {address!r}: {error}") from error
    with client, joblib.parallel_config("dask", n_jobs=-1, wait_for_workers_timeout=60):
        yield


def _train_one(training, dataset, environment):
    """Train one runs.Training in whatever process this is; it is kept in the cache of `environment`."""
    os.environ.update(environment)  # TensorFlow reads the number of threads with the first operation
    started = time.monotonic()
    training.run(_loaded(dataset, limit=training.profile.train_images))
    return training.title, time.monotonic() - started


def _train_in_a_process(training, *work):
    """As `_train_one`, in a process of its own.

    Keras takes the layers' seeds from Python's `random`, from which a Dask worker's other threads draw, too.
    """
    code = "import pickle, sys; from kmnist_itl.reproduction import plan; "
    code += "plan._train_one(*pickle.load(sys.stdin.buffer))"
    started, work = time.monotonic(), pickle.dumps((training, *work))
    done = subprocess.run([sys.executable, "-c", code], input=work, capture_output=True)
    if done.returncode:
        reasons = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ValueError(f"{training.title}: {reasons[-1]}")
    return training.title, time.monotonic() - started
