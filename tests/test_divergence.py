import os
import shutil
import subprocess
import sys
import time
from decimal import Context, Decimal, localcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist, pdist
from scipy.special import logsumexp
from scipy.stats import gaussian_kde, multivariate_normal

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


@pytest.mark.parametrize("inner", range(4))
@pytest.mark.parametrize("outer", range(4))
def test_a_second_derivative_is_refused_in_points_and_in_weights(rng, inner, outer):
    given = [tf.constant(rng.random(shape)) for shape in ((5, 2), (4, 2), (5,), (4,))]
    with tf.GradientTape() as second:
        second.watch(given)
        with tf.GradientTape() as first:
            first.watch(given)
            x, y, a, b = given
            value = cauchy_schwarz_divergence(x, y, 0.5, x_weights=a, y_weights=b)
        slope = first.gradient(value, given[inner])
    with pytest.raises(NotImplementedError, match="differentiated once"):
        second.gradient(slope, given[outer])


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


def exact_closed_form(x, means, covariances, weights, sigma):
    """The CSD of a sample and Gaussians in 2-D to 60 digits."""
    with localcontext(Context(prec=60, Emin=-(10**15), Emax=10**15)):
        number = np.vectorize(lambda value: Decimal(float(value)), otypes=[object])
        x, means, covariances, weights = (number(values) for values in (x, means, covariances, weights))
        window = 2 * Decimal(sigma) ** 2
        weights = weights / sum(weights)

        def density(u, covariance):
            (a, b), (_, d) = covariance
            a, d = a + window, d + window
            size = a * d - b * b
            square = (d * u[0] ** 2 - 2 * b * u[0] * u[1] + a * u[1] ** 2) / size
            return (-square / 2).exp() / size.sqrt()  # without the 2 pi, which cancel

        none, each = number(np.zeros((2, 2))), range(len(means))
        v_x = sum(density(a - b, none) for a in x for b in x) / len(x) ** 2
        v_across = sum(weights[j] * density(a - means[j], covariances[j]) for a in x for j in each) / len(x)
        v_means = sum(
            weights[j] * weights[k] * density(means[j] - means[k], covariances[j] + covariances[k])
            for j in each
            for k in each
        )
        return float((v_x * v_means / v_across**2).ln())


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("shape", ["one", "equal", "round", "full", "flat"])
def test_the_closed_form_is_exact_in_single_precision(shape, offset):
    """From 1e-15 to 1e9, and for a sample in float32 whose mean and spread are about the Gaussians' own."""
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(12, 2)) * [2.0, 1.0]).astype(np.float32)
    x = np.concatenate([x, -x]) + np.float32(offset)
    means = np.array([[1.0, 0.25], [-1.0, -0.25], [0.5, -2.0]], np.float32) + np.float32(offset)
    spread, weights = [1.5, 1.0, 0.25], [2.0, 2.0, 0.0]
    if shape == "one":
        means, spread, weights = np.full((1, 2), offset, np.float32), 1.5, None
    elif shape == "equal":
        spread, weights = 1.5, None
    covariances = np.array([np.square(s) * np.eye(2) for s in np.broadcast_to(spread, len(means))])
    given = {"spread": spread}
    if shape in ("full", "flat"):
        covariances = np.array(
            [[[4.0, 1.0], [1.0, 0.5]], [[3.0, -0.5], [-0.5, 1.0]], [[1.0, 0.0], [0.0, 9.0]]]
        )
        if shape == "flat":
            covariances[0] = [[4.0, 2.0], [2.0, 1.0]]  # along a line
        given = {"spread": None, "covariances": covariances}
    for sigma in (0.01, 0.1, 1, 2, 5, 10, 100, 1_000, 10_000):
        found = float(divergence_from_gaussians(x, means, sigma=sigma, weights=weights, **given))
        full_weights = np.ones(len(means)) if weights is None else weights
        expected = exact_closed_form(x, means, covariances, full_weights, sigma)
        assert found == pytest.approx(expected, rel=1e-5), sigma
    if offset == 0 and shape == "one":
        assert expected < 1e-14


@pytest.mark.parametrize("n", [100, 2_000])
def test_the_closed_form_is_exact_in_larger_samples(n):
    """The divergence falls with n, and the rounding must fall, too."""
    rng = np.random.default_rng(n)
    means = np.array(priors.GaussianMixture().means, np.float32)
    x = (means[rng.integers(0, 10, n)] + rng.normal(size=(n, 3))).astype(np.float32)
    for sigma in (0.3, 1, 3, 5, 10):
        found = float(divergence_from_gaussians(x, means, 1.0, sigma))
        exact = float(divergence_from_gaussians(x.astype(float), means.astype(float), 1.0, sigma))
        assert found == pytest.approx(exact, rel=1e-5), sigma


