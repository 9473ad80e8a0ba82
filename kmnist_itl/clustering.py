"""k-means on codes, clusters matched to classes by the Hungarian method, and scores (section II.D.c)."""

import warnings

import numpy as np

from kmnist_itl import settings

CLUSTERS = 10
STARTS = 10
_LARGEST_CLUSTER = 10**7
_MOST_PAIRS = 10**8


def fit_kmeans(points, *, clusters=CLUSTERS, seed=0, starts=STARTS):
    """k-means as the paper uses it, with scikit-learn: Lloyd's iteration, the best of several starts.

    It looks for the centres c_k that minimize sum_i min_k |x_i - c_k|^2. See also: sklearn.cluster.KMeans.

    Args:
        points: floats [n, d], finite, with at least `clusters` different rows.
        clusters: int >= 1; the paper has 10, one for each class.
        seed: int in [0, 2**32 - 1] that decides the starts.
        starts: int >= 1, how many k-means++ starts the best is taken of.

    Returns:
        A fitted sklearn.cluster.KMeans; its `predict` gives the cluster of further points.

    Raises:
        TypeError: points that are not real numbers.
        ValueError: points that are not 2-D, not finite, or too large for float arithmetic; fewer different
            points than clusters, as when an autoencoder has collapsed to one code; an outlier so far off that
            rounding makes the other points equal; clusters, seed or starts out of range.

    >>> from kmnist_itl.clustering import fit_kmeans
    >>> fitted = fit_kmeans([[0.0], [1.0], [10.0], [11.0]], clusters=2)
    >>> sorted(fitted.cluster_centers_[:, 0].tolist())
    [0.5, 10.5]
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    clusters = settings.check_count("clusters", clusters)
    starts = settings.check_count("starts", starts)
    seed = settings.check_count("seed", seed, at_least=0)
    if seed > 2**32 - 1:
        raise ValueError(f"seed must be at most 2**32 - 1, as scikit-learn's random_state; got {seed}.")
    points = _check_points(points)
    # One thread: the same sums whatever the machine, and on a busy one many times quicker, since the threads
    # wait for each other after each of thousands of short loops.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # its only one: fewer clusters than asked for
        try:
            return KMeans(clusters, n_init=starts, random_state=seed).fit(points)
        except (ConvergenceWarning, ValueError) as error:
            failure = error
    different = len(np.unique(points, axis=0))  # counted only now: sorting raw pixels takes seconds
    if different < clusters:
        raise ValueError(
            f"points must have at least clusters={clusters} different rows; got {different}. "
            "Have the codes collapsed?"
        ) from None
    cause = str(failure).splitlines()[0].rstrip(".")
    raise ValueError(
        f"points cannot be clustered in {points.dtype}: {cause}. They have {different} different rows, "
        f"with values from {points.min():.6g} to {points.max():.6g}; look for outliers."
    ) from failure


def match_clusters(labels_true, labels_pred):
    """The class of each cluster, so that as many points as possible get their own class.

    The Hungarian method (scipy.optimize.linear_sum_assignment) on the counts of (cluster, class) pairs. Each
    class is given to one cluster at most; with more clusters than classes the rest get -1.
    See also: `clustering_accuracy`.

    Args:
        labels_true: ints >= 0 [n] of any integer dtype, the classes.
        labels_pred: ints >= 0 [n] of any integer dtype, the clusters.

    Returns:
        int64 array [largest cluster + 1]; indexed by `labels_pred` it gives each point's predicted class, and
        -1 for numbers that no cluster has.

    Raises:
        ValueError: empty, not 1-D, of different lengths, negative or beyond int64; a cluster's number is
            above 10 million (there is an entry for each up to the largest); more than 10**8 pairs of a
            cluster and a class.
        TypeError: not whole numbers.

    >>> from kmnist_itl.clustering import match_clusters
    >>> match_clusters([0, 0, 1, 1, 2], [2, 2, 0, 0, 1]).tolist()
    [1, 2, 0]
    """
    clusters, matched, _ = _match(*_check_labels(labels_true, labels_pred))
    if clusters[-1] > _LARGEST_CLUSTER:
        raise ValueError(
            f"labels_pred must be at most {_LARGEST_CLUSTER}; got {clusters[-1]}. Number the clusters from 0 "
            "on, as np.unique(labels_pred, return_inverse=True)[1] does."
        )
    class_of_cluster = np.full(clusters[-1] + 1, -1, dtype=np.int64)
    class_of_cluster[clusters] = matched
    return class_of_cluster


def _match(labels_true, labels_pred):
    """The clusters that there are, sorted, the class that each is matched to or -1, and each point's row."""
    from scipy.optimize import linear_sum_assignment

    # Counted by the labels that there are: up to the largest there may be a billion.
    classes, column = np.unique(labels_true, return_inverse=True)
    clusters, row = np.unique(labels_pred, return_inverse=True)
    if len(clusters) * len(classes) > _MOST_PAIRS:
        raise ValueError(
            f"labels_true and labels_pred must name classes and clusters; got {len(classes)} different and "
            f"{len(clusters)} different labels, whose counts have no room in memory."
        )
    counts = np.zeros((len(clusters), len(classes)), dtype=np.int64)
    np.add.at(counts, (row, column), 1)
    matched = np.full(len(clusters), -1, dtype=np.int64)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matched[rows] = classes[columns]
    return clusters, matched, row


