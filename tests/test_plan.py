import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from kmnist_itl import figures, plan, settings, training

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def planned(digits, *notebooks, seeds=1):
    return plan.planned(digits, "smoke", range(seeds), notebooks or None)


def test_each_training_is_planned_once_and_further_seeds_add_theirs(digits):
    one, two = planned(digits), planned(digits, seeds=2)
    keys = [of.task.key for of in two]
    assert len(set(keys)) == len(keys)
    assert {of.task.key for of in one} < set(keys)
    assert not any(of.kept for of in one)
    assert {of.training.notebook for of in one} <= {path.stem for path in NOTEBOOKS.glob("*.ipynb")}


def test_a_notebook_that_is_named_has_its_own_even_if_another_asks_for_them_first(digits):
    alone = planned(digits, "09_computational_cost")
    assert len(alone) == 2
    assert {of.task.key for of in alone} < {of.task.key for of in planned(digits, "08_priors_and_clustering")}


def test_what_is_planned_is_what_is_trained(digits):
    of = next(of for of in planned(digits) if of.training.of == "classifier" and of.training.encoder)
    latent_dim = of.training.encoder.arguments["latent_dim"]
    coder = training.train_autoencoder(digits, latent_dim, profile="smoke")
    trained = training.train_classifier(digits, encoder=coder, profile="smoke", **changes(of))
    assert trained.key == of.task.key and trained.settings == of.task.settings
    again = {of.task.key: of.kept for of in planned(digits)}
    assert again[trained.key] and again[coder.key] and sum(again.values()) == 2
    assert of.task.run().found


def changes(of):
    return {name: value for name, value in of.training.arguments.items() if name not in ("profile", "seed")}


def test_the_time_is_that_of_kept_runs_of_the_kind_where_there_are_any(digits):
    before = planned(digits, "06_swiss_roll_kernel_size")
    run = before[0].task.run()
    after = planned(digits, "06_swiss_roll_kernel_size")
    assert [of.kept for of in after] == [True, False, False, False]
    assert after[1].seconds == pytest.approx(run.seconds) and after[1].seconds != before[1].seconds
    assert "3 trainings to do" in plan.summary(after) and "1 are kept" in plan.summary(after)
    assert "kept" in "".join(plan.lines(after)) and "sigma 1000" in "".join(plan.lines(after))


def test_with_grow_what_stands_in_the_tables_is_not_trained_unless_it_is_drawn(digits, monkeypatch):
    monkeypatch.setattr(plan.paper, "TABLE_1", {10: 0.9, 30: 0.9})
    named = ("02_bottleneck_size", "06_swiss_roll_kernel_size")
    folder = settings.figures_dir("digits", "smoke")
    folder.mkdir(parents=True)
    every = planned(digits, *named, seeds=2)
    classifiers = pd.DataFrame({"run": [of.task.key for of in every if of.training.of == "classifier"]})
    for name in ("table1_bottleneck_size", "table1_classifier_check"):
        classifiers.to_csv(folder / f"{name}.csv", index=False)
    rolls = [of for of in every if of.training.notebook.startswith("06")]
    pd.DataFrame({"run": [of.task.key for of in rolls]}).to_csv(folder / "fig05_kernel_size.csv", index=False)
    assert all(of.missing for of in planned(digits, *named, seeds=2))

    monkeypatch.setenv("KMNIST_ITL_GROW", "1")
    growing = planned(digits, *named, seeds=2)
    assert [of.task.key for of in growing] == [of.task.key for of in every]
    left = [of for of in growing if of.missing]
    # The pictures: autoencoders of the smallest and largest bottleneck and the rolls, of the first seed.
    assert [of.training.arguments["seed"] for of in left] == [0] * 6
    assert {of.training.of for of in left} == {"autoencoder"}
    assert f"{len(growing) - 6} stand in the tables" in plan.summary(growing)
    assert "measured" in "".join(plan.lines(growing))


def test_with_grow_a_row_counts_only_in_the_tables_that_are_made_of_it(digits, monkeypatch):
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")
    named = "11_does_a_prior_help"
    every = planned(digits, named)
    gaussian = [of for of in every if "Gaussian, sigma 100" in of.task.title]
    half_way, whole = gaussian
    assert half_way.task.settings["epochs"] < whole.task.settings["epochs"]
    folder = settings.figures_dir("digits", "smoke")
    folder.mkdir(parents=True)

    def missing_with(table, *keys):
        pd.DataFrame({"run": keys}).to_csv(folder / f"{table}.csv", index=False)
        return {of.task.key for of in planned(digits, named) if of.missing}

    keys = {of.task.key for of in every}
    # Its row in Table 2 will do for the grid, but the gradients are measured on the model.
    assert missing_with("table2_priors", whole.task.key) == keys
    # The half-way training has no row of its own.
    assert missing_with("prior_gradients", whole.task.key) == keys - {whole.task.key, half_way.task.key}


def test_a_longer_profile_is_estimated_longer(digits):
    taken = [sum(of.seconds for of in plan.planned(digits, name, [0])) for name in settings.PROFILES]
    assert taken == sorted(taken)


def test_make_plan_and_make_train(capsys):
    arguments = ["--profile", "smoke", "--dataset", "digits", "--notebooks", "06_swiss_roll_kernel_size"]
    assert plan.main(arguments) == 0
    assert "4 trainings to do" in capsys.readouterr().out
    assert plan.main([*arguments, "--train"]) == 0
    assert "[4/4] autoencoder" in capsys.readouterr().out
    assert plan.main(arguments) == 0
    assert "Nothing to train: all 4 trainings are kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--profile", "fast"], "profile must be one of"),
        (["--jobs", "0"], "jobs must be a whole number of at least 1; got '0'"),
        (["--notebooks", "06"], "notebooks must be one of '02_bottleneck_size'"),
    ],
)
def test_bad_arguments_are_one_line(arguments, named, capsys):
    assert plan.main(["--dataset", "digits", *arguments]) == 2
    told = capsys.readouterr().err
    assert named in told and told.count("\n") == 1


def tables(folder):
    frames = {path.name: pd.read_csv(path) for path in sorted(folder.rglob("*.csv"))}
    frames.pop("table3_step_seconds.csv")
    verdicts = frames["verdicts.csv"]
    frames["verdicts.csv"] = verdicts[verdicts.notebook != "09_computational_cost"]
    timings = ("seconds", "autoencoder_seconds", "classifier_seconds", "ratio")
    return {
        name: frame.drop(columns=[column for column in frame if column.startswith(timings)])
        for name, frame in frames.items()
    }


def rendered(folder, monkeypatch):
    """The tables that the notebooks make of what is kept; they must not train."""
    monkeypatch.setenv("KMNIST_ITL_FIGURES", str(folder / "figures"))
    before = {path.name for path in training.runs_dir().iterdir()}
    assert figures.main(["--profile", "smoke", "--dataset", "digits"]) == 0
    assert {path.name for path in training.runs_dir().iterdir()} == before, "a notebook trained"
    return tables(folder / "figures")


@pytest.mark.faults
def test_serial_joblib_and_dask_with_a_worker_killed_give_the_same_tables(tmp_path, monkeypatch, capfd):
    distributed = pytest.importorskip("dask.distributed")
    # The number of threads decides the order of sums.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    train = [sys.executable, "-m", "kmnist_itl.plan", "--profile", "smoke", "--dataset", "digits", "--train"]
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
        if training.runs_dir().is_dir() and len(list(training.runs_dir().glob("*/run.json"))) >= 3:
            os.kill(victim, signal.SIGKILL)
            return True
        time.sleep(0.05)
    return False
