"""Weights of points, kernel sizes that follow the points, and every way to differentiate."""

import functools

import numpy as np
import pytest
from exact import exact, value_and_slopes

from kmnist_itl import divergence
from kmnist_itl._tensorflow import tf


@pytest.fixture
def weighted(rng):
    """Two samples in single precision, and whole numbers that say how often each point counts."""
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = (2 * rng.normal(size=(50, 3)) + 1).astype(np.float32)
    return x, y, rng.integers(0, 4, 60), rng.integers(0, 4, 50)


@pytest.mark.parametrize("sigma", [0.01, 0.5, 10_000])
def test_a_weight_counts_as_so_many_equal_points(weighted, sigma):
    x, y, a, b = weighted
    weights = {"x_weights": a, "y_weights": 0.25 * b}
    many_x, many_y = np.repeat(x, a, axis=0), np.repeat(y, b, axis=0)
    for function in (
        divergence.information_potential,
        divergence.renyi_cross_entropy,
        divergence.cauchy_schwarz_divergence,
        divergence.euclidean_divergence,
    ):
        result = float(function(x, y, sigma, **weights))
        assert result == pytest.approx(float(function(many_x, many_y, sigma)), rel=2e-6), function.__name__
    entropy = float(divergence.renyi_entropy(x, sigma, weights=a))
    assert entropy == pytest.approx(float(divergence.renyi_entropy(many_x, sigma)), rel=2e-6)


def weighted_csd(x, y, a, b, sigma):
    return divergence.cauchy_schwarz_divergence(x, y, sigma, x_weights=a, y_weights=b)


@pytest.mark.parametrize("sigma", [0.5, 10_000])
def test_slopes_in_the_points_and_in_the_weights_are_right(weighted, sigma):
    """Also where a weight is 0."""
    x, y, a, b = (values.astype(float) for values in weighted)
    _, *results = value_and_slopes(functools.partial(weighted_csd, sigma=sigma), x, y, a, b)
    _, *expected = exact(x, y, sigma, a, b)
    for slope, right in zip(results, expected, strict=True):
        np.testing.assert_allclose(slope, right, rtol=1e-4, atol=1e-6 * np.abs(right).max())


def test_points_of_weight_0_that_lie_near_do_not_hide_those_that_lie_far():
    far, y, log_v = np.full((5, 2), 1_000.0), np.zeros((7, 2)), divergence.log_information_potential
    x, weights = np.concatenate([np.zeros((20, 2)), far]), [0] * 20 + [1] * 5
    right = pytest.approx(float(log_v(far, y, 1.0)), rel=1e-12)
    assert float(log_v(x, y, 1.0, x_weights=weights)) == float(log_v(y, x, 1.0, y_weights=weights)) == right


@pytest.mark.parametrize(("sigma", "weight"), [(1, 0), (100, 1e-12)])
def test_a_point_that_hardly_counts_may_lie_anywhere(rng, sigma, weight):
    x, y = rng.normal(size=(2, 50, 3)).astype(np.float32)
    off = np.concatenate([x, [[1e5, 0, 0]]]).astype(np.float32)

    def csd(weights):
        return divergence.cauchy_schwarz_divergence(off, y, sigma, x_weights=weights)

    value, slopes = value_and_slopes(csd, np.array([1.0] * 50 + [weight]))
    assert float(value) == pytest.approx(float(divergence.cauchy_schwarz_divergence(x, y, sigma)), rel=1e-5)
    step, slope = 1e-7, float(slopes[-1])
    difference = float(csd([1.0] * 50 + [weight + step]) - value) / step
    assert slope == pytest.approx(difference, rel=0.05, abs=1e-3 * abs(slope) + 1e-4)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 1], ValueError, r"x_weights must be of shape \[3\], not empty; got \(2,\)"),
        ([[1, 1, 1]], ValueError, r"x_weights must be of shape \[3\]"),
        ([1, -1, 1], ValueError, "x_weights must hold finite numbers of at least 0"),
        ([1, np.nan, 1], ValueError, "x_weights must hold finite numbers"),
        ([0, 0, 0], ValueError, "x_weights .* not only zeros"),
        (["a"] * 3, TypeError, "x_weights must be an array of numbers; got dtype string"),
        (object(), TypeError, "x_weights must be an array of numbers; got object"),
    ],
)
def test_bad_weights_are_named(weights, error, message):
    x = np.zeros((3, 2), np.float32)
    for call in (
        lambda: divergence.information_potential(x, x + 1, 1.0, x_weights=weights),
        lambda: divergence.renyi_entropy(x, 1.0, weights=weights),
    ):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.0]])
