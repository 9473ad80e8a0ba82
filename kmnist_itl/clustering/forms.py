"""Clusters of points whose classes come in several forms: communities of neighbours, merged by information.

A character of KMNIST has several historical forms that look nothing alike, so no cluster in the sense of
k-means holds a class. The communities of the graph of nearest neighbours, groups of look-alike images, are
the forms. They are merged into clusters so that the cluster of a point says most about that of its neighbour
(merging.py).

Source: Traag, Waltman and van Eck, "From Louvain to Leiden", Scientific Reports 9, 2019 (communities).
"""

import random
import warnings
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool

import igraph
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from kmnist_itl import settings
from kmnist_itl.clustering import merging
from kmnist_itl.clustering.checks import check_points, check_whole_numbers, count_copies
from kmnist_itl.clustering.kmeans import CLUSTERS, most_agreed

NEIGHBOURS = 10
COMPONENTS = 128  # principal components by which distances are taken where points have more dimensions
LINKS = 5  # of the neighbours, those by which forms are merged
RESOLUTIONS = (1, 2)
PARTITIONS = 3  # for each resolution
RESAMPLES = 30


@dataclass(frozen=True, eq=False)
class Clusters:
    """The result of `cluster_by_forms`: the cluster and the form of each of its points, and more.

    `information` is the I_CS of the clusters on each point's five nearest neighbours. `mergers` are all that
    were met, as clusters of the points, `informations` theirs, and `standard_error` that of the largest;
    `tied` mergers are within it. `agreement` is the share of points on which the chosen one agrees with
    another of these, on average (1 if there is none). `neighbours` are those that the forms are made of.
    """

    labels: np.ndarray  # ints [n]
    forms: np.ndarray  # ints [n]
    information: float
    mergers: np.ndarray  # ints [m, n]
    informations: np.ndarray  # floats [m]
    standard_error: float
    tied: int
    agreement: float
    points: np.ndarray  # floats [n, d]
    neighbours: np.ndarray  # ints [n, k]

    def predict(self, points):
        """The cluster of further points [m, d], int64 [m], by `classify_by_neighbours`."""
        return classify_by_neighbours(self.points, self.labels, points, self.neighbours.shape[1])


def cluster_by_forms(points, *, clusters=CLUSTERS, seed=0):
    """Find communities of neighbouring points and merge them into clusters of about one size.

    The communities of ten neighbours, or of all others, are the forms: three partitions, from other starts,
    at resolution 1 and at 2 (doubled while there are fewer forms than clusters). Each is merged by eight
    chains, by the nearest five neighbours. Mergers within one standard error of the largest information count
    as ties, of which the one is taken that agrees most with the others.

    Args:
        points: floats [n, d], such as `network.features`, with at least `clusters` different rows.
        clusters: int >= 2.
        seed: int >= 0.

    Returns Clusters. Raises ValueError for an argument out of range and for points that are no finite numbers
    or too often equal. A UserWarning says if more than half of them are equal to another, or if clusters stay
    empty, as they can where forms differ in size.

    >>> centres = np.repeat([[0, 0], [9, 0], [0, 9], [9, 9]], 50, axis=0)
    >>> points = centres + np.random.default_rng(0).normal(size=(200, 2))
    >>> clusters = cluster_by_forms(points, clusters=2)
    >>> np.bincount(clusters.labels).tolist()
    [100, 100]
    >>> bool(clusters.predict([[0.5, 0.5]])[0] == clusters.labels[0])
    True
    """
    clusters = settings.check_count("clusters", clusters, at_least=2)
    seed = settings.check_count("seed", seed, at_least=0)
    points = check_points("points", points, clusters=clusters)
    copies = count_copies(points)
    equal = copies[copies > 1].sum()
    if 2 * equal > len(points):
        warnings.warn(f"{equal} of {len(points)} points are equal to another.", stacklevel=2)
    near = nearest_neighbours(points, min(NEIGHBOURS, len(points) - 1), components=COMPONENTS)
    links, partitions, mergers, informations = near[:, :LINKS], [], [], []
    for resolution in RESOLUTIONS:
        for start in range(PARTITIONS):
            leiden_seed = seed * PARTITIONS + start
            while (forms := find_forms(near, resolution=resolution, seed=leiden_seed)).max() + 1 < clusters:
                resolution = 2 * resolution
            if forms.max() >= len(copies):
                problem = f"{forms.max() + 1} forms tear equal ones apart; {equal} of {len(points)} are equal"
                raise ValueError(f"points must differ more: {problem} to another. Leave such out.")
            merged, values = merging.merge_forms(table_of_neighbours(forms, links), clusters, seed)
            partitions += [forms] * len(merged)
            mergers += list(merged[:, forms])
            informations += list(values)
    mergers, informations = np.array(mergers), np.array(informations)
    best = int(informations.argmax())
    error = _standard_error(mergers[best], links, seed)
    tied = np.flatnonzero(informations >= informations[best] - error)
    medoid, agreement = most_agreed(mergers[tied])
    chosen = tied[medoid]
    used = len(np.unique(mergers[chosen]))
    if used < clusters:
        advice = "more would have less information. Ask for fewer."
        warnings.warn(f"{used} of {clusters} clusters are used: {advice}", stacklevel=2)
    results = mergers[chosen], partitions[chosen], float(informations[chosen]), mergers, informations
    return Clusters(*results, error, len(tied), agreement, points, near)


