"""What `make figures` runs: every notebook headlessly with papermill, then what they wrote.

    python -m kmnist_itl.figures --profile quick --dataset kmnist --seeds 1 [notebook ...]

With the paper profile on KMNIST the executed notebooks replace those in notebooks/, to be committed; of every
other combination they go to the folder of its figures. The small profiles run two notebooks at a time, since
most of their work keeps one core busy; the paper profile runs one, for the sake of its timings.
"""

import argparse
import contextlib
import os
import queue
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from kmnist_itl import data, files, results, settings

# It judges what the others wrote.
LAST = "10_verdicts.ipynb"


def main(arguments=None):
    """Run the notebooks; returns the exit status, 0 if all of them ran to their end."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_itl.figures", description=__doc__.split("\n")[0])
    parser.add_argument("--profile", help=", ".join(settings.PROFILES))
    parser.add_argument("--dataset", help=", ".join(settings.DATASETS))
    parser.add_argument("--seeds", help="how many seeds each experiment is repeated with")
    parser.add_argument("--jobs", help="how many notebooks run at a time")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in notebooks/")
    given = parser.parse_args(arguments)
    try:
        wanted = settings.parameters(given.profile, given.dataset, given.seeds)
        jobs = settings.check_count("jobs", given.jobs) if given.jobs else _default_jobs(wanted.profile)
        dataset = data.resolve(wanted.dataset)
        notebooks = given.notebooks or sorted((settings.project_dir() / "notebooks").glob("[0-9]*.ipynb"))
        if missing := [str(path) for path in notebooks if not path.is_file()]:
            raise ValueError(f"There is no notebook {', '.join(missing)}.")
        # Damaged data are told now, and two notebooks do not prepare them at once.
        loaded = data.load(dataset, limit=wanted.profile.train_images)
        folder = settings.figures_dir(dataset, wanted.profile)
        results.check_room(folder)
        plan = _plan(loaded, wanted, [path.stem for path in notebooks])
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make figures: {error}", file=sys.stderr)
        return 2

    print(
        f"{len(notebooks)} notebooks, {jobs} at a time: "
        f"{wanted.profile.name} profile, {dataset}, {len(wanted.seeds)} seed(s)",
        flush=True,
    )
    if wanted.dataset == "auto" and dataset != "kmnist":
        print(
            "WARNING: KMNIST cannot be had here; going on with the STAND-IN, scikit-learn's digits.\n"
            "         Nothing that follows is a result on KMNIST. README.md says how to get it."
        )
    if plan:
        print(plan, flush=True)
    in_place = settings.is_the_papers(dataset, wanted.profile)

    def run(notebook):
        started = time.monotonic()
        target = notebook if in_place else folder / "notebooks" / notebook.name
        error = _run(notebook, target, folder / "notebooks" / f"failed-{notebook.name}", wanted, jobs)
        return notebook, error, time.monotonic() - started

    before, failed = _state(folder), []
    others = [path for path in notebooks if path.name != LAST]
    last = [path for path in notebooks if path.name == LAST]
    with _progress_shown():
        ended = (result for part in (others, last) for result in _at_a_time(run, part, jobs))
        for number, (notebook, error, seconds) in enumerate(ended, 1):
            outcome = f"FAILED: {error}" if error else "done"
            print(f"[{number}/{len(notebooks)}] {notebook.name}  {seconds:.0f} s  {outcome}", flush=True)
            if error:
                failed.append(notebook.name)
    names = [name for name, stamp in _state(folder).items() if before.get(name) != stamp]
    print(f"\n{len(names)} tables and figures in {_relative(folder)}:")
    for name in names:
        print(f"  {_relative(folder / name)}")
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _plan(loaded, wanted, notebooks):
    """What is to be trained and how long that takes, as a line; None if that is nothing anyway."""
    from kmnist_itl import plan, training  # not above: bad arguments are told without waiting for TensorFlow

    training.check_room()
    planned = plan.planned(loaded, wanted.profile, wanted.seeds, notebooks)
    return plan.summary(planned) if planned else None


def _default_jobs(profile):
    from kmnist_itl._tensorflow import tf

    alone = profile.name == "paper" or tf.config.list_physical_devices("GPU")  # a GPU's memory goes to one
    return 1 if alone else min(2, os.cpu_count() or 1)


def _at_a_time(function, items, jobs):
    """Yield function(item) for each item, `jobs` of them at a time, as they end."""
    if jobs == 1:
        yield from map(function, items)
        return
    waiting, ended = queue.SimpleQueue(), queue.SimpleQueue()

    def work():
        with contextlib.suppress(queue.Empty):
            while True:
                item = waiting.get_nowait()
                try:
                    ended.put((function(item), None))
                except Exception as error:
                    ended.put((None, error))

    for item in items:
        waiting.put(item)
    for _ in range(jobs):
        threading.Thread(target=work, daemon=True).start()  # a daemon, so that Ctrl-C need not wait for it
    for _ in items:
        result, error = ended.get()
        if error:
            raise error
        yield result


def _run(notebook, target, failed, wanted, jobs):
    """Execute one notebook; writes it to `target` when it ran to its end, else to `failed`.

    Returns None, or what went wrong as text.
    """
    import nbformat
    import papermill
    from traitlets.config import Config

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        executed = Path(scratch) / notebook.name
        try:
            papermill.execute_notebook(
                notebook,
                executed,
                parameters={
                    "profile": wanted.profile.name,
                    "dataset": wanted.dataset,
                    "seeds": len(wanted.seeds),
                },
                # Where the kernel starts. papermill's cwd would move this process, with all its threads.
                resources={"metadata": {"path": str(notebook.resolve().parent)}},
                progress_bar=jobs == 1 and sys.stderr.isatty(),
                # Over TCP, ipykernel 7 warns of unencrypted traffic; local sockets need none.
                config=Config(KernelManager={"transport": "ipc", "ip": str(Path(scratch) / "kernel")}),
            )
        except papermill.PapermillExecutionError as error:
            failed.parent.mkdir(parents=True, exist_ok=True)
            failed.write_bytes(executed.read_bytes())
            return f"cell {error.cell_index}: {error.ename}: {error.evalue} (see {_relative(failed)})"
        whole = _cleaned(nbformat.read(executed, as_version=4))
        files.write_whole(target, lambda path: nbformat.write(whole, path))
    failed.unlink(missing_ok=True)
    return None


def _cleaned(notebook):
    """Take out what papermill adds: parameters of one run, times and paths of one machine."""
    notebook.cells = [
        cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if cell.metadata.get("tags") == []:
            cell.metadata.pop("tags")
    return notebook


@contextlib.contextmanager
def _progress_shown():
    """Show the lines of the notebooks' trainings in the terminal meanwhile."""
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's and its kernel manager's
        progress = Path(scratch) / "progress"
        progress.touch()
        os.environ["KMNIST_ITL_PROGRESS"] = str(progress)
        done = threading.Event()
        show = threading.Thread(target=_show_progress, args=(progress, done), daemon=True)
        show.start()
        try:
            yield
        finally:
            done.set()
            show.join()
            del os.environ["KMNIST_ITL_PROGRESS"]


def _show_progress(file, done):
    """Print a training's line when it begins and every half a minute."""
    read, shown = 0, {}
    while not done.wait(1):
        lines = file.read_text(encoding="utf-8").splitlines()
        new = {line.split(":")[0]: line for line in lines[read:]}
        read = len(lines)
        for title, line in new.items():
            if time.monotonic() - shown.get(title, -60) > 30:
                shown[title] = time.monotonic()
                print(f"    {line}", flush=True)


def _state(folder):
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob("*.*")) if path.is_file()}


def _relative(path):
    return os.path.relpath(path)


if __name__ == "__main__":
    sys.exit(main())
