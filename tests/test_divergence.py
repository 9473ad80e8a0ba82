import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist, pdist
from scipy.special import logsumexp
from scipy.stats import gaussian_kde

from kmnist_itl import divergence, priors
from kmnist_itl._tensorflow import tf
from kmnist_itl.divergence import (
    cauchy_schwarz_divergence,
    divergence_from_gaussians,
    information_potential,
    log_information_potential,
    median_kernel_size,
    parzen_density,
    renyi_cross_entropy,
    renyi_entropy,
    silverman_kernel_size,
)


def log_mean_exp(x, y, sigma):
    """log V(X, Y) without the kernel's peak, in float64, from SciPy, and with expm1 where it is wide."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    exponents = -cdist(x, y, "sqeuclidean") / (4 * sigma**2)
    if exponents.min() > -1e-2:
        return np.log1p(np.mean(np.expm1(exponents)))
    return logsumexp(exponents) - np.log(exponents.size)


def reference(x, y, sigma):
    return log_mean_exp(x, y, sigma) - x.shape[1] / 2 * np.log(4 * np.pi * sigma**2)


def reference_csd(x, y, sigma):
    return log_mean_exp(x, x, sigma) + log_mean_exp(y, y, sigma) - 2 * log_mean_exp(x, y, sigma)


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("apart", ["same density", "wider", "shifted", "1,000 apart"])
@pytest.mark.parametrize(("n", "dim"), [(2, 3), (300, 1), (300, 3), (300, 50)])
def test_single_precision_agrees_with_float64(n, dim, apart, offset):
    rng = np.random.default_rng(n + dim)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(n * 2 // 3 + 1, dim))
    scale, shift = {"wider": (2, 1), "shifted": (1, 1), "1,000 apart": (1, 1_000 / dim**0.5)}.get(
        apart, (1, 0)
    )
    x, y = (x + offset).astype(np.float32), (scale * y + shift + offset).astype(np.float32)
    for sigma in (0.01, 0.1, 1, 2, 5, 10, 100, 1_000, 10_000):
        found = float(cauchy_schwarz_divergence(x, y, sigma))
        assert found == pytest.approx(reference_csd(x, y, sigma), rel=1e-5), sigma
        assert found > 0
        log_v = float(log_information_potential(x, y, sigma))
        assert log_v == pytest.approx(reference(x, y, sigma), rel=1e-6, abs=1e-6)


def test_single_precision_agrees_with_float64_in_large_samples(rng):
    """The divergence of two samples of one density falls with their size, and the rounding must fall, too."""
    x, y = rng.normal(size=(2, 4_000, 3)).astype(np.float32)
    for sigma in (1, 4):
        found = float(cauchy_schwarz_divergence(x, y, sigma))
        assert found == pytest.approx(reference_csd(x, y, sigma), rel=1e-5), sigma


def test_the_potentials_are_densities_and_the_entropies_their_logs(rng):
    x, y = rng.normal(size=(40, 1)), rng.normal(size=(50, 1))
    # One point against itself: the kernel's peak, a normal density of variance 2 sigma^2 at 0.
    peak = float(information_potential([[0.0]], [[0.0]], 0.5))
    assert peak == pytest.approx(1 / np.sqrt(2 * np.pi * 2 * 0.5**2), rel=1e-6)
    assert float(renyi_entropy(x, 0.7)) == pytest.approx(-reference(x, x, 0.7))
    assert float(renyi_cross_entropy(x, y, 0.7)) == pytest.approx(-reference(x, y, 0.7))


def test_gaussian_samples_come_near_the_closed_form():
    """Parzen windows of N(a, s^2) and N(b, s^2) estimate N(., s^2 + sigma^2), whose CSD is known."""
    rng = np.random.default_rng(1)
    spread, shift, sigma = 1.0, 2.0, 0.5
    x, y = rng.normal(0, spread, (4_000, 1)), rng.normal(shift, spread, (4_000, 1))
    expected = shift**2 / (2 * (spread**2 + sigma**2))
    assert float(cauchy_schwarz_divergence(x, y, sigma)) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("sigma", [0.1, 1, 1_000])
def test_properties(rng, sigma):
    x, y = rng.normal(size=(60, 3)), 1.5 * rng.normal(size=(80, 3)) + 0.5
    csd = float(cauchy_schwarz_divergence(x, y, sigma))
    assert csd >= 0
    for sample in (x, x.astype(np.float32), rng.normal(size=(1_000, 3)).astype(np.float32)):
        assert float(cauchy_schwarz_divergence(sample, sample.copy(), sigma)) == 0
    for same in (
        cauchy_schwarz_divergence(y, x, sigma),
        cauchy_schwarz_divergence(x + 7, y + 7, sigma),
        cauchy_schwarz_divergence(x[::-1].copy(), y, sigma),
        cauchy_schwarz_divergence(3 * x, 3 * y, 3 * sigma),
    ):
        assert float(same) == pytest.approx(csd, rel=1e-9)


def test_gradients_agree_with_finite_differences_in_a_compiled_function(rng):
    for sigma in (0.3, 1.0, 100.0):
        x, y = tf.constant(rng.normal(size=(6, 2))), tf.constant(rng.normal(size=(5, 2)) + 1)

        @tf.function(jit_compile=True)
        def value_and_gradients(x, y, sigma=sigma):
            with tf.GradientTape() as tape:
                tape.watch((x, y))
                value = cauchy_schwarz_divergence(x, y, sigma)
            return value, tape.gradient(value, (x, y))

        value, gradients = value_and_gradients(x, y)
        assert float(value) == pytest.approx(reference_csd(x, y, sigma), rel=1e-7)
        for number, gradient in enumerate(gradients):
            points = [x.numpy(), y.numpy()]
            step = np.zeros_like(points[number])
            step[2, 1] = 1e-5
            moved = [[*points[:number], points[number] + s, *points[number + 1 :]] for s in (step, -step)]
            slope = (reference_csd(*moved[0], sigma) - reference_csd(*moved[1], sigma)) / 2e-5
            assert float(gradient[2, 1]) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("shift", [0, 1, 1_000])
@pytest.mark.parametrize(("n", "dim"), [(2, 3), (200, 1), (200, 3), (100, 50)])
def test_gradients_in_single_precision_agree_with_finite_differences_in_float64(n, dim, shift, offset):
    rng = np.random.default_rng(n + dim)
    x = (rng.normal(size=(n, dim)) + offset).astype(np.float32)
    y = (1.5 * rng.normal(size=(n + 1, dim)) + shift / dim**0.5 + offset).astype(np.float32)
    for sigma in (0.01, 0.1, 1, 5, 100, 1_000, 10_000):
        x_, y_ = tf.constant(x), tf.constant(y)
        with tf.GradientTape() as tape:
            tape.watch((x_, y_))
            value = cauchy_schwarz_divergence(x_, y_, sigma)
        slope_x, slope_y = (gradient.numpy().astype(float) for gradient in tape.gradient(value, (x_, y_)))
        assert np.isfinite(slope_x).all() and np.isfinite(slope_y).all()
        # Along the gradient itself, so that the difference is as large as it can be.
        step = 3e-3 * min(sigma, 1)
        for gradient, moved in ((slope_x, lambda d: (x + d, y)), (slope_y, lambda d: (x, y + d))):
            length = np.linalg.norm(gradient)
            ahead, behind = (reference_csd(*moved(s * step * gradient / length), sigma) for s in (1, -1))
            assert length == pytest.approx((ahead - behind) / (2 * step), rel=1e-3), sigma


def test_gradients_hold_at_the_extremes():
    """Far apart under a narrow kernel, and under one so wide that float32 knows no difference from 1."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, 3)).astype(np.float32)
    for y, sigma in ((x + 1_000, 0.01), (x + 1, 10_000.0), (x + np.float32(0.5), 1.0)):
        x_, y_ = tf.constant(x), tf.constant(y.astype(np.float32))
        with tf.GradientTape() as tape:
            tape.watch((x_, y_))
            value = cauchy_schwarz_divergence(x_, y_, sigma)
        slope_x, slope_y = tape.gradient(value, (x_, y_))
        assert np.isfinite(slope_x).all() and np.isfinite(slope_y).all()
        assert np.sum(slope_x, axis=0).max() < 0 < np.sum(slope_y, axis=0).min()  # they are pulled together
        np.testing.assert_allclose(np.sum(slope_x, axis=0), -np.sum(slope_y, axis=0), rtol=1e-4)


