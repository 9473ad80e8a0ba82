"""Which trainings a profile and a number of seeds imply: as a list, and trained before the notebooks ask.

`make plan` prints the list: what is kept, what is to be trained, and about how long that takes. `make train`
trains what is missing, in processes of this machine or of a Dask cluster, through joblib. What they keep is
what the notebooks find: `make figures` then only renders.
"""

import contextlib
import functools
import os
import pickle
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass

import joblib

from kmnist_itl import data, settings
from kmnist_itl.reproduction import experiments, store

# Seconds that a training takes on two cores with the paper profile, where none like it has been kept to tell.
_SECONDS = {"autoencoder": 400, "classifier": 80, "cnn": 900, "clustering": 900}
_SECONDS_TO_BEGIN = 5  # what even the shortest training takes: compiling


@dataclass(frozen=True, eq=False)
class Planned:
    """A store.Training, the first notebook that asks for it, and about how many `seconds` it takes.

    `kept` says that its run is kept, `measured` that with GROW=1 its measurements in the store will do.
    """

    training: store.Training
    notebook: str
    kept: bool
    measured: bool
    seconds: float

    @property
    def missing(self):
        """Whether it has to be trained."""
        return not (self.kept or self.measured)


def planned(dataset, profile, seeds, notebooks=None):
    """Each training that the notebooks ask for once, as a list of Planned; nothing is trained.

    Args:
        dataset: data.Dataset.
        profile: settings.Profile.
        seeds: the seeds, as in settings.Parameters.
        notebooks: None for all, or the names (without .ipynb) of those that count.
    """
    stored = store.Measurements(settings.figures_dir(dataset.name, profile))
    rows = stored.rows() if settings.growing() else {}
    taken = _seconds_taken()
    found = {}

    def add(described, notebook, enough):
        before = found.get(described.key)
        found[described.key] = Planned(
            described,
            before.notebook if before else notebook,
            before.kept if before else described.kept,
            enough and (before is None or before.measured),
            before.seconds if before else _estimate(described, dataset, taken),
        )

    for table in experiments.TABLES:
        if notebooks is not None and table.notebook not in notebooks:
            continue
        for label, seed, described in table.trainings(dataset.fingerprint, profile, seeds):
            if not described.profile.epochs:  # the untrained model
                continue
            enough = stored.find(described, table.measures, rows) is not None
            first = seed == seeds[0]
            if described.encoder:
                of_encoder = stored.find(described.encoder, table.of_encoder, rows) is not None
                drawn = first and label in (*table.drawn, *table.drawn_encoders)
                # A classifier is measured on codes, which its encoder makes.
                codes_wanted = drawn or not enough or (table.of_encoder and not of_encoder)
                add(described.encoder, table.notebook, not codes_wanted)
            add(described, table.notebook, enough and not (first and label in table.drawn))
    return list(found.values())


def _seconds_taken():
    """Seconds of the kept runs, as lists by `_kind`."""
    taken = {}
    for record in store.records():
        taken.setdefault(_kind(record["settings"]), []).append(record["seconds"])
    return taken


def _kind(described):
    """Trainings of one kind take about as long."""
    return tuple(described.get(name) for name in ("model", "data", "epochs", "batch_norm"))


def _estimate(described, dataset, taken):
    if same := taken.get(_kind(described.settings)):
        return statistics.median(same)
    most = settings.get_profile("paper").epochs * 54_000
    share = described.profile.epochs * len(dataset.train) / most
    if described.kind == "clustering":  # which runs a fixed number of epochs
        share = len(dataset.train) / 54_000
    return _SECONDS_TO_BEGIN + share * _SECONDS[described.kind]


def summary(plan):
    """What is to be trained, what is found again and about how long it takes, as a line."""
    missing = [each for each in plan if each.missing]
    kept = sum(each.kept for each in plan)
    measured = len(plan) - len(missing) - kept
    stand = f" {measured} stand in the store as measured." if measured else ""
    if not missing:
        return f"Nothing to train: {'all ' * (not measured)}{kept} trainings are kept and found again.{stand}"
    seconds = sum(each.seconds for each in missing)
    return (
        f"{len(missing)} trainings to do, about {duration(seconds)} one after another; "
        f"{kept} are kept and found again.{stand}"
    )


