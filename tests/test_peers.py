"""Clusters by other methods, and ours beside them."""

import functools

import numpy as np
import pytest

from kmnist_itl import data, settings
from kmnist_itl.clustering.handwriting import RandomHandwriting
from kmnist_itl.reproduction import experiments, measures, peers
from kmnist_itl.reproduction.trainings import Clustering

SMOKE = settings.get_profile("smoke")
SHORT = settings.Profile("short", train_images=None, epochs=1)


@pytest.fixture(scope="module")
def few():
    return data.load("digits", limit=400)


@pytest.fixture
def without_umap(monkeypatch):
    def missing(name):
        raise peers.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(peers.importlib.metadata, "version", missing)


def test_a_method_has_a_row_for_each_seed(few, without_umap, monkeypatch):
    monkeypatch.setattr(peers, "METHODS", {"kmeans": peers.METHODS["kmeans"]})
    rows = peers.rows(few, SMOKE, range(2))
    assert [(row["method"], row["seed"]) for row in rows] == [("kmeans", 0), ("kmeans", 1)]
    for row in rows:
        assert set(row) >= {"accuracy", "nmi", "ari", "train_accuracy", "all_accuracy", "seconds"}
        assert 0.5 < row["accuracy"] < 1


def test_networks_are_shared_with_ours_and_their_seconds_count(few, without_umap):
    """Ours and k-means on our features: one network, trained once."""
    (ours,) = peers.ours(few, SHORT, [3])
    pixels, _, row = peers.rows(few, SHORT, [3])
    network = Clustering(fingerprint=few.fingerprint, profile=SHORT, seed=3, changes={})
    assert network.kept and row["seconds"] > network.run(few).seconds
    assert (ours["method"], row["method"]) == ("cs_qmi", "kmeans_of_features")
    assert row["accuracy"] > 0.1 and ours["accuracy"] > 0.4 and pixels["accuracy"] > 0.5
    assert ours["seconds"] > ours["join_seconds"] > 0
    assert set(ours) > set(measures.MEASURES["joined_forms"][1])
    assert 0 < ours["information"] <= np.log(10) and ours["forms"] >= 10


def test_methods_whose_packages_are_missing_are_left_out(without_umap):
    assert peers.available(SMOKE) == ("forms_of_pixels", "kmeans")
    assert peers.available(SHORT) == ("forms_of_pixels", "kmeans", "kmeans_of_features")


def test_with_umap_all_methods_are_there(monkeypatch):
    monkeypatch.setattr(peers.importlib.metadata, "version", lambda name: "0.5")
    assert peers.available(SMOKE) == ("forms_of_pixels", "kmeans", "umap", "n2d")
    assert peers.available(SHORT) == tuple(peers.METHODS) and set(peers.METHODS) < set(peers.TITLES)


def test_images_without_splits_are_clustered_by_all_methods(few, without_umap, monkeypatch):
    train = functools.partial(peers.network.train_clustering, profile=SHORT)
    monkeypatch.setattr(peers.network, "train_clustering", train)
    ours, pixels, kmeans = peers.without_splits(few.train.images, few.train.labels, 0)
    assert (ours["method"], pixels["method"], kmeans["method"]) == ("cs_qmi", "forms_of_pixels", "kmeans")
    assert min(pixels["labelled"], pixels["accuracy"], kmeans["accuracy"]) > 0.6
    assert pixels["forms"] >= 10 and 0 < ours["information"] <= np.log(10)


def test_what_an_ablation_changes_is_another_training():
    assert {name: most / 2 for name, most in RandomHandwriting().settings.items()} == experiments._HALF
    described = {"fingerprint": "x", "profile": SMOKE, "seed": 0}
    keys = {Clustering(**described, changes=changes).key for changes in experiments.ABLATION.values()}
    assert len(keys) == len(experiments.ABLATION)
