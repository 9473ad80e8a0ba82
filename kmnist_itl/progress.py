"""One line that says how a training goes: in a notebook, in the terminal and for `make figures`."""

import os
import sys
import time

from kmnist_itl._tensorflow import keras

SECONDS_BETWEEN = 1.0

_number = ""  # "[3/12] " within `numbered`


def numbered(wanted):
    """Yield each of the `wanted`, a list; trainings say meanwhile which of how many they are for."""
    global _number
    try:
        for number, of in enumerate(wanted, 1):
            _number = f"[{number}/{len(wanted)}] "
            yield of
    finally:
        _number = ""


class Progress(keras.callbacks.Callback):
    """A Keras callback that keeps one line up to date: epoch, loss, validation loss, time left.

    In a notebook the line is one output that is replaced, so that an executed notebook holds only its last
    state. In a terminal it is rewritten in place. `make figures` names a file in KMNIST_ITL_PROGRESS to
    which each state is appended; it shows them, since what a kernel prints goes to the notebook.
    """

    def __init__(self, title, epochs):
        super().__init__()
        self.title, self.most = title, epochs
        self.shown = 0.0
        self.handle = None

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        now, done = time.perf_counter(), epoch + 1
        self.state = f"{done} epochs, loss {logs['loss']:.4g}, validation loss {logs.get('val_loss', 0):.4g}"
        if now - self.shown < SECONDS_BETWEEN:
            return
        self.shown = now
        left = (now - self.started) / done * (self.most - done)
        self._show(f"{self.state}; at most {self.most} epochs, {left:.0f} s left", last=False)

    def on_train_end(self, logs=None):
        self._show(self.state, last=True)

    def found_again(self, epochs):
        """Say that nothing is trained; not in a notebook, which would fill with such lines."""
        self._show(f"found again, {epochs} epochs", last=True, in_notebook=False)

    def waiting(self):
        """Say that another process trains the same."""
        self._show("waits for another process that trains the same", last=True)

    def _show(self, text, *, last, in_notebook=True):
        line = f"{_number}{self.title}: {text}"
        if file := os.environ.get("KMNIST_ITL_PROGRESS"):
            with open(file, "a", encoding="utf-8") as out:
                out.write(line + "\n")
        if _in_notebook():
            if not in_notebook:
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


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and hasattr(shell, "kernel")
