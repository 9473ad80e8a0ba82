import itertools

import numpy as np
import pytest

from kmnist_itl import forms
from kmnist_itl.clustering import clustering_accuracy
from kmnist_itl.divergence import quadratic_mutual_information

pytest.importorskip("igraph", reason="igraph is not installed")
_annealing = pytest.importorskip(
    "kmnist_itl._annealing", reason="numba is not installed", exc_type=ImportError
)


@pytest.fixture
def blobs(rng):
    """Six groups of points far from each other, of 40, 20, 30, 30, 50 and 10 points."""
    groups = np.repeat(np.arange(6), [40, 20, 30, 30, 50, 10])
    centres = 20 * np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 2]])
    return groups, centres[groups] + rng.normal(size=(180, 2))


def test_neighbours_are_the_nearest_and_never_the_point_itself(rng):
    points = rng.normal(size=(50, 3))
    points[7] = points[3]  # equal points are each other's neighbours
    near = forms.nearest_neighbours(points, 4)
    assert near.shape == (50, 4)
    assert not np.any(near == np.arange(50)[:, None])
    assert near[7, 0] == 3 and near[3, 0] == 7
    distances = np.linalg.norm(points[:, None] - points, axis=2) + np.diag(np.full(50, np.inf))
    np.testing.assert_allclose(
        np.take_along_axis(distances, near, 1), np.sort(distances, axis=1)[:, :4], atol=1e-7
    )


def test_neighbours_of_further_points_may_be_the_same_point(rng):
    points = rng.normal(size=(20, 3)).astype(np.float32)
    assert forms.nearest_neighbours(points, 1, queries=points)[:, 0].tolist() == list(range(20))


@pytest.mark.parametrize("bad", [0, 2.5, 50, None])
def test_a_bad_number_of_neighbours_is_refused(bad, rng):
    with pytest.raises(ValueError, match=r"neighbours must be .*got"):
        forms.nearest_neighbours(rng.normal(size=(50, 3)), bad)


def test_queries_of_another_width_are_refused(rng):
    with pytest.raises(ValueError, match="queries must have as many columns as points, 3; got 2"):
        forms.nearest_neighbours(rng.normal(size=(50, 3)), 2, queries=np.zeros((4, 2)))


def test_the_table_counts_pairs_both_ways(rng):
    clusters, near = rng.integers(0, 4, 60), rng.integers(0, 60, (60, 5))
    expected = np.zeros((4, 4))
    for point, row in enumerate(near):
        for other in row:
            expected[clusters[point], clusters[other]] += 1
            expected[clusters[other], clusters[point]] += 1
    np.testing.assert_allclose(forms.table_of_neighbours(clusters, near), expected / 600)


@pytest.mark.parametrize(
    ("clusters", "near", "message"),
    [
        ([0, 1], [[1], [0], [0]], "equally long; got 2 and 3"),
        ([0, -1], [[1], [0]], "clusters must not be negative; got -1"),
        ([0, 1], [[1], [2]], "from 0 to 1; got 1 to 2"),
        ([0, 1], [1, 0], "neighbours must be 2-D"),
        ([], [[1]], "clusters must be 1-D and not empty"),
    ],
)
def test_a_bad_graph_is_refused(clusters, near, message):
    with pytest.raises(ValueError, match=message):
        forms.table_of_neighbours(clusters, near)


def test_clusters_that_are_no_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="clusters must be whole numbers; got dtype float64"):
        forms.table_of_neighbours([0.5, 1.0], [[1], [0]])


def test_information_is_that_of_the_divergence(rng):
    tables = rng.random((7, 5, 5))
    tables += np.swapaxes(tables, 1, 2)
    tables /= tables.sum(axis=(1, 2), keepdims=True)
    expected = [float(quadratic_mutual_information(table=table)) for table in tables]
    np.testing.assert_allclose(forms._information(tables), expected, rtol=1e-6)
    np.testing.assert_allclose([_annealing._information(table) for table in tables], expected, rtol=1e-6)


