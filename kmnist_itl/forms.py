"""Clusters of points whose classes come in several forms: communities of neighbours, joined by information.

A character of KMNIST has several historical forms that look nothing alike, so no cluster in the sense of
k-means holds a class. Here the points' nearest neighbours are a graph. Its communities are the forms, and the
forms are joined into clusters so that the cluster of a point says most about the cluster of its neighbour.
With P the joint distribution of the clusters of a point and of one of its neighbours, symmetrized, and p its
marginal, what grows is the Cauchy-Schwarz quadratic mutual information

    I_CS = log sum_ab P_ab^2 + log sum_ab (p_a p_b)^2 - 2 log sum_ab P_ab p_a p_b

It is log k for k equally frequent clusters that neighbours never leave. So it asks for few neighbours in
another cluster, and for clusters of one size, which decides between joins that look the same otherwise.

Sources: Principe, Information Theoretic Learning, 2010, chapter 2 (I_CS); Traag, Waltman and van Eck, "From
Louvain to Leiden", Scientific Reports 9, 2019 (communities). That the forms are joined so is this project's.
Nothing here knows of labels.
"""

import itertools
import numbers
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kmnist_itl import clustering, settings

NEIGHBOURS = 10
LINKS = 5  # of the neighbours, those by which forms are joined
RESOLUTIONS = (1, 2)
PARTITIONS = 3  # for each resolution
RESAMPLES = 30
STEPS, MOST_STEPS = 1_250, 10_000_000  # of the annealing: for each pair of forms, and in all
_HOT, _COLD = 3e-3, 1e-4  # its temperatures, in units of the information


@dataclass(frozen=True, eq=False)
class Clusters:
    """What `cluster_by_forms` finds.

    `labels` and `forms` are the cluster and the form of each point, ints [n]. `information` is the I_CS of
    the clusters on each point's five nearest neighbours. `joins` are all clusters that were found, ints
    [j, n], and `informations` theirs, floats [j]; `standard_error` is that of the largest, `tied` how many
    are within it and `agreement` the share of the points on which the chosen one and another of them agree,
    on average; 1 if there is no other. `points` are what they were found in, `neighbours` how many of them
    vote for a further point.

    >>> import numpy as np
    >>> from kmnist_itl.forms import cluster_by_forms
    >>> points = np.repeat([[0.0], [9.0]], 20, axis=0) + np.linspace(0, 1, 40)[:, None]
    >>> found = cluster_by_forms(points, clusters=2, neighbours=5)
    >>> same = found.predict([[0.2], [9.9]]) == found.labels[[0, 39]]
    >>> same.tolist()
    [True, True]
    """

    labels: np.ndarray
    forms: np.ndarray
    information: float
    joins: np.ndarray
    informations: np.ndarray
    standard_error: float
    tied: int
    agreement: float
    points: np.ndarray
    neighbours: int

    def predict(self, points):
        """The cluster of further points [m, d]: that of most of their neighbours among `points`.

        One of `points` is its own nearest neighbour here, and may get another cluster than in `labels`.
        """
        return vote(self.labels, nearest_neighbours(self.points, self.neighbours, queries=points))


