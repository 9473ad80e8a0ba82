"""The one command line: what the Makefile's targets call.

    python -m kmnist_itl.reproduction figures|plan|train|report|explore|summary|colab --help

TensorFlow and all that needs it are imported only after the arguments were checked.
"""

import argparse
import collections
import contextlib
import dataclasses
import graphlib
import os
import queue
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from kmnist_itl import data, files, settings


def main(arguments=None):
    """Run one subcommand.

    Args:
        arguments: list of strings; None for those of the process.

    Returns:
        The exit status: 0; 1 if a notebook failed; 2 for bad input, unavailable data or a file that
        cannot be read or written, and 130 after Ctrl-C or SIGTERM, each told in one line. Bad options exit
        as argparse does.
    """
    given = _parser().parse_args(arguments)
    with contextlib.suppress(ValueError):  # in another thread than the first there are no signals
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        settings.growing(), settings.deterministic()  # a wrong value is told before anything starts
        return given.run(given) or 0
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make {given.target}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nmake {given.target}: stopped. The same command goes on where it was.", file=sys.stderr)
        return 130


def _parser():
    which, repeated = (argparse.ArgumentParser(add_help=False) for _ in range(2))
    which.add_argument("--profile", help=f"{', '.join(settings.PROFILES)}; default: quick")
    which.add_argument("--dataset", help=f"{', '.join(settings.DATASETS)}; default: auto")
    repeated.add_argument("--seeds", help="how many seeds each experiment is repeated with; default: 1")
    repeated.add_argument("--jobs", help="how many notebooks, or trainings, run at a time")
    repeated.add_argument("notebooks", nargs="*", type=Path, help="files; default: all in notebooks/")

    parser = argparse.ArgumentParser(
        prog="python -m kmnist_itl.reproduction", description="Reproduce the paper; see also `make help`."
    )
    targets = parser.add_subparsers(dest="target", metavar="target", required=True)

    def add(target, run, *parents):
        about = (run.__doc__ or target).splitlines()[0]  # python -OO leaves no docstrings
        subparser = targets.add_parser(target, parents=parents, help=about, description=about)
        subparser.set_defaults(run=run)
        return subparser

    add("figures", _figures, which, repeated)
    add("plan", _plan, which, repeated)
    train = add("train", _train, which, repeated)
    train.add_argument("--dask", help="the address of a Dask scheduler whose workers train")
    add("report", _report, which)
    add("explore", _explore, which)
    add("summary", _summary)
    colab = add("colab", _colab)
    colab.add_argument("name", nargs="?", metavar="owner/name", help="the repository on GitHub")
    return parser


def _checked(given):
    """What figures, plan and train are given: settings.Parameters, jobs (None: not given) and a line of it.

    The data set is the one that 'auto' stands for here, so that all that follows uses the same.
    """
    wanted = settings.parameters(given.profile, given.dataset, given.seeds)
    jobs = settings.check_count("jobs", given.jobs) if given.jobs else None
    dataset = data.resolve(wanted.dataset)
    line = f"{wanted.profile.name} profile, {dataset}, {len(wanted.seeds)} seed(s)"
    if wanted.dataset == "auto" and dataset != "kmnist":
        line += (
            "\nWARNING: KMNIST is not available here; going on with the STAND-IN, scikit-learn's digits."
            "\n         Nothing that follows is a result on KMNIST. README.md says how to get it."
        )
    return dataclasses.replace(wanted, dataset=dataset), jobs, line


def _plan(given):
    """List the trainings that the notebooks ask for: which are kept, and how long the others take."""
    from kmnist_itl.reproduction import plan

    _, _, planned = _planned(given)
    print("\n".join(plan.lines(planned)))
    print(plan.summary(planned))


def _train(given):
    """Do the trainings that are missing, so that the notebooks find them."""
    from kmnist_itl.reproduction import plan

    dataset, jobs, planned = _planned(given)
    print(plan.summary(planned), flush=True)
    missing = sum(training.missing for training in planned)
    trained = plan.train(dataset, planned, jobs=jobs or 1, dask=given.dask)
    for number, (title, seconds) in enumerate(trained, 1):
        print(f"[{number}/{missing}] {title}: {plan.duration(seconds)}", flush=True)


