"""Which trainings a profile and a number of seeds imply: as a list, and trained before the notebooks ask.

    python -m kmnist_itl.plan --profile paper --dataset kmnist --seeds 5
    python -m kmnist_itl.plan --profile paper --dataset kmnist --seeds 5 --train --jobs 4
    python -m kmnist_itl.plan --profile paper --dataset kmnist --seeds 5 --train --dask tcp://host:8786

The first (`make plan`) prints the list: what is kept, what is to be trained, and about how long that takes.
The others (`make train`) train what is missing, in processes of this machine or of a Dask cluster, through
joblib. What they keep is what the notebooks find: `make figures` then only renders.
"""

import argparse
import contextlib
import functools
import os
import statistics
import sys
import time
import warnings
from dataclasses import dataclass

from kmnist_itl import data, experiments, paper, results, settings, training

_BEST_MLP = {"batch_norm": True, "dropout": 0.25}
# Seconds that a training takes on two cores with the paper profile, where none like it has been kept to tell.
_SECONDS = {"stacked_autoencoder": 400, "mlp_classifier": 80, "cnn_classifier": 900}
_SECONDS_TO_BEGIN = 5  # what even the shortest training takes: compiling


@dataclass(frozen=True)
class Training:
    """One training, as data that can be sent to another process.

    `of` is 'autoencoder', 'classifier' or 'cnn', `arguments` what training.py's function for it is called
    with, `encoder` the autoencoder whose codes a classifier sees (None: the pixels), `notebook` the
    first that asks for it. `tables` are those in one of which a row of it, or of the training `row_of` where
    that is another, is enough with GROW=1; there are none if a figure shows what it makes of images.
    """

    notebook: str
    of: str
    arguments: dict
    encoder: "Training | None" = None
    tables: tuple = ()
    row_of: "Training | None" = None

    def task(self, dataset):
        """The training.Task of it on a data.Dataset."""
        describe = getattr(training, f"train_{self.of}").task
        if self.encoder is None:
            return describe(dataset, **self.arguments)
        return describe(dataset, encoder=self.encoder.task(dataset), **self.arguments)