def cluster_by_forms(
    points, *, clusters=clustering.CLUSTERS, neighbours=NEIGHBOURS, resolutions=RESOLUTIONS, seed=0
):
    """Find communities of neighbouring points and join them into clusters of about one size.

    The communities are found three times at each resolution, from other starts, and joined by annealing, in
    8 chains each, some of which may find the same join. We treat joins within one standard error of the
    largest information as ties: of these, the one is taken that agrees most with the others. See also:
    `find_forms`, `join_forms`, `most_agreed`.

    A warning says so if the join with the most information leaves clusters empty, as it can where forms
    differ much in size.

    Args:
        points: floats [n, d], such as `training.features` of images. Distances are Euclidean.
        clusters: int >= 2.
        neighbours: int >= 1, below n, whose communities are the forms; the nearest five of them are what the
            forms are joined by.
        resolutions: floats > 0, each as in `find_forms`; one is doubled as long as there are fewer forms than
            clusters.
        seed: int >= 0.

    Returns:
        Clusters.

    Raises:
        ImportError: igraph or numba is not installed.
        ValueError, TypeError: as in `find_forms` and `join_forms`; no resolution.

    >>> import numpy as np
    >>> from kmnist_itl.forms import cluster_by_forms
    >>> rng = np.random.default_rng(0)
    >>> centres = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    >>> points = np.repeat(centres, 50, axis=0) + rng.normal(size=(200, 2))
    >>> found = cluster_by_forms(points, clusters=2)
    >>> np.bincount(found.labels).tolist()
    [100, 100]
    """
    points = clustering._check_points(points)
    clusters = settings.check_count("clusters", clusters, at_least=2)
    if clusters > len(points):
        raise ValueError(f"clusters must be at most {len(points)}, the number of points; got {clusters}.")
    if not isinstance(resolutions, tuple | list) or not resolutions:
        raise ValueError(f"resolutions must be a tuple of at least one number; got {resolutions!r}.")
    near = nearest_neighbours(points, neighbours)
    links = near[:, :LINKS]
    partitions = []
    for resolution in resolutions:
        for start in range(PARTITIONS):
            leiden_seed = seed * PARTITIONS + start
            while (forms := find_forms(near, resolution=resolution, seed=leiden_seed)).max() + 1 < clusters:
                resolution = 2 * resolution
            partitions.append(forms)
    tables = [table_of_neighbours(forms, links) for forms in partitions]
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the annealing runs beside Python
        joined = list(threads.map(lambda table: join_forms(table, clusters, seed=seed), tables))
    found, labels = [], []
    for forms, (joins, _) in zip(partitions, joined, strict=True):
        found += [forms] * len(joins)
        labels += list(joins[:, forms])
    informations = np.concatenate([of_joins for _, of_joins in joined])
    best = int(informations.argmax())
    error = _standard_error(labels[best], links, seed)
    tied = np.flatnonzero(informations >= informations[best] - error)
    chosen, agreement = most_agreed([labels[one] for one in tied])
    chosen = tied[chosen]
    used = len(np.unique(labels[chosen]))
    if used < clusters:
        warnings.warn(
            f"{used} of {clusters} clusters are used: with more, their sizes would differ more, and the "
            "information would be less. Ask for fewer, or raise the resolutions.",
            stacklevel=2,
        )
    return Clusters(
        labels=labels[chosen],
        forms=found[chosen],
        information=float(informations[chosen]),
        joins=np.array(labels),
        informations=informations,
        standard_error=error,
        tied=len(tied),
        agreement=agreement,
        points=points,
        neighbours=near.shape[1],
    )


