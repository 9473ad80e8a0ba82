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

from dataclasses import dataclass

import numpy as np

from kmnist_itl import clustering, settings

NEIGHBOURS = 10
LINKS = 5  # of the neighbours, those by which forms are joined
PARTITIONS = 3
# The annealing's temperatures, in units of the information: at the last one, joins that differ by less than
# a thousandth of what k = 10 clusters can say are one.
_HOT, _COLD = 1e-2, 1.5e-4


@dataclass(frozen=True, eq=False)
class Clusters:
    """What `cluster_by_forms` finds.

    `forms` is the form of each point, ints [n], `clusters` the cluster of each form, ints [forms],
    `information` the I_CS of the clusters on the points' own neighbours. `points` are what they were found
    in, `neighbours` how many of them vote for a further point.

    >>> import numpy as np
    >>> from kmnist_itl.forms import cluster_by_forms
    >>> points = np.repeat([[0.0], [9.0]], 20, axis=0) + np.linspace(0, 1, 40)[:, None]
    >>> found = cluster_by_forms(points, clusters=2, neighbours=5)
    >>> same = found.predict([[0.2], [9.9]]) == found.labels[[0, 39]]
    >>> same.tolist()
    [True, True]
    """

    forms: np.ndarray
    clusters: np.ndarray
    information: float
    points: np.ndarray
    neighbours: int

    @property
    def labels(self):
        """The cluster of each point, ints [n]."""
        return self.clusters[self.forms]

    def predict(self, points):
        """The cluster of further points [m, d]: that of the form that most of their neighbours have."""
        near = nearest_neighbours(self.points, self.neighbours, queries=points)
        return self.clusters[vote(self.forms, near)]


