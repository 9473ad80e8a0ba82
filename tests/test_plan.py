import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from kmnist_itl import data, settings
from kmnist_itl.reproduction import command, experiments, plan, store

SMOKE = settings.PROFILES["smoke"]
KERNELS = "06_swiss_roll_kernel_size"


@pytest.fixture(scope="module")
def few():
    """The digits as the smoke profile takes them."""
    return data.load("digits", limit=SMOKE.train_images)


def planned(dataset, *notebooks, seeds=1):
    return plan.planned(dataset, SMOKE, range(seeds), notebooks or None)


def keys(planned):
    return {each.training.key for each in planned}


def test_each_training_is_planned_once_and_further_seeds_add_theirs(few):
    one, two = planned(few), planned(few, seeds=2)
    assert len(keys(two)) == len(two) and keys(one) < keys(two)
    assert not any(each.kept or each.measured for each in one)
    assert {each.notebook for each in one} <= set(experiments.NOTEBOOKS)
    assert all(each.training.profile.epochs for each in one)  # nobody trains what is not trained


def test_a_notebook_that_is_named_has_its_own_even_if_another_asks_for_them_first(few):
    alone = planned(few, "09_computational_cost")
    assert len(alone) == 2 and keys(alone) < keys(planned(few, "08_priors_and_clustering"))


def test_what_is_planned_is_what_is_trained(few):
    each = next(each for each in planned(few) if each.training.encoder)
    each.training.run(few)
    kept = {again.training.key for again in planned(few) if again.kept}
    assert kept == {each.training.key, each.training.encoder.key}


def test_the_time_is_that_of_kept_runs_of_the_kind_where_there_are_any(few):
    before = planned(few, KERNELS)
    run = before[0].training.run(few)
    after = planned(few, KERNELS)
    assert [each.kept for each in after] == [True, False, False, False]
    assert after[1].seconds == pytest.approx(run.seconds) and after[1].seconds != before[1].seconds
    assert "3 trainings to do" in plan.summary(after) and "1 are kept" in plan.summary(after)
    assert "kept" in "".join(plan.lines(after)) and "sigma 1000" in "".join(plan.lines(after))


@pytest.fixture
def measured(few, monkeypatch):
    """A function that puts rows of trainings, with the first column of some measures, into the store."""
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")
    folder = settings.figures_dir("digits", SMOKE)
    folder.mkdir(parents=True)

    def put(trainings, *columns):
        rows = {
            each.key: {"run": each.key, "training": each.title, "most_epochs": 2, **dict.fromkeys(columns, 1)}
            for each in trainings
        }
        store.Measurements(folder).write(rows)

    return put


def test_with_grow_what_is_measured_is_not_trained_unless_it_is_drawn(few, measured):
    named = ("02_bottleneck_size", KERNELS)
    every = planned(few, *named, seeds=2)
    assert all(each.missing for each in every)
    measured(
        [each.training for each in every], "accuracy", "reconstruction_error", "csd_to_blob", "plateau_epochs"
    )
    growing = planned(few, *named, seeds=2)
    assert [each.training.key for each in growing] == [each.training.key for each in every]
    left = [each.training for each in growing if each.missing]
    # The pictures: autoencoders of the smallest and largest bottleneck and the rolls, of the first seed.
    assert {each.kind for each in left} == {"autoencoder"} and {each.seed for each in left} == {0}
    assert sorted(each.arguments["latent_dim"] for each in left) == [3, 3, 3, 3, 10, 50]
    assert f"{len(growing) - 6} stand in the store" in plan.summary(growing)
    assert "measured" in "".join(plan.lines(growing))


def test_with_grow_a_classifier_that_is_not_measured_needs_its_encoder(few, measured):
    every = [each.training for each in planned(few, "04_cnn_baseline", seeds=2)]
    encoders = [each for each in every if each.kind == "autoencoder"]
    measured([each for each in every if each.kind != "classifier"], "accuracy", "reconstruction_error")
    missing = {each.training.key for each in planned(few, "04_cnn_baseline", seeds=2) if each.missing}
    assert {each.key for each in encoders} < missing