def trainings(profile, seeds):
    """Every training that the notebooks ask for, as a list of Training, in their order; some twice.

    The autoencoders whose codes are classified are not in it but in their classifiers. `profile` is a name or
    a settings.Profile, `seeds` the seeds, as in settings.Parameters.
    """
    profile = settings.get_profile(profile)
    first = seeds[0]

    def autoencoder(notebook, latent_dim, seed, *, profile=profile, tables=(), row_of=None, **how):
        arguments = {"latent_dim": latent_dim, "profile": profile, "seed": seed, **how}
        return Training(notebook, "autoencoder", arguments, None, tables, row_of)

    def classifier(notebook, latent_dim, seed, tables, *, encoder_seed=None, **how):
        encoder = None
        if latent_dim is not None:
            encoder = autoencoder(notebook, latent_dim, seed if encoder_seed is None else encoder_seed)
        return Training(notebook, "classifier", {"profile": profile, "seed": seed, **how}, encoder, tables)

    def unless(drawn, tables):
        return () if drawn else tables

    def with_three_codes(notebook, tables, changes, drawn=()):
        return [
            autoencoder(
                notebook,
                experiments.LATENT_DIM,
                seed,
                tables=unless(seed == first and name in drawn, tables),
                **how,
            )
            for seed in seeds
            for name, how in changes.items()
        ]

    def watched(notebook, seed, how):
        of = functools.partial(
            autoencoder, notebook, experiments.LATENT_DIM, seed, tables=("prior_gradients",), **how
        )
        whole = of()
        return [of(profile=experiments.half(profile), row_of=whole), whole] if how else [whole]

    checks = ({}, {"monitor": "val_accuracy"}, _BEST_MLP)
    kernel_sizes, lambdas, table_2 = experiments.KERNEL_SIZES, experiments.LAMBDAS, experiments.TABLE_2
    losses = {loss: {"loss": loss} for loss in training.RECONSTRUCTION_LOSSES}
    return [
        *(
            classifier("02_bottleneck_size", k, seed, ("table1_bottleneck_size",))
            for seed in seeds
            for k in paper.TABLE_1
        ),
        *(
            classifier("02_bottleneck_size", 30, seed, ("table1_classifier_check",), encoder_seed=0, **how)
            for how in checks
            for seed in range(3)
        ),
        *(autoencoder("02_bottleneck_size", k, first) for k in (min(paper.TABLE_1), max(paper.TABLE_1))),
        *(
            classifier(
                "03_classify_codes",
                k,
                seed,
                unless((k, seed) == (30, first) and how, ("fig03_classify_codes",)),
                **how,
            )
            for seed in seeds
            for k in (30, None)
            for how in ({}, _BEST_MLP)
        ),
        *(
            Training(
                "04_cnn_baseline",
                "cnn",
                {"profile": profile, "seed": seed},
                tables=unless(seed == first, ("fig04_cnn",)),
            )
            for seed in seeds
        ),
        *(classifier("04_cnn_baseline", 30, seed, ("fig04_cnn",), **_BEST_MLP) for seed in seeds),
        *with_three_codes("06_swiss_roll_kernel_size", experiments.TABLES, kernel_sizes, drawn=kernel_sizes),
        *with_three_codes("07_swiss_roll_lambda", experiments.TABLES, lambdas, drawn=lambdas),
        *with_three_codes("07_swiss_roll_lambda", ("fig08_walk",), {"the walk": lambdas[paper.BEST_LAMBDA]}),
        *with_three_codes(
            "08_priors_and_clustering", experiments.TABLES, table_2, drawn=set(table_2) - {"swiss_roll"}
        ),
        autoencoder("08_priors_and_clustering", 30, first, tables=experiments.TABLES),
        *with_three_codes(
            "09_computational_cost", ("table3_cost",), {of: table_2[of] for of in ("none", "gaussian")}
        ),
        *with_three_codes("10_verdicts", ("audit_loss",), losses, drawn=losses),
        *(
            each
            for seed in seeds
            for how in ({}, *(experiments.GRID[of] for of in experiments.WATCHED))
            for each in watched("11_does_a_prior_help", seed, how)
        ),
        *with_three_codes(
            "11_does_a_prior_help", ("prior_grid", *experiments.TABLES), {"none": {}, **experiments.GRID}
        ),
    ]


@dataclass(frozen=True, eq=False)
class Planned:
    """A Training, its training.Task, whether it is `kept`, and about how many `seconds` it takes.

    `measured` says that with GROW=1 a row in the tables will do in its place.
    """

    training: Training
    task: training.Task
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
        profile, seeds: as of `trainings`.
        notebooks: None for all, or the names (without .ipynb) of those that count.
    """
    taken = _seconds_taken()
    keys = {}
    if settings.growing():
        keys = results.measured_keys(settings.figures_dir(dataset.name, profile))
    found = {}
    for of in trainings(profile, seeds):
        if notebooks is not None and of.notebook not in notebooks:
            continue
        rows = set().union(*(keys.get(table, ()) for table in of.tables))
        measured = bool(rows) and (of.row_of or of).task(dataset).key in rows
        for each in filter(None, (of.encoder, of)):
            task = each.task(dataset)
            before = found.get(task.key)
            both = measured and (before is None or before.measured)
            found[task.key] = Planned(
                before.training if before else each, task, task.kept, both, _estimate(task, dataset, taken)
            )
    return list(found.values())


def _seconds_taken():
    """Seconds of the kept runs, as lists by `_kind`."""
    taken = {}
    for described, seconds in training.kept_seconds():
        taken.setdefault(_kind(described), []).append(seconds)
    return taken


def _kind(described):
    """Trainings of one kind take about as long."""
    return tuple(described.get(name) for name in ("model", "data", "epochs", "batch_norm"))


def _estimate(task, dataset, taken):
    if same := taken.get(_kind(task.settings)):
        return statistics.median(same)
    most = settings.get_profile("paper").epochs * 54_000
    share = task.settings["epochs"] * len(dataset.train) / most
    return _SECONDS_TO_BEGIN + share * _SECONDS[task.settings["model"]]


def summary(plan):
    """What is to be trained, what is found again and about how long it takes, as a line."""
    missing = [of for of in plan if of.missing]
    kept = sum(of.kept for of in plan)
    measured = len(plan) - len(missing) - kept
    stand = f" {measured} stand in the tables as measured." if measured else ""
    if not missing:
        return f"Nothing to train: {'all ' * (not measured)}{kept} trainings are kept and found again.{stand}"
    seconds = sum(of.seconds for of in missing)
    return (
        f"{len(missing)} trainings to do, about {_duration(seconds)} one after another; "
        f"{kept} are kept and found again.{stand}"
    )


def lines(plan):
    """A plan as text, a line for each training."""
    notebook = None
    for of in plan:
        if of.training.notebook != notebook:
            notebook = of.training.notebook
            yield f"{notebook}"
        about = "kept" if of.kept else "measured" if of.measured else f"about {_duration(of.seconds)}"
        yield f"  {about:>14}  {of.task.title}"


def _duration(seconds):
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
        ValueError: what a training raises; dask or its scheduler is not to be had.
    """
    import joblib

    missing = [of for of in plan if of.missing]
    waves = [
        [of.training for of in missing if of.training.encoder is None],
        [of.training for of in missing if of.training.encoder is not None],
    ]
    where = str(settings.cache_dir())
    with _backend(jobs, dask) as backend:
        for wave in waves:
            work = (joblib.delayed(_train_one)(of, dataset.name, where) for of in wave)
            yield from backend(return_as="generator_unordered", pre_dispatch="all")(work)


