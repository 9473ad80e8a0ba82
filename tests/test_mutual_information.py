"""Quadratic mutual information, and the conditional and the generalized Cauchy-Schwarz divergence."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from kmnist_itl._tensorflow import tf
from kmnist_itl.divergence import (
    cauchy_schwarz_divergence,
    conditional_cauchy_schwarz_divergence,
    generalized_cauchy_schwarz_divergence,
    quadratic_mutual_information,
)

SIGMAS = (0.01, 0.1, 1, 10, 100, 1_000, 10_000)


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


@pytest.mark.parametrize("block_size", [None, 7])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_information_of_pairs_is_that_of_the_formula_at_every_kernel_size(pairs, sigma, block_size):
    found = quadratic_mutual_information(*pairs, sigma, 2 * sigma, block_size=block_size)
    assert found.dtype == tf.float32
    assert float(found) == pytest.approx(float(reference_information(*pairs, sigma, 2 * sigma)), rel=1e-5)


@pytest.mark.parametrize("sigma", [0.3, 3, 1_000])
def test_its_slope_is_that_of_finite_differences_in_blocks_and_under_xla_too(pairs, sigma, rng):
    x, y = (points.astype(np.float64) for points in pairs)
    way = rng.normal(size=x.shape)
    step = 1e-4 * max(1, sigma / 10)

    def reference(x):
        return reference_information(x, y, sigma, sigma)

    slope = (reference(x + step * way) - reference(x - step * way)) / (2 * step)
    for block_size, jit in ((None, False), (7, False), (7, True)):

        @tf.function(jit_compile=jit)
        def gradient(x, block_size=block_size):
            value = quadratic_mutual_information(x, y, sigma, sigma, block_size=block_size)
            return tf.gradients(value, x)[0]

        assert np.sum(gradient(tf.constant(x)) * way) == pytest.approx(float(slope), rel=1e-4)


def test_of_many_gaussian_pairs_it_is_the_closed_form(rng):
    rho, sigma = 0.8, 0.5
    x, noise = rng.normal(size=(2, 4_000, 1))
    y = rho * x + np.sqrt(1 - rho**2) * noise
    r = rho / (1 + sigma**2)  # the correlation that is left under the Parzen windows
    closed = np.log(1 - r**2 / 4) - np.log(1 - r**2) / 2
    found = quadratic_mutual_information(x, y, sigma, sigma, block_size=500)
    assert float(found) == pytest.approx(closed, rel=0.05)


def test_the_euclidean_one_is_its_formula(pairs):
    x, y = pairs
    of_x, of_y = (np.exp(-cdist(p, p, "sqeuclidean") / (4 * s**2)) for p, s in ((x, 0.5), (y, 0.7)))
    of_x, of_y = of_x / (4 * np.pi * 0.5**2), of_y / (4 * np.pi * 0.7**2) ** 1.5
    crossed = (of_x.mean(1) * of_y.mean(1)).mean()
    expected = (of_x * of_y).mean() + of_x.mean() * of_y.mean() - 2 * crossed
    assert float(quadratic_mutual_information(x, y, 0.5, 0.7, divergence="euclidean")) == pytest.approx(
        expected, rel=1e-5
    )
    table = np.array([[0.2, 0.1], [0.1, 0.6]])
    product = np.outer(table.sum(1), table.sum(0))
    assert float(quadratic_mutual_information(table=table, divergence="euclidean")) == pytest.approx(
        np.sum((table - product) ** 2)
    )


def reference_table(table):
    joint = table / table.sum()
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    return np.log(np.sum(joint**2)) + np.log(np.sum(product**2)) - 2 * np.log(np.sum(joint * product))


@pytest.mark.parametrize("shape", [(10, 10), (3, 60), (1, 4)])
def test_the_information_of_a_table_is_its_formula_and_needs_no_scale(rng, shape):
    table = rng.gamma(0.3, size=shape)
    expected = reference_table(table)
    assert float(quadratic_mutual_information(table=table)) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert float(quadratic_mutual_information(table=1e6 * table)) == pytest.approx(
        expected, rel=1e-9, abs=1e-12
    )
    assert float(quadratic_mutual_information(table=table.T)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_table_of_independent_clusters_has_none_and_a_balanced_permutation_the_most(rng):
    independent = np.outer(rng.dirichlet(np.ones(10)), rng.dirichlet(np.ones(10)))
    assert float(quadratic_mutual_information(table=independent)) == pytest.approx(0, abs=1e-15)
    assert float(quadratic_mutual_information(table=np.outer([1, 2], [3, 4]))) == 0
    permutation = np.eye(10)[rng.permutation(10)]
    most = float(quadratic_mutual_information(table=permutation))
    assert most == pytest.approx(np.log(10))
    for _ in range(50):
        other = np.abs(
            permutation + rng.uniform(0, 0.5) * rng.random((10, 10)) * rng.integers(0, 2, (10, 10))
        )
        unbalanced = np.diag(rng.dirichlet(np.ones(10)))
        assert float(quadratic_mutual_information(table=other)) <= most + 1e-12
        assert float(quadratic_mutual_information(table=unbalanced)) < most


def test_weak_dependence_in_a_table_is_not_lost_in_rounding():
    p = np.array([0.25, 0.75])
    apart = 1e-9 * np.array([[1, -1], [-1, 1]])
    product = np.outer(p, p)
    # To second order D = (A C - B^2) / A^2, with A = |p p^T|^2, B = <p p^T, apart> and C = |apart|^2.
    a, b, c = np.sum(product**2), np.sum(product * apart), np.sum(apart**2)
    found = float(quadratic_mutual_information(table=product + apart))
    assert found == pytest.approx((a * c - b * b) / a**2, rel=1e-5)


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


@pytest.mark.parametrize("block_size", [None, 9])
@pytest.mark.parametrize("sigma", [0.3, 1, 10, 100, 1_000])
def test_the_conditional_divergence_is_the_published_estimator(pairs, rng, sigma, block_size):
    given = [*pairs, rng.normal(size=(40, 2)) + 0.3, 2 * rng.normal(size=(40, 3))]
    given = [points.astype(np.float32) for points in given]
    found = conditional_cauchy_schwarz_divergence(*given, sigma, sigma, block_size=block_size)
    assert float(found) == pytest.approx(reference_conditional(*given, sigma), rel=1e-5)
    same = conditional_cauchy_schwarz_divergence(*pairs, *pairs, sigma, sigma)
    assert float(same) == 0


@pytest.mark.parametrize("sigma", [0.01, 0.5, 5, 1_000, "median"])
def test_the_generalized_divergence_of_two_is_half_of_csd_and_that_of_equals_0(pairs, sigma):
    x, y = pairs[0], 1 + 2 * pairs[1][:30, :2]
    half = float(cauchy_schwarz_divergence(x, y, sigma)) / 2
    assert float(generalized_cauchy_schwarz_divergence([x, y], sigma)) == pytest.approx(half, rel=1e-5)
    assert float(generalized_cauchy_schwarz_divergence([x, x, x, x], sigma)) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("block_size", [None, 9])
def test_the_generalized_divergence_of_three_is_the_published_estimator(pairs, block_size):
    samples, sigma = [pairs[0], pairs[1][:40, :2] + 0.5, 2 * pairs[1][:25, 1:]], 0.6

    def density(one, other):
        return np.exp(-cdist(one, other, "sqeuclidean") / (4 * sigma**2)).mean(1)

    within = np.mean([np.log(np.mean(density(x, x) ** 2)) for x in samples])
    across = [
        np.mean(np.prod([density(x, other) for k, other in enumerate(samples) if k != t], axis=0))
        for t, x in enumerate(samples)
    ]
    found = generalized_cauchy_schwarz_divergence(samples, sigma, block_size=block_size)
    assert float(found) == pytest.approx(within - np.log(np.mean(across)), rel=1e-5)


X = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: quadratic_mutual_information(X, X), ValueError, "got no sigma_x, sigma_y"),
        (
            lambda: quadratic_mutual_information(X, X[:2], 1, 1),
            ValueError,
            "x and y must have as many points",
        ),
        (lambda: quadratic_mutual_information(X, X.astype(float), 1, 1), TypeError, "must have one dtype"),
        (lambda: quadratic_mutual_information(X, X, 0, 1), ValueError, "sigma_x, the kernel size"),
        (
            lambda: quadratic_mutual_information(X, table=[[1]]),
            ValueError,
            "table goes without samples; got x",
        ),
        (lambda: quadratic_mutual_information(table=[1, 2]), ValueError, "table must be 2-D"),
        (lambda: quadratic_mutual_information(table=[[1, -2]]), ValueError, "at least 0"),
        (lambda: quadratic_mutual_information(table=[[0, 0]]), ValueError, "not only zeros"),
        (lambda: quadratic_mutual_information(table=[["a"]]), TypeError, "table must be an array of numbers"),
        (
            lambda: quadratic_mutual_information(table=[[1]], divergence="l2"),
            ValueError,
            "divergence must be one of",
        ),
        (lambda: generalized_cauchy_schwarz_divergence([X], 1), ValueError, "at least two arrays"),
        (lambda: generalized_cauchy_schwarz_divergence([X, X[:, :1]], 1), ValueError, r"samples\[1\]"),
        (
            lambda: generalized_cauchy_schwarz_divergence([X, X], "mean"),
            ValueError,
            "'silverman' or 'median'",
        ),
        (
            lambda: conditional_cauchy_schwarz_divergence(X, X[:2], X, X, 1, 1),
            ValueError,
            "x_s and y_s must have as many points",
        ),
        (lambda: conditional_cauchy_schwarz_divergence(X, X, X, X[:, :1], 1, 1), ValueError, "y_s and y_t"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
