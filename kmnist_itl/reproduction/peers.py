"""Clusters of the images by other methods, and ours beside them."""

import functools
import importlib.metadata
import itertools
import time
import warnings

import numpy as np
from sklearn.mixture import GaussianMixture

from kmnist_itl import clustering, models, training
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
    for method, seed in itertools.product(available(profile), seeds):
        kind, encode, dimensions, clusters_of = METHODS[method]
        run = kind and kind(fingerprint=data.fingerprint, profile=profile, seed=seed).run(data)
        started = time.perf_counter()
        points = [split.images for split in (data.train, data.validation, data.test)]
        points = [encode(run, images) for images in points] if run else points
        points = _umap(points, dimensions, seed) if dimensions else points
        scores = measures.scores(data, clusters_of(points, len(data.class_names), seed))
        seconds = round((run.seconds if run else 0) + time.perf_counter() - started, 1)
        table.append({"method": method, "seed": seed, **scores, "seconds": seconds})
    return table


def ours(data, profile, seeds, **changes):
    """The same of our clusters, method 'cs_qmi', with the columns of `measures.joined_forms`.

    `changes` are arguments of `network.train_clustering`, whose last `in_use` is a column, too.
    """
    table = []
    for seed in seeds:
        described = Clustering(fingerprint=data.fingerprint, profile=profile, seed=seed, changes=changes)
        trained = measures.Trained.of(described, data)
        row = measures.joined_forms(trained)
        row["seconds"] = round(trained.run.seconds + row["join_seconds"], 1)
        table.append({"method": "cs_qmi", "seed": seed, **row, "in_use": trained.run.history["in_use"][-1]})
    return table


def without_splits(images, truth, seed):
    """The clusters of all images at once, by ours and by three methods beside it, as rows of scores.

    Of images, float32 [n, 784], and their classes, ints [n], which only count the hits. Returns a list of
    dicts: method, seed, accuracy, and, where there are forms, how many, the accuracy when the most typical
    image of each is labelled, and the information and agreement of the merger.
    """
    classes, table = len(np.unique(truth)), []

    def add(method, clusters, **columns):
        accuracy = clustering.clustering_accuracy(truth, clusters)
        table.append({"method": method, **columns, "seed": seed, "accuracy": accuracy})

    run = network.train_clustering(images, seed=seed)
    for method, points in (("cs_qmi", network.features(run, images)), ("forms_of_pixels", images)):
        merged = forms.cluster_by_forms(points, clusters=classes, seed=seed)
        parts = forms.find_forms(merged.neighbours, shared=True, seed=seed)
        typical, predicted = label_groups(points, parts, truth)
        columns = {"forms": len(typical), "labelled": np.mean(predicted == truth)}
        add(method, merged.labels, **columns, information=merged.information, agreement=merged.agreement)
    add("kmeans", *_kmeans([images], classes, seed))
    if _has_umap():
        add("umap", *_kmeans(_umap([images], DIMENSIONS, seed), classes, seed))
    return table


def available(profile):
    """The names of the methods whose packages are installed: UMAP and N2D need umap-learn.

    The smoke profile leaves out the methods on our features.
    """
    return tuple(
        name
        for name, (_, _, dimensions, _) in METHODS.items()
        if (_has_umap() or not dimensions) and not (profile.name == "smoke" and name in ON_OUR_FEATURES)
    )


def _has_umap():
    try:
        return bool(importlib.metadata.version("umap-learn"))  # a folder named umap may be left of it
    except importlib.metadata.PackageNotFoundError:
        return False


def _umap(splits, dimensions, seed):
    with warnings.catch_warnings(action="ignore"):  # of a progress bar that it does not show here
        import umap

    reducer = umap.UMAP(n_components=dimensions, random_state=seed, n_jobs=1, **UMAP)
    placed = [reducer.fit_transform(splits[0]), *(reducer.transform(split) for split in splits[1:])]
    return [points.astype(np.float64) for points in placed]


def _kmeans(splits, clusters, seed):
    fitted = clustering.fit_kmeans(splits[0], clusters=clusters, seed=seed)
    return [fitted.labels_, *(fitted.predict(split) for split in splits[1:])]


def _mixture(splits, clusters, seed):
    fitted = GaussianMixture(clusters, random_state=seed).fit(splits[0])
    return [fitted.predict(split) for split in splits]


def _forms(splits, clusters, seed):
    merged = forms.cluster_by_forms(splits[0], clusters=clusters, seed=seed)
    return [merged.labels, *map(merged.predict, splits[1:])]


CODES = functools.partial(Autoencoder, latent_dim=models.CLASSES), training.encode
FEATURES = functools.partial(Clustering, changes={}), network.features
# By name: the training of a network and what it makes of images (None: their pixels are seen), the dimensions
# to which UMAP reduces that, and what finds the clusters of each split; all are fitted to the first.
METHODS = {
    "forms_of_pixels": (None, None, None, _forms),
    "kmeans": (None, None, None, _kmeans),
    "umap": (None, None, DIMENSIONS, _kmeans),
    "n2d": (*CODES, models.CLASSES, _mixture),
    "kmeans_of_features": (*FEATURES, None, _kmeans),
    "umap_of_features": (*FEATURES, DIMENSIONS, _kmeans),
}