def most_agreed(labels):
    """Which of several clusterings agrees most with the others: their medoid.

    Two agree on the points that their clusters share once they have been matched, by the Hungarian method.

    Args:
        labels: ints >= 0 [m, n]: m clusterings of n points.

    Returns:
        (its number, an int; the share of the points that it and another one agree on, on average: 1 if it is
        the only one). The first of several that agree as much.

    Raises:
        ValueError: labels is not 2-D, is empty or negative.
        TypeError: labels are no whole numbers.

    >>> from kmnist_itl.forms import most_agreed
    >>> most_agreed([[0, 0, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0]])
    (1, 0.875)
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or not labels.size:
        raise ValueError(f"labels must be 2-D, [clusterings, points]; got shape {labels.shape}.")
    count = len(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be whole numbers; got dtype {labels.dtype}.")
    if labels.min() < 0:
        raise ValueError(f"labels must not be negative; got {labels.min()}.")
    if count == 1:
        return 0, 1.0
    shared = np.zeros((count, count))
    for one, other in itertools.combinations(range(count), 2):
        shared[one, other] = shared[other, one] = clustering.clustering_accuracy(labels[one], labels[other])
    agreement = shared.sum(axis=1) / (count - 1)
    return int(agreement.argmax()), float(agreement.max())


def _standard_error(labels, neighbours, seed):
    """The standard error of the information of clusters, by drawing the points anew (bootstrap)."""
    rng, clusters = np.random.default_rng(seed), int(labels.max()) + 1
    pairs = labels[:, None] * clusters + labels[neighbours]
    tables = []
    for _ in range(RESAMPLES):
        drawn = pairs[rng.integers(len(pairs), size=len(pairs))]
        tables.append(_table(drawn, clusters))
    return float(np.std(_information(np.array(tables)), ddof=1))


def _table(pairs, clusters):
    """The symmetrized joint distribution of pairs of clusters (a, b), given as ints a * clusters + b."""
    table = np.bincount(pairs.ravel(), minlength=clusters**2).reshape(clusters, clusters)
    return (table + table.T) / (2 * table.sum())


def nearest_neighbours(points, neighbours=NEIGHBOURS, *, queries=None):
    """The nearest neighbours of each point among the points, or of further points, by Euclidean distance.

    Args:
        points: floats [n, d], finite.
        neighbours: int >= 1, at most n, and below n without queries: a point is not its own neighbour.
        queries: None, or floats [m, d].

    Returns:
        int array [n, neighbours], or [m, neighbours] for queries: the nearest first.

    Raises:
        TypeError: no real numbers.
        ValueError: not 2-D, not finite, of different d; too few points for so many neighbours.

    See also: sklearn.neighbors.NearestNeighbors, which does the work: brute force, a minute for 60,000
    images of 784 pixels on two cores.

    >>> from kmnist_itl.forms import nearest_neighbours
    >>> nearest_neighbours([[0.0], [1.0], [5.0]], 1).tolist()
    [[1], [0], [1]]
    """
    from sklearn.neighbors import NearestNeighbors

    points = clustering._check_points(points)
    neighbours = settings.check_count("neighbours", neighbours)
    at_most = len(points) - (queries is None)
    if neighbours > at_most:
        raise ValueError(
            f"neighbours must be at most {at_most} for {len(points)} points; got {neighbours}. "
            "Ask for fewer, or give more points."
        )
    search = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(points)
    if queries is not None:
        queries = clustering._check_points(queries)
        if queries.shape[1] != points.shape[1]:
            raise ValueError(
                f"queries must have as many columns as points, {points.shape[1]}; got {queries.shape[1]}."
            )
        queries = queries.astype(points.dtype, copy=False)
    # Without queries scikit-learn leaves each point itself out, also where another one equals it.
    return search.kneighbors(queries, return_distance=False)


def table_of_neighbours(clusters, neighbours):
    """How often the cluster of a point goes with that of its neighbour: the joint distribution P.

    It is symmetrized, and its sum is 1. See also: `divergence.quadratic_mutual_information` of a table.

    Args:
        clusters: ints >= 0 [n], the cluster of each point.
        neighbours: ints [n, k], the numbers of each point's neighbours.

    Returns:
        float64 array [c, c] of sum 1, with c = the largest cluster + 1.

    Raises:
        ValueError: of different lengths, empty, or a number that is no cluster or no point.
        TypeError: not whole numbers.

    >>> from kmnist_itl.forms import table_of_neighbours
    >>> table_of_neighbours([0, 0, 1], [[1], [0], [1]]).round(3).tolist()
    [[0.667, 0.167], [0.167, 0.0]]
    """
    clusters, neighbours = _check_clusters(clusters), _check_neighbours(neighbours)
    if len(clusters) != len(neighbours):
        raise ValueError(
            f"clusters and neighbours must be equally long; got {len(clusters)} and {len(neighbours)}."
        )
    count = int(clusters.max()) + 1
    return _table(clusters[:, None] * count + clusters[neighbours], count)


def vote(clusters, neighbours):
    """The cluster that most of the neighbours have, the one of the lowest number if several do.

    Args:
        clusters: ints >= 0 [n], the cluster of each point.
        neighbours: ints [m, k], the numbers of the points that are the neighbours of others.

    Returns:
        int64 array [m]. Errors as in `table_of_neighbours`.

    >>> from kmnist_itl.forms import vote
    >>> vote([0, 0, 1], [[0, 1, 2], [2, 2, 1]]).tolist()
    [0, 1]
    """
    clusters = _check_clusters(clusters)
    neighbours = _check_neighbours(neighbours, len(clusters))
    votes = np.zeros((len(neighbours), int(clusters.max()) + 1), np.int32)
    np.add.at(votes, (np.arange(len(neighbours))[:, None], clusters[neighbours]), 1)
    return votes.argmax(axis=1)


def find_forms(neighbours, *, resolution=1.0, seed=0):
    """Communities of the graph of nearest neighbours, by the Leiden method.

    It looks for the communities that maximize the modularity sum_a (P_aa - resolution * p_a^2), with P as in
    `table_of_neighbours`: a quadratic measure of how P differs from p p^T, on the diagonal.

    Args:
        neighbours: ints [n, k], as from `nearest_neighbours`.
        resolution: float > 0; more of it gives more and smaller communities.
        seed: int >= 0.

    Returns:
        int64 array [n], numbered from 0 on.

    Raises:
        ImportError: igraph is not installed.
        ValueError: resolution out of range, seed < 0; neighbours as in `table_of_neighbours`.
        TypeError: neighbours are no whole numbers.

    >>> from kmnist_itl.forms import find_forms
    >>> find_forms([[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]]).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    import random

    from scipy import sparse

    try:
        import igraph
    except ModuleNotFoundError as missing:
        raise ImportError("find_forms needs the package igraph: pip install -r requirements.txt") from missing
    if isinstance(resolution, bool) or not isinstance(resolution, numbers.Real) or not 0 < resolution < 1e6:
        raise ValueError(f"resolution must be a number above 0 and below 1e6; got {resolution!r}.")
    seed = settings.check_count("seed", seed, at_least=0)
    neighbours = _check_neighbours(neighbours)
    n, k = neighbours.shape
    near = sparse.csr_matrix((np.ones(n * k), (np.repeat(np.arange(n), k), neighbours.ravel())), (n, n))
    # A pair in which each is the other's neighbour weighs 2.
    edges = sparse.triu(near + near.T, 1).tocoo()
    graph = igraph.Graph(n, np.stack([edges.row, edges.col], axis=1))
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.community_leiden(
            "modularity", weights=edges.data.tolist(), resolution=resolution, n_iterations=3
        )
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership, dtype=np.int64)


