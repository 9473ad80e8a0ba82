"""The one command line: what the Makefile's targets call.

    python -m kmnist_itl.reproduction figures|plan|train|colab --help

TensorFlow and all that needs it are imported only after the arguments were checked.
"""

import argparse
import itertools
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from kmnist_itl import data, files, settings


def main(arguments=None):
    """Run one subcommand with a list of arguments, None for those of the process; returns the exit status.

    It is 1 if a notebook failed; 2 for bad input, unavailable data or a file that cannot be read or written,
    and 130 after Ctrl-C or SIGTERM, told in one line. Bad options exit as argparse does.
    """
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        for switch in ("GROW", "DETERMINISTIC"):  # a wrong value is told before anything starts
            settings.is_on(switch)
        return (_colab if given.target == "colab" else _reproduce)(given)
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make {given.target}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nmake {given.target}: stopped. The same command continues where it was.", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m kmnist_itl.reproduction", description="Reproduce the paper; see also `make help`."
    )
    targets = parser.add_subparsers(dest="target", metavar="target", required=True)
    for target, about in {
        "figures": "Do the trainings that are missing, and execute the notebooks.",
        "plan": "List the trainings: which are kept, and how long the others take.",
        "train": "Do the trainings that are missing, so that the notebooks find them.",
    }.items():
        subparser = targets.add_parser(target, help=about, description=about)
        subparser.add_argument("--profile", help=f"{', '.join(settings.PROFILES)}; default: quick")
        subparser.add_argument("--dataset", help=f"{', '.join(settings.DATASETS)}; default: auto")
        subparser.add_argument("--seeds", help="how many seeds a training is repeated with; default: 1")
        subparser.add_argument("--jobs", type=int, help="how many notebooks, or trainings, run at a time")
        subparser.add_argument("--dask", help="train: the address of a Dask scheduler whose workers train")
        subparser.add_argument("notebooks", nargs="*", type=Path, help="files; default: all in notebooks/")
    about = "Write Colab's badge and set-up cell into every notebook."
    colab = targets.add_parser("colab", help=about, description=about)
    colab.add_argument("name", metavar="owner/name", help="the repository on GitHub")
    return parser


def _colab(given):
    from kmnist_itl.reproduction import colab

    colab.write(given.name)
    print(f"{given.name}: badges and set-up cells are written")
    return 0


def _reproduce(given):
    """List the trainings that the notebooks ask for, do those that are missing, and execute the notebooks."""
    notebooks = _notebooks(given.notebooks)
    settings.check_count("jobs", 1 if given.jobs is None else given.jobs)
    profile, name, seeds = settings.parameters(given.profile, given.dataset, given.seeds)
    dataset = data.load(name, limit=profile.train_images)  # warns of a stand-in
    print(f"{profile.name} profile, {dataset.name}, {len(seeds)} seed(s)")
    from kmnist_itl.reproduction import experiments, plan

    names = [path.stem for path in notebooks]
    planned = plan.planned(dataset, profile, seeds, names)
    if not planned and given.target != "figures":
        known = ", ".join(sorted({table.notebook for table in experiments.TABLES}))
        raise ValueError(f"No training is listed for {', '.join(names)}. There are some for {known}.")
    if given.target == "plan":
        print("\n".join([*plan.lines(planned), plan.summary(planned)]))
        return 0
    folder = settings.figures_dir(dataset.name, profile)
    if given.target == "figures":
        files.check_room(folder, "KMNIST_ITL_FIGURES")
    print(plan.summary(planned), flush=True)
    jobs = given.jobs or (_default_jobs(profile) if given.target == "figures" else 1)

    def train():
        count = sum(entry.missing for entry in planned)
        done = plan.train(dataset, planned, jobs=jobs, dask=given.dask)
        for number, (title, seconds) in enumerate(done, 1):
            print(f"training [{number}/{count}] {title}: {plan.duration(seconds)}", flush=True)

    if given.target == "train":
        train()
        return 0
    # The name that 'auto' stands for here, so that the notebooks use the same.
    parameters = {"PROFILE": profile.name, "DATASET": dataset.name, "SEEDS": str(len(seeds))}
    return _execute_all(notebooks, folder, parameters, jobs, train)


