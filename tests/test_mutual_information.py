"""Quadratic mutual information, and the conditional and the generalized Cauchy-Schwarz divergence."""

import numpy as np
import pytest
from exact import value_and_slopes

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


def exponents(x, y, sigma):
    """-|x_i - y_j|^2 / (4 sigma^2), [n, m], in extended precision."""
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    return -np.sum((x[:, None] - y) ** 2, axis=-1) / (4 * np.longdouble(sigma) ** 2)


def kernel(x, y, sigma):
    return np.exp(exponents(x, y, sigma))


def reference_information(x, y, sigma_x, sigma_y):
    of_x, of_y = np.expm1(exponents(x, x, sigma_x)), np.expm1(exponents(y, y, sigma_y))
    joint = of_x + of_y + of_x * of_y
    crossed = of_x.mean(1) + of_y.mean(1) + of_x.mean(1) * of_y.mean(1)
    joint, of_x, of_y, crossed = (np.log1p(means.mean()) for means in (joint, of_x, of_y, crossed))
    return joint + of_x + of_y - 2 * crossed


@pytest.mark.parametrize("sigma", [0.01, 1, 1_000, 10_000])
def test_the_information_of_pairs_is_that_of_the_formula_at_every_kernel_size(pairs, sigma):
    result = information(*pairs, sigma, 2 * sigma)
    assert result.dtype == tf.float32
    expected = float(reference_information(*pairs, sigma, 2 * sigma))
    assert float(result) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("sigma", [0.3, 1_000])
def test_its_slope_is_that_of_finite_differences(pairs, sigma, rng):
    x, y = (points.astype(np.float64) for points in pairs)
    step = 1e-4 * max(1, sigma / 10) * rng.normal(size=x.shape)
    ahead, behind = (reference_information(x + side * step, y, sigma, sigma) for side in (1, -1))
    _, slope = value_and_slopes(lambda points: information(points, y, sigma, sigma), x)
    assert np.sum(slope * step) == pytest.approx(float(ahead - behind) / 2, rel=1e-4)


def test_the_euclidean_one_is_its_formula(pairs):
    x, y = pairs
    of_x = kernel(x, x, 0.5) / (4 * np.pi * 0.5**2)
    of_y = kernel(y, y, 0.7) / (4 * np.pi * 0.7**2) ** 1.5
    crossed = (of_x.mean(1) * of_y.mean(1)).mean()
    expected = float((of_x * of_y).mean() + of_x.mean() * of_y.mean() - 2 * crossed)
    assert float(information(x, y, 0.5, 0.7, divergence="euclidean")) == pytest.approx(expected, rel=1e-5)
    table = np.array([[0.2, 0.1], [0.1, 0.6]])
    expected = np.sum((table - np.outer(table.sum(1), table.sum(0))) ** 2)
    assert float(information(table=table, divergence="euclidean")) == pytest.approx(expected)


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
    assert float(information(table=permutation)) == pytest.approx(np.log(10))
    assert float(information(table=permutation + 0.1 * rng.random((10, 10)))) < np.log(10)


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

    def within(x, y):
        return np.sum((kernel(x, x, sigma) * kernel(y, y, sigma)).sum(1) / kernel(x, x, sigma).sum(1) ** 2)

    def across(x, y, right_x, right_y):
        joint = (kernel(x, right_x, sigma) * kernel(y, right_y, sigma)).sum(1)
        return np.sum(joint / (kernel(x, x, sigma).sum(1) * kernel(x, right_x, sigma).sum(1)))

    ours = np.log(within(x_s, y_s)) + np.log(within(x_t, y_t))
    return float(ours - np.log(across(x_s, y_s, x_t, y_t)) - np.log(across(x_t, y_t, x_s, y_s)))


@pytest.mark.parametrize("sigma", [0.3, 1_000])
def test_the_conditional_divergence_is_the_published_estimator(pairs, rng, sigma):
    given = [*pairs, rng.normal(size=(40, 2)) + 0.3, 2 * rng.normal(size=(40, 3))]
    given = [points.astype(np.float32) for points in given]
    expected = reference_conditional(*given, sigma)
    assert float(conditional(*given, sigma, sigma)) == pytest.approx(expected, rel=1e-5)
    assert float(conditional(*pairs, *pairs, sigma, sigma)) == 0


@pytest.mark.parametrize("sigma", [0.01, 0.5, 1_000, "median"])
def test_the_generalized_divergence_of_two_is_half_of_csd_and_that_of_equals_0(pairs, sigma):
    x, y = pairs[0], 1 + 2 * pairs[1][:30, :2]
    half = float(cauchy_schwarz_divergence(x, y, sigma)) / 2
    assert float(generalized([x, y], sigma)) == pytest.approx(half, rel=1e-5)
    assert float(generalized([x, x, x, x], sigma)) == pytest.approx(0, abs=1e-14)


def test_the_generalized_divergence_of_three_is_the_published_estimator(pairs):
    samples, sigma = [pairs[0], pairs[1][:40, :2] + 0.5, 2 * pairs[1][:25, 1:]], 0.6
    densities = [[kernel(left, right, sigma).mean(1) for right in samples] for left in samples]
    within = np.mean([np.log(np.mean(rows[t] ** 2)) for t, rows in enumerate(densities)])
    across = [np.mean(np.prod(np.delete(rows, t, axis=0), axis=0)) for t, rows in enumerate(densities)]
    expected = float(within - np.log(np.mean(across)))
    assert float(generalized(samples, sigma)) == pytest.approx(expected, rel=1e-5)


X = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: information(X, X), ValueError, "give x, y, sigma_x and sigma_y, or a table alone"),
        (lambda: information(X, table=[[1]]), ValueError, "or a table alone"),
        (lambda: information(X, X[:2], 1, 1), ValueError, r"y must be of shape \[3, d\], .* got \(2, 2\)"),
        (lambda: information(X, X, 0, 1), ValueError, "sigma_x must be a number from"),
        (lambda: information(table=[1, 2]), ValueError, r"table must be of shape \[n, d\]"),
        (lambda: information(table=[[1, -2]]), ValueError, "table must hold finite numbers of at least 0"),
        (lambda: information(table=[[0, 0]]), ValueError, "not only zeros"),
        (lambda: information(table=[["a"]]), TypeError, "table must be an array of numbers"),
        (lambda: information(table=[[1]], divergence="l2"), ValueError, "divergence must be one of"),
        (lambda: generalized([X], 1), ValueError, "samples must be a list of two or more arrays"),
        (lambda: generalized(X, 1), ValueError, "samples must be a list of two or more arrays"),
        (lambda: generalized([X, X[:, :1]], 1), ValueError, r"samples\[1\]"),
        (lambda: generalized([X, X], "mean"), ValueError, "'silverman' or 'median'"),
        (lambda: conditional(X, X[:2], X, X, 1, 1), ValueError, r"y_s must be of shape \[3, d\]"),
        (lambda: conditional(X, X, X, X[:, :1], 1, 1), ValueError, r"y_t must be of shape \[n, 2\]"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
