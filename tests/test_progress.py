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
    return lambda: shown.read_text().splitlines()


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
        "training: 1 epochs, loss 1, validation loss 2; at most 10 epochs",
        "training: 2 epochs, loss 1, validation loss 2; at most 10 epochs, 24 s left",
        "training: 3 epochs, loss 1, validation loss 2; at most 10 epochs, 18 s left",  # 2.5 s each
    ]


def test_the_lines_of_other_processes_are_shown_meanwhile(capsys):
    with progress.shown_in_terminal():
        with open(os.environ["KMNIST_ITL_PROGRESS"], "a", encoding="utf-8") as file:
            file.write("training: 1 epochs\ntraining: 2 epochs\nother: 1 epochs\n")
        time.sleep(1.5)
    assert capsys.readouterr().out == "    training: 2 epochs\n    other: 1 epochs\n"
    assert "KMNIST_ITL_PROGRESS" not in os.environ