def exact_slopes(x, y, sigma):
    """The CSD's slopes in x and in y, from weighted differences in extended precision."""
    x, y = (points.astype(np.longdouble) for points in (x, y))

    def slope(a, b):
        exponents = np.stack([-np.sum((b - point) ** 2, axis=1) / (4 * sigma**2) for point in a])
        weights = np.exp(exponents - exponents.max())
        sums = np.stack([row @ (b - point) for row, point in zip(weights, a, strict=True)])
        return sums / (2 * sigma**2 * weights.sum())

    return 2 * slope(x, x) - 2 * slope(x, y), 2 * slope(y, y) - 2 * slope(y, x)


def slope_errors(x, y, sigma, block_size=None):
    """How far the CSD's slopes in x and in y are from the exact ones, relative to those."""
    x_, y_ = tf.constant(x), tf.constant(y)
    with tf.GradientTape() as tape:
        tape.watch((x_, y_))
        value = cauchy_schwarz_divergence(x_, y_, sigma, block_size=block_size)
    exact = exact_slopes(x, y, sigma)
    return [
        float(np.linalg.norm(found - slope) / np.linalg.norm(slope))
        for found, slope in zip(tape.gradient(value, (x_, y_)), exact, strict=True)
    ]


@pytest.mark.parametrize("block_size", [None, 30])
@pytest.mark.parametrize("sigma", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("off", [30, 100, 250, 1e3, 1e4, 1e6, 1e8, 5e8])
@pytest.mark.parametrize("share", [0.01, 0.5])
def test_gradients_are_right_where_points_lie_far_beyond_sigma(share, off, sigma, block_size):
    """One point of 100, or half of them, so many sigma off: the large sums of the others must not cancel."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 3)), rng.normal(size=(90, 3)) + 0.5
    x[: int(share * 100)] += off
    y[: int(share * 90)] += off
    x, y = (sigma * x).astype(np.float32), (sigma * y).astype(np.float32)
    assert max(slope_errors(x, y, sigma, block_size)) < 1e-4


def test_gradients_of_samples_far_apart_are_right():
    """All exponents so low that they are shifted, and the samples themselves beyond sigma."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    y = (rng.normal(size=(50, 3)) + 1_000).astype(np.float32)
    assert max(slope_errors(x, y, 1.0)) < 1e-4


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("dim", [2, 8, 9, 16, 100, 784])
def test_many_dimensions_are_exact_and_compile_in_seconds(dim, jit):
    rng = np.random.default_rng(dim)
    x, y = rng.normal(size=(60, dim)) + 100, 1.2 * rng.normal(size=(50, dim)) + 100.1
    x, y = x.astype(np.float32), y.astype(np.float32)
    sigma = float(dim) ** 0.5

    @tf.function(jit_compile=jit)
    def value_and_gradients(x, y):
        with tf.GradientTape() as tape:
            tape.watch((x, y))
            value = cauchy_schwarz_divergence(x, y, sigma)
        return value, tape.gradient(value, (x, y))

    started = time.process_time()
    value, gradients = value_and_gradients(x, y)
    assert time.process_time() - started < 60  # written out, 784 dimensions take minutes
    assert float(value) == pytest.approx(reference_csd(x, y, sigma), rel=2e-5)
    for other in (1.0, 1_000.0):
        found = float(cauchy_schwarz_divergence(x, y, other))
        assert found == pytest.approx(reference_csd(x, y, other), rel=2e-5), other
    for gradient, exact in zip(gradients, exact_slopes(x, y, sigma), strict=True):
        assert np.linalg.norm(gradient - exact) < 1e-4 * np.linalg.norm(exact)


def test_a_second_derivative_is_refused():
    x = tf.constant([[0.0], [1.0]])
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = cauchy_schwarz_divergence(x, 2 * tf.ones([2, 1]), 1.0)
        first = inner.gradient(value, x)
    with pytest.raises(NotImplementedError, match="can be differentiated once"):
        outer.gradient(first, x)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 500.0])
