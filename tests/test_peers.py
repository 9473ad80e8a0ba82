"""Clusters by other methods, and ours beside them."""

import numpy as np
import pytest

from kmnist_itl import settings
from kmnist_itl.clustering import clustering_accuracy
from kmnist_itl.clustering.handwriting import RandomHandwriting
from kmnist_itl.reproduction import experiments, measures, peers
from kmnist_itl.reproduction.trainings import Clustering

SMOKE = settings.get_profile("smoke")
SHORT = settings.Profile("short", train_images=None, epochs=1)


@pytest.fixture
def without_umap(monkeypatch):
    def missing(name):
        raise peers.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(peers.importlib.metadata, "version", missing)


def test_a_method_has_a_row_for_each_seed(digits, without_umap):
    rows = peers.rows(digits, SMOKE, range(2))
    pairs = [(row["method"], row["seed"]) for row in rows]
    assert pairs == [(method, seed) for method in ("kmeans", "pca") for seed in range(2)]
    for row in rows:
        assert set(row) >= {"accuracy", "nmi", "ari", "train_accuracy", "all_accuracy", "seconds"}
        assert 0.6 < row["accuracy"] < 1


def test_methods_on_our_features_count_the_seconds_of_the_network(digits, without_umap):
    *_, iic, row = peers.rows(digits, SHORT, [3])
    assert iic["method"] == "iic" and 0.1 < iic["accuracy"] < row["accuracy"]
    assert row["method"] == "kmeans_of_features" and row["train_accuracy"] > 0.5
    network = Clustering(fingerprint=digits.fingerprint, profile=SHORT, seed=3, changes={})
    assert network.kept and row["seconds"] > network.run(digits).seconds


def test_methods_whose_packages_are_missing_are_left_out(without_umap):
    assert peers.available(SMOKE) == ("kmeans", "pca")
    assert peers.available(SHORT) == ("kmeans", "pca", "iic", "kmeans_of_features")


def test_with_umap_all_methods_are_there(monkeypatch):
    monkeypatch.setattr(peers.importlib.metadata, "version", lambda name: "0.5")
    assert peers.available(SMOKE) == ("kmeans", "pca", "umap", "n2d")
    assert peers.available(SHORT) == tuple(peers.METHODS) and set(peers.METHODS) < set(peers.TITLES)


def test_what_an_ablation_changes_is_another_training():
    assert {name: most / 2 for name, most in RandomHandwriting().settings.items()} == experiments._HALF
    keys = {
        Clustering(fingerprint="x", profile=SMOKE, seed=0, changes=changes).key
        for changes in experiments.ABLATION.values()
    }
    assert len(keys) == len(experiments.ABLATION)


def test_scores_are_of_the_split_that_they_name(digits):
    splits = (digits.train, digits.validation, digits.test)
    predicted = [split.labels.astype(int) for split in splits]
    assert set(measures.scores(digits, predicted).values()) == {1.0}
    predicted[0] = np.zeros_like(predicted[0])
    scores = measures.scores(digits, predicted)
    assert scores["accuracy"] == 1 and scores["train_accuracy"] < 0.2
    labels = np.concatenate([split.labels for split in splits])
    assert scores["all_accuracy"] == clustering_accuracy(labels, np.concatenate(predicted))


def test_ours_is_measured_as_the_other_methods(digits):
    (row,) = peers.ours(digits, SMOKE, [0], heads=(10, 20))
    assert row["method"] == "cs_qmi" and row["seed"] == 0
    assert row["accuracy"] > 0.7 and row["seconds"] > row["join_seconds"] > 0
