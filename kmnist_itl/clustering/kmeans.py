"""k-means on codes, clusters matched to classes by the Hungarian method, and scores (section II.D.c)."""

import itertools
import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from threadpoolctl import threadpool_limits

from kmnist_itl import settings
from kmnist_itl.clustering.checks import check_points, check_whole_numbers

CLUSTERS = 10


def fit_kmeans(points, *, clusters=CLUSTERS, seed=0, starts=10):
    """k-means as the paper uses it: centres c_k of the smallest sum_i min_k |x_i - c_k|^2 in several starts.

    Args:
        points: floats [n, d], finite, with at least `clusters` different rows.
        clusters: int >= 1; the paper has 10, one for each class.
        seed: int in [0, 2**32 - 1] that decides the starts.
        starts: int >= 1, how many k-means++ starts the best is taken of.

    Returns a fitted sklearn.cluster.KMeans; its `predict` gives the cluster of further points of the same
    dtype. Raises ValueError for an argument out of range, and for points that are too large for float
    arithmetic, collapsed to fewer than `clusters`, or made equal by rounding beside an outlier.

    >>> fitted = fit_kmeans([[0.0], [1.0], [10.0], [11.0]], clusters=2)
    >>> sorted(fitted.cluster_centers_[:, 0].tolist())
    [0.5, 10.5]
    """
    clusters = settings.check_count("clusters", clusters)
    starts = settings.check_count("starts", starts)
    seed = settings.check_seed(seed)
    points = check_points("points", points, clusters=clusters)
    # One thread: the same sums whatever the machine, and on a busy one many times quicker, since the threads
    # wait for each other after each of thousands of short loops.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # its only one: fewer clusters than asked for
        try:
            return KMeans(clusters, n_init=starts, random_state=seed).fit(points)
        except (ConvergenceWarning, ValueError) as error:
            values = f"points from {points.min():.6g} to {points.max():.6g}"
            problem = f"{values} cannot be clustered in {points.dtype}; look for outliers"
            raise ValueError(f"{problem}. {error}") from error


def match_clusters(labels_true, labels_pred):
    """The class of each cluster, so that as many points as possible get their own class (Hungarian method).

    Each class is given to one cluster at most; with more clusters than classes the rest get -1.
    `labels_true` and `labels_pred`, ints >= 0 [n], are the classes and the clusters.

    Returns an int64 array [largest cluster + 1], -1 where no cluster has the number; indexed by `labels_pred`
    it gives each point's predicted class. Raises ValueError for labels that are empty, not 1-D, of different
    lengths, negative or beyond int64, and TypeError if they are not whole numbers.

    >>> match_clusters([0, 0, 1, 1, 2], [2, 2, 0, 0, 1]).tolist()
    [1, 2, 0]
    """
    clusters, classes, _ = _match(labels_true, labels_pred)
    class_of_cluster = np.full(int(np.max(labels_pred)) + 1, -1)
    class_of_cluster[clusters] = classes
    return class_of_cluster


def clustering_accuracy(labels_true, labels_pred):
    """Share of points whose cluster is matched to their class, in [0, 1].

    Arguments and errors as `match_clusters`, but the clusters may have any number.

    >>> clustering_accuracy([0, 0, 1, 1], [1, 1, 0, 1])
    0.75
    """
    return _match(labels_true, labels_pred)[2]


def scores(labels_true, labels_pred):
    """How well clusters find classes: a dict of `clustering_accuracy`, NMI and ARI, with errors as there.

    Normalized mutual information (arithmetic mean) and adjusted Rand index are scikit-learn's.

    >>> {name: round(score, 4) for name, score in scores([0, 0, 1, 1], [1, 1, 0, 1]).items()}
    {'accuracy': 0.75, 'nmi': 0.3437, 'ari': 0.0}
    """
    accuracy, labels = clustering_accuracy(labels_true, labels_pred), (labels_true, labels_pred)
    nmi, ari = normalized_mutual_info_score(*labels), adjusted_rand_score(*labels)
    return {"accuracy": accuracy, "nmi": float(nmi), "ari": float(ari)}


def most_agreed(labels):
    """The number of the clustering, of ints [m, n], that agrees most with the others, and how much it does.

    That is the mean `clustering_accuracy` with them, 1 if there are none; of equals it is the first.
    """
    if len(labels) == 1:
        return 0, 1.0
    shares = squareform([clustering_accuracy(*pair) for pair in itertools.combinations(labels, 2)])
    agreement = shares.sum(axis=1) / (len(labels) - 1)
    return int(agreement.argmax()), float(agreement.max())


def _match(labels_true, labels_pred):
    """(the clusters that are matched, the class of each, the share of points whose class it is)."""
    labels_true = check_whole_numbers("labels_true", labels_true, 1)
    labels_pred = check_whole_numbers("labels_pred", labels_pred, 1)
    lengths = len(labels_true), len(labels_pred)
    if lengths[0] != lengths[1]:
        raise ValueError(f"labels_true and labels_pred must be equally long; got lengths {lengths}.")
    counts = contingency_matrix(labels_pred, labels_true)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matched = np.unique(labels_pred)[rows], np.unique(labels_true)[columns]
    return *matched, int(counts[rows, columns].sum()) / len(labels_true)
