"""The one command line: what the Makefile's targets call.

    python -m kmnist_itl.reproduction figures|plan|train|colab --help

TensorFlow and all that needs it are imported only after the arguments were checked.
"""

import argparse
import contextlib
import itertools
import os
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

from kmnist_itl import data, files, settings


def main(arguments=None):
    """Run one subcommand with a list of arguments, None for those of the process.

    Returns the exit status: 0; 1 if a notebook failed; 2 for bad input, unavailable data or a file that
    cannot be read or written, and 130 after Ctrl-C or SIGTERM, told in one line. Bad options exit as argparse
    does.
    """
    given = _parser().parse_args(arguments)
    with contextlib.suppress(ValueError):  # in another thread than the first there are no signals
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        for switch in ("GROW", "DETERMINISTIC"):  # a wrong value is told before anything starts
            settings.is_on(switch)
        return given.run(given) or 0
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make {given.target}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nmake {given.target}: stopped. The same command continues where it was.", file=sys.stderr)
        return 130


def _parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--profile", help=f"{', '.join(settings.PROFILES)}; default: quick")
    common.add_argument("--dataset", help=f"{', '.join(settings.DATASETS)}; default: auto")
    common.add_argument("--seeds", help="how many seeds a training is repeated with; default: 1")
    common.add_argument("--jobs", type=int, help="how many notebooks, or trainings, run at a time")
    common.add_argument("notebooks", nargs="*", type=Path, help="files; default: all in notebooks/")
    parser = argparse.ArgumentParser(
        prog="python -m kmnist_itl.reproduction", description="Reproduce the paper; see also `make help`."
    )
    targets = parser.add_subparsers(dest="target", metavar="target", required=True)
    for target, (run, about) in _TARGETS.items():
        parents = [] if target == "colab" else [common]
        subparser = targets.add_parser(target, parents=parents, help=about, description=about)
        subparser.set_defaults(run=run)
        if target == "train":
            subparser.add_argument("--dask", help="the address of a Dask scheduler whose workers train")
        if target == "colab":
            subparser.add_argument("name", nargs="?", metavar="owner/name", help="the repository on GitHub")
    return parser


def _reproduce(given):
    """List the trainings that the notebooks ask for, do those that are missing, and execute the notebooks."""
    notebooks = _notebooks(given.notebooks)
    settings.check_count("jobs", 1 if given.jobs is None else given.jobs)
    profile, name, seeds = settings.parameters(given.profile, given.dataset, given.seeds)
    with warnings.catch_warnings(action="ignore"):  # of the stand-in: it is told below
        dataset = data.load(name, limit=profile.train_images)
    print(f"{profile.name} profile, {dataset.name}, {len(seeds)} seed(s)")
    if name == "auto" and dataset.name != "kmnist":
        print("WARNING: KMNIST is not available here; going on with the STAND-IN, scikit-learn's digits.")
        print("         Nothing that follows is a result on KMNIST. README.md says how to get it.")
    from kmnist_itl.reproduction import experiments, plan, runs

    names = [path.stem for path in notebooks]
    planned = plan.planned(dataset, profile, seeds, names)
    if not planned and given.target != "figures":
        known = ", ".join(sorted({table.notebook for table in experiments.TABLES}))
        raise ValueError(f"No training is listed for {', '.join(names)}. There are some for {known}.")
    if given.target == "plan":
        print("\n".join([*plan.lines(planned), plan.summary(planned)]))
        return 0
    makes_figures, folder = given.target == "figures", settings.figures_dir(dataset.name, profile)
    jobs = given.jobs or (_default_jobs(profile) if makes_figures else 1)
    missing = sum(entry.missing for entry in planned)
    if missing:
        files.check_room(runs.runs_dir(), "KMNIST_ITL_CACHE")
    if makes_figures:
        files.check_room(folder, "KMNIST_ITL_FIGURES")
    print(plan.summary(planned), flush=True)

    def train():
        done = plan.train(dataset, planned, jobs=jobs, dask=getattr(given, "dask", None))
        for number, (title, seconds) in enumerate(done, 1):
            print(f"training [{number}/{missing}] {title}: {plan.duration(seconds)}", flush=True)

    if not makes_figures:
        train()
        return 0
    # The name that 'auto' stands for here, so that the notebooks use the same.
    parameters = {"profile": profile.name, "dataset": dataset.name, "seeds": len(seeds)}
    return _execute_all(notebooks, folder, parameters, jobs, train)