def test_with_grow_a_row_counts_only_for_what_was_measured(few, measured):
    named = "10_does_a_prior_help"
    every = [each.training for each in planned(few, named)]
    wide = [each for each in every if "Gaussian, sigma 100" in each.title]
    half_way, whole = sorted(wide, key=lambda each: each.profile.epochs)
    # Clusters will do for the grid, but the gradients are measured on the model.
    measured([whole], "accuracy")
    assert {each.training.key for each in planned(few, named) if each.missing} == keys(planned(few, named))
    measured([whole, half_way], "accuracy", "gradient_reconstruction")
    missing = {each.training.key for each in planned(few, named) if each.missing}
    assert missing == keys(planned(few, named)) - {whole.key, half_way.key}


def test_a_longer_profile_is_estimated_longer(few):
    profiles = [settings.PROFILES[name] for name in ("smoke", "quick", "paper")]
    taken = [sum(each.seconds for each in plan.planned(few, profile, range(1))) for profile in profiles]
    assert taken == sorted(taken)


def test_a_process_of_its_own_trains_the_same(few):
    """As a Dask worker does it, whose other threads disturb Python's random numbers."""
    first, second = (each.training for each in planned(few, KERNELS)[:2])
    title, seconds = plan._train_in_a_process(first, "digits", str(settings.cache_dir()))
    assert first.kept and title == first.title and seconds > 0
    history = first.run(few).history
    (store.runs_dir() / first.key).rename(store.runs_dir() / "away")
    assert first.run(few).history == history
    with pytest.raises(ValueError, match=r"sigma 10, .*name must be one of"):
        plan._train_in_a_process(second, "nowhere", str(settings.cache_dir()))


def tables(folder):
    frames = {path.name: pd.read_csv(path) for path in sorted(folder.rglob("*.csv"))}
    frames.pop("table3_step_seconds.csv")
    verdicts = frames["verdicts.csv"]
    frames["verdicts.csv"] = verdicts[verdicts.notebook != "09_computational_cost"]
    timings = ("seconds", "ratio")
    return {
        name: frame.drop(columns=[column for column in frame if column.startswith(timings)])
        for name, frame in frames.items()
    }


def rendered(folder, monkeypatch):
    """The tables that the notebooks make of what is kept; they must not train."""
    monkeypatch.setenv("KMNIST_ITL_FIGURES", str(folder / "figures"))
    before = {path.name for path in store.runs_dir().iterdir()}
    assert command.main(["figures", "--profile", "smoke", "--dataset", "digits"]) == 0
    assert {path.name for path in store.runs_dir().iterdir()} == before, "a notebook trained"
    return tables(folder / "figures")


@pytest.mark.faults
def test_serial_joblib_and_dask_with_a_worker_killed_give_the_same_tables(tmp_path, monkeypatch, capfd):
    distributed = pytest.importorskip("dask.distributed")
    # The number of threads decides the order of sums.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    train = [
        sys.executable,
        "-m",
        "kmnist_itl.reproduction",
        "train",
        "--profile",
        "smoke",
        "--dataset",
        "digits",
    ]
    found = {}
    for way in ("serial", "joblib", "dask"):
        folder = tmp_path / way
        monkeypatch.setenv("KMNIST_ITL_CACHE", str(folder / "cache"))
        if way == "dask":
            with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True) as cluster:
                client = subprocess.Popen([*train, "--dask", cluster.scheduler_address])
                killed = kill_a_worker_that_trains(cluster, client)
                assert client.wait() == 0 and killed
        else:
            subprocess.run([*train, "--jobs", "1" if way == "serial" else "2"], check=True)
        found[way] = rendered(folder, monkeypatch)
    for way in ("joblib", "dask"):
        assert found[way].keys() == found["serial"].keys()
        for name, frame in found["serial"].items():
            pd.testing.assert_frame_equal(found[way][name], frame)


def kill_a_worker_that_trains(cluster, client):
    """SIGKILL one of the workers once some trainings are kept; returns whether that came to pass."""
    victim = next(iter(cluster.workers.values())).pid
    while client.poll() is None:
        if store.runs_dir().is_dir() and len(list(store.runs_dir().glob("*/run.json"))) >= 3:
            os.kill(victim, signal.SIGKILL)
            return True
        time.sleep(0.05)
    return False
