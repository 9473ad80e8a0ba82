import itertools
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from kmnist_itl import clustering
from kmnist_itl.reproduction import paper


def test_its_import_is_light():
    code = "import sys, kmnist_itl.clustering; print({'tensorflow', 'igraph'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_renamed_clusters_are_matched_back(rng):
    labels = rng.integers(0, 10, 500)
    clusters = rng.permutation(10)[labels]
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
    labels, clusters = [0, 0, 1, 1, 1], [0, 0, 1, 1, 2]
    assert clustering.match_clusters(labels, clusters).tolist() == [0, 1, -1]
    assert clustering.clustering_accuracy(labels, clusters) == 0.8


@pytest.mark.parametrize(
    ("dtype", "largest"),
    [("int8", 127), ("uint8", 255), ("int16", 2**15 - 1), ("uint32", 2**32 - 1), ("uint64", 2**63 - 1)],
)
def test_labels_of_every_integer_dtype_are_counted(dtype, largest):
    labels, clusters = np.array([0, largest, largest, 0], dtype), np.array([1, 0, 0, 1], dtype)
    assert clustering.match_clusters(labels, clusters).tolist() == [largest, 0]
    for pair in ((labels, clusters), (clusters, labels), (labels, clusters.astype(np.int64))):
        assert clustering.clustering_accuracy(*pair) == 1
        assert clustering.scores(*pair) == {"accuracy": 1, "nmi": 1, "ari": 1}


def test_labels_are_counted_not_up_to_the_largest():
    labels, clusters = [0, 10**9, 10**9, 7], [10**15, 3, 3, 10**9]
    assert clustering.scores(labels, clusters) == {"accuracy": 1, "nmi": 1, "ari": 1}
    assert clustering.match_clusters(clusters, [0, 2, 2, 3]).tolist() == [10**15, -1, 3, 10**9]


def test_kmeans_finds_separate_clouds_and_follows_its_seed(rng):
    labels = np.repeat(np.arange(10), 30)
    points = 20 * rng.normal(size=(10, 3))[labels] + rng.normal(size=(300, 3))
    fitted = clustering.fit_kmeans(points, seed=0)
    assert clustering.clustering_accuracy(labels, fitted.predict(points)) > 0.95
    assert np.array_equal(fitted.labels_, clustering.fit_kmeans(points, seed=0).labels_)


@pytest.mark.parametrize(
    ("labels_true", "labels_pred", "error", "message"),
    [
        ([], [], ValueError, "labels_true must be 1-D and not empty"),
        ([0, 1], [0], ValueError, r"labels_true and labels_pred must be equally long; got lengths \(2, 1\)"),
        ([0, -1], [0, 1], ValueError, r"labels_true must be from 0 to \d+; got -1 to 0"),
        (np.array([0, 2**63], np.uint64), [0, 1], ValueError, "labels_true .*; got 0 to 9223372036854775808"),
        (np.array([0, 1], object), [0, 1], TypeError, "labels_true must be whole numbers; got dtype object"),
        ([0, 1], [[0], [0, 1]], ValueError, "labels_pred cannot be made an array: "),
    ],
)
def test_bad_labels_are_named(labels_true, labels_pred, error, message):
    for function in (clustering.match_clusters, clustering.clustering_accuracy, clustering.scores):
        with pytest.raises(error, match=message):
            function(labels_true=labels_true, labels_pred=labels_pred)


NO_POINTS = "points must be finite real numbers.*: .*"


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((50, 3)), r"points must have at least 10 different rows; got 1\. Have they collapsed"),
        (np.repeat([[0.0], [-0.0], [1.0], [2.0], [3.0]], 9, axis=0), "at least 10 different rows; got 4"),
        (np.zeros(5), f"{NO_POINTS}Expected 2D array"),
        (np.full((50, 3), np.nan), f"{NO_POINTS}Input points contains NaN"),
        (np.ones((50, 3)) * 1j, f"{NO_POINTS}Complex data not supported"),
        ([[10**400, 1]] * 20, f"{NO_POINTS}int too large"),
        ([[1.0], [1.0, 2.0]], f"{NO_POINTS}inhomogeneous"),
        (sparse.eye(20), f"{NO_POINTS}Sparse data was passed"),
    ],
)
def test_kmeans_names_bad_points(points, message):
    with pytest.raises(ValueError, match=message):
        clustering.fit_kmeans(points)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kmeans_names_what_float_arithmetic_cannot_do(rng, dtype):
    points = rng.normal(size=(300, 3)).astype(dtype)
    points[0, 0] = np.sqrt(np.finfo(dtype).max)
    with pytest.raises(ValueError, match=r"points must be within \+-.* overflow; got 1\.\d+e\+"):
        clustering.fit_kmeans(points)
    # Its square is finite, but beside it the other points are rounded to one.
    points[0, 0] = np.finfo(dtype).max ** 0.4
    with pytest.raises(ValueError, match=r"points from .* outliers.* distinct clusters \(2\)"):
        clustering.fit_kmeans(points)


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_kmeans_finds_the_same_clusters_at_any_scale(rng, scale):
    points = rng.normal(size=(200, 3)).astype(np.float32)
    labels = clustering.fit_kmeans(points).labels_
    scaled = clustering.fit_kmeans(points * np.float32(scale)).labels_
    assert clustering.clustering_accuracy(labels, scaled) == 1


def test_kmeans_takes_every_seed_of_scikit_learn_and_names_others():
    assert len(clustering.fit_kmeans(np.eye(50), clusters=2, seed=2**32 - 1).labels_) == 50
    with pytest.raises(ValueError, match=r"from 0 to 4294967295; got .*4294967296"):
        clustering.fit_kmeans(np.eye(50), clusters=2, seed=np.uint64(2**32))
