"""Clusters of the images by other methods, and ours beside them."""

import importlib.metadata
import time
import warnings

import numpy as np
from sklearn.mixture import GaussianMixture

from kmnist_itl import clustering, training
from kmnist_itl.clustering import forms, network
from kmnist_itl.reproduction import measures
from kmnist_itl.reproduction.labels import label_groups
from kmnist_itl.reproduction.trainings import Autoencoder, Clustering

DIMENSIONS = 3  # of UMAP before k-means
# 20 neighbours and no distance, as in McConville et al., "N2D: (Not Too) Deep Clustering via Clustering the
# Local Manifold of an Autoencoded Embedding", ICPR 2020. N2D has as many codes and dimensions as clusters.
UMAP = {"n_neighbors": 20, "min_dist": 0}
ON_OUR_FEATURES = ("kmeans_of_features", "umap_of_features")
# What notebook 10 calls the methods.
TITLES = {
    "cs_qmi": "merged forms (ours)",
    "forms_of_pixels": "merged forms of the pixels, no network",
    "kmeans": "k-means on the pixels",
    "umap": "UMAP with k-means",
    "n2d": "N2D",
    "kmeans_of_features": "k-means on our features",
    "umap_of_features": "UMAP with k-means on our features",
    "gaussian": "k-means on 3-D codes, the paper's Gaussian",
}


def rows(data, profile, seeds):
    """The clusters of each method in `available`, fitted to the training images, as rows of scores.

    Returns a list of dicts: method, seed, the columns of `measures.scores`, and seconds, with those of the
    network whose codes or features a method sees.
    """
    table = []
    for method in available(profile):
        arguments_of, clusters_of = METHODS[method]
        for seed in seeds:
            run = _network(data, profile, seed, **arguments_of(data)).run(data) if arguments_of else None
            started = time.perf_counter()
            scores = measures.scores(data, clusters_of(data, run, seed))
            seconds = round(time.perf_counter() - started + (run.seconds if run else 0), 1)
            table.append({"method": method, "seed": seed, **scores, "seconds": seconds})
    return table


def ours(data, profile, seeds, **changes):
    """The same of our clusters, method 'cs_qmi', with the columns of `measures.joined_forms`.

    `changes` are arguments of `network.train_clustering`; `in_use` is its metric in the first round's last
    epoch.
    """
    table = []
    for seed in seeds:
        trained = measures.Trained.of(_network(data, profile, seed, changes=changes), data)
        row = measures.joined_forms(trained)
        row["seconds"] = round(trained.run.seconds + row["join_seconds"], 1)
        table.append({"method": "cs_qmi", "seed": seed, **row, "in_use": trained.run.history["in_use"][-1]})
    return table


def without_splits(images, truth, seed):
    """The clusters of all images at once, by ours and by three methods beside it, as rows of scores.

    Args:
        images: float32 [n, 784], as in `network.train_clustering`, whose defaults are used.
        truth: ints [n], the classes, which only count the hits.
        seed: int.

    Returns a list of dicts: method, seed, accuracy, and, where there are forms, how many, the accuracy when
    the most typical image of each is labelled, and the information and agreement of the merger.
    """
    classes, table = len(np.unique(truth)), []
    run = network.train_clustering(images, seed=seed)
    for method, points in (("cs_qmi", network.features(run, images)), ("forms_of_pixels", images)):
        merged = forms.cluster_by_forms(points, clusters=classes, seed=seed)
        near = forms.nearest_neighbours(points, components=forms.COMPONENTS)
        parts = forms.find_forms(near, shared=True, seed=seed)
        typical, predicted = label_groups(points, parts, truth)
        row = {"forms": len(typical), "labelled": np.mean(predicted == truth)}
        row |= {"information": merged.information, "agreement": merged.agreement}
        table.append({"method": method, "clusters": merged.labels, **row})
    placed = {"kmeans": images}
    if _has_umap():
        placed["umap"] = _reduced([images], DIMENSIONS, seed)[0]
    for method, points in placed.items():
        clusters = clustering.fit_kmeans(points, clusters=classes, seed=seed).labels_
        table.append({"method": method, "clusters": clusters})
    for row in table:
        row |= {"seed": seed, "accuracy": clustering.clustering_accuracy(truth, row.pop("clusters"))}
    return table


def available(profile):
    """The names of the methods whose packages are installed: UMAP and N2D need umap-learn.

    The smoke profile leaves out the methods on our features.
    """
    missing = set(ON_OUR_FEATURES) if profile.name == "smoke" else set()
    if not _has_umap():
        missing |= {"umap", "n2d", "umap_of_features"}
    return tuple(name for name in METHODS if name not in missing)


def _has_umap():
    try:
        return bool(importlib.metadata.version("umap-learn"))  # a folder named umap may be left of it
    except importlib.metadata.PackageNotFoundError:
        return False


def _network(data, profile, seed, kind=Clustering, **arguments):
    return kind(fingerprint=data.fingerprint, profile=profile, seed=seed, **arguments)


def _ours(data):
    return {"changes": {}}


def _splits(data, seen=lambda images: images):
    return [seen(split.images) for split in (data.train, data.validation, data.test)]


def _features(data, run):
    return _splits(data, lambda images: network.features(run, images))


def _kmeans(data, splits, seed):
    fitted = clustering.fit_kmeans(splits[0], clusters=len(data.class_names), seed=seed)
    return [fitted.labels_, *(fitted.predict(split) for split in splits[1:])]


def _forms_of_pixels(data, run, seed):
    pixels, *others = _splits(data)
    clusters = forms.cluster_by_forms(pixels, clusters=len(data.class_names), seed=seed)
    return [clusters.labels, *map(clusters.predict, others)]


def _reduced(splits, dimensions, seed):
    """Points of each split as UMAP places them, fitted to the first."""
    with warnings.catch_warnings(action="ignore"):  # of a progress bar that it does not show here
        import umap

    reducer = umap.UMAP(n_components=dimensions, random_state=seed, n_jobs=1, **UMAP)
    placed = [reducer.fit_transform(splits[0]), *(reducer.transform(split) for split in splits[1:])]
    return [points.astype(np.float64) for points in placed]


def _n2d(data, run, seed):
    clusters = len(data.class_names)
    placed = _reduced(_splits(data, lambda images: training.encode(run, images)), clusters, seed)
    mixture = GaussianMixture(clusters, random_state=seed).fit(placed[0])
    return [mixture.predict(points) for points in placed]


# By name: a function of the data that gives the network's arguments (None: no network), and one of the data,
# the network's training.Run and the seed, which returns the clusters of each split. N2D has as many codes as
# classes; a classifier of notebook 02 has the same autoencoder.
METHODS = {
    "forms_of_pixels": (None, _forms_of_pixels),
    "kmeans": (None, lambda data, run, seed: _kmeans(data, _splits(data), seed)),
    "umap": (None, lambda data, run, seed: _kmeans(data, _reduced(_splits(data), DIMENSIONS, seed), seed)),
    "n2d": (lambda data: {"kind": Autoencoder, "latent_dim": len(data.class_names)}, _n2d),
    "kmeans_of_features": (_ours, lambda data, run, seed: _kmeans(data, _features(data, run), seed)),
    "umap_of_features": (
        _ours,
        lambda data, run, seed: _kmeans(data, _reduced(_features(data, run), DIMENSIONS, seed), seed),
    ),
}
