import itertools
import os
import signal
import threading
import types

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from kmnist_itl.clustering import clustering_accuracy, forms, merging
from kmnist_itl.divergence import quadratic_mutual_information


@pytest.fixture(autouse=True)
def few_kicks(monkeypatch):
    monkeypatch.setattr(merging, "KICKS", 1)


def table_of(rng, size, power=1):
    """A joint distribution of so many forms and their neighbours'."""
    table = rng.random((size, size)) ** power
    return (table + table.T) / (2 * table.sum())


def information(table, merger, clusters=3):
    one_hot = np.eye(clusters)[np.asarray(merger)]
    return merging.information(one_hot.T @ table @ one_hot)


@pytest.fixture
def groups_apart(rng):
    """Six groups of points far from each other, of 40, 20, 30, 30, 45 and 15 points."""
    groups = np.repeat(np.arange(6), [40, 20, 30, 30, 45, 15])
    centres = 20 * np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 2]])
    return groups, centres[groups] + rng.normal(size=(180, 2))


def test_neighbours_are_the_nearest_and_never_the_point_itself(rng):
    points = rng.normal(size=(50, 3))
    points[7] = points[3]  # equal points are each other's neighbours
    near = forms.nearest_neighbours(points, 4)
    assert near[7, 0] == 3 and near[3, 0] == 7
    distances = np.linalg.norm(points[:, None] - points, axis=2) + np.diag(np.full(50, np.inf))
    nearest = np.sort(distances, axis=1)[:, :4]
    np.testing.assert_allclose(np.take_along_axis(distances, near, 1), nearest, atol=1e-7)