@pytest.mark.parametrize("block_size", [1, 7, 1_000])
def test_blocks_change_nothing_but_the_memory(rng, sigma, block_size):
    x, y = tf.constant(rng.normal(size=(30, 3))), tf.constant(rng.normal(size=(40, 3)) + 3)

    def value_and_gradients(block_size):
        with tf.GradientTape() as tape:
            tape.watch((x, y))
            value = cauchy_schwarz_divergence(x, y, sigma, block_size=block_size)
        return value, *tape.gradient(value, (x, y))

    for whole, streamed in zip(value_and_gradients(None), value_and_gradients(block_size), strict=True):
        np.testing.assert_allclose(streamed, whole, rtol=1e-9, atol=1e-9 * np.abs(whole).max())


@pytest.mark.parametrize("sigma", [0.3, 1.0, 30.0, 3_000.0])
def test_the_closed_form_is_what_samples_tend_to(sigma):
    rng = np.random.default_rng(3)
    means = np.array([[0.0, 0.0], [4.0, 1.0]])
    x = rng.normal(size=(200, 2)) + 1
    y = means[rng.integers(0, 2, 3_000)] + 0.5 * rng.normal(size=(3_000, 2))
    exact = float(divergence_from_gaussians(x, means, 0.5, sigma))
    assert float(cauchy_schwarz_divergence(x, y, sigma)) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("sigma", [0.5, 10.0, 1_000.0])
