"""Clusters of the images by methods that one would take instead of ours, and ours beside them."""

import hashlib
import importlib.metadata
import time
import warnings

import numpy as np
import sklearn

from kmnist_itl import clustering, models, settings, training
from kmnist_itl._tensorflow import keras
from kmnist_itl.reproduction import experiments, measures, store
from kmnist_itl.reproduction.statistics import scores

COMPONENTS = 50  # of PCA
# 20 neighbours and no distance, as in McConville et al., "N2D: (Not Too) Deep Clustering via Clustering the
# Local Manifold of an Autoencoded Embedding", ICPR 2020. N2D has as many codes and dimensions as clusters.
DIMENSIONS = 3  # of UMAP before k-means
VERSION = 1  # raised when what a method finds changes: it is fitted again
UMAP = {"n_neighbors": 20, "min_dist": 0}
# Ji, Henriques and Vedaldi, "Invariant Information Clustering", ICCV 2019, with our network and handwriting:
# Shannon's information of an image and itself, five heads of ten clusters and one of more. Its clusters are
# those of the first head.
IIC = {
    "heads": (10, 10, 10, 10, 10, 60),
    "information": "shannon",
    "neighbours": 0,
    "form_epochs": 0,
}


def rows(data, profile, seeds):
    """What each method of METHODS finds in the training images, and what that says of the others.

    What was found before is kept in the cache: UMAP takes minutes.

    Args:
        data: data.Dataset.
        profile: settings.Profile of the autoencoder that N2D needs: with as many codes as classes.
        seeds: the seeds, ints.

    Returns:
        list of dicts: method (of `available`), seed, the columns of `scores`, and seconds: with those of the
        network whose codes or features a method sees.
    """
    import joblib

    kept = settings.cache_dir() / "peers" / _version()
    found = joblib.Memory(kept, verbose=0).cache(_row, ignore=["data"])
    rows = []
    for method in available(profile):
        for seed in seeds:
            before = _NETWORKS[method](data, profile, seed).run(data).seconds if method in _NETWORKS else 0
            row = found(method, data.fingerprint, profile, seed, data=data)
            rows.append(row | {"seconds": round(row["seconds"] + before, 1)})
    return rows


def _version():
    """What else decides what is found, as the name of a folder."""
    networks = (store.TRAINING_VERSION, store.CLUSTERING_VERSION, training.epochs_of_rounds(), models.HEADS)
    decides = repr((VERSION, COMPONENTS, DIMENSIONS, UMAP, IIC, networks))
    packages = [f"scikit-learn-{sklearn.__version__}"]
    if umap := _umap_version():
        packages.append(f"umap-learn-{umap}")
    return "-".join([hashlib.sha256(decides.encode()).hexdigest()[:12], *packages])


def ours(data, profile, seeds, **arguments):
    """The same of clusters by forms, method 'cs_qmi', with what `measures.joined_forms` measures.

    `arguments` are those of `training.train_clustering`; `in_use` is its metric in the first round's last
    epoch.
    """
    found = []
    for seed in seeds:
        described = _clustering_network(data, profile, seed, **arguments)
        run = described.run(data)
        row = measures.joined_forms(measures.Trained(described, run, data))
        seconds = round(run.seconds + row["join_seconds"], 1)
        in_use = run.history["in_use"][-1]
        found.append({"method": "cs_qmi", "seed": seed, "in_use": in_use, **row, "seconds": seconds})
    return found


def available(profile):
    """The names of the methods for which all packages are installed: UMAP and N2D need umap-learn.

    The smoke profile leaves out IIC and the methods on our features.
    """
    return tuple(
        name
        for name in METHODS
        if (_umap_version() or name not in ("umap", "n2d", "umap_of_features"))
        and (profile.name != "smoke" or name not in ("iic", *experiments.ON_OUR_FEATURES))
    )


def _umap_version():
    """The version of umap-learn, or None: a folder named umap may be left of it."""
    try:
        return importlib.metadata.version("umap-learn")
    except importlib.metadata.PackageNotFoundError:
        return None


def _row(method, fingerprint, profile, seed, data):
    started = time.perf_counter()
    predicted = METHODS[method](data, profile, seed)
    seconds = round(time.perf_counter() - started, 1)
    return {"method": method, "seed": seed, **scores(data, predicted), "seconds": seconds}


def _splits(data):
    return [split.images for split in (data.train, data.validation, data.test)]


def _kmeans(splits, seed, clusters):
    found = clustering.fit_kmeans(splits[0], clusters=clusters, seed=seed)
    return [found.labels_, *(found.predict(split) for split in splits[1:])]


def _pixels(data, profile, seed):
    return _kmeans(_splits(data), seed, len(data.class_names))


def _pca(data, profile, seed):
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


def _umap(data, profile, seed):
    return _kmeans(_reduced(_splits(data), DIMENSIONS, seed), seed, len(data.class_names))


def _autoencoder(data, profile, seed):
    """N2D's autoencoder; a classifier of notebook 02 has the same."""
    arguments = {"latent_dim": len(data.class_names)}
    return store.Training("autoencoder", data.fingerprint, profile, seed, arguments)


def _n2d(data, profile, seed):
    from sklearn.mixture import GaussianMixture

    clusters, run = len(data.class_names), _autoencoder(data, profile, seed).run(data)
    codes = [training.encode(run, images) for images in _splits(data)]
    placed = _reduced(codes, clusters, seed)
    mixture = GaussianMixture(clusters, random_state=seed).fit(placed[0])
    return [mixture.predict(points) for points in placed]


def _clustering_network(data, profile, seed, **arguments):
    return store.Training("clustering", data.fingerprint, profile, seed, arguments)


def _iic_network(data, profile, seed):
    return _clustering_network(data, profile, seed, **IIC)


def _iic(data, profile, seed):
    run = _iic_network(data, profile, seed).run(data)
    head = keras.Model(run.model.input, run.model.outputs[0])
    return [training.outputs(head, images).argmax(axis=1) for images in _splits(data)]


def _features(data, profile, seed):
    run = _clustering_network(data, profile, seed).run(data)
    return [training.features(run, images) for images in _splits(data)]


def _kmeans_of_features(data, profile, seed):
    return _kmeans(_features(data, profile, seed), seed, len(data.class_names))


def _umap_of_features(data, profile, seed):
    placed = _reduced(_features(data, profile, seed), DIMENSIONS, seed)
    return _kmeans(placed, seed, len(data.class_names))


METHODS = {
    "kmeans": _pixels,
    "pca": _pca,
    "umap": _umap,
    "n2d": _n2d,
    "iic": _iic,
    "kmeans_of_features": _kmeans_of_features,
    "umap_of_features": _umap_of_features,
}
_NETWORKS = {
    "n2d": _autoencoder,
    "iic": _iic_network,
    "kmeans_of_features": _clustering_network,
    "umap_of_features": _clustering_network,
}
