"""Which trainings the notebooks ask for, and how they are done before."""

import contextlib
import os
import subprocess

import joblib
import pytest

from kmnist_itl import data, settings
from kmnist_itl.reproduction import experiments, measurements, plan, runs
from kmnist_itl.reproduction.trainings import Autoencoder

SMOKE = settings.PROFILES["smoke"]
ALL = sorted({table.notebook for table in experiments.TABLES})
BOTTLENECK, CLASSIFIERS, KERNELS = "02_bottleneck_size", "03_classifiers", "05_swiss_roll_kernel_size"
PRIORS = "07_priors_and_clustering"


def planned(dataset, *notebooks, seeds=1):
    return plan.planned(dataset, SMOKE, range(seeds), notebooks)


def keys(entries):
    return {entry.training.key for entry in entries}


def test_each_training_is_planned_once_and_further_seeds_add_theirs(few):
    one, two = planned(few, *ALL), planned(few, *ALL, seeds=2)
    assert len(keys(two)) == len(two) > len(one) > 40 and keys(one) < keys(two)
    assert all(entry.missing and entry.training.epochs for entry in one)  # not the untrained models


def test_a_notebook_that_is_named_has_its_own_even_if_another_asks_for_them_first(few):
    alone = planned(few, "08_computational_cost")
    assert len(alone) == 2 and keys(alone) < keys(planned(few, PRIORS))


def test_what_is_kept_is_not_trained_again(few):
    classifier = next(entry.training for entry in planned(few, BOTTLENECK) if entry.training.encoder)
    classifier.run(few)
    entries = planned(few, BOTTLENECK)
    kept = [entry for entry in entries if not entry.missing]
    assert keys(kept) == {classifier.key, classifier.encoder.key}
    text = "\n".join([*plan.lines(entries), plan.summary(entries)])
    assert f"{len(entries) - 2} trainings to do" in text and "2 are kept, 0 measured before." in text
    assert f"kept  {classifier.title}" in text and text.startswith(f"{BOTTLENECK}\n")


def test_a_duration_is_said_as_people_say_it():
    assert [plan.duration(s) for s in (89.6, 720, 11_100)] == ["90 s", "12 min", "3 h 05 min"]


@pytest.fixture
def measured(monkeypatch):
    """A function that puts rows with these measures of trainings into measurements.csv, with GROW=1."""
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")
    folder = settings.figures_dir("digits", SMOKE)
    folder.mkdir(parents=True)

    def put(trainings, names):
        row = {"most_epochs": 2, "measures": names}
        rows = {entry.key: {"run": entry.key, "training": entry.title, **row} for entry in trainings}
        measurements.write(folder, rows)

    return put


def test_with_grow_what_is_measured_is_not_trained_unless_it_is_drawn(few, measured):
    before = planned(few, BOTTLENECK, KERNELS, seeds=2)
    measured([entry.training for entry in before], "classes clusters plateau reconstruction shape")
    growing = planned(few, BOTTLENECK, KERNELS, seeds=2)
    assert keys(growing) == keys(before) and f"{len(growing) - 8} measured before" in plan.summary(growing)
    # The pictures: the smallest and largest bottleneck, their classifiers, and the rolls, of the first seed.
    left = [entry.training for entry in growing if entry.missing]
    assert {training.seed for training in left} == {0}
    assert sorted(training.latent_dim for training in left) == [3, 3, 3, 3, 10, 10, 50, 50]


def test_with_grow_a_classifier_that_is_not_measured_needs_its_encoder(few, measured):
    trainings = [entry.training for entry in planned(few, CLASSIFIERS, seeds=2)]
    encoders = [training for training in trainings if isinstance(training, Autoencoder)]
    measured([*encoders, trainings[0]], "classes reconstruction")
    missing = [entry for entry in planned(few, CLASSIFIERS, seeds=2) if entry.missing]
    assert {training.key for training in encoders} < keys(missing)


def test_with_grow_a_row_counts_only_for_the_measures_that_it_holds(few, measured):
    grid = [entry.training for entry in planned(few, PRIORS) if "Gaussian, sigma 10," in entry.training.title]
    for names, done in (("shape", set()), ("clusters", {training.key for training in grid})):
        measured(grid, names)
        assert keys(entry for entry in planned(few, PRIORS) if not entry.missing) == done


def test_processes_get_their_share_of_the_cores_unless_threads_are_named(few, monkeypatch):
    environments = []
    monkeypatch.setattr(plan, "_train_one", lambda *work: environments.append(work[-1]))
    monkeypatch.setattr(joblib, "parallel_config", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setenv(plan.THREADS[0], "5")
    monkeypatch.delenv(plan.THREADS[1], raising=False)
    list(plan.train(few, planned(few, KERNELS), jobs=2))
    threads = [[environment[name] for name in plan.THREADS[:2]] for environment in environments]
    assert threads == [["5", "3"]] * 4


def test_a_process_of_its_own_trains_the_same(monkeypatch):
    """As a Dask worker does it, whose other threads disturb Python's random numbers."""
    digits = data.load("digits", limit=SMOKE.train_images)
    training = planned(digits, KERNELS)[0].training
    work = training, "digits", {"KMNIST_ITL_CACHE": str(settings.cache_dir())}
    title, seconds = plan._train_in_a_process(*work)
    assert training.kept and title == training.title and seconds > 0
    history = training.run(digits).history
    (runs.runs_dir() / training.key).rename(runs.runs_dir() / "away")
    assert training.run(digits).history == history
    failed = subprocess.CompletedProcess((), 1, stderr=b"Traceback\nValueError: broken")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ValueError, match=f"^{title}: ValueError: broken$"):
        plan._train_in_a_process(*work)