def test_gaussians_have_their_textbook_divergence(sigma):
    """A single point, smoothed by its window, against a Gaussian: two Gaussians, of a known CSD."""
    shift, spread, dim = 0.7, 2.0, 3
    a, b = sigma**2, spread**2 + sigma**2
    expected = dim * (shift**2 / (a + b) + np.log1p((a - b) ** 2 / (4 * a * b)) / 2)
    found = divergence_from_gaussians(np.full((1, dim), shift), np.zeros((1, dim)), spread, sigma)
    assert float(found) == pytest.approx(expected, rel=1e-8)


def test_parzen_windows_are_a_density_made_of_kernels(rng):
    x, grid = rng.normal(size=(30, 1)), np.linspace(-9, 9, 4_001)[:, None]
    density = parzen_density(grid, x, 0.4).numpy()
    assert np.trapezoid(density, grid[:, 0]) == pytest.approx(1, rel=1e-6)
    expected = np.mean(np.exp(-((grid - x.T) ** 2) / (2 * 0.4**2)), axis=1) / np.sqrt(2 * np.pi * 0.4**2)
    np.testing.assert_allclose(density, expected, rtol=1e-9, atol=1e-300)


def test_kernel_size_rules_are_those_of_their_sources(rng):
    x = rng.normal(size=(501, 2))
    # SciPy's "silverman" is the same factor, (n (d + 2) / 4)^(-1 / (d + 4)).
    factor = gaussian_kde(x.T, "silverman").factor
    spread = np.sqrt(x.var(axis=0, ddof=1).mean())
    assert float(silverman_kernel_size(x)) == pytest.approx(factor * spread, rel=1e-6)
    assert float(median_kernel_size(x)) == pytest.approx(np.median(pdist(x)) / np.sqrt(2), rel=1e-6)
    assert float(median_kernel_size(x[:4])) == pytest.approx(np.median(pdist(x[:4])) / np.sqrt(2), rel=1e-6)
    assert float(median_kernel_size(x, most=200)) == pytest.approx(np.median(pdist(x)) / np.sqrt(2), rel=0.1)
    for rule in (silverman_kernel_size, median_kernel_size):
        assert float(rule(3 * x + 100)) == pytest.approx(3 * float(rule(x)), rel=1e-6)
        with pytest.raises(ValueError, match="at least two points"):
            rule(x[:1])
        with pytest.raises(ValueError, match="different points"):
            rule(np.ones((5, 2)))
    with pytest.raises(ValueError, match="most must be a whole number of at least 2; got 1"):
        median_kernel_size(x, most=1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="y must be finite; it holds NaN or infinity"):
        cauchy_schwarz_divergence(np.ones((2, 3)), np.full((2, 3), bad), 1.0)


