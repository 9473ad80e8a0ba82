"""Weights of points, kernel sizes that follow the points, and every way to differentiate."""

import functools

import numpy as np
import pytest

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


def test_the_closed_form_has_its_slope_in_weights_even_at_0(weighted, offset=300):
    x, _, a, _ = weighted

    def csd(weights):
        points = tf.constant(x + offset, tf.float64)
        return divergence.divergence_from_gaussians(points, np.zeros((1, 3)), 1.0, 1.0, x_weights=weights)

    weights = tf.constant(a, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        value = csd(weights)
    slope = tape.gradient(value, weights).numpy()
    assert np.isfinite(slope).all()
    counts_nothing = int(np.argmin(a))
    moved = csd(a + 1e-5 * np.eye(60)[counts_nothing])
    assert slope[counts_nothing] == pytest.approx((float(moved) - float(value)) / 1e-5, rel=1e-3)


def naive(x, y, a, b, sigma):
    """The weighted CSD in double precision, differentiated by TensorFlow."""
    a, b = a / tf.reduce_sum(a), b / tf.reduce_sum(b)

    def log_mean(u, v, p, q):
        squares = tf.reduce_sum(tf.square(u[:, None] - v[None]), axis=-1)
        return tf.math.log1p(tf.reduce_sum(p[:, None] * q[None] * tf.math.expm1(-squares / (4 * sigma**2))))

    return log_mean(x, x, a, a) + log_mean(y, y, b, b) - 2 * log_mean(x, y, a, b)


@pytest.mark.parametrize("sigma", [0.5, 10_000])
def test_slopes_in_the_points_and_in_the_weights_are_right(weighted, sigma):
    x, y, a, b = (tf.constant(values, tf.float64) for values in weighted)
    given = (x, y, a + 0.5, b + 0.5)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        value = divergence.cauchy_schwarz_divergence(x, y, sigma, x_weights=given[2], y_weights=given[3])
        expected = naive(*given, sigma)
    for slope, right in zip(tape.gradient(value, given), tape.gradient(expected, given), strict=True):
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
    weights = tf.constant([1.0] * 50 + [weight], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        value = divergence.cauchy_schwarz_divergence(off, y, sigma, x_weights=weights)
    assert float(value) == pytest.approx(float(divergence.cauchy_schwarz_divergence(x, y, sigma)), rel=1e-5)
    step = 1e-7
    moved = divergence.cauchy_schwarz_divergence(off, y, sigma, x_weights=[1.0] * 50 + [weight + step])
    slope = float(tape.gradient(value, weights)[-1])
    difference = (float(moved) - float(value)) / step
    assert slope == pytest.approx(difference, rel=0.05, abs=1e-3 * abs(slope) + 1e-4)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 1], ValueError, r"x_weights must hold a number for each point, shape \[3\]; got shape \(2,\)"),
        ([[1, 1, 1]], ValueError, "x_weights must hold a number for each point"),
        ([1, -1, 1], ValueError, "x_weights must hold finite numbers of at least 0"),
        ([1, np.nan, 1], ValueError, "x_weights must hold finite numbers"),
        ([0, 0, 0], ValueError, "x_weights .* not only zeros"),
        (["a"] * 3, TypeError, "x_weights must be an array of numbers; got dtype string"),
        (object(), TypeError, "x_weights must be an array of numbers; got object"),
    ],
)
def test_bad_weights_are_named(weights, error, message):
    x = np.zeros((3, 2), np.float32)
    with pytest.raises(error, match=message):
        divergence.information_potential(x, x, 1.0, x_weights=weights)


@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0, -1.0, 1.0]])
def test_the_entropy_names_its_weights(weights):
    with pytest.raises(ValueError, match=r"^weights must hold"):
        divergence.renyi_entropy(np.zeros((3, 2)), 1.0, weights=weights)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.0]])
def test_bad_weights_that_only_a_graph_sees_make_nan(rng, weights):
    x, unknown = rng.normal(size=(3, 2)), [tf.TensorSpec([None])]
    of_points = tf.function(
        lambda w: divergence.cauchy_schwarz_divergence(x, x + 1, 1.0, x_weights=w), input_signature=unknown
    )
    of_gaussians = tf.function(
        lambda w: divergence.divergence_from_gaussians(x, x, 1.0, 1.0, weights=w), input_signature=unknown
    )
    assert np.isnan(of_points(weights)) and np.isnan(of_gaussians(weights))
    assert np.isfinite(of_points([1.0, 2.0, 0.0])) and np.isfinite(of_gaussians([1.0, 2.0, 0.0]))


