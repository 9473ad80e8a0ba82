"""The one command line: what the Makefile's targets call.

    python -m kmnist_itl.reproduction figures|plan|train|colab --help

TensorFlow and all that needs it are imported only after the arguments were checked.
"""

import argparse
import contextlib
import dataclasses
import os
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

from kmnist_itl import data, files, settings

README_BEGIN = "<!-- claims: written by `make figures` from figures/verdicts.csv -->"
README_END = "<!-- end of claims -->"


def main(arguments=None):
    """Run one subcommand.

    Args:
        arguments: list of strings; None for those of the process.

    Returns:
        The exit status: 0; 1 if a notebook failed; 2 for bad input, unavailable data or a file that
        cannot be read or written, and 130 after Ctrl-C or SIGTERM, told in one line. Bad options exit
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
        print(f"\nmake {given.target}: stopped. The same command continues where it was.", file=sys.stderr)
        return 130


def _parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--profile", help=f"{', '.join(settings.PROFILES)}; default: quick")
    common.add_argument("--dataset", help=f"{', '.join(settings.DATASETS)}; default: auto")
    common.add_argument("--seeds", help="how many seeds a training is repeated with; default: 1")
    common.add_argument("--jobs", help="how many notebooks, or trainings, run at a time")
    common.add_argument("notebooks", nargs="*", type=Path, help="files; default: all in notebooks/")
    parser = argparse.ArgumentParser(
        prog="python -m kmnist_itl.reproduction", description="Reproduce the paper; see also `make help`."
    )
    targets = parser.add_subparsers(dest="target", metavar="target", required=True)
    for target, run in (("figures", _figures), ("plan", _plan), ("train", _train), ("colab", _colab)):
        about = (run.__doc__ or target).splitlines()[0]  # python -OO leaves no docstrings
        parents = [] if target == "colab" else [common]
        subparser = targets.add_parser(target, parents=parents, help=about, description=about)
        subparser.set_defaults(run=run)
        if target == "train":
            subparser.add_argument("--dask", help="the address of a Dask scheduler whose workers train")
        if target == "colab":
            subparser.add_argument("name", nargs="?", metavar="owner/name", help="the repository on GitHub")
    return parser


def _begin(given):
    """What figures, plan and train begin with: (settings.Parameters, data.Dataset, notebooks, plan, a line).

    The data set's name is the one that 'auto' stands for here, so that all that follows uses the same.
    """
    notebooks = _notebooks(given.notebooks)
    _jobs(given)  # a wrong number is told before data are loaded
    parameters = settings.parameters(given.profile, given.dataset, given.seeds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the stand-in: it is told below
        dataset = data.load(parameters.dataset, limit=parameters.profile.train_images)
    name = dataset.name
    line = f"{parameters.profile.name} profile, {name}, {len(parameters.seeds)} seed(s)"
    if parameters.dataset == "auto" and name != "kmnist":
        line += (
            "\nWARNING: KMNIST is not available here; going on with the STAND-IN, scikit-learn's digits."
            "\n         Nothing that follows is a result on KMNIST. README.md says how to get it."
        )
    parameters = dataclasses.replace(parameters, dataset=name)
    from kmnist_itl.reproduction import plan, runs

    names = [path.stem for path in notebooks]
    planned = plan.planned(dataset, parameters.profile, parameters.seeds, names)
    if any(entry.missing for entry in planned):
        runs.check_room()
    return parameters, dataset, notebooks, planned, line


def _jobs(given, default=1):
    jobs = given.jobs or default
    return settings.check_count("jobs", int(jobs) if str(jobs).isdecimal() else jobs)


def _plan(given):
    """List the trainings that the notebooks ask for: which are kept, and how long the others take."""
    from kmnist_itl.reproduction import plan

    *_, planned, line = _begin(given)
    print("\n".join([line, *plan.lines(planned), plan.summary(planned)]))


def _train(given):
    """Do the trainings that are missing, so that the notebooks find them."""
    _, dataset, _, planned, line = _begin(given)
    print(line)
    _do_trainings(dataset, planned, jobs=_jobs(given), dask=given.dask)


def _do_trainings(dataset, planned, **workers):
    from kmnist_itl.reproduction import plan

    print(plan.summary(planned), flush=True)
    missing = sum(entry.missing for entry in planned)
    for number, (title, seconds) in enumerate(plan.train(dataset, planned, **workers), 1):
        print(f"[{number}/{missing}] {title}: {plan.duration(seconds)}", flush=True)


def _figures(given):
    """Do the trainings that are missing, and execute the notebooks, which write every table and figure.

    With the paper profile on KMNIST the executed notebooks replace those in notebooks/, to be committed; of
    every other combination they go to the folder of its figures.
    """
    import joblib

    parameters, dataset, notebooks, planned, line = _begin(given)
    from kmnist_itl.reproduction import experiments, results

    folder = settings.figures_dir(dataset.name, parameters.profile)
    results.check_room(folder)
    jobs = _jobs(given, _default_jobs(parameters.profile))
    print(f"{len(notebooks)} notebooks, {jobs} at a time: {line}", flush=True)
    _do_trainings(dataset, planned, jobs=jobs)
    last = {table.notebook for table in experiments.TABLES if table.reads}
    before, failed, number = _written(folder), [], 0
    with _kernel_of_this_environment(), joblib.parallel_config("threading", n_jobs=jobs):
        for reads in (False, True):
            wave = [path for path in notebooks if (path.stem in last) == reads]
            work = (joblib.delayed(_execute)(path, folder, parameters) for path in wave)
            for name, error, seconds in joblib.Parallel(return_as="generator_unordered")(work):
                number += 1
                outcome = f"FAILED: {error}" if error else "done"
                print(f"[{number}/{len(notebooks)}] {name}  {seconds:.0f} s  {outcome}", flush=True)
                failed += [name] if error else []
    results.refresh(folder)
    new = [path for path, stamp in _written(folder).items() if before.get(path) != stamp]
    print(f"\n{len(new)} tables and figures in {os.path.relpath(folder)}:")
    for path in new:
        print(f"  {os.path.relpath(path)}")
    if settings.is_the_papers(dataset.name, parameters.profile):
        _renew_readme(folder)
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
    folder = settings.project_dir() / "notebooks"
    paths = sorted(set(paths or folder.glob("[0-9]*.ipynb")), key=lambda path: path.name)
    if not paths:
        raise ValueError(f"There are no notebooks in {folder}. Run this in a checkout of the project.")
    return paths


def _default_jobs(profile):
    """Two for the small profiles, which keep about one core busy; one for the paper's timings and a GPU."""
    from kmnist_itl._tensorflow import tf

    alone = profile.name == "paper" or tf.config.list_physical_devices("GPU")
    return 1 if alone else min(2, os.cpu_count() or 1)


