"""Runs that are killed and data that are damaged: nothing is lost (`make test-faults`, many minutes)."""

import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
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


PREPARED = "81238b74c6e24c6b3707add87aba56e72b0bcd8d5b59f96718d6d7072ae0cc41"  # what tfds' copy gives


@needs_kmnist
@pytest.mark.parametrize("name", data.KMNIST_FILES)
def test_each_of_the_four_files_in_each_kind_of_damage(name, tmp_path, monkeypatch):
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
        assert "is not there" in message or f"expected {data.KMNIST_FILES[name]}" in message
    assert not (tmp_path / "cache").exists()


@needs_kmnist
def test_a_download_killed_at_some_moments_does_not_block_the_next(tmp_path, monkeypatch):
    """From a server of our own that sends the files slowly."""
    folder = Path(os.environ["KMNIST_DIR"])

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", str((folder / self.path[1:]).stat().st_size))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            content = (folder / self.path[1:]).read_bytes()
            with contextlib.suppress(OSError):  # the one that asked is killed
                for start in range(0, len(content), 1_000_000):
                    time.sleep(0.1)
                    self.wfile.write(content[start : start + 1_000_000])

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.delenv("KMNIST_DIR")
    code = f"""if True:
        from kmnist_itl import data
        data.KMNIST_URL = "http://127.0.0.1:{server.server_port}/"
        print(data.load("kmnist").fingerprint)"""

    def load():
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    started = time.monotonic()
    assert load().communicate()[0].strip() == PREPARED
    seconds = time.monotonic() - started
    cache, broke_off = tmp_path / "cache" / "kmnist", 0
    for moment in (0.4, 0.6, 0.7, 0.8, 0.9):
        shutil.rmtree(cache, ignore_errors=True)
        process = load()
        time.sleep(moment * seconds)
        process.kill()
        process.wait()
        broke_off += cache.exists() and not all((cache / name).exists() for name in data.KMNIST_FILES)
        both = load(), load()
        assert [process.communicate()[0].strip() for process in both] == [PREPARED, PREPARED]
    assert broke_off, "no kill met the download"
    server.shutdown()


@needs_kmnist
def test_the_copy_that_tensorflow_datasets_prepares_gives_the_same_data(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    builder = tfds.builder("kmnist", data_dir=tmp_path / "tfds")
    config = tfds.download.DownloadConfig(manual_dir=os.environ["KMNIST_DIR"], try_download_gcs=False)
    builder.download_and_prepare(download_config=config, download_dir=tmp_path / "downloads")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.delenv("KMNIST_DIR")
    prepared = data.load("kmnist")
    assert "prepared by tensorflow-datasets" in prepared.source and prepared.fingerprint == PREPARED