@pytest.mark.parametrize("rule", [divergence.silverman_kernel_size, divergence.median_kernel_size])
def test_a_rule_is_taken_of_all_points_together_and_lets_no_slope_through(weighted, rule):
    x, y, *_ = (tf.constant(values) for values in weighted)

    def value_and_slope(sigma):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = divergence.cauchy_schwarz_divergence(x, y, sigma)
        return value, tape.gradient(value, x)

    fixed = value_and_slope(float(rule(tf.concat([x, y], axis=0))))
    by_name = functools.partial(value_and_slope, rule.__name__.partition("_")[0])
    compiled = tf.function(by_name, jit_compile=rule is divergence.median_kernel_size)
    for results in (
        compiled(),
        value_and_slope(lambda points: rule(points) + 0),
    ):
        for result, expected in zip(results, fixed, strict=True):
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
        (lambda points: None, "has no kernel size for x and y"),
    ],
)
def test_a_bad_rule_is_named(weighted, sigma, message):
    with pytest.raises(ValueError, match=message):
        divergence.cauchy_schwarz_divergence(*weighted[:2], sigma)


def test_the_message_of_a_rule_says_whose_points_are_equal(rng):
    x, y = rng.normal(size=(30, 2)), np.ones((30, 2))
    with pytest.raises(ValueError, match=r"sigma_y='silverman' has no kernel size for y: .* are equal"):
        divergence.quadratic_mutual_information(x, y, 1.0, "silverman")
    x[:25] = 0
    with pytest.raises(ValueError, match="too many of the 30 are equal"):
        divergence.median_kernel_size(x)


def test_the_euclidean_divergence_of_equal_samples_is_0_where_the_kernels_peak_overflows():
    points = np.random.default_rng(0).normal(size=(5, 784))
    assert float(divergence.euclidean_divergence(points, points, 0.01)) == 0


COSTS = {
    "csd": lambda x, y, a, b, **blocks: divergence.cauchy_schwarz_divergence(
        x, y, 1.0, x_weights=a, y_weights=b, **blocks
    ),
    "closed form": lambda x, y, a, b, **blocks: divergence.divergence_from_gaussians(
        x, y, 0.5, 1.0, x_weights=a, **blocks
    ),
    # All that is made of rows of pairs.
    "information": lambda x, y, a, b, **blocks: (
        divergence.quadratic_mutual_information(x, y, 1.0, 1.0, **blocks)
        + divergence.conditional_cauchy_schwarz_divergence(x, y, y, x, 1.0, 1.0, **blocks)
        + divergence.generalized_cauchy_schwarz_divergence([x, y, x + y], 1.0, **blocks)
    ),
}


@pytest.mark.parametrize(
    ("cost", "has_weights"), [*((cost, cost == "closed form") for cost in COSTS), ("csd", True)]
)
def test_a_tape_works_inside_and_outside_of_graphs_with_blocks_and_weights(cost, has_weights, rng):
    given = [tf.constant(values, tf.float32) for values in rng.normal(size=(2, 9, 2))]
    given += [tf.constant(values) for values in rng.uniform(0.5, 2, size=(2, 9))] if has_weights else []

    def value(*given, block_size=None):
        return COSTS[cost](*given, *([] if has_weights else [None, None]), block_size=block_size)

    def slopes(function, *given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            result = function(*given)
        return [result, *(slope for slope in tape.gradient(result, given) if slope is not None)]

    expected = slopes(value, *given)
    blocks = functools.partial(value, block_size=4)
    inside = tf.function(functools.partial(slopes, blocks), autograph=False)
    outside = functools.partial(slopes, tf.function(blocks, jit_compile=True, autograph=False))
    for way in (functools.partial(slopes, blocks), inside, outside):
        for result, right in zip(way(*given), expected, strict=True):
            np.testing.assert_allclose(result, right, rtol=1e-4, atol=1e-5 * np.abs(right).max())