def _planned(given):
    """The data.Dataset, the jobs and the plan of `make plan` and `make train`."""
    names = [path.stem for path in _notebooks(given.notebooks)]
    wanted, jobs, line = _checked(given)
    from kmnist_itl.reproduction import plan, store

    dataset = data.load(wanted.dataset, limit=wanted.profile.train_images)
    store.check_room()
    print(line)
    return dataset, jobs, plan.planned(dataset, wanted.profile, wanted.seeds, names)


def _report(given):
    """Write one HTML page with the verdicts, all tables and figures and the executed notebooks."""
    wanted = settings.parameters(given.profile, given.dataset)
    from kmnist_itl.reproduction import report

    path = report.write(wanted.profile, wanted.dataset)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def _explore(given):
    """Write the page to touch from kept runs: codes to turn, the kernel size to move, seeds to draw."""
    wanted = settings.parameters(given.profile, given.dataset)
    from kmnist_itl.reproduction import explore

    path = explore.write(wanted.profile, wanted.dataset)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def _summary(given):
    """Write the summary of the verdicts into README.md."""
    from kmnist_itl.reproduction import summary

    summary.main()


def _colab(given):
    """Write Colab's badge and set-up cell into every notebook."""
    from kmnist_itl.reproduction import colab

    address, changed = colab.write(given.name)
    print(f"{address or 'no address'}: {changed} notebooks changed")


def _figures(given):
    """Execute the notebooks, which write every table and figure.

    With the paper profile on KMNIST the executed notebooks replace those in notebooks/, to be committed; of
    every other combination they go to the folder of its figures.
    """
    notebooks = _notebooks(given.notebooks)
    wanted, jobs, line = _checked(given)
    # Damaged data are told now, and two notebooks do not prepare them at once.
    dataset = data.load(wanted.dataset, limit=wanted.profile.train_images)
    from kmnist_itl.reproduction import experiments, plan, progress, results, store

    folder = settings.figures_dir(wanted.dataset, wanted.profile)
    results.check_room(folder)
    store.check_room()
    jobs = jobs or _default_jobs(wanted.profile)
    print(f"{len(notebooks)} notebooks, {jobs} at a time: {line}", flush=True)
    names = [path.stem for path in notebooks]
    if planned := plan.planned(dataset, wanted.profile, wanted.seeds, names):
        print(plan.summary(planned), flush=True)
    if jobs > 1:
        notebooks = _longest_first(notebooks, planned)
    reads = {
        path: [other for other in notebooks if other.stem in experiments.reads(path.stem) - {path.stem}]
        for path in notebooks
    }

    def execute(notebook):
        started = time.monotonic()
        error = _execute(notebook, folder, wanted, bar=jobs == 1 and sys.stderr.isatty())
        return notebook.name, error, time.monotonic() - started

    before, failed = _written(folder), []
    with progress.shown_in_terminal(), _kernel_of_this_environment():
        for number, (name, error, seconds) in enumerate(_in_order(execute, reads, jobs), 1):
            outcome = f"FAILED: {error}" if error else "done"
            print(f"[{number}/{len(notebooks)}] {name}  {seconds:.0f} s  {outcome}", flush=True)
            if error:
                failed.append(name)
    results.refresh(folder)
    new = [path for path, stamp in _written(folder).items() if before.get(path) != stamp]
    print(f"\n{len(new)} tables and figures in {os.path.relpath(folder)}:")
    for path in new:
        print(f"  {os.path.relpath(path)}")
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _notebooks(paths):
    """The notebooks' paths, each once, in the order of their names, or all in notebooks/."""
    for path in paths:
        if path.suffix != ".ipynb":
            raise ValueError(f"NOTEBOOKS must name .ipynb files; got {path}.")
        if not path.is_file():
            raise ValueError(f"There is no notebook {path}.")
    paths = paths or (settings.project_dir() / "notebooks").glob("[0-9]*.ipynb")
    return sorted(set(paths), key=lambda path: path.name)


def _default_jobs(profile):
    """Two for the small profiles, which keep about one core busy; one for the paper's timings and a GPU."""
    from kmnist_itl._tensorflow import tf

    alone = profile.name == "paper" or tf.config.list_physical_devices("GPU")
    return 1 if alone else min(2, os.cpu_count() or 1)