def test_a_move_keeps_the_sums_of_the_joined_table(rng):
    table = rng.random((9, 9))
    table += table.T
    join = np.arange(9) % 3
    one = np.eye(3)
    joint, links = one[join].T @ table @ one[join], table @ one[join]
    for form, new in rng.integers(0, (9, 3), size=(20, 2)):
        if join[form] != new:
            _annealing._move(table, join, joint, links, form, new)
            assert join[form] == new
    np.testing.assert_allclose(joint, one[join].T @ table @ one[join], atol=1e-12)
    np.testing.assert_allclose(links, table @ one[join], atol=1e-12)


def test_no_other_join_has_more_information(rng):
    for _ in range(3):
        table = rng.random((6, 6)) ** 4 + np.diag(rng.random(6))
        table = (table + table.T) / (2 * table.sum())
        joins, informations = forms.join_forms(table, 3, steps=10_000)
        every = itertools.product(range(3), repeat=6)
        one = np.eye(3)
        most = max(float(forms._information(one[list(join)].T @ table @ one[list(join)])) for join in every)
        assert informations[0] == pytest.approx(most)
        assert np.all(np.diff(informations) <= 0)
        for join, information in zip(joins, informations, strict=True):
            assert float(forms._information(one[join].T @ table @ one[join])) == pytest.approx(information)


def test_a_balanced_join_without_stray_neighbours_has_the_most_there_can_be():
    joins, informations = forms.join_forms(np.diag([30, 20, 10, 40, 25, 25]), 3, steps=10_000)
    assert informations[0] == pytest.approx(np.log(3))
    np.testing.assert_allclose(np.bincount(joins[0], weights=[30, 20, 10, 40, 25, 25]), 50)
    assert np.all(joins[:, 0] == 0)  # numbered by their first form


def test_the_same_seed_joins_the_same(rng):
    table = rng.random((20, 20))
    one, other = (forms.join_forms(table, 4, steps=500, seed=3) for _ in range(2))
    assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
    assert not np.array_equal(one[0], forms.join_forms(table, 4, steps=500, seed=4)[0])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.ones((3, 2)), "square"),
        (np.eye(3) - 0.5, "entries >= 0; got values from -0.5"),
        (np.full((3, 3), np.nan), "finite"),
        (np.diag([1, 1, 0]), "none for form 2"),
        (np.eye(3), "at least clusters=4 forms; got 3"),
    ],
)
def test_a_bad_table_is_refused(table, message):
    with pytest.raises(ValueError, match=message):
        forms.join_forms(table, 4 if len(table) == 3 and "clusters" in message else 2)


@pytest.mark.parametrize("name", ["clusters", "chains", "steps", "seed"])
def test_a_bad_count_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        forms.join_forms(np.eye(4), **{"clusters": 2, name: -1})


def test_groups_far_apart_are_forms(blobs):
    groups, points = blobs
    found = forms.find_forms(forms.nearest_neighbours(points, 8), resolution=0.2)
    assert clustering_accuracy(groups, found) == 1


@pytest.mark.parametrize("bad", [0, -1.0, "1", np.inf, True])
def test_a_bad_resolution_is_refused(bad):
    with pytest.raises(ValueError, match="resolution must be a number above 0"):
        forms.find_forms([[1], [0]], resolution=bad)


def test_forms_are_joined_into_clusters_of_one_size(blobs):
    groups, points = blobs
    found = forms.cluster_by_forms(points, clusters=3, neighbours=8, resolutions=(0.2,))
    assert np.bincount(found.labels).tolist() == [60, 60, 60]
    assert found.information == pytest.approx(np.log(3))
    assert found.joins.shape == (forms.PARTITIONS * 8, 180) and len(found.informations) == len(found.joins)
    for group in range(6):  # none is torn apart
        assert len(set(found.labels[groups == group])) == 1
    assert np.array_equal(found.predict(points), found.labels)
    again = forms.cluster_by_forms(points, clusters=3, neighbours=8, resolutions=(0.2,))
    assert np.array_equal(again.labels, found.labels)


def test_partitions_that_are_joined_at_once_are_joined_as_one_by_one(rng):
    points, joins = rng.normal(size=(150, 2)), []
    near = forms.nearest_neighbours(points)
    for resolution in forms.RESOLUTIONS:
        for start in range(forms.PARTITIONS):
            found = forms.find_forms(near, resolution=resolution, seed=2 * forms.PARTITIONS + start)
            table = forms.table_of_neighbours(found, near[:, : forms.LINKS])
            joins += list(forms.join_forms(table, 4, seed=2)[0][:, found])
    np.testing.assert_array_equal(forms.cluster_by_forms(points, clusters=4, seed=2).joins, joins)


