"""Trained runs: what decides their keys, and how they are kept by key and found again."""

import dataclasses
import json
import os
import shutil
import sys
from functools import partial

import numpy as np
import pytest

from kmnist_itl import data, settings, training
from kmnist_itl._tensorflow import keras
from kmnist_itl.priors import GaussianMixture, SwissRoll
from kmnist_itl.reproduction import experiments, measurements, runs, trainings

KMNIST = "81238b74c6e24c6b3707add87aba56e72b0bcd8d5b59f96718d6d7072ae0cc41"
SHORT = settings.Profile("short", train_images=None, epochs=3)
OF_KMNIST = {"fingerprint": KMNIST, "profile": SHORT, "seed": 0}
Autoencoder = partial(trainings.Autoencoder, **OF_KMNIST | {"latent_dim": 2})
Rolled = partial(Autoencoder, prior=SwissRoll(), sigma=1, weight=2)
Classifier = partial(trainings.Classifier, **OF_KMNIST)
Clustering = partial(trainings.Clustering, **OF_KMNIST)


def are_equal(left, right):
    pairs = zip(left.model.get_weights(), right.model.get_weights(), strict=True)
    return all(np.array_equal(ours, theirs) for ours, theirs in pairs)


@pytest.fixture
def trained(monkeypatch):
    """The titles of what is really trained, in its order."""
    titles, keep = [], runs.Training._keep
    monkeypatch.setattr(runs.Training, "_keep", lambda *a: titles.append(a[0].title) or keep(*a))
    return titles


@pytest.fixture
def autoencoder(few):
    return Autoencoder(fingerprint=few.fingerprint)


def forbid_writing(monkeypatch):
    """The cache belongs to somebody else (the user of a test may be root, who may write everywhere)."""
    opens = os.open

    def refuse(path, flags, *rest, **options):
        if flags & (os.O_WRONLY | os.O_RDWR) and "cache" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opens(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)


def test_the_list_of_experiments_gives_the_keys_of_all_committed_runs():
    """If this fails, everything that is committed would be trained again."""
    rows = measurements.read(settings.project_dir() / "figures")
    seeds = range(1 + max(row["seed"] for row in rows.values()))
    listed = {}
    for table in experiments.TABLES:
        for _, _, row_training in table.trainings(KMNIST, settings.PROFILES["paper"], seeds):
            listed |= {part.key: part for part in (row_training, row_training.encoder) if part}
    assert len(rows) >= 242 and set(rows) <= set(listed)
    for key, row in rows.items():
        committed = row["training"], row["seed"], row["most_epochs"]
        assert committed == (listed[key].title, listed[key].seed, listed[key].epochs)


def test_whatever_decides_a_training_is_in_its_key():
    different = [
        *(Autoencoder(), Autoencoder(latent_dim=3), Autoencoder(loss="mean_absolute_error")),
        *(Autoencoder(seed=1), Autoencoder(share=0.5), Autoencoder(fingerprint="of others")),
        *(Rolled(), Rolled(sigma=2), Rolled(weight=1), Rolled(seed=1)),
        *(Rolled(prior=GaussianMixture(components=10, radius=radius)) for radius in (4.0, 5.0)),
        *(Classifier(latent_dim=latent_dim) for latent_dim in (None, 2, 3)),
        *(Classifier(latent_dim=2, encoder_seed=1), Classifier(batch_norm=True), Classifier(dropout=0.5)),
        *(Clustering(changes=changes) for changes in ({}, {"batch": 200}, {"heads": (10,)})),
        *(Clustering(changes=changes) for changes in ({"handwriting": {"rotation": 0}}, {"neighbours": 3})),
    ]
    assert len({described.key for described in different}) == len(different)


@pytest.mark.parametrize(("name", "value"), [("dtype_policy", "mixed_bfloat16"), ("epsilon", 1e-5)])
def test_what_keras_json_changes_is_in_the_key(name, value, request):
    before, usual = Autoencoder().key, getattr(keras.config, name)()
    request.addfinalizer(lambda: getattr(keras.config, f"set_{name}")(usual))
    getattr(keras.config, f"set_{name}")(value)
    assert Autoencoder().key != before