@pytest.mark.parametrize("block_size", [None, 8, 1_000, 2**40])
@pytest.mark.parametrize("jit", [True, False])
def test_sizes_that_a_graph_does_not_know_are_no_matter(rng, jit, block_size):
    x, y = rng.normal(size=(20, 3)).astype(np.float32), rng.normal(size=(30, 3)).astype(np.float32)
    unknown = [tf.TensorSpec([None, None])] * 2
    csd = tf.function(
        lambda x, y: cauchy_schwarz_divergence(x, y, 1.0, block_size=block_size),
        input_signature=unknown,
        jit_compile=jit,
    )
    assert float(csd(x, y)) == pytest.approx(reference_csd(x, y, 1.0), rel=1e-5)
    assert np.isnan(csd(x[:0], y))


def test_an_unknown_rank_is_named(rng):
    @tf.function(input_signature=[tf.TensorSpec(None)])
    def csd(x):
        return cauchy_schwarz_divergence(x, tf.ones([2, 3]), 1.0)

    with pytest.raises(ValueError, match="x must be 2-D; got a tensor of unknown rank: call ensure_shape"):
        csd(np.ones((2, 3), np.float32))


@pytest.mark.parametrize("bad", [0, -1, 2.5, "many", True, np.float32(2)])
def test_a_bad_block_size_is_refused(bad):
    with pytest.raises(ValueError, match="block_size must be None or a whole number of at least 1"):
        divergence.CauchySchwarzRegularizer(priors.SwissRoll(), 1.0, block_size=bad)
    with pytest.raises(ValueError, match="block_size must be None or a whole number of at least 1"):
        cauchy_schwarz_divergence(np.ones((2, 3)), np.ones((2, 3)), 1.0, block_size=bad)


@pytest.mark.parametrize(
    "bad", [0, -1, 1e-160, 1e160, 10**400, float("nan"), float("inf"), "wide", "1", 1j, np.complex64(1), None]
)
def test_a_bad_kernel_size_is_refused(bad):
    with pytest.raises(ValueError, match="sigma, the kernel size, must lie between 1e-30 and 1e30"):
        cauchy_schwarz_divergence(np.ones((2, 3)), np.ones((2, 3)), bad)


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (np.ones((2, 3), int), np.ones((2, 3)), TypeError, "x must hold floats"),
        (np.ones(3), np.ones((2, 3)), ValueError, "x must be 2-D"),
        (np.ones((2, 3)), np.ones((0, 3)), ValueError, "y must not be empty"),
        (np.ones((2, 3)), np.ones((2, 2)), ValueError, "as many dimensions"),
        (np.ones((2, 3), np.float32), np.ones((2, 3)), TypeError, "one dtype"),
        (None, np.ones((2, 3)), TypeError, "x must be an array of floats .* got NoneType"),
        (np.ones((2, 3)), [[1.0], [1.0, 2.0]], TypeError, "y must be an array of floats .* got list"),
        (
            pd.DataFrame({"a": [1.0, None]}, dtype=object),
            np.ones((2, 1)),
            TypeError,
            "x must be .* got DataFrame",
        ),
        (sparse.eye(3), np.ones((2, 3)), TypeError, "x must be an array of floats .* got dia_matrix"),
        (np.ones((2, 3)), tf.sparse.from_dense(np.ones((2, 3))), TypeError, "y must be .* got SparseTensor"),
        (tf.ragged.constant([[1.0], [1.0, 2.0]]), np.ones((2, 3)), TypeError, "x must .* got RaggedTensor"),
    ],
)
def test_bad_points_are_named(x, y, error, message):
    with pytest.raises(error, match=message):
        cauchy_schwarz_divergence(x, y, 1.0)


@pytest.mark.parametrize("bad", [-1, 1e160, 10**400, float("nan"), float("inf"), "1", 1j, None])
def test_a_bad_spread_is_refused(bad):
    with pytest.raises(ValueError, match="spread must be a finite number of at least 0 and at most 1e30"):
        divergence_from_gaussians(np.ones((2, 3)), np.ones((2, 3)), bad, 1.0)


