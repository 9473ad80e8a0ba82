"""Runs that are killed and data that are damaged: nothing is lost (`make test-faults`, many minutes)."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kmnist_itl import data
from kmnist_itl.reproduction import store

pytestmark = pytest.mark.faults

MOMENTS = 12
NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "06_swiss_roll_kernel_size.ipynb"


def start(folder, seeds=1, **variables):
    environment = {
        **os.environ,
        "KMNIST_ITL_CACHE": str(folder / "cache"),
        "KMNIST_ITL_FIGURES": str(folder / "figures"),
        **variables,
    }
    command = [
        sys.executable,
        "-m",
        "kmnist_itl.reproduction",
        "figures",
        "--profile",
        "smoke",
        "--dataset",
        "digits",
    ]
    return subprocess.Popen(
        [*command, "--seeds", str(seeds), str(NOTEBOOK)],
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(folder, *how, **variables):
    process = start(folder, *how, **variables)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    return tables(folder)


def tables(folder):
    """All tables of a run, without what cannot be the same twice."""
    found = {}
    for path in sorted((folder / "figures").rglob("*.csv")):
        frame = pd.read_csv(path)
        found[path.name] = frame.drop(columns=[name for name in frame if name.startswith("seconds")])
    return found


def kept(folder, monkeypatch):
    """The records of the kept runs and when they were written; each must be whole."""
    monkeypatch.setenv("KMNIST_ITL_CACHE", str(folder / "cache"))
    runs = store.runs_dir()
    names = [run for run in runs.iterdir() if not run.name.startswith(".")] if runs.exists() else []
    return {run.name: (store._record(run)["history"], run.stat().st_mtime_ns) for run in names}


def test_a_run_that_is_killed_at_a_dozen_moments_ends_as_one_that_was_not(tmp_path, monkeypatch):
    started = time.monotonic()
    undisturbed = finish(tmp_path / "whole")
    seconds = time.monotonic() - started
    histories = {key: history for key, (history, _) in kept(tmp_path / "whole", monkeypatch).items()}
    assert undisturbed and len(histories) >= 4

    at_the_kill = []
    for moment in np.linspace(0.2, 0.98, MOMENTS) * seconds:
        folder = tmp_path / f"{moment:.1f}"
        process = start(folder)
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        before = kept(folder, monkeypatch)
        for name, frame in tables(folder).items():
            whole = undisturbed[name]
            if name == store.MEASUREMENTS:  # it has a row for each training that was measured by then
                whole = whole[whole.run.isin(frame.run)].reset_index(drop=True)
            pd.testing.assert_frame_equal(frame, whole)
        for path in (folder / "figures").rglob("*.ipynb"):
            json.loads(path.read_text())
        ended = finish(folder)
        assert ended.keys() == undisturbed.keys()
        for name, frame in undisturbed.items():
            pd.testing.assert_frame_equal(ended[name], frame)
        after = kept(folder, monkeypatch)
        assert {key: history for key, (history, _) in after.items()} == histories
        assert all(after[key] == run for key, run in before.items()), "a finished training was done again"
        at_the_kill.append(len(before))
    print(f"{MOMENTS} kills in {seconds:.0f} s; trainings finished at each: {at_the_kill}")


def test_a_table_that_grows_is_that_of_all_seeds_at_once(tmp_path, monkeypatch):
    """Also where the kept runs of the first seed are gone, and where it is killed while it grows."""
    at_once = finish(tmp_path / "whole", 3)
    folder = tmp_path / "grown"
    finish(folder, 1)
    shutil.rmtree(folder / "cache" / "runs")
    growing = start(folder, 3, KMNIST_ITL_GROW="1")
    rows = folder / "figures" / "digits-smoke" / store.MEASUREMENTS
    while growing.poll() is None and len(pd.read_csv(rows)) < 7:
        time.sleep(0.05)
    os.killpg(growing.pid, signal.SIGKILL)
    growing.wait()
    measured = len(pd.read_csv(rows))
    shutil.rmtree(folder / "cache" / "runs")
    grown = finish(folder, 3, KMNIST_ITL_GROW="1")
    for name, frame in at_once.items():
        pd.testing.assert_frame_equal(grown[name], frame)
    # Trained again: the four of the first seed, which the pictures show, and what had not been measured.
    assert len(kept(folder, monkeypatch)) == 4 + 12 - measured


def test_two_runs_at_once_train_each_model_once(tmp_path, monkeypatch):
    both = [start(tmp_path) for _ in range(2)]
    told = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    one = tables(tmp_path)
    alone = finish(tmp_path / "alone")
    for name, frame in alone.items():
        pd.testing.assert_frame_equal(one[name], frame)
    assert len(kept(tmp_path, monkeypatch)) == len(kept(tmp_path / "alone", monkeypatch))


needs_kmnist = pytest.mark.skipif("KMNIST_DIR" not in os.environ, reason="KMNIST_DIR is not set")


@pytest.fixture
def nothing_prepared(tmp_path, monkeypatch):
    """tfds' own folder may hold a prepared copy on the machine that runs the tests."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(data, "_prepared_builder", lambda: None)


@needs_kmnist
@pytest.mark.parametrize("name", data.KMNIST_FILES)
def test_each_of_the_four_files_in_each_kind_of_damage(name, tmp_path, monkeypatch, nothing_prepared):
    folder = tmp_path / "files"
    folder.mkdir()
    for file in data.KMNIST_FILES:
        shutil.copyfile(Path(os.environ["KMNIST_DIR"]) / file, folder / file)
    monkeypatch.setenv("KMNIST_DIR", str(folder))
    whole = (folder / name).read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for content in (flipped, whole[:middle], b"", None):
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
        with pytest.raises(data.DataUnavailableError) as error:
            data.load("kmnist")
        message = str(error.value)
        assert name in message and "\n" not in message
        assert "are not there" in message or "is not there" in message or "expected" in message
        # The others may have been unpacked by then.
        assert [path for path in (tmp_path / "cache").rglob(f"*{name}*") if path.is_file()] == []


@needs_kmnist
def test_preparing_the_data_killed_at_some_moments_does_not_block_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    code = "from kmnist_itl import data; print(data.load('kmnist').train.images.sum(dtype=float))"

    def load():
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    started = time.monotonic()
    whole, _ = load().communicate()
    seconds = time.monotonic() - started
    for moment in (0.3, 0.5, 0.7, 0.9):
        shutil.rmtree(tmp_path / "cache")
        process = load()
        time.sleep(moment * seconds)
        process.kill()
        process.wait()
        assert load().communicate()[0] == whole != ""


@needs_kmnist
def test_a_damaged_prepared_copy_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    data.load("kmnist")
    next((tmp_path / "cache").glob("kmnist-*.npz")).unlink()
    record = next((tmp_path / "cache" / "tfds").rglob("*train*tfrecord*"))
    content = bytearray(record.read_bytes())
    content[len(content) // 2] ^= 1
    record.write_bytes(content)
    with pytest.raises(data.DataUnavailableError, match=r"is damaged: .*Delete that folder and run again"):
        data.load("kmnist")
