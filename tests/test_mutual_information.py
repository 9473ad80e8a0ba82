"""Quadratic mutual information, and the conditional and the generalized Cauchy-Schwarz divergence."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from kmnist_itl._tensorflow import tf
from kmnist_itl.divergence import cauchy_schwarz_divergence
from kmnist_itl.divergence import conditional_cauchy_schwarz_divergence as conditional
from kmnist_itl.divergence import generalized_cauchy_schwarz_divergence as generalized
from kmnist_itl.divergence import quadratic_mutual_information as information


@pytest.fixture
def pairs(rng):
    """x [60, 2] and y [60, 3] that depend on each other, in single precision."""
    x = rng.normal(size=(60, 2)).astype(np.float32)
    return x, (0.7 * x[:, :1] + 0.5 * rng.normal(size=(60, 3))).astype(np.float32)


def excess(a, b, sigma):
    """exp(e) - 1 of each pair, in extended precision."""
    a, b = a.astype(np.longdouble), b.astype(np.longdouble)
    return np.expm1(-np.sum((a[:, None] - b[None]) ** 2, axis=-1) / (4 * np.longdouble(sigma) ** 2))


def reference_information(x, y, sigma_x, sigma_y):
    of_x, of_y = excess(x, x, sigma_x), excess(y, y, sigma_y)
    joint = of_x + of_y + of_x * of_y
    crossed = of_x.mean(1) + of_y.mean(1) + of_x.mean(1) * of_y.mean(1)
    logs = (np.log1p(means.mean()) for means in (joint, of_x, of_y, crossed))
    return next(logs) + next(logs) + next(logs) - 2 * next(logs)


@pytest.mark.parametrize("sigma", [0.01, 1, 1_000, 10_000])
def test_the_information_of_pairs_is_that_of_the_formula_at_every_kernel_size(pairs, sigma):
    result = information(*pairs, sigma, 2 * sigma)
    assert result.dtype == tf.float32
    expected = float(reference_information(*pairs, sigma, 2 * sigma))
    assert float(result) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("sigma", [0.3, 1_000])
def test_its_slope_is_that_of_finite_differences(pairs, sigma, rng):
    x, y = (points.astype(np.float64) for points in pairs)
    way = rng.normal(size=x.shape)
    step = 1e-4 * max(1, sigma / 10)
    ahead, behind = (reference_information(x + side * step * way, y, sigma, sigma) for side in (1, -1))
    points = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(points)
        value = information(points, y, sigma, sigma)
    slope = np.sum(tape.gradient(value, points) * way)
    assert slope == pytest.approx(float((ahead - behind) / (2 * step)), rel=1e-4)


def test_of_many_gaussian_pairs_it_is_the_closed_form(rng):
    rho, sigma = 0.8, 0.5
    x, noise = rng.normal(size=(2, 2_000, 1))
    y = rho * x + np.sqrt(1 - rho**2) * noise
    r = rho / (1 + sigma**2)  # the correlation that is left under the Parzen windows
    closed = np.log(1 - r**2 / 4) - np.log(1 - r**2) / 2
    assert float(information(x, y, sigma, sigma)) == pytest.approx(closed, rel=0.05)


def test_the_euclidean_one_is_its_formula(pairs):
    x, y = pairs
    of_x, of_y = (np.exp(-cdist(p, p, "sqeuclidean") / (4 * s**2)) for p, s in ((x, 0.5), (y, 0.7)))
    of_x, of_y = of_x / (4 * np.pi * 0.5**2), of_y / (4 * np.pi * 0.7**2) ** 1.5
    crossed = (of_x.mean(1) * of_y.mean(1)).mean()
    expected = (of_x * of_y).mean() + of_x.mean() * of_y.mean() - 2 * crossed
    assert float(information(x, y, 0.5, 0.7, divergence="euclidean")) == pytest.approx(expected, rel=1e-5)
    table = np.array([[0.2, 0.1], [0.1, 0.6]])
    expected = np.sum((table - np.outer(table.sum(1), table.sum(0))) ** 2)
    result = information(table=table, divergence="euclidean")
    assert float(result) == pytest.approx(expected)


def reference_table(table):
    joint = table / table.sum()
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    return np.log(np.sum(joint**2)) + np.log(np.sum(product**2)) - 2 * np.log(np.sum(joint * product))


def test_the_information_of_a_table_is_its_formula_and_needs_no_scale(rng):
    for shape in ((10, 10), (3, 60), (1, 4)):
        table = rng.gamma(0.3, size=shape)
        right = pytest.approx(reference_table(table), rel=1e-9, abs=1e-12)
        for same in (table, 1e6 * table, table.T):
            assert float(information(table=same)) == right


def test_a_table_of_independent_clusters_has_none_and_a_balanced_permutation_the_most(rng):
    independent = np.outer(rng.dirichlet(np.ones(10)), rng.dirichlet(np.ones(10)))
    assert float(information(table=independent)) == pytest.approx(0, abs=1e-15)
    assert float(information(table=np.outer([1, 2], [3, 4]))) == 0
    permutation = np.eye(10)[rng.permutation(10)]
    most = float(information(table=permutation))
    assert most == pytest.approx(np.log(10))
    for _ in range(10):
        noise = rng.uniform(0, 0.5) * rng.random((10, 10)) * rng.integers(0, 2, (10, 10))
        unbalanced = np.diag(rng.dirichlet(np.ones(10)))
        assert float(information(table=permutation + noise)) <= most + 1e-12
        assert float(information(table=unbalanced)) < most


def test_weak_dependence_in_a_table_is_not_lost_in_rounding():
    p = np.array([0.25, 0.75])
    apart = 1e-9 * np.array([[1, -1], [-1, 1]])
    product = np.outer(p, p)
    # To second order D = (A C - B^2) / A^2, with A = |p p^T|^2, B = <p p^T, apart> and C = |apart|^2.
    a, b, c = np.sum(product**2), np.sum(product * apart), np.sum(apart**2)
    result = float(information(table=product + apart))
    assert result == pytest.approx((a * c - b * b) / a**2, rel=1e-5)


def reference_conditional(x_s, y_s, x_t, y_t, sigma):
    """The published formula in extended precision, since it is a small difference where sigma is wide."""

    def kernel(a, b):
        return 1 + excess(a, b, sigma)

    def within(x, y):
        return np.sum((kernel(x, x) * kernel(y, y)).sum(1) / kernel(x, x).sum(1) ** 2)

    def across(x, y, other_x, other_y):
        joint = (kernel(x, other_x) * kernel(y, other_y)).sum(1)
        return np.sum(joint / (kernel(x, x).sum(1) * kernel(x, other_x).sum(1)))

    ours = np.log(within(x_s, y_s)) + np.log(within(x_t, y_t))
    return float(ours - np.log(across(x_s, y_s, x_t, y_t)) - np.log(across(x_t, y_t, x_s, y_s)))


@pytest.mark.parametrize("sigma", [0.3, 1_000])
def test_the_conditional_divergence_is_the_published_estimator(pairs, rng, sigma):
    given = [*pairs, rng.normal(size=(40, 2)) + 0.3, 2 * rng.normal(size=(40, 3))]
    given = [points.astype(np.float32) for points in given]
    result = conditional(*given, sigma, sigma)
    assert float(result) == pytest.approx(reference_conditional(*given, sigma), rel=1e-5)
    same = conditional(*pairs, *pairs, sigma, sigma)
    assert float(same) == 0


@pytest.mark.parametrize("sigma", [0.01, 0.5, 1_000, "median"])
def test_the_generalized_divergence_of_two_is_half_of_csd_and_that_of_equals_0(pairs, sigma):
    x, y = pairs[0], 1 + 2 * pairs[1][:30, :2]
    half = float(cauchy_schwarz_divergence(x, y, sigma)) / 2
    assert float(generalized([x, y], sigma)) == pytest.approx(half, rel=1e-5)
    assert float(generalized([x, x, x, x], sigma)) == pytest.approx(0, abs=1e-14)


def test_the_generalized_divergence_of_three_is_the_published_estimator(pairs):
    samples, sigma = [pairs[0], pairs[1][:40, :2] + 0.5, 2 * pairs[1][:25, 1:]], 0.6

    def density(left, right):
        return np.exp(-cdist(left, right, "sqeuclidean") / (4 * sigma**2)).mean(1)

    within = np.mean([np.log(np.mean(density(x, x) ** 2)) for x in samples])
    across = [
        np.mean(np.prod([density(x, right) for k, right in enumerate(samples) if k != t], axis=0))
        for t, x in enumerate(samples)
    ]
    result = generalized(samples, sigma)
    assert float(result) == pytest.approx(within - np.log(np.mean(across)), rel=1e-5)


X = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: information(X, X), ValueError, "give x, y, sigma_x and sigma_y, or a table alone"),
        (lambda: information(X, table=[[1]]), ValueError, "or a table alone"),
        (lambda: information(X, X[:2], 1, 1), ValueError, "x and y must have as many points"),
        (lambda: information(X, X, 0, 1), ValueError, "sigma_x, the kernel size"),
        (lambda: information(table=[1, 2]), ValueError, "table must be 2-D"),
        (lambda: information(table=[[1, -2]]), ValueError, "table must hold finite numbers of at least 0"),
        (lambda: information(table=[[0, 0]]), ValueError, "not only zeros"),
        (lambda: information(table=[["a"]]), TypeError, "table must be an array of numbers"),
        (lambda: information(table=[[1]], divergence="l2"), ValueError, "divergence must be one of"),
        (lambda: generalized([X], 1), ValueError, "at least two arrays"),
        (lambda: generalized([X, X[:, :1]], 1), ValueError, r"samples\[1\]"),
        (lambda: generalized([X, X], "mean"), ValueError, "'silverman' or 'median'"),
        (lambda: conditional(X, X[:2], X, X, 1, 1), ValueError, "x_s and y_s must have as many points"),
        (lambda: conditional(X, X, X, X[:, :1], 1, 1), ValueError, "y_s and y_t"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