def test_bad_weights_that_only_a_graph_sees_make_nan(rng, weights):
    x, unknown = rng.normal(size=(3, 2)), [tf.TensorSpec([None])]
    for function in (
        lambda weights: divergence.cauchy_schwarz_divergence(x, x + 1, 1.0, x_weights=weights),
        lambda weights: divergence.divergence_from_gaussians(x, x, 1.0, 1.0, weights=weights),
    ):
        graph = tf.function(function, input_signature=unknown)
        assert np.isnan(graph(weights)) and np.isfinite(graph([1.0, 2.0, 0.0]))


@pytest.mark.parametrize("rule", [divergence.silverman_kernel_size, divergence.median_kernel_size])
def test_a_rule_is_taken_of_all_points_together_and_lets_no_slope_through(weighted, rule):
    x, y, *_ = (tf.constant(values) for values in weighted)

    def csd_and_slopes(sigma):
        return value_and_slopes(functools.partial(divergence.cauchy_schwarz_divergence, sigma=sigma), x, y)

    fixed = csd_and_slopes(float(rule(tf.concat([x, y], axis=0))))
    by_name = functools.partial(csd_and_slopes, rule.__name__.partition("_")[0])
    compiled = tf.function(by_name, jit_compile=rule is divergence.median_kernel_size)
    for results in (compiled(), csd_and_slopes(lambda points: rule(points) + 0)):
        for result, expected in zip(results, fixed, strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        ("mean", "sigma must be a number, 'silverman' or 'median', or a function; got 'mean'"),
        (lambda points: points, r"for x and y: what a rule returns must be of shape \[\], .* got \(110, 3\)"),
        (lambda points: 0.0, "sigma must be a number from 1e-30"),
        (lambda points: None, "has no kernel size for x and y"),
    ],
)
def test_a_bad_rule_is_named(weighted, sigma, message):
    with pytest.raises(ValueError, match=message):
        divergence.cauchy_schwarz_divergence(*weighted[:2], sigma)


def test_the_message_of_a_rule_says_whose_points_are_equal():
    x = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(ValueError, match=r"sigma_y='silverman' has no kernel size for y: .* are equal"):
        divergence.quadratic_mutual_information(x, np.ones((30, 2)), 1.0, "silverman")
    x[:25] = 0
    for rule in (divergence.silverman_kernel_size, divergence.median_kernel_size):
        with pytest.raises(ValueError, match="must differ for a rule: it needs two at least"):
            rule(x[:1])
        with pytest.raises(ValueError, match="must differ for a rule: too many of the 5 are equal"):
            rule(x[:5])
    with pytest.raises(ValueError, match="too many of the 30 are equal"):
        divergence.median_kernel_size(x)


def test_the_euclidean_divergence_of_equal_samples_is_0_where_the_kernels_peak_overflows():
    points = np.random.default_rng(0).normal(size=(5, 784))
    assert float(divergence.euclidean_divergence(points, points, 0.01)) == 0


def closed_form(x, y, a=None, b=None, block_size=None):
    return divergence.divergence_from_gaussians(x, y, 0.5, 1.0, x_weights=a, block_size=block_size)


def csd(x, y, a=None, b=None, block_size=None):
    weights = {"x_weights": a, "y_weights": b}
    return divergence.cauchy_schwarz_divergence(x, y, 1.0, **weights, block_size=block_size)


def all_of_rows(x, y, **blocks):
    """The sum of what is made of rows of pairs."""
    return (
        divergence.quadratic_mutual_information(x, y, 1.0, 1.0, **blocks)
        + divergence.conditional_cauchy_schwarz_divergence(x, y, y, x, 1.0, 1.0, **blocks)
        + divergence.generalized_cauchy_schwarz_divergence([x, y, x + y], 1.0, **blocks)
    )


@pytest.mark.parametrize(("cost", "count"), [(csd, 2), (csd, 4), (closed_form, 3), (all_of_rows, 2)])
def test_a_tape_works_inside_and_outside_of_graphs_with_blocks_and_weights(cost, count, rng):
    """The cost is of two samples and, beyond two arguments, of their weights."""
    given = [tf.constant(values, tf.float32) for values in rng.normal(size=(2, 9, 2))]
    given = [*given, *map(tf.constant, rng.uniform(0.5, 2, size=(2, 9)))][:count]
    expected = value_and_slopes(cost, *given)
    blocks = functools.partial(cost, block_size=4)
    eager = functools.partial(value_and_slopes, blocks)
    outside = functools.partial(value_and_slopes, tf.function(blocks, jit_compile=True, autograph=False))
    for way in (eager, tf.function(eager, autograph=False), outside):
        for result, right in zip(way(*given), expected, strict=True):
            np.testing.assert_allclose(result, right, rtol=1e-4, atol=1e-5 * np.abs(right).max())