def closed_form_of_scipy(x, means, covariances, weights, sigma):
    window, weights = 2 * sigma**2 * np.eye(x.shape[1]), np.array(weights) / np.sum(weights)

    def log_mixture(points, more):
        logs = [
            multivariate_normal(mean, window + covariance + more).logpdf(points)
            for mean, covariance in zip(means, covariances, strict=True)
        ]
        return logsumexp(np.reshape(logs, [len(means), -1]).T, b=weights, axis=1)

    among = [log_mixture(mean, covariance)[0] for mean, covariance in zip(means, covariances, strict=True)]
    across = logsumexp(log_mixture(x, 0)) - np.log(len(x))
    return reference(x, x, sigma) + logsumexp(among, b=weights) - 2 * across


def random_mixture(dim, components, seed=0):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(components, dim, dim))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(dim)
    return 3 * rng.normal(size=(components, dim)), covariances, rng.uniform(0.1, 1, components)


@pytest.mark.parametrize(("dim", "components"), [(1, 3), (3, 4), (10, 2), (20, 1)])
def test_the_closed_form_agrees_with_scipy(rng, dim, components):
    means, covariances, weights = random_mixture(dim, components)
    x = 2 * rng.normal(size=(50, dim))
    for sigma in (0.01, 0.1, 1, 5, 100):
        found = divergence_from_gaussians(x, means, None, sigma, weights=weights, covariances=covariances)
        expected = closed_form_of_scipy(x, means, covariances, weights, sigma)
        assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-12), sigma


@pytest.mark.parametrize("sigma", [0.5, 2.0, 50.0])
def test_the_closed_form_of_any_mixture_is_what_samples_tend_to(sigma):
    rng = np.random.default_rng(6)
    means, covariances, weights = random_mixture(2, 3, seed=6)
    counts = np.round(9_000 * weights / weights.sum()).astype(int)
    y = [
        rng.multivariate_normal(*gaussian, count)
        for *gaussian, count in zip(means, covariances, counts, strict=True)
    ]
    x = 2 * rng.normal(size=(200, 2)) + 1
    exact = divergence_from_gaussians(x, means, None, sigma, weights=weights, covariances=covariances)
    sampled = cauchy_schwarz_divergence(x, np.concatenate(y), sigma, block_size=500)
    assert float(sampled) == pytest.approx(float(exact), rel=0.1)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_the_closed_forms_gradients_are_those_of_the_formula(rng, full, jit):
    means, covariances, weights = random_mixture(3, 4)
    if not full:
        covariances = np.array([0.5, 1.0, 2.0, 3.0])[:, None, None] ** 2 * np.eye(3)
    given = {"spread": None, "covariances": covariances} if full else {"spread": [0.5, 1.0, 2.0, 3.0]}
    x = (2 * rng.normal(size=(30, 3)) + 1).astype(np.float32)

    def exact_slope(sigma, step=1e-4):
        """Along one coordinate of the first point and of the last, from differences in float64."""
        slopes = []
        for row, axis in ((0, 1), (29, 2)):
            ahead, behind = x.astype(float), x.astype(float)
            ahead[row, axis] += step * sigma
            behind[row, axis] -= step * sigma
            values = [
                closed_form_of_scipy(moved, means, covariances, weights, sigma) for moved in (ahead, behind)
            ]
            slopes.append((values[0] - values[1]) / (2 * step * sigma))
        return slopes

    for sigma in (0.05, 1.0, 5.0, 30.0):

        @tf.function(jit_compile=jit)
        def gradient(x, sigma=sigma):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = divergence_from_gaussians(
                    x, tf.cast(means, x.dtype), sigma=sigma, weights=weights, **given
                )
            return tape.gradient(value, x)

        slopes = gradient(tf.constant(x)).numpy()
        assert slopes.dtype == np.float32
        assert [slopes[0, 1], slopes[29, 2]] == pytest.approx(exact_slope(sigma), rel=1e-4), sigma
        # In float64 the same, and finite where the kernel sees nothing and where it sees no differences.
        np.testing.assert_allclose(gradient(tf.constant(x, tf.float64)), slopes, rtol=1e-4, atol=1e-9)
    for sigma in (1e-6, 1e6):
        assert np.isfinite(gradient(tf.constant(x), sigma=sigma)).all()


def test_the_closed_form_is_differentiable_in_the_means_and_knows_no_sizes(rng):
    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float64)] * 2)
    def value_and_gradient(x, means):
        with tf.GradientTape() as tape:
            tape.watch(means)
            value = divergence_from_gaussians(x, means, 0.5, 1.0)
        return value, tape.gradient(value, means)

    x, means = rng.normal(size=(20, 3)), rng.normal(size=(4, 3))
    value, gradient = value_and_gradient(x, means)
    assert float(value) == pytest.approx(float(divergence_from_gaussians(x, means, [0.5] * 4, 1.0)), rel=1e-9)
    step = np.zeros_like(means)
    step[1, 2] = 1e-5
    ahead, behind = (float(value_and_gradient(x, means + s)[0]) for s in (step, -step))
    assert float(gradient[1, 2]) == pytest.approx((ahead - behind) / 2e-5, rel=1e-5)


