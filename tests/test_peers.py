import numpy as np
import pytest

from kmnist_itl import settings
from kmnist_itl.augmentation import RandomHandwriting
from kmnist_itl.clustering import clustering_accuracy
from kmnist_itl.reproduction import experiments, peers, statistics

SMOKE = settings.get_profile("smoke")


@pytest.fixture
def without_umap(monkeypatch):
    monkeypatch.setattr(peers, "_umap_version", lambda: None)


def test_each_method_and_seed_has_a_row_that_is_found_again(digits, without_umap, monkeypatch):
    rows = peers.rows(digits, SMOKE, range(2))
    assert [(row["method"], row["seed"]) for row in rows] == [
        (method, seed) for method in ("kmeans", "pca") for seed in range(2)
    ]
    for row in rows:
        assert set(row) >= {"accuracy", "nmi", "ari", "train_accuracy", "all_accuracy", "seconds"}
        assert 0.6 < row["accuracy"] < 1
    monkeypatch.setattr(peers, "METHODS", dict.fromkeys(peers.METHODS))  # nothing can be fitted now
    assert peers.rows(digits, SMOKE, range(2)) == rows
    monkeypatch.setattr(peers, "VERSION", -1)
    with pytest.raises(TypeError):  # fitted again
        peers.rows(digits, SMOKE, range(2))


def test_methods_on_our_features_need_a_longer_profile_than_smoke(digits, without_umap, monkeypatch):
    short = settings.Profile("short", train_images=None, epochs=1)
    assert peers.available(SMOKE) == ("kmeans", "pca")
    assert peers.available(short) == ("kmeans", "pca", "iic", "kmeans_of_features")
    *_, iic, row = peers.rows(digits, short, [3])
    assert iic["method"] == "iic" and 0.1 < iic["accuracy"] < row["accuracy"]
    assert row["method"] == "kmeans_of_features" and row["train_accuracy"] > 0.5
    run = peers.store.Training("clustering", digits.fingerprint, short, 3, {}).run(digits)
    assert row["seconds"] > run.seconds
    monkeypatch.setattr(peers, "_umap_version", lambda: "0.5")
    assert peers.available(SMOKE) == ("kmeans", "pca", "umap", "n2d")
    assert peers.available(short) == tuple(peers.METHODS)


def test_what_an_ablation_changes_is_another_training():
    assert {name: most / 2 for name, most in RandomHandwriting().settings.items()} == experiments._HALF
    keys = {
        peers.store.Training("clustering", "x", SMOKE, 0, how).key for how in experiments.ABLATION.values()
    }
    assert len(keys) == len(experiments.ABLATION)


def test_scores_are_of_the_split_that_they_name(digits):
    splits = (digits.train, digits.validation, digits.test)
    predicted = [split.labels.astype(int) for split in splits]
    assert set(statistics.scores(digits, predicted).values()) == {1.0}
    predicted[0] = np.zeros_like(predicted[0])
    found = statistics.scores(digits, predicted)
    assert found["accuracy"] == 1 and found["train_accuracy"] < 0.2
    labels = np.concatenate([split.labels for split in splits])
    assert found["all_accuracy"] == clustering_accuracy(labels, np.concatenate(predicted))


def test_ours_is_measured_like_the_others(digits):
    (row,) = peers.ours(digits, SMOKE, [0], heads=(10, 20))
    assert row["method"] == "cs_qmi" and row["seed"] == 0
    assert row["accuracy"] > 0.7 and row["seconds"] > row["join_seconds"] > 0