def nearest_neighbours(points, neighbours=NEIGHBOURS, *, components=None):
    """The numbers of the k = `neighbours` nearest other points of each of points, floats [n, d]: ints [n, k].

    The nearest first, by the Euclidean distance: exact but for rounding, so subtract a large offset; or, with
    so many `components`, of the points' first principal components where that is fewer than d. Raises
    ValueError unless points are finite and not all equal, and 1 <= k < n.

    >>> nearest_neighbours([[0.0], [1.0], [5.0]], 1).tolist()
    [[1], [0], [1]]
    """
    points = check_points("points", points, clusters=2)
    neighbours = settings.check_count("neighbours", neighbours, at_most=len(points) - 1)
    points = reducer(points, components).fit_transform(points)
    search = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(points)
    # Of the points that it was fitted to, without themselves.
    return _interruptible(search.kneighbors, return_distance=False)


def classify_by_neighbours(points, labels, new_points, neighbours=NEIGHBOURS):
    """The labels of new points, floats [m, d]: that of most of their neighbours among points, floats [n, d].

    `labels`, [n], or [n, l] for l votes at once, are whole numbers or strings; of a tie the lowest wins.
    Distances are of the principal components of `points`. One of `points` is its own neighbour here, so it
    may get another label than its own. Raises ValueError for points that are not finite or of other
    dimensions, and for other labels.

    >>> classify_by_neighbours([[0.0], [9.0]], ["a", "b"], [[8.0]], neighbours=1).tolist()
    ['b']
    """
    points = check_points("points", points)
    neighbours = settings.check_count("neighbours", neighbours, at_most=len(points))
    new_points = check_points("new_points", new_points).astype(points.dtype, copy=False)
    if pd.DataFrame(labels).isna().any(axis=None):  # of a list with strings NumPy would make it "nan"
        raise ValueError("labels must be whole numbers or strings, none missing; some are None or NaN.")
    search = make_pipeline(reducer(points, COMPONENTS), KNeighborsClassifier(neighbours, algorithm="brute"))
    return _interruptible(search.fit(points, np.asarray(labels)).predict, new_points)


def _interruptible(search, *arguments, **options):
    """What a long search returns; Ctrl-C is heard while it runs, in a thread of its own."""
    with ThreadPool(1) as pool:
        return pool.apply(search, arguments, options)


def reducer(points, components):
    """PCA to so many components if the points have more dimensions, else nothing."""
    if components is not None and settings.check_count("components", components) < min(points.shape):
        return PCA(components, random_state=0)
    return FunctionTransformer()


def find_forms(neighbours, *, resolution=1.0, shared=False, seed=0):
    """Communities of the graph of nearest neighbours, int64 [n], numbered from 0 on, by the Leiden method.

    It maximizes the modularity sum_a (P_aa - resolution * p_a^2), P as in `table_of_neighbours` or weighted.

    Args:
        neighbours: ints [n, k], as from `nearest_neighbours`; ValueError or TypeError for others.
        resolution: float in [1e-6, 1e6]; a larger one gives more and smaller communities.
        shared: whether a pair weighs the Jaccard similarity of their neighbours, themselves included (Levine
            et al., "PhenoGraph", Cell 2015), and not 1, or 2 for each other's neighbours.
        seed: int >= 0.

    >>> find_forms([[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]]).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    resolution = settings.check_number("resolution", resolution, 1e-6, 1e6)
    seed = settings.check_count("seed", seed, at_least=0)
    near = directed_graph(neighbours)
    weights = near + near.T
    if shared:
        sets = (near + sparse.identity(len(neighbours), format="csr") > 0).astype(float)
        weights, sizes = (sets @ sets.T).multiply(weights > 0).tocoo(), sets.sum(axis=1).A1
        weights.data /= sizes[weights.row] + sizes[weights.col] - weights.data
    edges = sparse.triu(weights, 1).tocoo()
    graph = igraph.Graph(len(neighbours), np.stack([edges.row, edges.col], axis=1))
    options = {"weights": edges.data.tolist(), "resolution": resolution, "n_iterations": 3}
    igraph.set_random_number_generator(random.Random(seed))
    try:
        return np.array(graph.community_leiden("modularity", **options).membership)
    finally:
        igraph.set_random_number_generator(random)


def directed_graph(neighbours):
    """A sparse matrix [n, n], 1 from each point to its `neighbours`, which are as in `find_forms`."""
    neighbours = check_whole_numbers("neighbours", neighbours, 2, None)
    n, k = neighbours.shape
    return sparse.csr_matrix((np.ones(n * k), (np.repeat(np.arange(n), k), neighbours.ravel())), (n, n))


def _standard_error(labels, neighbours, seed):
    """The standard error of the information of clusters, by drawing the points anew (bootstrap)."""
    rng, n = np.random.default_rng(seed), len(labels)
    draws = (rng.integers(n, size=n) for _ in range(RESAMPLES))
    values = [merging.information(table_of_neighbours(labels, neighbours, draw)) for draw in draws]
    return float(np.std(values, ddof=1))


def table_of_neighbours(clusters, neighbours, drawn=slice(None)):
    """How often the clusters of a point and of its neighbour co-occur: P, symmetric, float64 [c, c] of sum 1.

    Of clusters, ints >= 0 [n], the largest is c - 1; `neighbours` are ints [n, k], `drawn` the points taken.
    """
    count = int(clusters.max()) + 1
    pairs = clusters[drawn, None] * count + clusters[neighbours[drawn]]
    table = np.bincount(pairs.ravel(), minlength=count**2).reshape(count, count)
    return (table + table.T) / (2 * table.sum())