def _longest_first(notebooks, planned):
    """Paths of notebooks by how long their missing trainings take: one that begins last would end alone."""
    seconds = collections.Counter()
    for each in planned:
        seconds[each.notebook] += each.seconds * each.missing
    return sorted(notebooks, key=lambda path: -seconds[path.stem])


def _in_order(function, reads, jobs):
    """Yield function(item) for each key of `reads` as it ends; an item starts when all that it reads ended.

    `jobs` run at a time, the items that can start in the order of `reads`. Raises what `function` raises,
    and ValueError (graphlib's CycleError) where items read each other.
    """
    sorter, order, ended = graphlib.TopologicalSorter(reads), list(reads), queue.SimpleQueue()
    sorter.prepare()
    ready, running = [], 0

    def work(item):
        try:
            ended.put((item, function(item), None))
        except Exception as error:
            ended.put((item, None, error))

    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=order.index)
        while ready and running < jobs:
            # A daemon, so that Ctrl-C need not wait for it.
            threading.Thread(target=work, args=(ready.pop(0),), daemon=True).start()
            running += 1
        item, result, error = ended.get()
        if error:
            raise error
        running -= 1
        sorter.done(item)
        yield result


@contextlib.contextmanager
def _kernel_of_this_environment():
    """Let 'python3' mean this Python, whatever kernels are installed elsewhere on the machine."""
    from ipykernel.kernelspec import write_kernel_spec

    before = os.environ.get("JUPYTER_PATH")
    with tempfile.TemporaryDirectory() as folder:
        # Quiet, or a kernel that is shut down at times says that it was interrupted.
        write_kernel_spec(os.path.join(folder, "kernels", "python3"), extra_arguments=["--quiet"])
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (folder, before)))  # looked at first
        try:
            yield
        finally:
            os.environ.pop("JUPYTER_PATH")
            if before is not None:
                os.environ["JUPYTER_PATH"] = before


def _execute(notebook, folder, wanted, *, bar):
    """Execute one notebook and write it, if it ran to its end; returns None, or what went wrong as text."""
    import nbformat
    import papermill
    from traitlets.config import Config

    in_place = settings.is_the_papers(wanted.dataset, wanted.profile)
    target = notebook if in_place else folder / "notebooks" / notebook.name
    failed = folder / "notebooks" / f"failed-{notebook.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        executed = Path(scratch) / notebook.name
        parameters = {"profile": wanted.profile.name, "dataset": wanted.dataset, "seeds": len(wanted.seeds)}
        try:
            papermill.execute_notebook(
                notebook,
                executed,
                parameters=parameters,
                # Where the kernel starts. papermill's cwd would move this process, with all its threads.
                resources={"metadata": {"path": str(notebook.resolve().parent)}},
                progress_bar=bar,
                config=Config(KernelManager=_transport(Path(scratch) / "kernel")),
            )
        except papermill.PapermillExecutionError as error:
            failed.parent.mkdir(parents=True, exist_ok=True)
            failed.write_bytes(executed.read_bytes())
            return f"cell {error.cell_index}: {error.ename}: {error.evalue} (see {os.path.relpath(failed)})"
        whole = _cleaned(nbformat.read(executed, as_version=4))
        files.write_whole(target, lambda path: nbformat.write(whole, path))
    failed.unlink(missing_ok=True)
    return None


def _transport(path):
    """Local sockets, since over TCP ipykernel 7 warns of unencrypted traffic; their paths must be short."""
    return {"transport": "ipc", "ip": str(path)} if len(os.fsencode(path)) < 90 else {}


def _cleaned(notebook):
    """Take out what papermill adds: parameters of one run, times and paths of one machine.

    Lines of one stream become one output, and the cells are counted from 1.
    """
    notebook.cells = [
        cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        outputs = []
        for output in cell.outputs:
            if outputs and output.get("name", "") == outputs[-1].get("name"):
                outputs[-1].text += output.text
                continue
            if "execution_count" in output:
                output.execution_count = number
            outputs.append(output)
        cell.outputs, cell.execution_count = outputs, number
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if cell.metadata.get("tags") == []:
            cell.metadata.pop("tags")
    return notebook


def _written(folder):
    """When each table and figure of a folder was written, by its path."""
    return {path: path.stat().st_mtime_ns for path in sorted(folder.glob("[!.]*.*")) if path.is_file()}