@contextlib.contextmanager
def _backend(jobs, dask):
    """Yields joblib.Parallel with the workers that are asked for."""
    import joblib

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


def _train_one(of, dataset, cache):
    """Train one Training in whatever process this is; it is kept in the folder `cache`."""
    os.environ["KMNIST_ITL_CACHE"] = cache
    task = of.task(_loaded(dataset, of.arguments["profile"].train_images))
    started = time.monotonic()
    task.run()
    return task.title, time.monotonic() - started


@functools.lru_cache(maxsize=1)
def _loaded(dataset, limit):
    return data.load(dataset, limit=limit)


def main(arguments=None):
    """Print the plan, or train what is missing of it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_itl.plan", description=__doc__.split("\n")[0])
    parser.add_argument("--profile", help=", ".join(settings.PROFILES))
    parser.add_argument("--dataset", help=", ".join(settings.DATASETS))
    parser.add_argument("--seeds", help="how many seeds each experiment is repeated with")
    parser.add_argument("--notebooks", nargs="*", help="names of notebooks; default: all")
    parser.add_argument("--train", action="store_true", help="train what is missing")
    parser.add_argument("--jobs", help="how many trainings at a time, each in a process of its own")
    parser.add_argument("--dask", help="the address of a Dask scheduler whose workers train")
    given = parser.parse_args(arguments)
    try:
        wanted = settings.parameters(given.profile, given.dataset, given.seeds)
        jobs = settings.check_count("jobs", given.jobs) if given.jobs else 1
        dataset = data.load(data.resolve(wanted.dataset), limit=wanted.profile.train_images)
        training.check_room()
        that_train = sorted({of.notebook for of in trainings(wanted.profile, wanted.seeds)})
        for name in given.notebooks or ():
            settings.check_choice("notebooks", name, that_train)
        plan = planned(dataset, wanted.profile, wanted.seeds, given.notebooks or None)
        print(f"{wanted.profile.name} profile, {dataset.name}, {len(wanted.seeds)} seed(s)")
        if not given.train:
            print("\n".join(lines(plan)))
        print(summary(plan), flush=True)
        if given.train:
            missing = sum(of.missing for of in plan)
            for number, (title, seconds) in enumerate(train(dataset, plan, jobs=jobs, dask=given.dask), 1):
                print(f"[{number}/{missing}] {title}: {_duration(seconds)}", flush=True)
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make {'train' if given.train else 'plan'}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    from kmnist_itl import plan  # under its own name, by which other processes find what they are sent

    sys.exit(plan.main())