@pytest.mark.parametrize(
    "prior",
    [
        priors.Gaussian(2, mean=[1.0, 0.0], scale=0.5),
        priors.Gaussian(2, covariance=[[2.0, 0.5], [0.5, 1.0]]),
        priors.GaussianMixture(means=[[0.0, 3.0], [2.0, 1.0]], scale=[0.5, 1.5], weights=[1, 3]),
    ],
    ids=["scale", "covariance", "mixture"],
)
@pytest.mark.parametrize("jit", [False, True])
def test_the_layer_takes_the_closed_form_of_every_gaussian(rng, prior, jit):
    codes = rng.normal(size=(40, 2)).astype(np.float32)
    layer = divergence.CauchySchwarzRegularizer(prior, sigma=1.0, estimator="closed_form")
    found = tf.function(lambda: (layer(codes), layer.losses[0])[1], jit_compile=jit)()
    covariances = prior.covariances if hasattr(prior, "covariances") else None
    if covariances is None:
        covariances = [s**2 * np.eye(2) for s in np.broadcast_to(prior.spread, len(prior.means))]
    expected = closed_form_of_scipy(codes.astype(float), prior.means, covariances, prior.weights, 1.0)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    # And it is about what the prior's own draws give.
    drawn = cauchy_schwarz_divergence(codes, prior.sample(5_000, seed=0), 1.0, block_size=40)
    assert float(drawn) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("prior", [priors.Uniform(2), priors.Sphere(2), priors.Empirical([[0.0, 1.0]])])
def test_other_priors_have_no_closed_form(prior):
    with pytest.raises(TypeError, match="estimator='closed_form' needs a prior of Gaussians"):
        divergence.CauchySchwarzRegularizer(prior, 1.0, estimator="closed_form")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"spread": [1.0]}, r"spread must be numbers of shape \[2\]; got shape \(1,\)"),
        ({"spread": [1.0, -1.0]}, "spread must lie between 0 and 1e30; got -1"),
        ({"spread": ["a", "b"]}, r"spread must be numbers of shape \[2\] .* got list"),
        ({"spread": 1.0, "covariances": np.ones((2, 3, 3))}, "spread must be None if covariances are given"),
        ({"covariances": np.eye(3)}, r"covariances must be numbers of shape \[2, 3, 3\]; got shape \(3, 3\)"),
        (
            {"covariances": np.full((2, 3, 3), np.nan)},
            "covariances must lie between -1e\\+30 and 1e30; got nan",
        ),
        ({"covariances": [np.eye(3), np.triu(np.ones((3, 3)))]}, r"symmetric; covariances\[1\] is not"),
        ({"covariances": [np.eye(3), np.ones((3, 3)) - 2 * np.eye(3)]}, r"covariances\[1\] has -2"),
        ({"spread": 1.0, "weights": [1.0]}, r"weights must be numbers of shape \[2\]; got shape \(1,\)"),
        ({"spread": 1.0, "weights": [1.0, -1.0]}, "weights must lie between 0 and 1e30; got -1"),
        ({"spread": 1.0, "weights": [0.0, 0.0]}, "weights must not all be 0"),
    ],
)
def test_bad_gaussians_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        divergence_from_gaussians(np.ones((5, 3)), np.ones((2, 3)), sigma=1.0, **{"spread": None, **given})


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
    expected = np.median(pdist(x)) / np.sqrt(2)
    assert float(median_kernel_size(x)) == pytest.approx(expected, rel=1e-6)
    assert float(median_kernel_size(x[:4])) == pytest.approx(np.median(pdist(x[:4])) / np.sqrt(2), rel=1e-6)
    assert float(median_kernel_size(x, most=200)) == pytest.approx(expected, rel=0.1)
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
    message = (
        "must be a number, 'silverman' or" if isinstance(bad, str) else "must lie between 1e-30 and 1e30"
    )
    with pytest.raises(ValueError, match=f"sigma, the kernel size, {message}"):
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


def test_the_layers_draws_follow_the_seed_under_xla_too_but_are_others(rng):
    codes = rng.normal(size=(50, 3)).astype(np.float32)

    def first_loss(jit):
        layer = divergence.CauchySchwarzRegularizer(priors.SwissRoll(), 1.0, seed=3)
        return float(tf.function(lambda: (layer(codes), layer.losses[0])[1], jit_compile=jit)())

    assert first_loss(True) == first_loss(True) != pytest.approx(first_loss(False), rel=1e-4)
    assert "under XLA they are others than without it" in divergence.CauchySchwarzRegularizer.__doc__


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