SCALARS = [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int32, np.uint64, np.array, tf.constant]


@pytest.mark.parametrize("scalar", SCALARS)
def test_numbers_of_numpy_and_tensors_are_numbers(rng, scalar):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(30, 3))
    two = scalar(2)
    assert float(cauchy_schwarz_divergence(x, y, two)) == float(cauchy_schwarz_divergence(x, y, 2))
    found = float(divergence_from_gaussians(x, y, two, two))
    assert found == float(divergence_from_gaussians(x, y, 2, 2))
    mixture = priors.GaussianMixture(2, radius=two)
    assert mixture.get_config() == {"components": 2, "radius": 2.0}
    assert type(mixture.radius) is float
    layer = divergence.CauchySchwarzRegularizer(mixture, two, two)
    assert (layer.sigma, layer.weight) == (2.0, 2.0) and type(layer.weight) is float


@pytest.mark.parametrize("scalar", [*SCALARS[3:]])
def test_whole_numbers_of_numpy_and_tensors_are_whole_numbers(rng, scalar):
    x, two = rng.normal(size=(20, 3)), scalar(2)
    assert float(cauchy_schwarz_divergence(x, x + 1, 1.0, block_size=two)) > 0
    assert float(median_kernel_size(x, most=two)) == float(median_kernel_size(x, most=2))
    for made in (priors.Gaussian(two), priors.GaussianMixture(two)):
        assert {type(value) for value in made.get_config().values()} <= {int, float}
        assert np.array_equal(made.sample(two, seed=two), made.sample(2, seed=2))
    layer = divergence.CauchySchwarzRegularizer(priors.SwissRoll(), 1.0, seed=two, block_size=two)
    assert (layer.seed, layer.block_size) == (2, 2) and type(layer.seed) is type(layer.block_size) is int


@pytest.mark.parametrize("name", list(priors.PRIORS))
def test_priors_are_seeded_and_made_again_from_their_config(name):
    prior = priors.get(name)
    points = prior.sample(500, seed=3).numpy()
    assert points.shape == (500, prior.dim) and points.dtype == np.float32
    again = priors.get(name, **prior.get_config())
    assert np.array_equal(points, again.sample(500, seed=3))
    assert not np.array_equal(points, prior.sample(500, seed=4))
    assert not np.array_equal(prior.sample(500), prior.sample(500))


@pytest.mark.parametrize("name", list(priors.PRIORS))
def test_a_seed_means_the_same_points_but_a_tensor_means_others_under_xla(name):
    prior = priors.get(name)
    for seed in (3, -1, 2**40, tf.constant([3, 4])):
        eager = prior.sample(50, seed=seed)
        graph, xla = (
            tf.function(lambda s=seed: prior.sample(50, seed=s), jit_compile=jit) for jit in (False, True)
        )
        np.testing.assert_allclose(graph(), eager, rtol=1e-6)
        assert np.array_equal(xla(), xla())
        assert np.allclose(xla(), eager) == isinstance(seed, int)
    assert "under XLA (jit_compile=True) others than without it" in priors.SwissRoll.sample.__doc__


def test_the_layers_draws_follow_the_seed_under_xla_too_but_are_others(rng):
    codes = rng.normal(size=(50, 3)).astype(np.float32)

    def first_loss(jit):
        layer = divergence.CauchySchwarzRegularizer(priors.SwissRoll(), 1.0, seed=3)
        return float(tf.function(lambda: (layer(codes), layer.losses[0])[1], jit_compile=jit)())

    assert first_loss(True) == first_loss(True) != pytest.approx(first_loss(False), rel=1e-4)
    assert "under XLA they are others than without it" in divergence.CauchySchwarzRegularizer.__doc__