def _notebooks(paths):
    """The notebooks' paths, each once, in the order of their names, or all in notebooks/."""
    for path in paths:
        if path.suffix != ".ipynb" or not path.is_file():
            raise ValueError(f"NOTEBOOKS must name .ipynb files that are there; got {str(path)!r}.")
    return sorted(set(paths or settings.notebooks()), key=lambda path: path.name)


def _default_jobs(profile):
    """Two for the small profiles, which keep about one core busy; one for the paper's timings and a GPU."""
    from kmnist_itl._tensorflow import tf

    alone = profile.name == "paper" or tf.config.list_physical_devices("GPU")
    return 1 if alone else min(2, os.cpu_count() or 1)


def _execute_all(notebooks, folder, parameters, jobs, train):
    """Execute those without trainings, to show something soon; train; execute the others.

    Those that read the tables of others come last. With the paper profile on KMNIST the executed notebooks
    replace those in notebooks/, to be committed.
    """
    import joblib

    from kmnist_itl.reproduction import claims, experiments, results

    print(f"{len(notebooks)} notebooks, {jobs} at a time", flush=True)
    in_place = settings.is_the_papers(parameters["DATASET"], parameters["PROFILE"])
    with_tables = {table.notebook for table in experiments.TABLES}
    readers = {table.notebook for table in experiments.TABLES if table.reads}
    environment = {f"KMNIST_ITL_{name}": value for name, value in parameters.items()}
    environment["TQDM_DISABLE"] = "1"  # no progress bar is to end up in an executed notebook
    execute = joblib.delayed(_execute)
    parallel = joblib.Parallel(jobs, prefer="threads", return_as="generator_unordered")
    failed, count = [], itertools.count(1)
    for step in range(3):
        if step == 1:
            train()
        wave = [path for path in notebooks if (path.stem in with_tables) + (path.stem in readers) == step]
        work = (execute(path, folder / "notebooks", in_place, environment) for path in wave)
        for name, error, seconds in parallel(work):
            outcome = f"FAILED: {error}" if error else "done"
            print(f"notebook [{next(count)}/{len(notebooks)}] {name}  {seconds:.0f} s  {outcome}", flush=True)
            failed += [name] if error else []
    results.refresh(folder)
    print(f"\nTables and figures: {os.path.relpath(folder)}")
    if in_place:
        claims.renew_readme(folder)
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _execute(path, folder, in_place, environment):
    """Execute a notebook, and write it, `in_place` or to a folder; returns name, error (or None) and seconds.

    Its kernel sees the variables of `environment`, too. One that fails is written as failed-<its name>.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from traitlets.config import Config

    started, error = time.monotonic(), None
    notebook, failed = nbformat.read(path, as_version=4), folder / f"failed-{path.name}"
    folder.mkdir(parents=True, exist_ok=True)
    options = {"coalesce_streams": True, "record_timing": False, "raise_on_iopub_timeout": True}
    with tempfile.TemporaryDirectory() as scratch:
        # Over local sockets, whose paths must be short: of TCP, ipykernel warns that it is not encrypted.
        local = {"transport": "ipc", "ip": f"{scratch}/kernel"} if len(os.fsencode(scratch)) < 80 else {}
        client = NotebookClient(notebook, config=Config(KernelManager=local), **options)
        try:
            with client.setup_kernel(cwd=path.resolve().parent, env={**os.environ, **environment}):
                for number, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, number)
            files.write_whole(path if in_place else folder / path.name, lambda p: nbformat.write(notebook, p))
            failed.unlink(missing_ok=True)
        except CellExecutionError as reason:
            nbformat.write(notebook, failed)
            error = f"cell {number + 1}: {reason.ename}: {reason.evalue} (see {failed})"
    return path.name, error, time.monotonic() - started
