"""Clusters of the images by methods that one would take instead of ours, and ours beside them."""

import functools
import importlib.metadata
import time
import warnings

import numpy as np

from kmnist_itl import clustering, training
from kmnist_itl._tensorflow import keras
from kmnist_itl.clustering import network
from kmnist_itl.reproduction import measures
from kmnist_itl.reproduction.trainings import Autoencoder, Clustering

COMPONENTS = 50  # of PCA
DIMENSIONS = 3  # of UMAP before k-means
# 20 neighbours and no distance, as in McConville et al., "N2D: (Not Too) Deep Clustering via Clustering the
# Local Manifold of an Autoencoded Embedding", ICPR 2020. N2D has as many codes and dimensions as clusters.
UMAP = {"n_neighbors": 20, "min_dist": 0}
# Ji, Henriques and Vedaldi, "Invariant Information Clustering", ICCV 2019, with our network and handwriting:
# Shannon's information of an image and itself, five heads of ten clusters and one of more. Its clusters are
# those of the first head.
IIC = {"heads": (10, 10, 10, 10, 10, 60), "information": "shannon", "neighbours": 0, "form_epochs": 0}
ON_OUR_FEATURES = ("kmeans_of_features", "umap_of_features")
# What notebook 12 calls the methods.
TITLES = {
    "cs_qmi": "merged forms (ours)",
    "kmeans": "k-means on the pixels",
    "pca": "k-means on 50 components",
    "umap": "UMAP with k-means",
    "n2d": "N2D",
    "iic": "IIC",
    "kmeans_of_features": "k-means on our features",
    "umap_of_features": "UMAP with k-means on our features",
    "none": "k-means on 3-D codes, no prior",
    "gaussian": "k-means on 3-D codes, Gaussian",
    "gaussian_mixture": "k-means on 3-D codes, mixture",
    "swiss_roll": "k-means on 3-D codes, swiss roll",
}


def rows(data, profile, seeds):
    """The clusters of each method in `available`, fitted to the training images, as rows of scores.

    Args:
        data: data.Dataset.
        profile: settings.Profile of the networks.
        seeds: the seeds, ints.

    Returns:
        list of dicts: method, seed, the columns of `measures.scores`, and seconds, with those of the network
        whose codes or features a method sees.
    """
    table = []
    for method in available(profile):
        for seed in seeds:
            run = NETWORKS[method](data, profile, seed).run(data) if method in NETWORKS else None
            started = time.perf_counter()
            predicted = METHODS[method](data, run, seed)
            seconds = round(time.perf_counter() - started + (run.seconds if run else 0), 1)
            row = {"method": method, "seed": seed, **measures.scores(data, predicted), "seconds": seconds}
            table.append(row)
    return table


def ours(data, profile, seeds, **changes):
    """The same of our clusters, method 'cs_qmi', with the columns of `measures.joined_forms`.

    `changes` are arguments of `network.train_clustering`; `in_use` is its metric in the first round's last
    epoch.
    """
    table = []
    for seed in seeds:
        training = _network(data, profile, seed, changes)
        run = training.run(data)
        row = measures.joined_forms(measures.Trained(training, run, data))
        row |= {"seconds": round(run.seconds + row["join_seconds"], 1), "in_use": run.history["in_use"][-1]}
        table.append({"method": "cs_qmi", "seed": seed, **row})
    return table


def available(profile):
    """The names of the methods whose packages are installed: UMAP and N2D need umap-learn.

    The smoke profile leaves out IIC and the methods on our features.
    """
    try:
        importlib.metadata.version("umap-learn")  # a folder named umap may be left of it
        missing = set()
    except importlib.metadata.PackageNotFoundError:
        missing = {"umap", "n2d", "umap_of_features"}
    if profile.name == "smoke":
        missing |= {"iic", *ON_OUR_FEATURES}
    return tuple(name for name in METHODS if name not in missing)


def _splits(data):
    return [split.images for split in (data.train, data.validation, data.test)]


def _kmeans(splits, seed, clusters):
    fitted = clustering.fit_kmeans(splits[0], clusters=clusters, seed=seed)
    return [fitted.labels_, *(fitted.predict(split) for split in splits[1:])]


def _pixels(data, run, seed):
    return _kmeans(_splits(data), seed, len(data.class_names))


def _pca(data, run, seed):
    from sklearn.decomposition import PCA

    splits = _splits(data)
    reducer = PCA(min(COMPONENTS, *splits[0].shape), random_state=seed).fit(splits[0])
    return _kmeans([reducer.transform(split) for split in splits], seed, len(data.class_names))


def _reduced(splits, dimensions, seed):
    """Points of each split as UMAP places them, fitted to the first."""
    with warnings.catch_warnings(action="ignore"):  # of a progress bar that it does not show here
        import umap

    reducer = umap.UMAP(n_components=dimensions, random_state=seed, n_jobs=1, **UMAP)
    placed = [reducer.fit_transform(splits[0]), *(reducer.transform(split) for split in splits[1:])]
    return [points.astype(np.float64) for points in placed]


def _umap(data, run, seed):
    return _kmeans(_reduced(_splits(data), DIMENSIONS, seed), seed, len(data.class_names))


def _n2d(data, run, seed):
    from sklearn.mixture import GaussianMixture

    clusters = len(data.class_names)
    placed = _reduced([training.encode(run, images) for images in _splits(data)], clusters, seed)
    mixture = GaussianMixture(clusters, random_state=seed).fit(placed[0])
    return [mixture.predict(points) for points in placed]


def _iic(data, run, seed):
    head = keras.Model(run.model.input, run.model.outputs[0])
    return [training.outputs(head, images).argmax(axis=1) for images in _splits(data)]


def _kmeans_of_features(data, run, seed):
    features = [network.features(run, images) for images in _splits(data)]
    return _kmeans(features, seed, len(data.class_names))


def _umap_of_features(data, run, seed):
    features = [network.features(run, images) for images in _splits(data)]
    return _kmeans(_reduced(features, DIMENSIONS, seed), seed, len(data.class_names))


# By name: a function of the data, the training.Run of its network (or None) and the seed, which returns the
# clusters of each split.
METHODS = {
    "kmeans": _pixels,
    "pca": _pca,
    "umap": _umap,
    "n2d": _n2d,
    "iic": _iic,
    "kmeans_of_features": _kmeans_of_features,
    "umap_of_features": _umap_of_features,
}


def _autoencoder(data, profile, seed):
    """N2D's autoencoder; a classifier of notebook 02 has the same."""
    latent_dim = len(data.class_names)
    return Autoencoder(fingerprint=data.fingerprint, profile=profile, seed=seed, latent_dim=latent_dim)


def _network(data, profile, seed, changes=None):
    changes = changes or {}
    return Clustering(fingerprint=data.fingerprint, profile=profile, seed=seed, changes=changes)


# The training of the network that a method needs.
NETWORKS = {
    "n2d": _autoencoder,
    "iic": functools.partial(_network, changes=IIC),
    "kmeans_of_features": _network,
    "umap_of_features": _network,
}
