"""Weights of points, kernel sizes that follow the points, and every way to differentiate."""

import functools

import numpy as np
import pytest

from kmnist_itl._tensorflow import tf
from kmnist_itl.divergence import (
    cauchy_schwarz_divergence,
    conditional_cauchy_schwarz_divergence,
    divergence_from_gaussians,
    euclidean_divergence,
    generalized_cauchy_schwarz_divergence,
    information_potential,
    log_information_potential,
    median_kernel_size,
    parzen_density,
    quadratic_mutual_information,
    renyi_cross_entropy,
    renyi_entropy,
    silverman_kernel_size,
)

SIGMAS = (0.01, 0.5, 10, 10_000)


@pytest.fixture
def weighted(rng):
    """Two samples in single precision, and whole numbers that say how often each point counts."""
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = (2 * rng.normal(size=(50, 3)) + 1).astype(np.float32)
    return x, y, rng.integers(0, 4, 60), rng.integers(0, 4, 50)


@pytest.mark.parametrize("block_size", [None, 7])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_weight_counts_as_so_many_equal_points(weighted, sigma, block_size):
    x, y, a, b = weighted
    both = {"x_weights": a, "y_weights": 0.25 * b, "block_size": block_size}
    many_x, many_y = np.repeat(x, a, axis=0), np.repeat(y, b, axis=0)
    for function in (
        log_information_potential,
        information_potential,
        renyi_cross_entropy,
        cauchy_schwarz_divergence,
        euclidean_divergence,
    ):
        expected = float(function(many_x, many_y, sigma))
        assert float(function(x, y, sigma, **both)) == pytest.approx(expected, rel=2e-6), function.__name__
    assert float(renyi_entropy(x, sigma, weights=a, block_size=block_size)) == pytest.approx(
        float(renyi_entropy(many_x, sigma)), rel=2e-6
    )


