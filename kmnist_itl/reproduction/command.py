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
    given = _parser().parse_intermixed_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    for name in settings.FOLDERS:  # a notebook's kernel starts in another folder than this process
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.path.expanduser(os.environ[name]))
    try:
        for switch in ("GROW", "DETERMINISTIC"):  # a wrong value is told before anything starts
            settings.is_on(switch)
        if given.target == "colab":
            from kmnist_itl.reproduction import colab

            colab.write(" ".join(given.names))
            return 0
        return _reproduce(given)
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make {given.target}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nmake {given.target}: stopped. The same command continues where it was.", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser("python -m kmnist_itl.reproduction", description="See also `make help`.")
    parser.add_argument(
        "target",
        choices=("figures", "plan", "train", "colab"),
        help="plan: list the trainings that are missing; train: do them; figures: do them and execute the "
        "notebooks; colab: write Colab's badge and set-up cell into every notebook",
    )
    parser.add_argument("--profile", help=f"{', '.join(settings.PROFILES)}; default: quick")
    parser.add_argument("--dataset", help=f"{', '.join(settings.DATASETS)}; default: auto")
    parser.add_argument("--seeds", help="how many seeds a training is repeated with; default: 1")
    parser.add_argument("--jobs", type=int, help="how many notebooks, or trainings, run at a time")
    parser.add_argument("--dask", help="the address of a Dask scheduler whose workers train")
    parser.add_argument("names", nargs="*", help="notebooks, by default all; colab: owner/name on GitHub")
    return parser


def _reproduce(given):
    """List the trainings that the notebooks ask for, do those that are missing, and execute the notebooks."""
    notebooks = _notebooks(map(Path, given.names))
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
    parameters = {"profile": profile.name, "dataset": dataset.name, "seeds": len(seeds)}
    return _execute_all(notebooks, folder, parameters, jobs, train)


def _notebooks(paths):
    """The notebooks' paths, each once, in the order of their names, or all in notebooks/."""
    paths = set(paths) or settings.notebooks()
    for path in paths:
        if path.suffix != ".ipynb" or not path.is_file():
            raise ValueError(f"NOTEBOOKS must name .ipynb files that are there; got {str(path)!r}.")
    return sorted(paths, key=lambda path: path.name)


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
    in_place = settings.is_the_papers(parameters["dataset"], parameters["profile"])
    with_tables = {table.notebook for table in experiments.TABLES}
    readers = {table.notebook for table in experiments.TABLES if table.reads}
    execute = joblib.delayed(_execute)
    parallel = joblib.Parallel(jobs, prefer="threads", return_as="generator_unordered")
    failed, count = [], itertools.count(1)
    for step in range(3):
        if step == 1:
            train()
            os.environ["TQDM_DISABLE"] = "1"  # no progress bar is to end up in an executed notebook
        wave = [path for path in notebooks if (path.stem in with_tables) + (path.stem in readers) == step]
        work = (execute(path, folder / "notebooks", in_place, parameters) for path in wave)
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


def _execute(path, folder, in_place, parameters):
    """Execute a notebook, and write it, `in_place` or to a folder; returns name, error (or None) and seconds.

    One that fails is written as failed-<its name>.
    """
    import nbformat
    import papermill
    from traitlets.config import Config

    started, error = time.monotonic(), None
    failed = folder / f"failed-{path.name}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # Over local sockets, whose paths must be short: of TCP, ipykernel warns that it is not encrypted.
        local = {"transport": "ipc", "ip": f"{scratch}/kernel"} if len(os.fsencode(scratch)) < 80 else {}
        executed = Path(scratch) / path.name
        try:
            papermill.execute_notebook(
                path,
                executed,
                parameters=parameters,
                # Where the kernel starts; papermill's cwd would move this process.
                resources={"metadata": {"path": str(path.resolve().parent)}},
                progress_bar=False,
                coalesce_streams=True,
                config=Config(KernelManager=local),
            )
            whole = _cleaned(nbformat.read(executed, as_version=4))
            files.write_whole(path if in_place else folder / path.name, lambda p: nbformat.write(whole, p))
            failed.unlink(missing_ok=True)
        except papermill.PapermillExecutionError as reason:
            failed.write_bytes(executed.read_bytes())
            error = f"cell {reason.cell_index}: {reason.ename}: {reason.evalue} (see {failed})"
    return path.name, error, time.monotonic() - started


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