@pytest.mark.parametrize(
    ("n", "seed", "named"),
    [
        (0, None, "n must be a whole number of at least 1"),
        (2**31, None, "n must be a whole number of at least 1 and below"),
        (2.0, None, "n must be"),
        (tf.constant(2.0), None, "n must be"),
        (tf.constant([2, 2]), None, "n must be"),
        (None, None, "n must be"),
        (2, 2**63, "seed must be None, an int of 64 bits or a tensor of two ints"),
        (2, 1.5, "seed must be"),
        (2, tf.constant([1, 2, 3]), "seed must be"),
        (2, tf.constant([1.0, 2.0]), "seed must be"),
        (2, tf.constant(1.0), "seed must be"),
    ],
)
def test_bad_arguments_of_a_sample_are_named(n, seed, named):
    with pytest.raises(ValueError, match=named):
        priors.SwissRoll().sample(n, seed=seed)


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        (None, TypeError, "points must be an array of numbers; got NoneType"),
        ([[1.0], [1.0, 2.0]], TypeError, "points must be an array of numbers; got list"),
        (sparse.eye(3), TypeError, "points must be an array of numbers; got dia_matrix"),
        (tf.sparse.from_dense(np.eye(3)), TypeError, "points must be an array of numbers; got SparseTensor"),
        (np.array([["a"] * 3]), TypeError, "points must be an array of numbers; got dtype string"),
        (np.ones((4, 2)), ValueError, r"points must be of shape \[n, 3\]; got \(4, 2\)"),
    ],
)
def test_bad_points_beside_the_roll_are_named(points, error, message):
    with pytest.raises(error, match=message):
        priors.SwissRoll().distance(points)


def test_priors_have_the_shape_they_promise():
    normal = priors.Gaussian(2).sample(20_000, seed=0).numpy()
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(normal.T), np.eye(2), atol=0.04)
    x, height, z = priors.SwissRoll().sample(5_000, seed=0).numpy().T
    angle = np.hypot(x, z)
    assert angle.min() >= 1.5 * np.pi - 1e-3 and angle.max() <= 4.5 * np.pi + 1e-3
    np.testing.assert_allclose(angle * np.cos(angle), x, atol=1e-3)
    assert height.min() >= 0 and height.max() <= 21
    mixture = priors.GaussianMixture(10, radius=50.0)
    np.testing.assert_allclose(np.linalg.norm(mixture.means, axis=1), 50)
    nearest = cdist(mixture.sample(5_000, seed=0), mixture.means)
    assert np.bincount(nearest.argmin(axis=1), minlength=10).min() > 400
    assert nearest.min(axis=1).max() < 6


def test_an_unknown_prior_and_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="prior must be one of 'swiss_roll', 'gaussian', 'gaussian_mixture'"):
        priors.get("uniform")
    with pytest.raises(ValueError, match="prior must be one of"):
        priors.get(["gaussian"])
    for make in (
        lambda: priors.Gaussian(0),
        lambda: priors.Gaussian(10**400),
        lambda: priors.Gaussian(True),
        lambda: priors.GaussianMixture(3, 1e160),
        lambda: priors.GaussianMixture(3, 10**400),
        lambda: priors.GaussianMixture(3, "5"),
        lambda: priors.GaussianMixture(2.5),
        lambda: priors.GaussianMixture(3, -1),
    ):
        with pytest.raises(ValueError, match="must be"):
            make()


@pytest.mark.parametrize("module", ["divergence", "priors"])
def test_another_backend_of_keras_is_refused_in_our_words(module):
    ran = subprocess.run(
        [sys.executable, "-c", f"import kmnist_itl.{module}"],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode and "kmnist_itl needs Keras on TensorFlow" in ran.stderr.splitlines()[-1]


ELSEWHERE = """
import importlib.util, pathlib, sys

sys.path = [folder for folder in sys.path if not pathlib.Path(folder, "kmnist_itl").is_dir()]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
assert importlib.util.find_spec("kmnist_itl") is None

from our_divergence import cauchy_schwarz_divergence
from our_priors import Gaussian

sample = Gaussian(1).sample(5, seed=0)
assert float(cauchy_schwarz_divergence(sample, sample, 1.0)) == 0
print(float(cauchy_schwarz_divergence([[0.0]], [[1.0]], sigma=1.0)))
"""


def test_the_two_files_work_in_another_project(tmp_path):
    for module in (divergence, priors):
        name = f"our_{Path(module.__file__).name}"
        shutil.copy(module.__file__, tmp_path / name)
    ran = subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) == pytest.approx(0.5)