def _notebooks(paths):
    """The notebooks' paths, each once, in the order of their names, or all in notebooks/."""
    for path in paths:
        if path.suffix != ".ipynb" or not path.is_file():
            raise ValueError(f"NOTEBOOKS must name .ipynb files that are there; got {str(path)!r}.")
    return sorted(set(paths or settings.notebooks()), key=lambda path: path.name)


def _execute_all(notebooks, folder, parameters, jobs, train):
    """Execute those without trainings, to show something soon; train; execute the others.

    Those that read the tables of others come last.
    """
    import joblib

    from kmnist_itl.reproduction import claims, experiments, results

    print(f"{len(notebooks)} notebooks, {jobs} at a time", flush=True)
    with_tables = {table.notebook for table in experiments.TABLES}
    readers = {table.notebook for table in experiments.TABLES if table.reads}
    parallel = joblib.Parallel(jobs, prefer="threads", return_as="generator_unordered")
    failed, count = [], itertools.count(1)
    for step in range(3):
        if step == 1:
            train()
            os.environ["TQDM_DISABLE"] = "1"  # no progress bar is to end up in an executed notebook
        wave = [path for path in notebooks if (path.stem in with_tables) + (path.stem in readers) == step]
        for name, error, seconds in parallel(joblib.delayed(_execute)(p, folder, parameters) for p in wave):
            outcome = f"FAILED: {error}" if error else "done"
            print(f"notebook [{next(count)}/{len(notebooks)}] {name}  {seconds:.0f} s  {outcome}", flush=True)
            failed += [name] if error else []
    results.refresh(folder)
    print(f"\nTables and figures: {os.path.relpath(folder)}")
    if settings.is_the_papers(parameters["dataset"], parameters["profile"]):
        claims.renew_readme(folder)
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _default_jobs(profile):
    """Two for the small profiles, which keep about one core busy; one for the paper's timings and a GPU."""
    from kmnist_itl._tensorflow import tf

    alone = profile.name == "paper" or tf.config.list_physical_devices("GPU")
    return 1 if alone else min(2, os.cpu_count() or 1)


def _execute(notebook, folder, parameters):
    """Execute one notebook and write it if it ran to its end; returns name, error (or None) and seconds.

    With the paper profile on KMNIST it replaces the one in notebooks/, to be committed.
    """
    import nbformat
    import papermill
    from traitlets.config import Config

    started = time.monotonic()
    in_place = settings.is_the_papers(parameters["dataset"], parameters["profile"])
    target = notebook if in_place else folder / "notebooks" / notebook.name
    failed = folder / "notebooks" / f"failed-{notebook.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # Over local sockets, whose paths must be short: of TCP, ipykernel warns that it is not encrypted.
        local = {"transport": "ipc", "ip": f"{scratch}/kernel"} if len(os.fsencode(scratch)) < 80 else {}
        executed, error = Path(scratch) / notebook.name, None
        try:
            papermill.execute_notebook(
                notebook,
                executed,
                parameters=parameters,
                # Where the kernel starts; papermill's cwd would move this process.
                resources={"metadata": {"path": str(notebook.resolve().parent)}},
                progress_bar=False,
                coalesce_streams=True,
                config=Config(KernelManager=local),
            )
            whole = _cleaned(nbformat.read(executed, as_version=4))
            files.write_whole(target, lambda path: nbformat.write(whole, path))
            failed.unlink(missing_ok=True)
        except papermill.PapermillExecutionError as reason:
            failed.parent.mkdir(parents=True, exist_ok=True)
            failed.write_bytes(executed.read_bytes())
            error = f"cell {reason.cell_index}: {reason.ename}: {reason.evalue} (see {failed})"
    return notebook.name, error, time.monotonic() - started


def _cleaned(notebook):
    """Take out what papermill adds (parameters of one run, times and paths of one machine); count from 1."""
    added = "injected-parameters"
    notebook.cells = [cell for cell in notebook.cells if added not in cell.metadata.get("tags", [])]
    for part in (notebook, *notebook.cells):
        for name in ("papermill", "execution", *([] if part.metadata.get("tags") else ["tags"])):
            part.metadata.pop(name, None)
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        for counted in (cell, *cell.outputs):
            if "execution_count" in counted:
                counted.execution_count = number
    return notebook


def _colab(given):
    from kmnist_itl.reproduction import colab

    print(f"{colab.write(given.name) or 'no address'}: badges and set-up cells are written")


_TARGETS = {
    "figures": (_reproduce, "Do the trainings that are missing, and execute the notebooks."),
    "plan": (_reproduce, "List the trainings: which are kept, and how long the others take."),
    "train": (_reproduce, "Do the trainings that are missing, so that the notebooks find them."),
    "colab": (_colab, "Write Colab's badge and set-up cell into every notebook."),
}