@contextlib.contextmanager
def _kernel_of_this_environment():
    """Let 'python3' mean this Python, whatever kernels are installed elsewhere on the machine."""
    from ipykernel.kernelspec import write_kernel_spec

    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        # Quiet, or a kernel that is shut down at times says that it was interrupted.
        write_kernel_spec(os.path.join(folder, "kernels", "python3"), extra_arguments=["--quiet"])
        # Looked at first; and no progress bar is to end up in an executed notebook.
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (folder, before.get("JUPYTER_PATH"))))
        os.environ["TQDM_DISABLE"] = "1"
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _execute(notebook, folder, parameters):
    """Execute one notebook and write it if it ran to its end; returns name, error (or None) and seconds."""
    import nbformat
    import papermill
    from traitlets.config import Config

    started = time.monotonic()
    in_place = settings.is_the_papers(parameters.dataset, parameters.profile)
    target = notebook if in_place else folder / "notebooks" / notebook.name
    failed = folder / "notebooks" / f"failed-{notebook.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        executed = Path(scratch) / notebook.name
        values = {"profile": parameters.profile.name, "dataset": parameters.dataset}
        try:
            papermill.execute_notebook(
                notebook,
                executed,
                parameters={**values, "seeds": len(parameters.seeds)},
                # Where the kernel starts; papermill's cwd would move this process.
                resources={"metadata": {"path": str(notebook.resolve().parent)}},
                progress_bar=False,
                config=Config(KernelManager=_transport(Path(scratch) / "kernel")),
            )
        except papermill.PapermillExecutionError as error:
            failed.parent.mkdir(parents=True, exist_ok=True)
            failed.write_bytes(executed.read_bytes())
            reason = f"cell {error.cell_index}: {error.ename}: {error.evalue} (see {os.path.relpath(failed)})"
            return notebook.name, reason, time.monotonic() - started
        whole = _cleaned(nbformat.read(executed, as_version=4))
        files.write_whole(target, lambda path: nbformat.write(whole, path))
    failed.unlink(missing_ok=True)
    return notebook.name, None, time.monotonic() - started


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


def _renew_readme(folder):
    """Write the table of the claims into the checkout's README.md, from a folder's verdicts.csv."""
    from kmnist_itl.reproduction import claims, measurements

    readme, verdicts = settings.project_dir() / "README.md", folder / "verdicts.csv"
    if verdicts.is_file() and readme.is_file():
        text = readme.read_text(encoding="utf-8")
        new = with_claims(text, claims.readme_table(measurements.read_table(verdicts)))
        if new != text:
            files.write_whole(readme, lambda beside: beside.write_text(new, encoding="utf-8"))


def with_claims(readme, table):
    """README.md's text with the table between its two marks renewed; ValueError without these."""
    before, begin, rest = readme.partition(README_BEGIN)
    _, end, after = rest.partition(README_END)
    if not (begin and end):
        raise ValueError(f"README.md must hold the lines {README_BEGIN!r} and {README_END!r}. Put them back.")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def _colab(given):
    """Write Colab's badge and set-up cell into every notebook."""
    from kmnist_itl.reproduction import colab

    address, changed = colab.write(given.name)
    print(f"{address or 'no address'}: {changed} notebooks changed")
