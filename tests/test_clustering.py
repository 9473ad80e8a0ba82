import itertools

import numpy as np
import pytest

from kmnist_itl import clustering, paper


def test_renamed_clusters_are_matched_back(rng):
    labels = rng.integers(0, 10, 500)
    names = rng.permutation(10)
    clusters = names[labels]
    assert np.array_equal(clustering.match_clusters(labels, clusters)[clusters], labels)
    assert clustering.scores(labels, clusters) == pytest.approx({"accuracy": 1, "nmi": 1, "ari": 1})


def test_no_other_matching_gives_more(rng):
    for _ in range(20):
        labels, clusters = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
        best = max(np.mean(np.array(p)[clusters] == labels) for p in itertools.permutations(range(4)))
        assert clustering.clustering_accuracy(labels, clusters) == pytest.approx(best)


@pytest.mark.parametrize("figure", ["fig10", "fig11", "fig12"])
def test_the_papers_matrices_are_matched_as_well_as_can_be(figure):
    matrix = paper.CONFUSION[figure]
    labels = np.repeat(np.arange(10), matrix.sum(axis=1))
    clusters = np.concatenate([np.repeat(np.arange(10), row) for row in matrix])
    assert np.array_equal(clustering.match_clusters(labels, clusters), np.arange(10))
    assert clustering.clustering_accuracy(labels, clusters) == np.trace(matrix) / 10_000


def test_with_more_clusters_than_classes_some_are_nobodys():
    matched = clustering.match_clusters([0, 0, 1, 1, 1], [0, 0, 1, 1, 2])
    assert matched.tolist() == [0, 1, -1]
    assert clustering.clustering_accuracy([0, 0, 1, 1, 1], [0, 0, 1, 1, 2]) == 0.8


def test_kmeans_finds_separate_clouds_and_follows_its_seed(rng):
    labels = np.repeat(np.arange(10), 30)
    points = 20 * rng.normal(size=(10, 3))[labels] + rng.normal(size=(300, 3))
    fitted = clustering.fit_kmeans(points, seed=0)
    assert clustering.clustering_accuracy(labels, fitted.predict(points)) > 0.95
    again = clustering.fit_kmeans(points, seed=0)
    assert np.array_equal(fitted.cluster_centers_, again.cluster_centers_)


@pytest.mark.parametrize(
    ("labels", "clusters", "error", "message"),
    [
        ([], [], ValueError, "labels must be 1-D and not empty"),
        ([0, 1], [0], ValueError, "equally long"),
        ([0, 1], [0.0, 1.0], TypeError, "clusters must be whole numbers"),
        ([0, -1], [0, 1], ValueError, "labels must not be negative"),
        ([[0, 1]], [[0, 1]], ValueError, "labels must be 1-D"),
    ],
)
def test_bad_labels_are_named(labels, clusters, error, message):
    with pytest.raises(error, match=message):
        clustering.scores(np.array(labels, dtype=None if labels else int), np.array(clusters))


def test_kmeans_refuses_collapsed_codes_and_bad_points():
    with pytest.raises(ValueError, match="at least clusters=10 different rows; got 1"):
        clustering.fit_kmeans(np.zeros((50, 3)))
    with pytest.raises(ValueError, match="at least clusters=10 different rows; got 4"):
        clustering.fit_kmeans(np.arange(8.0).reshape(4, 2))
    with pytest.raises(ValueError, match="points must be finite"):
        clustering.fit_kmeans(np.full((50, 3), np.nan))
    with pytest.raises(ValueError, match="points must be"):
        clustering.fit_kmeans(np.zeros(5))
