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
from functools import partial

import numpy as np
import pandas as pd
import psutil  # ipykernel needs it, too
import pytest

from kmnist_itl import data, settings
from kmnist_itl.reproduction import command, measurements, runs

pytestmark = pytest.mark.faults

MOMENTS = 12
BOTTLENECK = settings.project_dir() / "notebooks" / "02_bottleneck_size.ipynb"
KERNELS = settings.project_dir() / "notebooks" / "05_swiss_roll_kernel_size.ipynb"
SMOKE = ("--profile", "smoke", "--dataset", "digits")
MODULE = (sys.executable, "-m", "kmnist_itl.reproduction")


def start(folder, seeds=1, **variables):
    folders = {"KMNIST_ITL_CACHE": str(folder / "cache"), "KMNIST_ITL_FIGURES": str(folder / "figures")}
    return subprocess.Popen(
        [*MODULE, "figures", *SMOKE, "--seeds", str(seeds), str(KERNELS)],
        env={**os.environ, **folders, **variables},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(folder, *seeds, **variables):
    process = start(folder, *seeds, **variables)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    return tables(folder)


def kill(process):
    """Kill a run with all processes that it started, also those of sessions of their own, such as kernels."""
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended
        run = psutil.Process(process.pid)
        processes = [run, *run.children(recursive=True)]
        for member in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(processes)
    process.wait()


def tables(folder):
    """All tables of a run, without what cannot be the same twice."""
    frames = {path.name: measurements.read_table(path) for path in (folder / "figures").rglob("*.csv")}
    return {name: frame.drop(columns=frame.filter(like="seconds")) for name, frame in frames.items()}


def assert_same(frames, expected):
    assert frames.keys() == expected.keys()
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(frames[name], frame)


def kept(folder, monkeypatch):
    """The histories of the kept runs and when they were written; each must be whole."""
    monkeypatch.setenv("KMNIST_ITL_CACHE", str(folder / "cache"))
    paths = runs.runs_dir().glob("[!.]*")
    return {path.name: (runs.read_record(path)["history"], path.stat().st_mtime_ns) for path in paths}


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
        kill(process)
        before = kept(folder, monkeypatch)
        for name, frame in tables(folder).items():
            whole = undisturbed[name]
            if name == measurements.FILE:  # it has a row for each training that was measured by then
                whole = whole[whole.run.isin(frame.run)].reset_index(drop=True)
            pd.testing.assert_frame_equal(frame, whole)
        for path in (folder / "figures").rglob("*.ipynb"):
            json.loads(path.read_text())
        assert_same(finish(folder), undisturbed)
        after = kept(folder, monkeypatch)
        assert {key: history for key, (history, _) in after.items()} == histories
        assert all(after[key] == run for key, run in before.items()), "a finished training was done again"
        at_the_kill.append(len(before))
    print(f"{MOMENTS} kills in {seconds:.0f} s; trainings finished at each: {at_the_kill}")


def test_a_run_that_is_told_to_end_while_a_notebook_runs_ends_soon(tmp_path):
    process = start(tmp_path)
    while process.poll() is None and not any(tmp_path.rglob(measurements.FILE)):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in told
    assert "make figures: stopped. The same command continues where it was." in told


def test_a_table_that_grows_is_that_of_all_seeds_at_once(tmp_path, monkeypatch):
    """Also where the kept runs of the first seed are gone, and where it is killed while it grows."""
    at_once, folder = finish(tmp_path / "whole", 3), tmp_path / "grown"
    finish(folder, 1)
    shutil.rmtree(folder / "cache" / "runs")
    growing = start(folder, 3, KMNIST_ITL_GROW="1")
    rows = folder / "figures" / "digits-smoke" / measurements.FILE
    while growing.poll() is None and len(pd.read_csv(rows)) < 7:
        time.sleep(0.05)
    kill(growing)
    measured = len(pd.read_csv(rows))
    shutil.rmtree(folder / "cache" / "runs")
    assert_same(finish(folder, 3, KMNIST_ITL_GROW="1"), at_once)
    # Trained again: the four of the first seed, which the pictures show, and what had not been measured.
    assert len(kept(folder, monkeypatch)) == 4 + 12 - measured


def test_serial_joblib_and_dask_with_a_worker_killed_give_the_same_tables(tmp_path, monkeypatch):
    distributed = pytest.importorskip("dask.distributed")
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # the number of threads decides the order of sums
    by_way, wanted = {}, (*SMOKE, str(BOTTLENECK), str(KERNELS))
    for way in ("serial", "joblib", "dask"):
        monkeypatch.setenv("KMNIST_ITL_CACHE", str(tmp_path / way / "cache"))
        monkeypatch.setenv("KMNIST_ITL_FIGURES", str(tmp_path / way / "figures"))
        if way == "dask":
            with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True) as cluster:
                victim = next(iter(cluster.workers.values())).pid
                client = subprocess.Popen([*MODULE, "train", *wanted, "--dask", cluster.scheduler_address])
                while len(list(runs.runs_dir().glob("*/run.json"))) < 3:
                    time.sleep(0.05)
                    assert client.poll() is None, "it ended before a worker was killed"
                os.kill(victim, signal.SIGKILL)
                assert client.wait() == 0
        else:
            jobs = "1" if way == "serial" else "2"
            subprocess.run([*MODULE, "train", *wanted, "--jobs", jobs], check=True)
        before = kept(tmp_path / way, monkeypatch)
        assert command.main(["figures", *wanted]) == 0
        assert kept(tmp_path / way, monkeypatch) == before, "a notebook trained"
        by_way[way] = tables(tmp_path / way)
    assert_same(by_way["joblib"], by_way["serial"])
    assert_same(by_way["dask"], by_way["serial"])


needs_kmnist = pytest.mark.skipif("KMNIST_DIR" not in os.environ, reason="KMNIST_DIR is not set")
FINGERPRINT = "81238b74c6e24c6b3707add87aba56e72b0bcd8d5b59f96718d6d7072ae0cc41"


@needs_kmnist
def test_a_download_killed_at_some_moments_does_not_block_the_next(tmp_path, monkeypatch):
    """From a server of our own that sends the files slowly."""

    class Slow(http.server.SimpleHTTPRequestHandler):
        def copyfile(self, source, outputfile):
            with contextlib.suppress(OSError):  # the one that asked is killed
                while part := source.read(1_000_000):
                    time.sleep(0.1)
                    outputfile.write(part)

        def log_message(self, *args):
            pass

    handler = partial(Slow, directory=os.environ["KMNIST_DIR"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("KMNIST_DIR")
    address = f"http://127.0.0.1:{server.server_port}/"
    code = "import sys; from kmnist_itl import data; data.KMNIST_URLS = sys.argv[1:]; "
    code += "print(data.load('kmnist').fingerprint)"

    def load():
        return subprocess.Popen([sys.executable, "-c", code, address], stdout=subprocess.PIPE, text=True)

    cache = tmp_path / "cache" / "kmnist"
    for seconds in (0, 0.5, 1, 1.5, 1.8):  # of the two that the download takes
        shutil.rmtree(cache, ignore_errors=True)
        process = load()
        while process.poll() is None and not cache.exists():
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
        process.wait()
        assert not all((cache / name).exists() for name in data.KMNIST_FILES), "killed too late"
        both = load(), load()
        assert [process.communicate()[0].split()[-1] for process in both] == [FINGERPRINT] * 2
    server.shutdown()