def join_forms(table, clusters=clustering.CLUSTERS, *, chains=8, steps=None, seed=0):
    """Join forms into clusters so that I_CS (see the module) of the joined table is as large as can be found.

    There are many joins of nearly the same information: each chain gives the best that it met. It is found by
    simulated annealing: a step moves forms that are often each other's neighbours, a branch of their
    dendrogram, from one cluster to another; in every second step others come back. A step that costs
    information is taken with the probability exp(change / temperature), and the temperature falls from 3e-3
    to 1e-4.

    A cluster may end empty: three forms of 6, 2 and 2 have less information in three clusters than in two.

    Args:
        table: numbers >= 0 [f, f], as from `table_of_neighbours`; it is symmetrized and made to sum to 1.
        clusters: int >= 2, at most f.
        chains: int >= 1.
        steps: int >= 1 of each chain, or None for 1,250 times the square of the number of forms, at
            most 10 million: a second for 40 forms, half a minute for 200.
        seed: int >= 0.

    Returns:
        (the cluster of each form, int64 [chains, f]; the I_CS, float64 [chains]), the best first. Clusters
        are numbered by their first form.

    Raises:
        ImportError: numba is not installed.
        ValueError: table is not square, has negative or infinite entries, a form without neighbours, or fewer
            forms than clusters; another argument is out of range.

    >>> import numpy as np
    >>> from kmnist_itl.forms import join_forms
    >>> joins, informations = join_forms(np.diag([4, 2, 1, 1]), 2)
    >>> joins[0].tolist(), round(float(informations[0]), 4)
    ([0, 1, 1, 1], 0.6931)
    """
    try:
        from kmnist_itl._annealing import anneal
    except ModuleNotFoundError as missing:
        raise ImportError("join_forms needs the package numba: pip install -r requirements.txt") from missing
    table = _check_table(table)
    clusters = settings.check_count("clusters", clusters, at_least=2)
    most = min(STEPS * len(table) ** 2, MOST_STEPS)
    steps = most if steps is None else settings.check_count("steps", steps)
    chains = settings.check_count("chains", chains)
    rng = np.random.default_rng(settings.check_count("seed", seed, at_least=0))
    forms = len(table)
    if forms < clusters:
        raise ValueError(
            f"table must have at least clusters={clusters} forms; got {forms}. "
            "Find more of them: raise the resolution."
        )
    branches = _branches(table)
    joins, informations = [], []
    for _ in range(chains):
        start = rng.permutation(np.arange(forms) % clusters)  # each cluster has a form
        join = anneal(table, branches, start, clusters, steps, _HOT, _COLD, rng)
        joins.append(_renumbered(join, clusters))
        one = np.eye(clusters)[join]
        informations.append(float(_information(one.T @ table @ one)))
    order = np.argsort(-np.array(informations), kind="stable")
    return np.array(joins)[order], np.array(informations)[order]