def test_a_run_is_kept_and_found_again(few, autoencoder, trained):
    assert not autoencoder.kept and not runs.runs_dir().exists()  # nothing is trained before `run`
    first, again = autoencoder.run(few), Autoencoder(fingerprint=few.fingerprint).run(few)
    assert autoencoder.kept and trained == ["autoencoder, 2 units, seed 0"]
    assert are_equal(first, again) and (again.history, again.seconds) == (first.history, first.seconds)
    assert are_equal(first, training.train_autoencoder(few, 2, profile=SHORT))
    record = runs.read_record(runs.runs_dir() / autoencoder.key)
    assert record["settings"] == autoencoder.configuration and record["machine"] == runs.machine()


def test_a_run_described_by_numbers_of_numpy_is_kept_as_one_of_ints(few, trained):
    one, two = np.arange(1, 3)
    run = Autoencoder(fingerprint=few.fingerprint, seed=one, latent_dim=two).run(few)
    assert are_equal(run, Autoencoder(fingerprint=few.fingerprint, seed=1).run(few)) and len(trained) == 1


def test_no_epochs_are_the_untrained_model(few, trained):
    untrained = Autoencoder(fingerprint=few.fingerprint, seed=3, share=0)
    expected = training.Run(training.autoencoder(2, seed=3), {}, 0, 0, 0, 0)
    assert untrained.kept and are_equal(untrained.run(few), expected) and trained == []


def flip(content):
    """A byte in the middle changed, to what is no text any more."""
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 0x80]) + content[half + 1 :]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("model.weights.h5", flip),
        ("run.json", flip),
        ("run.json", lambda _: b"[]"),
        ("run.json", lambda content: json.dumps(json.loads(content) | {"history": None}).encode()),
        ("run.json", lambda content: json.dumps(json.loads(content) | {"epochs": "2"}).encode()),
        (None, None),  # a file in the place of the run
    ],
)
def test_a_damaged_run_is_reported_and_trained_again(file, change, few, autoencoder, trained):
    first, place = autoencoder.run(few), runs.runs_dir() / autoencoder.key
    if file:
        (place / file).write_bytes(change((place / file).read_bytes()))
    else:
        shutil.rmtree(place)
        place.write_text("no run")
    with pytest.warns(UserWarning, match="damaged"):
        again = autoencoder.run(few)
    assert are_equal(first, again) and are_equal(again, autoencoder.run(few)) and len(trained) == 2


def test_what_fails_keeps_nothing_and_says_which_training(few):
    train = data.Split(np.full_like(few.train.images, np.nan), few.train.labels)
    broken = dataclasses.replace(few, train=train)
    with pytest.raises(ValueError, match=r"^autoencoder, 2 units, seed 0: .*NaN.* Nothing was kept\.$"):
        Autoencoder(fingerprint=broken.fingerprint).run(broken)
    assert not list(runs.runs_dir().glob("[!.]*"))
    with pytest.raises(ValueError, match="data must be those that the training was described for"):
        Autoencoder().run(few)


def test_a_cache_that_can_only_be_read_gives_what_it_keeps(few, autoencoder, trained, monkeypatch):
    first = autoencoder.run(few)
    forbid_writing(monkeypatch)
    assert are_equal(autoencoder.run(few), first)
    with pytest.raises(OSError, match=r"Trained runs and data cannot be written to .*KMNIST_ITL_CACHE"):
        Autoencoder(fingerprint=few.fingerprint, seed=1).run(few)
    assert trained == [autoencoder.title]  # it was told before training


def test_a_run_of_another_user_is_told(few, autoencoder, trained, monkeypatch):
    autoencoder.run(few)

    def forbidden(folder):
        raise PermissionError(13, "Permission denied")

    told = rf"{autoencoder.key} belongs to another user: .*a folder of your own"
    with monkeypatch.context() as patch, pytest.raises(OSError, match=told):
        patch.setattr(runs, "read_record", forbidden)
        autoencoder.run(few)
    (runs.runs_dir() / autoencoder.key / "run.json").write_text("damaged")
    monkeypatch.setattr(os, "access", lambda *given: False)
    with pytest.raises(OSError, match=told):
        autoencoder.run(few)
    assert len(trained) == 1


def test_a_progress_bar_needs_no_stderr(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE")
    monkeypatch.setattr(sys, "stderr", None)
    assert runs._progress_bar("work") == []


def test_a_lock_of_another_user_is_told(tmp_path, monkeypatch):
    forbid_writing(monkeypatch)
    with (
        pytest.raises(OSError, match=r"cache\.lock belongs to another user: .*Use a folder of your own"),
        runs.lock(tmp_path / "cache.lock", "work"),
    ):
        pass
