import os
import time

import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import progress, store


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """The lines that were shown so far, as a function."""
    shown = tmp_path / "shown"
    monkeypatch.setenv("KMNIST_ITL_PROGRESS", str(shown))
    return lambda: [line.removeprefix("* ") for line in shown.read_text().splitlines()]


def test_a_sweep_says_which_run_of_how_many(digits, lines):
    def train(latent_dim, seed):
        smoke, arguments = settings.get_profile("smoke"), {"latent_dim": latent_dim}
        store.Training("autoencoder", digits.fingerprint, smoke, seed, arguments).run(digits)

    pairs = [(2, 0), (3, 0), (2, 1), (3, 1)]
    for latent_dim, seed in progress.numbered(pairs):
        train(latent_dim, seed)
    starts = [line.partition(":")[0] for line in lines() if "at most" not in line]
    assert starts == [f"[{i}/4] autoencoder, {k} units, seed {s}" for i, (k, s) in enumerate(pairs, 1)]

    train(2, 0)
    assert lines()[-1].startswith("autoencoder, 2 units, seed 0: found again")


def test_the_time_left_is_told_from_the_epochs_after_the_first_which_compiles(lines, monkeypatch):
    clock = iter([100.0, 103.0, 105.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    callback = progress.Progress("training", 10)
    callback.on_train_begin()
    for epoch in range(3):
        callback.on_epoch_end(epoch, {"loss": 1, "val_loss": 2})
    assert lines() == [
        "training: begins, at most 10 epochs",
        "training: 1 epochs, loss 1, validation loss 2; at most 10 epochs",
        "training: 2 epochs, loss 1, validation loss 2; at most 10 epochs, 24 s left",
        "training: 3 epochs, loss 1, validation loss 2; at most 10 epochs, 18 s left",  # 2.5 s each
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_pipe_gets_the_first_and_the_last_line_of_a_training(capsys, monkeypatch, terminal):
    with progress.shown_in_terminal():
        monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
        for title in ("one", "other"):
            callback = progress.Progress(title, 10)
            callback.on_train_begin()
            time.sleep(1.2)
            for epoch in range(2):
                callback.on_epoch_end(epoch, {"loss": 1, "val_loss": 2})
            callback.on_train_end()
        progress.Progress("one", 10).found_again(2)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    expected = []
    for title in ("one", "other"):
        expected += [
            f"{title}: begins, at most 10 epochs",
            f"{title}: 2 epochs, loss 1, validation loss 2",
        ]
    assert lines == expected
    assert "KMNIST_ITL_PROGRESS" not in os.environ


def test_without_make_a_pipe_gets_them_on_stderr(capsys, digits, monkeypatch):
    monkeypatch.delenv("KMNIST_ITL_PROGRESS", raising=False)
    smoke = settings.get_profile("smoke")
    training = store.Training("autoencoder", digits.fingerprint, smoke, 5, {"latent_dim": 2})
    training.run(digits)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "autoencoder, 2 units, seed 5: begins, at most 2 epochs"
    assert last.startswith("autoencoder, 2 units, seed 5: 2 epochs, loss ")
    training.run(digits)
    assert capsys.readouterr().err == ""