def test_of_more_equal_points_than_neighbours_none_is_its_own():
    near = forms.nearest_neighbours(np.repeat([[0.0], [1.0]], 6, axis=0), 3)
    assert not np.any(near == np.arange(12)[:, None]) and np.all(near // 6 == np.arange(12)[:, None] // 6)


def test_a_bad_number_of_neighbours_or_components_is_refused():
    with pytest.raises(ValueError, match="neighbours must be a whole number from 1 to 19; got 20"):
        forms.nearest_neighbours(np.eye(20), 20)
    with pytest.raises(ValueError, match="neighbours must be a whole number from 1 to 20; got 21"):
        forms.classify_by_neighbours(np.eye(20), np.zeros(20, int), np.eye(20), 21)
    with pytest.raises(ValueError, match="components must be a whole number of at least 1; got 0"):
        forms.nearest_neighbours(np.eye(20), components=0)
    with pytest.raises(ValueError, match="points must have at least 2 different rows; got 1"):
        forms.nearest_neighbours(np.ones((20, 2)), 3)


def test_a_long_search_hears_ctrl_c(monkeypatch, rng):
    stop = threading.Event()
    monkeypatch.setattr(NearestNeighbors, "kneighbors", lambda *_, **options: stop.wait(30))
    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            forms.nearest_neighbours(rng.normal(size=(20, 2)))
    finally:
        signal.signal(signal.SIGINT, before)
        stop.set()


def test_the_table_counts_pairs_both_ways(rng):
    clusters, near = rng.integers(0, 4, 60), rng.integers(0, 60, (60, 5))
    expected = np.zeros((4, 4))
    for point, row in enumerate(near):
        for other in row:
            expected[clusters[point], clusters[other]] += 1
            expected[clusters[other], clusters[point]] += 1
    np.testing.assert_allclose(forms.table_of_neighbours(clusters, near), expected / 600)


def test_information_is_that_of_the_divergence(rng):
    table = table_of(rng, 5)
    expected = float(quadratic_mutual_information(table=table))
    assert merging.information(table) == pytest.approx(expected, rel=1e-6)


def test_no_move_and_no_exchange_improves_where_a_climb_ends(rng):
    table = table_of(rng, 12, power=3)
    start, no_kicks = np.arange(12)[None] % 3, np.empty((1, 0, 2, 4), int)
    (merger,), (most,) = merging.search(table, start, no_kicks, 3)
    changed = []
    for a, b in itertools.combinations(range(12), 2):
        changed += [merger.copy() for _ in range(4)]
        for cluster in range(3):
            changed[-1 - cluster][a] = cluster
        changed[-4][[a, b]] = merger[[b, a]]
    assert max(information(table, other) for other in changed) <= most + 1e-9


def test_no_other_merger_has_more_information(rng, monkeypatch):
    monkeypatch.setattr(merging, "KICKS", 20)
    table = table_of(rng, 6, power=4)
    mergers, informations = merging.merge_forms(table, 3)
    most = max(information(table, merger) for merger in itertools.product(range(3), repeat=6))
    assert informations[0] == pytest.approx(most) and np.all(np.diff(informations) <= 0)
    assert informations == pytest.approx([information(table, merger) for merger in mergers])
    assert np.all(mergers[:, 0] == 0)  # numbered by their first form


def test_the_seed_decides_the_mergers(rng):
    table = table_of(rng, 20)
    first, second, third = (merging.merge_forms(table, 4, seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(first, second) and not np.array_equal(first, third)


def test_shared_neighbours_weigh_the_jaccard_similarity(rng, monkeypatch):
    near, pairs = forms.nearest_neighbours(rng.normal(size=(30, 2)), 4), {}

    def leiden(graph, _, weights, **options):
        pairs.update(zip(map(frozenset, graph.get_edgelist()), weights, strict=True))
        return types.SimpleNamespace(membership=[0] * 30)

    monkeypatch.setattr("igraph.Graph.community_leiden", leiden)
    forms.find_forms(near, shared=True)
    sets = [{point, *row} for point, row in enumerate(near.tolist())]
    linked = [(a, b) for a in range(30) for b in near[a]]
    expected = {frozenset((a, b)): len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in linked}
    assert pairs == pytest.approx(expected)


def test_forms_are_merged_into_clusters_of_one_size(groups_apart, monkeypatch):
    groups, points = groups_apart
    monkeypatch.setattr(forms, "RESOLUTIONS", (0.2,))
    result = forms.cluster_by_forms(points, clusters=3)
    assert np.bincount(result.labels).tolist() == [60, 60, 60]
    assert result.information == pytest.approx(np.log(3))
    assert result.mergers.shape == (forms.PARTITIONS * 8, 180) and result.informations.shape == (24,)
    assert clustering_accuracy(groups, result.forms) == 1
    assert np.array_equal(result.neighbours, forms.nearest_neighbours(points))
    assert np.array_equal(result.predict(points), result.labels)


def test_all_partitions_are_merged_and_numbers_of_numpy_are_numbers(rng):
    points, mergers = rng.normal(size=(150, 2)), []
    near = forms.nearest_neighbours(points)
    for resolution in forms.RESOLUTIONS:
        for start in range(forms.PARTITIONS):
            partition = forms.find_forms(near, resolution=resolution, seed=200 * forms.PARTITIONS + start)
            table = forms.table_of_neighbours(partition, near[:, : forms.LINKS])
            mergers += list(merging.merge_forms(table, 4, seed=200)[0][:, partition])
    result = forms.cluster_by_forms(points, clusters=np.int8(4), seed=np.uint8(200))
    np.testing.assert_array_equal(result.mergers, mergers)
    few = np.repeat([[0.0, 0.0], [9.0, 9.0]], 3, axis=0) + rng.normal(size=(6, 2))
    result = forms.cluster_by_forms(few, clusters=2)
    assert len(np.unique(result.labels)) == 2 and len(result.predict(few)) == 6


def test_new_points_get_the_label_of_most_neighbours_and_of_ties_the_lowest(rng):
    points, labels = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    queries = rng.normal(size=(200, 2))
    near = np.linalg.norm(queries[:, None] - points, axis=2).argsort(axis=1)[:, :4]
    votes = (labels[near][..., None] == np.arange(3)).sum(axis=1)
    assert np.any(np.sort(votes)[:, 1] == np.sort(votes)[:, 2])  # there are ties
    predicted = forms.classify_by_neighbours(points, labels, queries.astype(np.float32), 4)
    assert np.array_equal(predicted, votes.argmax(axis=1))
    with pytest.raises(ValueError, match=r"3 features, but .* expecting 2 features"):
        forms.classify_by_neighbours(points, labels, np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([0, 1], r"inconsistent numbers of samples: \[3, 2\]"),
        ([0.5, 1, 0], "Unknown label type: continuous"),
        ([None, 1, 0], "labels must be whole numbers or strings, none missing"),
        (["ki", np.nan, "o"], "labels must be whole numbers or strings, none missing"),
    ],
)
def test_other_labels_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        forms.classify_by_neighbours(np.eye(3), bad, np.eye(3), 1)


def test_several_votes_are_taken_at_once():
    votes = np.arange(6).reshape(3, 2)
    assert np.array_equal(forms.classify_by_neighbours(np.eye(3), votes, np.eye(3), 1), votes)


def test_many_dimensions_are_reduced_to_their_principal_components(rng):
    points = 1e-6 * rng.normal(size=(60, 300))
    points[:, :5] += 10 * rng.normal(size=(60, 5))
    exact = forms.nearest_neighbours(points)
    assert np.array_equal(forms.nearest_neighbours(points, components=8), exact)
    assert not np.array_equal(forms.nearest_neighbours(points, components=1), exact)
    labels = rng.choice(["い", "ろ"], 60)
    assert forms.classify_by_neighbours(points, labels, points, 1).tolist() == labels.tolist()


def test_points_that_are_mostly_equal_are_told_and_not_torn_apart():
    points = np.append(np.zeros(200), np.arange(1, 11))[:, None]
    with (
        pytest.warns(UserWarning, match="200 of 210 points are equal to another"),
        pytest.raises(ValueError, match="forms tear equal ones apart; 200 of 210 are equal to another"),
    ):
        forms.cluster_by_forms(points)


def test_collapsed_points_are_refused():
    with pytest.raises(ValueError, match=r"points must have at least 10 different rows; got 9\. Have they"):
        forms.cluster_by_forms(np.repeat(np.eye(9), 4, axis=0))


def test_of_the_mergers_within_a_standard_error_the_medoid_is_taken(rng):
    result = forms.cluster_by_forms(rng.normal(size=(400, 2)), clusters=4)  # no groups: many are alike
    tied = np.flatnonzero(result.informations >= result.informations.max() - result.standard_error)
    assert result.tied == len(tied) > 1
    medoid, agreement = forms.most_agreed(result.mergers[tied])
    assert np.array_equal(result.labels, result.mergers[tied][medoid]) and result.agreement == agreement
    assert result.information == result.informations[tied][medoid]
    table = forms.table_of_neighbours(result.labels, result.neighbours[:, : forms.LINKS])
    assert merging.information(table) == pytest.approx(result.information)


def test_clusters_that_stay_empty_are_told(rng, monkeypatch):
    mergers, informations = merging.merge_forms(np.diag([0.6, 0.2, 0.2]), 3)
    assert mergers[0].tolist() == [0, 1, 1] and informations[0] == pytest.approx(0.584, abs=1e-3)
    points = np.repeat([[0.0, 0], [50, 0], [0, 50]], [60, 20, 20], axis=0) + rng.normal(size=(100, 2))
    monkeypatch.setattr(forms, "RESOLUTIONS", (0.2,))
    with pytest.warns(UserWarning, match="2 of 3 clusters are used"):
        forms.cluster_by_forms(points, clusters=3)


def test_the_one_that_agrees_most_is_the_medoid():
    alike = [[0, 0, 1, 1], [1, 1, 0, 0]]
    assert forms.most_agreed(np.array([[0, 1, 1, 1], *alike])) == (1, (0.75 + 1) / 2)
    assert forms.most_agreed(np.array(alike[:1])) == (0, 1)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0; got -1"):
        forms.cluster_by_forms(np.eye(20), seed=-1)
    with pytest.raises(ValueError, match="clusters must be a whole number of at least 2; got 1"):
        forms.cluster_by_forms(np.eye(20), clusters=1)
    with pytest.raises(ValueError, match=r"resolution must be a number from 1e-06 to 1e\+06; got 0"):
        forms.find_forms([[1], [0]], resolution=0)


def test_the_standard_error_is_that_of_points_drawn_anew(rng):
    # Two clusters of n points each, whose neighbours are in the other one with probability q.
    n, q = 2_000, 0.1
    clusters = np.repeat([0, 1], n)

    def drawn():
        leaves = rng.random(2 * n) < q
        return np.where(clusters ^ leaves, n, 0)[:, None] + rng.integers(n, size=(2 * n, 1))

    informations = [merging.information(forms.table_of_neighbours(clusters, drawn())) for _ in range(200)]
    errors = [forms._standard_error(clusters, drawn(), seed) for seed in range(20)]
    assert np.mean(errors) == pytest.approx(np.std(informations), rel=0.15)