def _renumbered(join, clusters):
    """The clusters of a join numbered by their first form."""
    named, first = np.unique(join, return_index=True)
    number = np.empty(clusters, np.int64)
    number[named[first.argsort()]] = np.arange(len(named))
    return number[join]


def _information(tables):
    """I_CS of symmetric tables [..., k, k]; entries that rounding has made negative do no harm."""
    marginal = tables.sum(axis=-1)
    joint = np.sum(np.square(tables), axis=(-2, -1))
    product = np.square(np.sum(np.square(marginal), axis=-1))
    crossed = np.sum(np.matmul(tables, marginal[..., None])[..., 0] * marginal, axis=-1)
    return np.log(joint) + np.log(product) - 2 * np.log(crossed)


def _branches(table):
    """The branches of the forms' dendrogram of at most half of the points, bool [branches, forms].

    Average linkage of -log(P_ij / (p_i p_j)).
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    forms, size = len(table), table.sum(axis=1)
    distance = -np.log(table / np.outer(size, size) + 1e-3)
    distance -= distance.min()
    np.fill_diagonal(distance, 0)
    branches = list(np.eye(forms, dtype=bool))
    for one, other, *_ in linkage(squareform(distance, checks=False), "average"):
        branches.append(branches[int(one)] | branches[int(other)])
    branches = np.array(branches)
    # A form that is larger than that stays movable, and the whole is no move.
    return branches[(branches.sum(axis=1) == 1) | (branches @ size <= 0.5)]


def _check_table(table):
    table = np.asarray(table)
    if table.dtype.kind not in "biuf":
        raise TypeError(f"table must hold real numbers; got dtype {table.dtype}.")
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not table.size:
        raise ValueError(f"table must be square, [forms, forms]; got shape {table.shape}.")
    table = table.astype(np.float64)
    if not np.all(np.isfinite(table)) or table.min() < 0:
        raise ValueError(
            f"table must have finite entries >= 0; got values from {table.min():.6g} to {table.max():.6g}."
        )
    table = (table + table.T) / 2
    empty = np.flatnonzero(table.sum(axis=1) == 0)
    if len(empty):
        raise ValueError(f"table must have a neighbour for each form; got none for form {empty[0]}.")
    return table / table.sum()


def _check_clusters(clusters):
    """The cluster of each point as an int64 array [n]."""
    clusters = _whole_numbers("clusters", clusters, 1)
    if clusters.min() < 0:
        raise ValueError(f"clusters must not be negative; got {clusters.min()}.")
    return clusters


def _check_neighbours(neighbours, points=None):
    """The numbers of neighbours as an int64 array [m, k]; `points` is how many there are, None for m."""
    neighbours = _whole_numbers("neighbours", neighbours, 2)
    last = (len(neighbours) if points is None else points) - 1
    if neighbours.min() < 0 or neighbours.max() > last:
        raise ValueError(
            f"neighbours must be numbers of points, from 0 to {last}; "
            f"got {neighbours.min()} to {neighbours.max()}."
        )
    return neighbours


def _whole_numbers(name, array, dimensions):
    array = np.asarray(array)
    if array.ndim != dimensions or not array.size:
        raise ValueError(f"{name} must be {dimensions}-D and not empty; got shape {array.shape}.")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers; got dtype {array.dtype}.")
    return array.astype(np.int64)
