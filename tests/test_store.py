"""Trained runs, kept by key and found again; and the one row of measurements that each has."""

import functools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from kmnist_itl import data, settings, training
from kmnist_itl._tensorflow import keras
from kmnist_itl.reproduction import measures, store

SHORT = settings.Profile("short", train_images=None, epochs=3)


def autoencoder(dataset, latent_dim=4, *, seed=0, profile=SHORT, **arguments):
    arguments = {"latent_dim": latent_dim, **arguments}
    return store.Training("autoencoder", dataset.fingerprint, profile, seed, arguments)


def classifier(dataset, encoder=None, *, profile=SHORT, **arguments):
    return store.Training("classifier", dataset.fingerprint, profile, 0, arguments, encoder)


def same(first, second):
    pairs = zip(first.model.get_weights(), second.model.get_weights(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.fixture
def trainings(monkeypatch):
    """The models that are really trained, by the name of the function, in their order."""
    done = []
    for name in ("train_autoencoder", "train_classifier", "train_cnn", "train_clustering"):
        function = getattr(training, name)

        @functools.wraps(function)
        def counted(*args, _function=function, _name=name, **kwargs):
            done.append(_name)
            return _function(*args, **kwargs)

        monkeypatch.setattr(training, name, counted)
    return done


def test_a_run_is_kept_found_again_and_follows_its_settings(digits, trainings):
    described = autoencoder(digits)
    assert not described.kept and not store.runs_dir().exists()  # nothing is trained before `run`
    first, again = described.run(digits), autoencoder(digits).run(digits)
    assert described.kept and trainings == ["train_autoencoder"]
    assert same(first, again) and (again.history, again.seconds) == (first.history, first.seconds)
    assert autoencoder(digits, seed=1).key != described.key != autoencoder(digits, 5).key
    plain = training.train_autoencoder(digits, 4, profile=SHORT)
    assert same(first, plain) and plain.history == first.history


def test_a_classifier_is_named_after_its_encoder(digits, trainings):
    first, other = autoencoder(digits), autoencoder(digits, seed=1)
    described = classifier(digits, first)
    assert described.key != classifier(digits, other).key != classifier(digits).key
    run = described.run(digits)
    assert trainings == ["train_autoencoder", "train_classifier"]
    assert first.kept and same(run, described.run(digits)) and len(trainings) == 2


def test_prior_sigma_lambda_and_seed_are_part_of_what_names_a_run(digits):
    def key(prior=("gaussian_mixture", {"components": 10, "radius": 5.0}), sigma=1, weight=1.0, seed=0):
        return autoencoder(digits, 3, seed=seed, prior=prior, sigma=sigma, weight=weight).key

    others = (
        key(("swiss_roll", {})),
        key(("gaussian_mixture", {"components": 10, "radius": 4.0})),
        key(sigma=2),
        key(weight=2),
        key(seed=1),
        autoencoder(digits, 3).key,
    )
    assert len({key(), *others}) == 7
    assert key() == key(sigma=1.0, weight=1)


def test_the_keys_are_those_of_the_committed_runs(digits):
    """Of KMNIST's training and validation images; if this fails, all that is committed is trained again."""
    kmnist = "81238b74c6e24c6b3707add87aba56e72b0bcd8d5b59f96718d6d7072ae0cc41"
    paper = settings.PROFILES["paper"]
    wide = {"latent_dim": 3, "prior": ("gaussian", {"dim": 3}), "sigma": 100, "weight": 0.1}
    encoder = store.Training("autoencoder", kmnist, paper, 0, {"latent_dim": 30})
    best = {"batch_norm": True, "dropout": 0.25}
    assert store.Training("autoencoder", kmnist, paper, 0, wide).key.startswith("16ad63e0")
    assert store.Training("classifier", kmnist, paper, 0, {}, encoder).key.startswith("c177f5e2")
    assert store.Training("classifier", kmnist, paper, 0, best, encoder).key.startswith("e5af351d")
    assert store.Training("cnn", kmnist, paper, 0, {}).key.startswith("2b215e65")


def test_what_keras_json_changes_is_part_of_the_name(digits):
    """A run in another precision is not found by one in single."""
    usual = autoencoder(digits).key
    keys = {usual}
    for policy in ("float64", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            keys.add(autoencoder(digits).key)
        finally:
            keras.config.set_dtype_policy("float32")
    keras.config.set_epsilon(1e-5)
    try:
        keys.add(autoencoder(digits).key)
    finally:
        keras.config.set_epsilon(1e-7)
    assert len(keys) == 4 and autoencoder(digits).key == usual


def test_a_damaged_run_is_reported_and_trained_again(digits, trainings):
    described = autoencoder(digits, 2)
    first = described.run(digits)
    file = store.runs_dir() / described.key / "model.weights.h5"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        again = described.run(digits)
    assert same(first, again) and len(trainings) == 2
    described.run(digits)
    assert len(trainings) == 2


def test_the_record_says_all_that_decides_and_where_it_was_made(digits):
    described = autoencoder(digits, 2, loss="mean_absolute_error")
    described.run(digits)
    record = json.loads((store.runs_dir() / described.key / "run.json").read_text())
    assert record["settings"] == described.settings and record["machine"] == store.machine()
    decides = {"data", "loss", "latent_dim", "seed", "epochs", "patience", "batch_size", "learning_rate"}
    assert decides | {"training_version"} <= set(described.settings)
    assert store.machine()["processor"] and store.machine()["threads"] >= 1


def test_what_fails_keeps_nothing_and_says_which_training(digits):
    images = digits.train.images.copy()
    images[0] = np.nan
    broken = data.Dataset(
        data.Split(images, digits.train.labels), digits.validation, digits.test, "digits", "", (), ()
    )
    told = r"autoencoder, 2 units, seed 0: The loss became NaN or infinite in epoch 1. Nothing was kept."
    with pytest.raises(ValueError, match=told):
        autoencoder(broken, 2).run(broken)
    assert list(store.runs_dir().iterdir()) == []


def test_other_data_than_it_was_described_for_are_refused(digits):
    few = data.load("digits", limit=500)
    with pytest.raises(ValueError, match="data must be those that the training was described for"):
        autoencoder(few).run(digits)


def test_no_epochs_are_the_untrained_model(digits, trainings):
    untrained = autoencoder(digits, profile=settings.Profile("none", None, epochs=0), seed=3)
    assert untrained.kept and untrained.key != autoencoder(digits, seed=3).key
    expected = training.Run(training.autoencoder(4, seed=3), {}, 0, 0, 0, 0)
    assert same(untrained.run(digits), expected) and trainings == []


def test_of_two_that_train_the_same_at_once_one_waits_and_finds_it():
    code = (
        "from kmnist_itl import data, settings, training\n"
        "from kmnist_itl.reproduction import store\n"
        "digits, train = data.load('digits'), training.train_autoencoder\n"
        "import functools\n"
        "said = functools.wraps(train)(lambda *a, **k: print('trained') or train(*a, **k))\n"
        "training.train_autoencoder = said\n"
        "short = settings.Profile('short', train_images=None, epochs=8)\n"
        "store.Training('autoencoder', digits.fingerprint, short, 0, {'latent_dim': 2}).run(digits)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    assert sorted(process.communicate()[0].strip() for process in both) == ["", "trained"]
    assert len(list(store.runs_dir().iterdir())) == 1


def test_a_place_where_nothing_can_be_kept_is_told_before_training(digits, tmp_path, monkeypatch, trainings):
    (tmp_path / "taken").touch()
    monkeypatch.setenv("KMNIST_ITL_CACHE", str(tmp_path / "taken"))
    with pytest.raises(OSError, match=r"Trained runs cannot be written to .*KMNIST_ITL_CACHE"):
        autoencoder(digits, 2).run(digits)
    assert trainings == []


@pytest.fixture
def measured(tmp_path):
    (tmp_path / "figures").mkdir(exist_ok=True)
    return store.Measurements(tmp_path / "figures")


def test_each_run_has_one_row_that_measures_add_to(digits, measured):
    described = autoencoder(digits, 3)
    assert measured.find(described, ["reconstruction"]) is None
    first = measured.measure(described, ["reconstruction"], digits)
    assert (first["run"], first["training"]) == (described.key, "autoencoder, 3 units, seed 0")
    assert first["threads"] == store.machine()["threads"] and first["most_epochs"] == 3
    measured.measure(described, ["walk"], digits)
    (row,) = measured.rows().values()
    assert row["reconstruction_error"] == first["reconstruction_error"] and row["mean_step"] > 0
    assert measured.find(described, ["reconstruction", "walk"])["run"] == described.key
    assert measured.find(described, ["clusters"]) is None
    assert measured.find(autoencoder(digits, 3, seed=1), ["walk"]) is None


def test_a_row_of_another_machine_is_replaced_and_what_it_held_is_measured_anew(digits, measured):
    described = autoencoder(digits, 3)
    first = measured.measure(described, ["reconstruction", "walk"], digits)
    for processor in ("another", "not recorded"):
        rows = measured.rows()
        rows[described.key] |= {"processor": processor, "remark": "by hand", "mean_step": 9.5}
        measured.write(rows)
        again = measured.measure(described, ["reconstruction"], digits)
        assert again == first  # mean_step, too, which nobody asked for, and no remark


def test_a_run_of_an_unknown_machine_is_never_mixed_with_a_row(digits, measured):
    described = autoencoder(digits, 3)
    described.run(digits)
    file = store.runs_dir() / described.key / "run.json"
    record = json.loads(file.read_text())
    del record["machine"]  # as before it was recorded
    file.write_text(json.dumps(record))
    measured.measure(described, ["walk"], digits)
    rows = measured.rows()
    assert rows[described.key]["processor"] == "not recorded"
    rows[described.key]["mean_step"] = 9.5
    measured.write(rows)
    assert measured.measure(described, ["reconstruction"], digits)["mean_step"] != 9.5


def test_a_key_that_looks_like_a_number_stays_a_key(measured):
    keys = ("123456789012345678901234", "123e45678901234567890123")
    measured.write({key: {"run": key, "training": key, "most_epochs": 1, "csd": 0.5} for key in keys})
    assert set(measured.rows()) == set(keys)


def test_rows_come_back_to_the_last_digit_with_their_gaps(measured):
    values = {"epochs": 88, "csd": 0.1 + 0.2, "collapsed": False, "seconds": 1e-17}
    rows = {
        key: {"run": key, "training": key, "seed": 0, "most_epochs": 3, **values, **changes}
        for key, changes in (("a", {}), ("b", {"epochs": float("nan"), "csd": float("nan")}))
    }
    measured.write(rows)
    assert measured.rows()["a"] == rows["a"]
    assert pd.isna(measured.rows()["b"]["epochs"]) and measured.rows()["b"]["collapsed"] is False
    before = measured.file.read_text()
    measured.write(measured.rows())
    assert measured.file.read_text() == before and ",88," in before


def test_two_processes_write_both_their_rows(measured, digits):
    code = (
        "import sys; from kmnist_itl import data, settings\n"
        "from kmnist_itl.reproduction import store\n"
        "digits, short = data.load('digits'), settings.Profile('short', train_images=None, epochs=1)\n"
        "for seed in range(int(sys.argv[1]), int(sys.argv[1]) + 3):\n"
        "    how = ('autoencoder', digits.fingerprint, short, seed, {'latent_dim': 2})\n"
        "    store.Measurements(sys.argv[2]).measure(store.Training(*how), ['reconstruction'], digits)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, first, str(measured.file.parent)]) for first in "03"
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(row["seed"] for row in measured.rows().values()) == list(range(6))


def test_the_first_column_of_each_measure_is_never_empty(digits):
    """By it a row is known to have the measure."""
    coder = autoencoder(digits, 3)
    mlp = classifier(digits, coder)
    clusters = store.Training("clustering", digits.fingerprint, coder.profile, 0, {"heads": (10, 20)})
    for name, (function, columns) in measures.MEASURES.items():
        if name == "joined_forms":
            pytest.importorskip("igraph", reason="igraph is not installed")
        described = {"classes": mlp, "joined_forms": clusters}.get(name, coder)
        encoder = coder.run(digits) if described is mlp else None
        values = function(measures.Trained(described, described.run(digits), digits, encoder))
        assert tuple(sorted(values)) == tuple(sorted(columns)) and np.isfinite(values[columns[0]]), name


@pytest.mark.parametrize("name", ["FORM_RESOLUTION", "FORM_BATCH", "LAST_RATE"])
def test_what_decides_a_clustering_run_is_in_its_key(digits, name, monkeypatch):
    def key():
        return store.Training("clustering", digits.fingerprint, SHORT, 0, {}).key

    before = key()
    assert key() == before
    monkeypatch.setattr(training, name, getattr(training, name) / 2)
    assert key() != before


def test_how_a_clustering_network_is_trained_is_in_its_key(digits):
    changes = ({}, {"batch": 200}, {"handwriting": {"rotation": 0}}, {"neighbours": 3}, {"heads": (10,)})
    keys = {store.Training("clustering", digits.fingerprint, SHORT, 0, each).key for each in changes}
    assert len(keys) == len(changes)
    default = store.Training("clustering", digits.fingerprint, SHORT, 0, {"handwriting": {"rotation": 15}})
    assert default.key in keys  # as the layer has it
