"""One line that says how a training goes: in a notebook, in the terminal and for `make figures`."""

import contextlib
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from kmnist_itl._tensorflow import keras

SECONDS_BETWEEN = 1.0
_IN_PIPE = "* "  # marks the states that a pipe shows, too

_number = ""  # "[3/12] " within `numbered`


def numbered(wanted):
    """Yield each of the `wanted`, a list; trainings say meanwhile which of how many they are for."""
    global _number
    try:
        for number, each in enumerate(wanted, 1):
            _number = f"[{number}/{len(wanted)}] "
            yield each
    finally:
        _number = ""


class Progress(keras.callbacks.Callback):
    """A Keras callback that keeps one line up to date: epoch, loss, validation loss, time left.

    A training of two rounds is one to it: the epochs of the second are counted on.

    In a notebook the line is one output that is replaced, so that an executed notebook holds only its last
    state. In a terminal it is rewritten in place; into a file or a pipe only the first and the last state are
    written. `make figures` names a file in KMNIST_ITL_PROGRESS to which each state is appended; it shows
    them by the same rule, since what a kernel prints goes to the notebook.

    Args:
        title: string, which training this is.
        epochs: int, the most that it takes.
    """

    def __init__(self, title, epochs):
        super().__init__()
        self.title, self.most = title, epochs
        self.shown = 0.0
        self.done = 0
        self.handle = None

    def on_train_begin(self, logs=None):
        if not self.done:
            self.state = "0 epochs"
            self._show(f"begins, at most {self.most} epochs", first=True)

    def on_epoch_end(self, epoch, logs=None):
        self.done += 1
        now, done = time.perf_counter(), self.done
        self.state = f"{done} epochs, loss {logs['loss']:.4g}"
        if "val_loss" in logs:
            self.state += f", validation loss {logs['val_loss']:.4g}"
        if done == 1:
            self.first_ended = now  # the time left is told from the epochs after the first, which compiles
        if now - self.shown < SECONDS_BETWEEN:
            return
        self.shown = now
        left = ""
        if done > 1:
            left = f", {(now - self.first_ended) / (done - 1) * (self.most - done):.0f} s left"
        self._show(f"{self.state}; at most {self.most} epochs{left}")

    def on_train_end(self, logs=None):
        self._show(self.state, last=True)

    def found_again(self, epochs):
        """Say that nothing is trained; not in a notebook, which would fill with such lines."""
        self._show(f"found again, {epochs} epochs", last=True, found=True)

    def waiting(self):
        """Say that another process trains the same."""
        self._show("waits for another process that trains the same", last=True)

    def _show(self, text, *, first=False, last=False, found=False):
        line = f"{_number}{self.title}: {text}"
        in_pipe = (first or last) and not found
        if file := os.environ.get("KMNIST_ITL_PROGRESS"):
            with open(file, "a", encoding="utf-8") as out:
                out.write(f"{_IN_PIPE if in_pipe else ''}{line}\n")
        if _in_notebook():
            if found:
                return
            from IPython.display import display

            shown = {"text/plain": line}
            if self.handle is None:
                self.handle = display(shown, raw=True, display_id=True)
            else:
                self.handle.update(shown, raw=True)
        elif sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if last else ""))
            sys.stderr.flush()
        elif in_pipe and not file:
            print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def shown_in_terminal():
    """Meanwhile show the lines of trainings in other processes, of kernels that start within it."""
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's and its kernel manager's
        file = Path(scratch) / "progress"
        file.touch()
        os.environ["KMNIST_ITL_PROGRESS"] = str(file)
        done = threading.Event()
        show = threading.Thread(target=_print_lines, args=(file, done), daemon=True)
        show.start()
        try:
            yield
        finally:
            done.set()
            show.join()
            del os.environ["KMNIST_ITL_PROGRESS"]


def _print_lines(file, done):
    """Print a training's first and last line, and in a terminal one every half a minute between them."""
    read, shown, ended = 0, {}, False
    while not ended:
        ended = done.wait(1)
        lines = file.read_text(encoding="utf-8").splitlines()
        for line in lines[read:]:
            title = line.removeprefix(_IN_PIPE).split(":")[0]
            due = sys.stdout.isatty() and time.monotonic() - shown.get(title, -60) > 30
            if due or line.startswith(_IN_PIPE):
                shown[title] = time.monotonic()
                print(f"    {line.removeprefix(_IN_PIPE)}", flush=True)
        read = len(lines)


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and hasattr(shell, "kernel")
