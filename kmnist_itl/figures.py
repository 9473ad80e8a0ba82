"""What `make figures` runs: every notebook headlessly with papermill, then what they wrote.

    python -m kmnist_itl.figures --profile quick --dataset kmnist --seeds 1 [notebook ...]

With the paper profile on KMNIST the executed notebooks replace those in notebooks/, to be committed; of every
other combination they go to the folder of its figures.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from kmnist_itl import data, files, settings


def main(arguments=None):
    """Run the notebooks; returns the exit status, 0 if all of them ran to their end."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_itl.figures", description=__doc__.split("\n")[0])
    parser.add_argument("--profile", help=", ".join(settings.PROFILES))
    parser.add_argument("--dataset", help=", ".join(settings.DATASETS))
    parser.add_argument("--seeds", help="how many seeds each experiment is repeated with")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in notebooks/")
    given = parser.parse_args(arguments)
    try:
        wanted = settings.parameters(given.profile, given.dataset, given.seeds)
        dataset = data.resolve(wanted.dataset)
        notebooks = given.notebooks or sorted((settings.project_dir() / "notebooks").glob("[0-9]*.ipynb"))
        if missing := [str(path) for path in notebooks if not path.is_file()]:
            raise ValueError(f"There is no notebook {', '.join(missing)}.")
        folder = settings.figures_dir(dataset, wanted.profile)
        folder.mkdir(parents=True, exist_ok=True)
    except (ValueError, data.DataUnavailableError, OSError) as error:
        print(f"make figures: {error}", file=sys.stderr)
        return 2

    print(
        f"{len(notebooks)} notebooks: {wanted.profile.name} profile, {dataset}, {len(wanted.seeds)} seed(s)"
    )
    if wanted.dataset == "auto" and dataset != "kmnist":
        print(
            "WARNING: KMNIST cannot be had here; going on with the STAND-IN, scikit-learn's digits.\n"
            "         Nothing that follows is a result on KMNIST. README.md says how to get it."
        )
    in_place = settings.is_the_papers(dataset, wanted.profile)
    failed, written = [], {}
    for number, notebook in enumerate(notebooks, 1):
        target = notebook if in_place else folder / "notebooks" / notebook.name
        before, started = _state(folder), time.monotonic()
        error = _run(notebook, target, folder / "notebooks" / f"failed-{notebook.name}", wanted)
        wrote = [name for name, stamp in _state(folder).items() if before.get(name) != stamp]
        written[notebook.name] = wrote
        seconds = time.monotonic() - started
        print(
            f"[{number}/{len(notebooks)}] {notebook.name}  {seconds:.0f} s  "
            + (f"FAILED: {error}" if error else f"wrote {', '.join(wrote) or 'nothing'}"),
            flush=True,
        )
        if error:
            failed.append(notebook.name)
    names = sorted({name for wrote in written.values() for name in wrote})
    print(f"\n{len(names)} tables and figures in {_relative(folder)}:")
    for name in names:
        print(f"  {_relative(folder / name)}")
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(notebook, target, failed, wanted):
    """Execute one notebook; writes it to `target` when it ran to its end, else to `failed`.

    Returns None, or what went wrong as text.
    """
    import nbformat
    import papermill
    from traitlets.config import Config

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        executed, progress = Path(scratch) / notebook.name, Path(scratch) / "progress"
        progress.touch()
        os.environ["KMNIST_ITL_PROGRESS"] = str(progress)
        done = threading.Event()
        show = threading.Thread(target=_show_progress, args=(progress, done), daemon=True)
        show.start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                papermill.execute_notebook(
                    notebook,
                    executed,
                    parameters={
                        "profile": wanted.profile.name,
                        "dataset": wanted.dataset,
                        "seeds": len(wanted.seeds),
                    },
                    cwd=notebook.resolve().parent,
                    progress_bar=sys.stderr.isatty(),
                    # Over TCP, ipykernel 7 warns of unencrypted traffic; local sockets need none.
                    config=Config(KernelManager={"transport": "ipc", "ip": str(Path(scratch) / "kernel")}),
                )
        except papermill.PapermillExecutionError as error:
            failed.parent.mkdir(parents=True, exist_ok=True)
            failed.write_bytes(executed.read_bytes())
            return f"cell {error.cell_index}: {error.ename}: {error.evalue} (see {_relative(failed)})"
        finally:
            done.set()
            show.join()
            del os.environ["KMNIST_ITL_PROGRESS"]
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


def _show_progress(file, done):
    """Print a training's line when another begins and every half a minute."""
    shown, title, last = 0.0, None, None
    while not done.wait(1):
        lines = file.read_text(encoding="utf-8").splitlines()
        if not lines or lines[-1] == last:
            continue
        now = lines[-1].split(":")[0]
        if now != title or time.monotonic() - shown > 30:
            title, last, shown = now, lines[-1], time.monotonic()
            print(f"    {lines[-1]}", flush=True)


def _state(folder):
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob("*.*")) if path.is_file()}


def _relative(path):
    return os.path.relpath(path)


if __name__ == "__main__":
    sys.exit(main())