@pytest.mark.parametrize("offset", [0, 300])
def test_the_closed_form_has_its_slope_in_weights_even_at_0(weighted, offset):
    x, _, a, _ = weighted

    def divergence(weights):
        points = tf.constant(x + offset, tf.float64)
        return divergence_from_gaussians(points, np.zeros((1, 3)), 1.0, 1.0, x_weights=weights)

    weights = tf.constant(a, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = divergence(weights)
    slope = tape.gradient(found, weights).numpy()
    assert np.isfinite(slope).all()
    counts_nothing = int(np.argmin(a))
    moved = divergence(a + 1e-5 * np.eye(60)[counts_nothing])
    assert slope[counts_nothing] == pytest.approx((float(moved) - float(found)) / 1e-5, rel=1e-3)


def naive(x, y, a, b, sigma):
    """The weighted CSD in double precision, differentiated by TensorFlow."""
    a, b = a / tf.reduce_sum(a), b / tf.reduce_sum(b)

    def log_mean(u, v, p, q):
        squares = tf.reduce_sum(tf.square(u[:, None] - v[None]), axis=-1)
        return tf.math.log1p(tf.reduce_sum(p[:, None] * q[None] * tf.math.expm1(-squares / (4 * sigma**2))))

    return log_mean(x, x, a, a) + log_mean(y, y, b, b) - 2 * log_mean(x, y, a, b)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("sigma", [0.5, 10, 10_000])
def test_slopes_in_the_points_and_in_the_weights_are_right(weighted, sigma, jit):
    x, y, a, b = (tf.constant(each, tf.float64) for each in weighted)
    a, b = a + 0.5, b + 0.5

    @tf.function(jit_compile=jit)
    def slopes(*given):
        value = cauchy_schwarz_divergence(*given[:2], sigma, x_weights=given[2], y_weights=given[3])
        return tf.gradients(value, given)

    @tf.function
    def expected(*given):
        return tf.gradients(naive(*given, sigma), given)

    for found, right in zip(slopes(x, y, a, b), expected(x, y, a, b), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-6 * np.abs(right).max())


def test_points_of_weight_0_that_lie_near_do_not_hide_those_that_lie_far(rng):
    near, far = np.zeros((20, 2)), np.full((5, 2), 1_000.0)
    y = np.zeros((7, 2))
    found = log_information_potential(np.concatenate([near, far]), y, 1.0, x_weights=[0] * 20 + [1] * 5)
    assert float(found) == pytest.approx(float(log_information_potential(far, y, 1.0)), rel=1e-12)
    found = log_information_potential(y, np.concatenate([near, far]), 1.0, y_weights=[0] * 20 + [1] * 5)
    assert float(found) == pytest.approx(float(log_information_potential(y, far, 1.0)), rel=1e-12)


@pytest.mark.parametrize("weight", [0, 1e-12])
@pytest.mark.parametrize("sigma", [1, 100, 1_000, 10_000])
def test_a_point_that_hardly_counts_may_lie_anywhere(rng, sigma, weight):
    x, y = rng.normal(size=(2, 50, 3)).astype(np.float32)
    off = np.concatenate([x, [[1e5, 0, 0]]]).astype(np.float32)
    weights = tf.constant([1.0] * 50 + [weight], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = cauchy_schwarz_divergence(off, y, sigma, x_weights=weights)
    # What a weight of 1e-12 of that point moves is below 1e-5 of the rest only where the kernel is narrow.
    if weight == 0 or sigma <= 100:
        assert float(found) == pytest.approx(float(cauchy_schwarz_divergence(x, y, sigma)), rel=1e-5)
    step = 1e-7
    moved = cauchy_schwarz_divergence(off, y, sigma, x_weights=[1.0] * 50 + [weight + step])
    slope = float(tape.gradient(found, weights)[-1])
    assert slope == pytest.approx(
        (float(moved) - float(found)) / step, rel=0.05, abs=1e-3 * abs(slope) + 1e-4
    )


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 1], ValueError, r"x_weights must hold a number for each point, shape \[3\]; got shape \(2,\)"),
        ([[1, 1, 1]], ValueError, "x_weights must hold a number for each point"),
        ([1, -1, 1], ValueError, "x_weights must be finite and at least 0; the least is -1"),
        ([1, np.nan, 1], ValueError, "x_weights must be finite"),
        ([0, 0, 0], ValueError, "x_weights must not all be 0"),
        (["a"] * 3, TypeError, "x_weights must be an array of numbers; got dtype string"),
        (object(), TypeError, "x_weights must be an array of numbers; got object"),
    ],
)
def test_bad_weights_are_named(weights, error, message):
    x = np.zeros((3, 2), np.float32)
    with pytest.raises(error, match=message):
        information_potential(x, x, 1.0, x_weights=weights)


@pytest.mark.parametrize("rule", [silverman_kernel_size, median_kernel_size])
def test_a_rule_is_taken_of_all_points_together_and_lets_no_slope_through(weighted, rule):
    x, y, *_ = (tf.constant(each) for each in weighted)
    size = float(rule(tf.concat([x, y], axis=0)))
    name = rule.__name__.partition("_")[0]

    def value_and_slope(sigma, jit):
        @tf.function(jit_compile=jit)
        def both(x):
            value = cauchy_schwarz_divergence(x, y, sigma)
            return value, tf.gradients(value, x)[0]

        return both(x)

    fixed = value_and_slope(size, jit=False)
    for sigma, jit in (
        (name, False),
        (name, True),
        (rule, False),
        (lambda points: 2 * rule(points) / 2, False),
    ):
        for result, expected in zip(value_and_slope(sigma, jit), fixed, strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (
            "mean",
            "sigma, the kernel size, must be a number, 'silverman' or 'median', or a function; got 'mean'",
        ),
        (lambda points: points, "sigma, a function, must return one number; it returned float64"),
        (lambda points: 0.0, "sigma, the kernel size, must be a number from 1e-30"),
    ],
)
def test_a_bad_rule_is_named(weighted, sigma, message):
    with pytest.raises(ValueError, match=message):
        cauchy_schwarz_divergence(*weighted[:2], sigma)