def cluster_by_forms(points, *, clusters=clustering.CLUSTERS, neighbours=NEIGHBOURS, resolution=1.0, seed=0):
    """Find communities of neighbouring points and join them into clusters.

    The communities are found three times, from other starts, and joined; the clusters with the largest
    information are taken. See also: `find_forms`, `join_forms`.

    Args:
        points: floats [n, d], such as `training.features` of images. Distances are Euclidean.
        clusters: int >= 2.
        neighbours: int >= 1, below n, whose communities are the forms; the nearest five of them are what the
            forms are joined by.
        resolution: float > 0, as in `find_forms`; it is doubled as long as there are fewer forms than
            clusters.
        seed: int >= 0.

    Returns:
        Clusters.

    Raises:
        ImportError: igraph is not installed.
        ValueError, TypeError: as in `find_forms` and `join_forms`.

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
    near = nearest_neighbours(points, neighbours)
    best = None
    for start in range(PARTITIONS):
        forms, finer = np.zeros(len(points), np.int64), resolution
        while forms.max() + 1 < clusters:
            forms = find_forms(near, resolution=finer, seed=seed * PARTITIONS + start)
            finer *= 2
        joined, information = join_forms(table_of_neighbours(forms, near[:, :LINKS]), clusters, seed=seed)
        if best is None or information > best.information:
            best = Clusters(forms, joined, information, points, near.shape[1])
    return best


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
    clusters, neighbours = _check_graph(clusters, neighbours)
    count = int(clusters.max()) + 1
    pairs = clusters[:, None] * count + clusters[neighbours]
    table = np.bincount(pairs.ravel(), minlength=count**2).reshape(count, count).astype(np.float64)
    return (table + table.T) / (2 * table.sum())


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
    clusters, neighbours = _check_graph(clusters, neighbours, of_points=False)
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
    if isinstance(resolution, bool) or not isinstance(resolution, int | float) or not 0 < resolution < 1e6:
        raise ValueError(f"resolution must be a number above 0 and below 1e6; got {resolution!r}.")
    seed = settings.check_count("seed", seed, at_least=0)
    rows = np.asarray(neighbours)
    _, neighbours = _check_graph(np.zeros(len(rows) if rows.ndim else 0, np.int64), rows)
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


def join_forms(table, clusters=clustering.CLUSTERS, *, chains=16, steps=None, proposals=32, seed=0):
    """Join forms into clusters so that I_CS (see the module) of the joined table is as large as can be found.

    By simulated annealing: so many chains at a time take, at each step, one of so many proposals, or none, by
    its probability exp(I_CS / temperature). A proposal moves forms that have many neighbours in common, a
    branch of their dendrogram, from one cluster to another; in every second one others come back.

    Args:
        table: numbers >= 0 [f, f], as from `table_of_neighbours`; it is symmetrized and made to sum to 1.
        clusters: int >= 2, at most f.
        chains, proposals: ints >= 1.
        steps: int >= 1, or None for 200 times the number of forms.
        seed: int >= 0.

    Returns:
        (the cluster of each form, int64 [f]; its I_CS, a float). Clusters are numbered by their first form.

    Raises:
        ValueError: table is not square, has negative or infinite entries, a form without neighbours, or fewer
            forms than clusters; another argument is out of range.

    >>> import numpy as np
    >>> from kmnist_itl.forms import join_forms
    >>> joined, information = join_forms(np.diag([4, 2, 1, 1]), 2)
    >>> joined.tolist(), round(information, 4)
    ([0, 1, 1, 1], 0.6931)
    """
    table = _check_table(table)
    clusters = settings.check_count("clusters", clusters, at_least=2)
    steps = 200 * len(table) if steps is None else steps
    counts = {"chains": chains, "steps": steps, "proposals": proposals}
    chains, steps, proposals = (settings.check_count(name, count) for name, count in counts.items())
    rng = np.random.default_rng(settings.check_count("seed", seed, at_least=0))
    forms = len(table)
    if forms < clusters:
        raise ValueError(
            f"table must have at least clusters={clusters} forms; got {forms}. "
            "Find more of them: raise the resolution."
        )
    branches = _branches(table)
    one = np.eye(clusters)
    each, shape = np.arange(chains), (chains, proposals)
    member = np.argsort(~branches, axis=1, kind="stable")  # a branch's forms come first
    many = branches.sum(axis=1)

    # So that each cluster has a form at the start.
    start = np.arange(forms) % clusters
    joined = rng.permuted(np.tile(start, (chains, 1)), axis=1)
    best, most = joined[0].copy(), -np.inf
    for temperature in np.geomspace(_HOT, _COLD, steps):
        of = one[joined]  # [chains, forms, clusters]
        joint = of.transpose(0, 2, 1) @ (table @ of)
        now = _information(joint)
        if now.max() > most:
            best, most = joined[now.argmax()].copy(), now.max()
        # Each proposal: a branch's forms in the cluster `old` go to `new`, another's in `new` come back.
        branch, back = rng.integers(len(branches), size=(2, *shape))
        leader = member[branch, (rng.random(shape) * many[branch]).astype(int)]
        old, new = joined[each[:, None], leader], rng.integers(clusters, size=shape)
        back_too = rng.random(shape) < 0.5
        moved = (branches[branch] & (joined[:, None] == old[..., None])).astype(np.float64)
        moved -= branches[back] & (joined[:, None] == new[..., None]) & back_too[..., None]
        # The table of a proposal: with u = moved, a one-hot [forms, clusters] `of` grows by u (new - old)^T.
        links = moved @ table
        across, within = links @ of, np.sum(links * moved, axis=-1)
        step = one[new] - one[old]
        change = step[..., :, None] * (across + within[..., None] / 2 * step)[..., None, :]
        proposed = joint[:, None] + change + np.swapaxes(change, -1, -2)
        value = np.concatenate([now[:, None], _information(proposed)], axis=1)
        taken = np.argmax(value / temperature + rng.gumbel(size=value.shape), axis=1) - 1
        take = (taken >= 0)[:, None]
        change_of = moved[each, taken]
        joined = np.where(take & (change_of > 0), new[each, taken][:, None], joined)
        joined = np.where(take & (change_of < 0), old[each, taken][:, None], joined)
    order = np.unique(best, return_index=True)[1].argsort()
    number = np.empty(clusters, np.int64)
    number[np.unique(best)[order]] = np.arange(len(order))
    return number[best], float(most)


def _information(tables):
    """I_CS of symmetric tables [..., k, k]; entries that rounding has made negative do no harm."""
    marginal = tables.sum(axis=-1)
    joint = np.sum(np.square(tables), axis=(-2, -1))
    product = np.square(np.sum(np.square(marginal), axis=-1))
    crossed = np.sum(np.matmul(tables, marginal[..., None])[..., 0] * marginal, axis=-1)
    return np.log(joint) + np.log(product) - 2 * np.log(crossed)


def _branches(table):
    """The branches of the forms' dendrogram that are no larger than a cluster, bool [branches, forms].

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


def _check_graph(clusters, neighbours, *, of_points=True):
    """The clusters [n] and the numbers of neighbours [n, k] (or [m, k]) as int64 arrays."""
    clusters, neighbours = np.asarray(clusters), np.asarray(neighbours)
    for name, array, dimensions in (("clusters", clusters, 1), ("neighbours", neighbours, 2)):
        if array.ndim != dimensions or not array.size:
            raise ValueError(f"{name} must be {dimensions}-D and not empty; got shape {array.shape}.")
        if array.dtype.kind not in "iu":
            raise TypeError(f"{name} must be whole numbers; got dtype {array.dtype}.")
    if of_points and len(clusters) != len(neighbours):
        raise ValueError(
            f"clusters and neighbours must be equally long; got {len(clusters)} and {len(neighbours)}."
        )
    if clusters.min() < 0:
        raise ValueError(f"clusters must not be negative; got {clusters.min()}.")
    if neighbours.min() < 0 or neighbours.max() >= len(clusters):
        raise ValueError(
            f"neighbours must be numbers of points, from 0 to {len(clusters) - 1}; "
            f"got {neighbours.min()} to {neighbours.max()}."
        )
    return clusters.astype(np.int64), neighbours.astype(np.int64)