def test_of_the_joins_within_a_standard_error_the_medoid_is_taken(rng, monkeypatch):
    points = rng.normal(size=(400, 2))  # no groups: many joins are alike
    found = forms.cluster_by_forms(points, clusters=4, resolutions=(2,))
    best = found.informations.max()
    tied = np.flatnonzero(found.informations >= best - found.standard_error)
    assert found.tied == len(tied) < len(found.joins) or found.tied == len(found.joins)
    medoid, agreement = forms.most_agreed(found.joins[tied])
    assert np.array_equal(found.labels, found.joins[tied][medoid]) and found.agreement == agreement
    assert found.information == found.informations[tied][medoid]
    near = forms.nearest_neighbours(points)[:, : forms.LINKS]
    table = forms.table_of_neighbours(found.labels, near)
    assert float(forms._information(table)) == pytest.approx(found.information)
    monkeypatch.setattr(forms, "_standard_error", lambda *_: 0.0)  # now only the best are tied
    strict = forms.cluster_by_forms(points, clusters=4, resolutions=(2,))
    assert strict.information == best and strict.tied <= found.tied


def test_clusters_that_stay_empty_are_told(rng):
    joins, informations = forms.join_forms(np.diag([6, 2, 2]), 3)
    assert joins[0].tolist() == [0, 1, 1] and informations[0] == pytest.approx(0.584, abs=1e-3)
    points = np.repeat([[0.0, 0], [50, 0], [0, 50]], [60, 20, 20], axis=0) + rng.normal(size=(100, 2))
    with pytest.warns(UserWarning, match="2 of 3 clusters are used"):
        forms.cluster_by_forms(points, clusters=3, neighbours=10, resolutions=(0.2,))


def test_without_numba_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kmnist_itl._annealing", None)
    with pytest.raises(ImportError, match="needs the package numba: pip install"):
        forms.join_forms(np.eye(4), 2)


def test_without_igraph_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "igraph", None)
    with pytest.raises(ImportError, match="needs the package igraph: pip install"):
        forms.find_forms([[1], [0]])


def test_the_one_that_agrees_most_is_the_medoid(rng):
    truth = rng.integers(0, 3, 300)
    noisy = [
        np.where(rng.random(300) < share, rng.integers(0, 3, 300), truth) for share in (0.5, 0.1, 0.5, 0.4)
    ]
    renamed = [rng.permutation(3)[labels] for labels in noisy]
    chosen, agreement = forms.most_agreed(renamed)
    assert chosen == 1
    others = [clustering_accuracy(noisy[1], noisy[other]) for other in (0, 2, 3)]
    assert agreement == pytest.approx(np.mean(others))
    assert forms.most_agreed([[0, 1, 1]]) == (0, 1.0)


@pytest.mark.parametrize(
    ("bad", "error"),
    [([0, 1], ValueError), ([[]], ValueError), ([[0.5]], TypeError), ([[-1, 0]], ValueError)],
)
def test_bad_clusterings_are_refused(bad, error):
    with pytest.raises(error, match="labels must"):
        forms.most_agreed(bad)


@pytest.mark.parametrize("bad", [(), 1.0, None])
def test_bad_resolutions_are_refused(bad, rng):
    with pytest.raises(ValueError, match="resolutions must be a tuple"):
        forms.cluster_by_forms(rng.normal(size=(30, 2)), clusters=2, resolutions=bad)


def test_the_standard_error_is_that_of_points_drawn_anew(rng):
    # Two clusters of n points each, whose neighbours are in the other one with probability q.
    n, q = 2_000, 0.1
    clusters = np.repeat([0, 1], n)

    def drawn():
        leaves = rng.random(2 * n) < q
        return np.where(clusters ^ leaves, n, 0)[:, None] + rng.integers(n, size=(2 * n, 1))

    informations = [
        float(forms._information(forms.table_of_neighbours(clusters, drawn()))) for _ in range(200)
    ]
    errors = [forms._standard_error(clusters, drawn(), seed) for seed in range(20)]
    assert np.mean(errors) == pytest.approx(np.std(informations), rel=0.15)