def clustering_accuracy(labels_true, labels_pred):
    """Share of points whose cluster is matched to their class, in [0, 1].

    Arguments and errors as `match_clusters`, but the clusters may have any number. See also: `scores`.

    >>> from kmnist_itl.clustering import clustering_accuracy
    >>> clustering_accuracy([0, 0, 1, 1], [1, 1, 0, 1])
    0.75
    """
    labels_true, labels_pred = _check_labels(labels_true, labels_pred)
    _, matched, row = _match(labels_true, labels_pred)
    return float(np.mean(matched[row] == labels_true))


def scores(labels_true, labels_pred):
    """How well clusters find classes: a dict of accuracy, NMI and ARI.

    Accuracy is that of the best matching. Normalized mutual information (arithmetic mean) and the adjusted
    Rand index need no matching. Arguments and errors as `clustering_accuracy`. See also: sklearn.metrics.

    >>> from kmnist_itl.clustering import scores
    >>> {name: round(score, 4) for name, score in scores([0, 0, 1, 1], [1, 1, 0, 1]).items()}
    {'accuracy': 0.75, 'nmi': 0.3437, 'ari': 0.0}
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    labels_true, labels_pred = _check_labels(labels_true, labels_pred)
    return {
        "accuracy": clustering_accuracy(labels_true, labels_pred),
        "nmi": float(normalized_mutual_info_score(labels_true, labels_pred)),
        "ari": float(adjusted_rand_score(labels_true, labels_pred)),
    }


def _check_points(points):
    """Points as float32 or float64 [n, d]; what is neither becomes float64, as in scikit-learn."""
    points = _as_array("points", points)
    if points.dtype.kind not in "biuf":
        raise TypeError(f"points must be real numbers; got dtype {points.dtype}.")
    if points.ndim != 2 or not points.size:
        raise ValueError(f"points must be [n, d] and not empty; got shape {points.shape}.")
    if points.dtype != np.float32:
        points = points.astype(np.float64, copy=False)
    low, high = points.min(), points.max()
    limit = np.sqrt(np.finfo(points.dtype).max / (4.0 * points.size))
    if not -limit < low <= high < limit:  # False for NaN, too
        raise ValueError(
            f"points must be finite and within +-{limit:.2g}, or their squares overflow {points.dtype}; "
            f"got values from {low:.6g} to {high:.6g}."
        )
    return points


def _check_labels(labels_true, labels_pred):
    """The labels as int64 arrays [n]."""
    labels_true, labels_pred = _as_array("labels_true", labels_true), _as_array("labels_pred", labels_pred)
    for name, labels in (("labels_true", labels_true), ("labels_pred", labels_pred)):
        if labels.ndim != 1 or not len(labels):
            raise ValueError(f"{name} must be 1-D and not empty; got shape {labels.shape}.")
        if not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(f"{name} must be whole numbers; got dtype {labels.dtype}.")
        if labels.min() < 0:
            raise ValueError(f"{name} must not be negative; got {labels.min()}.")
        if labels.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{name} must be below 2**63; got {labels.max()}.")
    lengths = len(labels_true), len(labels_pred)
    if lengths[0] != lengths[1]:
        raise ValueError(f"labels_true and labels_pred must be equally long; got lengths {lengths}.")
    return labels_true.astype(np.int64), labels_pred.astype(np.int64)


def _as_array(name, values):
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:  # rows of different lengths
        raise TypeError(f"{name} cannot be made an array: {str(error).splitlines()[0]}") from error
