"""k-means on codes, clusters matched to classes by the Hungarian method, and scores (section II.D.c)."""

import warnings

import numpy as np

from kmnist_itl import settings

CLUSTERS = 10
STARTS = 10


def fit_kmeans(points, *, clusters=CLUSTERS, seed=0, starts=STARTS):
    """k-means as the paper uses it, with scikit-learn: Lloyd's iteration, the best of several starts.

    Args:
        points: floats [n, d], finite, with at least `clusters` different rows.
        clusters: int >= 1; the paper has 10, one for each class.
        seed: int >= 0 that decides the starts.
        starts: int >= 1, how many k-means++ starts the best is taken of.

    Returns:
        A fitted sklearn.cluster.KMeans; its `predict` gives the cluster of further points.

    Raises:
        ValueError: points that are not 2-D or not finite; fewer different points than clusters, as when an
            autoencoder has collapsed to one code.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    clusters = settings.check_count("clusters", clusters)
    starts = settings.check_count("starts", starts)
    seed = settings.check_count("seed", seed, at_least=0)
    points = np.asarray(points)
    if points.ndim != 2 or not points.size:
        raise ValueError(f"points must be [n, d] and not empty; got shape {points.shape}.")
    if not np.all(np.isfinite(points)):
        raise ValueError("points must be finite; they hold NaN or infinity.")
    # One thread: the same sums whatever the machine, and on a busy one many times quicker, since the threads
    # wait for each other after each of thousands of short loops.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # its only one: too few different points
        try:
            return KMeans(clusters, n_init=starts, random_state=seed).fit(points)
        except (ConvergenceWarning, ValueError):
            different = len(np.unique(points, axis=0))
            raise ValueError(
                f"points must have at least clusters={clusters} different rows; got {different}. "
                "Have the codes collapsed?"
            ) from None


def match_clusters(labels, clusters):
    """The class of each cluster, so that as many points as possible get their own class.

    The Hungarian method (scipy.optimize.linear_sum_assignment) on the counts of (cluster, class) pairs. Each
    class is given to one cluster at most; with more clusters than classes the rest get -1.

    Args:
        labels: ints >= 0 [n], the classes.
        clusters: ints >= 0 [n], the clusters.

    Returns:
        int64 array [largest cluster + 1]; indexed by `clusters` it gives each point's predicted class.

    Raises:
        ValueError: empty, not 1-D, of different lengths, or negative.
        TypeError: not whole numbers.
    """
    from scipy.optimize import linear_sum_assignment

    labels, clusters = _checked(labels, clusters)
    counts = np.zeros((clusters.max() + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(counts, (clusters, labels), 1)
    matched = np.full(len(counts), -1, dtype=np.int64)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matched[rows] = columns
    return matched


def clustering_accuracy(labels, clusters):
    """Share of points whose cluster is matched to their class, in [0, 1]; errors as `match_clusters`."""
    labels, clusters = _checked(labels, clusters)
    return float(np.mean(match_clusters(labels, clusters)[clusters] == labels))


def scores(labels, clusters):
    """How well clusters [n] find classes [n]: a dict of accuracy, NMI and ARI.

    Accuracy is that of the best matching. Normalized mutual information (arithmetic mean) and the adjusted
    Rand index need no matching. Errors as `match_clusters`.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    labels, clusters = _checked(labels, clusters)
    return {
        "accuracy": clustering_accuracy(labels, clusters),
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
    }


def _checked(labels, clusters):
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    for name, values in (("labels", labels), ("clusters", clusters)):
        if values.ndim != 1 or not len(values):
            raise ValueError(f"{name} must be 1-D and not empty; got shape {values.shape}.")
        if not np.issubdtype(values.dtype, np.integer):
            raise TypeError(f"{name} must be whole numbers; got dtype {values.dtype}.")
        if values.min() < 0:
            raise ValueError(f"{name} must not be negative; got {values.min()}.")
    if len(labels) != len(clusters):
        raise ValueError(f"labels and clusters must be equally long; got {len(labels)} and {len(clusters)}.")
    return labels, clusters