def lines(plan):
    """A plan as text, a line for each training."""
    notebook = None
    for each in plan:
        if each.notebook != notebook:
            notebook = each.notebook
            yield f"{notebook}"
        about = "kept" if each.kept else "measured" if each.measured else f"about {duration(each.seconds)}"
        yield f"  {about:>14}  {each.training.title}"


def duration(seconds):
    """Seconds as people say them: '50 s', '12 min', '3 h 05 min'."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def train(dataset, plan, *, jobs=1, dask=None):
    """Train what is missing of a plan: first what needs no other training, then classifiers of codes.

    With more than one job each process has its share of the cores, as many threads as there are cores for
    each job. The number of threads decides the order of sums, and so a training's last digits.

    Args:
        dataset: data.Dataset, of the profile of the plan.
        plan: list of Planned.
        jobs: int >= 1, how many processes of this machine.
        dask: None, or the address of a Dask scheduler; then its workers train, and `jobs` does not count.

    Yields:
        (title, seconds) of each training as it ends.

    Raises:
        ValueError: what a training raises; dask is not installed, or no scheduler answers.
    """
    missing = [each.training for each in plan if each.missing]
    where = str(settings.cache_dir())
    with _backend(jobs, dask) as backend:
        for wave in (
            [described for described in missing if described.encoder is None],
            [described for described in missing if described.encoder is not None],
        ):
            begin = _train_in_a_process if dask else _train_one
            work = (joblib.delayed(begin)(described, dataset.name, where) for described in wave)
            yield from backend(return_as="generator_unordered", pre_dispatch="all")(work)


@contextlib.contextmanager
def _backend(jobs, dask):
    """Yields joblib.Parallel with the workers that are asked for."""
    if dask:
        try:
            from dask.distributed import Client
        except ImportError as error:
            raise ValueError("dask needs the package: pip install 'dask[distributed]'.") from error
        try:
            client = Client(dask, timeout=10)
        except (OSError, ValueError) as error:
            raise ValueError(f"dask: no scheduler answers at {dask!r}: {error}") from error
        with client, joblib.parallel_config(backend="dask", wait_for_workers_timeout=60):
            yield functools.partial(joblib.Parallel, n_jobs=-1)
    elif jobs == 1:
        yield functools.partial(joblib.Parallel, n_jobs=1)
    else:
        threads = str(max(1, (os.cpu_count() or 1) // jobs))
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        ours = [name for name in names if name not in os.environ]
        os.environ.update(dict.fromkeys(ours, threads))  # the processes start with these
        try:
            with warnings.catch_warnings():
                # joblib starts a process anew when it has grown, which one with TensorFlow does.
                warnings.filterwarnings("ignore", message="A worker stopped")
                yield functools.partial(joblib.Parallel, n_jobs=jobs, backend="loky")
        finally:
            for name in ours:
                os.environ.pop(name, None)


def _train_one(described, dataset, cache):
    """Train one store.Training in whatever process this is; it is kept in the folder `cache`."""
    os.environ["KMNIST_ITL_CACHE"] = cache
    started = time.monotonic()
    described.run(_loaded(dataset, described.profile.train_images))
    return described.title, time.monotonic() - started


def _train_in_a_process(*work):
    """As `_train_one`, in a process of its own.

    Keras takes the layers' seeds from Python's `random`, from which a Dask worker's other threads draw, too.
    """
    code = (
        "import pickle, sys; from kmnist_itl.reproduction import plan; "
        "plan._train_one(*pickle.load(sys.stdin.buffer))"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(work), capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ValueError(f"{work[0].title}: {said[-1]}")
    return work[0].title, time.monotonic() - started


@functools.lru_cache(maxsize=1)
def _loaded(dataset, limit):
    return data.load(dataset, limit=limit)