def test_the_euclidean_divergence_of_equal_samples_is_0_where_the_kernels_peak_overflows():
    points = np.random.default_rng(0).normal(size=(5, 784))
    assert float(euclidean_divergence(points, points, 0.01)) == 0


def test_a_density_may_have_a_rule(rng):
    x = rng.normal(size=(200, 2))
    size = float(silverman_kernel_size(x))
    np.testing.assert_allclose(
        parzen_density(x[:5], x, "silverman"), parzen_density(x[:5], x, size), rtol=1e-6
    )


def test_the_message_of_a_rule_says_whose_points_are_equal(rng):
    x, y = rng.normal(size=(30, 2)), np.ones((30, 2))
    with pytest.raises(ValueError, match=r"sigma_y='silverman' has no kernel size for y: .* all are equal"):
        quadratic_mutual_information(x, y, 1.0, "silverman")
    x[:25] = 0
    with pytest.raises(ValueError, match="half of the pairs or more are equal"):
        median_kernel_size(x)


COSTS = {
    "information potential": lambda x, y, a, b, **options: information_potential(
        x, y, 1.0, x_weights=a, y_weights=b, **options
    ),
    "entropy": lambda x, y, a, b, **options: renyi_entropy(x, 1.0, weights=a, **options),
    "csd": lambda x, y, a, b, **options: cauchy_schwarz_divergence(
        x, y, 1.0, x_weights=a, y_weights=b, **options
    ),
    "euclidean": lambda x, y, a, b, **options: euclidean_divergence(
        x, y, 1.0, x_weights=a, y_weights=b, **options
    ),
    "closed form": lambda x, y, a, b, **options: divergence_from_gaussians(
        x, y, 0.5, 1.0, x_weights=a, **options
    ),
    "information": lambda x, y, a, b, **options: quadratic_mutual_information(x, y, 1.0, 1.0, **options),
    "conditional": lambda x, y, a, b, **options: conditional_cauchy_schwarz_divergence(
        x, y, y, x, 1.0, 1.0, **options
    ),
    "generalized": lambda x, y, a, b, **options: generalized_cauchy_schwarz_divergence(
        [x, y, x + y], 1.0, **options
    ),
}
WEIGHTED = ("information potential", "entropy", "csd", "euclidean", "closed form")
KINDS = [(name, False) for name in COSTS] + [(name, True) for name in WEIGHTED]


# Float64 and weights take one way through the pairs, float32 without weights another.
@pytest.mark.parametrize(
    ("name", "has_weights", "dtype"), [*((*kind, tf.float32) for kind in KINDS), ("csd", False, tf.float64)]
)
def test_a_tape_works_inside_and_outside_of_graphs_with_blocks_and_weights(name, has_weights, dtype, rng):
    points = [tf.constant(values, dtype) for values in rng.normal(size=(2, 9, 2))]
    weights = [tf.constant(values) for values in rng.uniform(0.5, 2, size=(2, 9))] if has_weights else []

    def cost(*given, block_size=None):
        return COSTS[name](*given, *([] if has_weights else [None, None]), block_size=block_size)

    def slopes(function, *given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            value = function(*given)
        return [value, *(slope for slope in tape.gradient(value, given) if slope is not None)]

    expected = slopes(cost, *points, *weights)
    assert len(expected) > 1
    for block_size in (None, 4):
        blocks = functools.partial(cost, block_size=block_size)
        graph, xla = tf.function(blocks), tf.function(blocks, jit_compile=True)
        inside = tf.function(functools.partial(slopes, blocks), jit_compile=True)
        for way in (functools.partial(slopes, blocks), functools.partial(slopes, graph)):
            _assert_close(way(*points, *weights), expected)
        _assert_close(slopes(xla, *points, *weights), expected)
        _assert_close(inside(*points, *weights), expected)


def _assert_close(results, expected):
    for result, right in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, right, rtol=1e-4, atol=1e-5 * np.abs(right).max())
