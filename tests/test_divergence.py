import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
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


@pytest.mark.parametrize("bad", [0, -1, 2.5, "many"])
def test_a_bad_block_size_is_refused(bad):
    with pytest.raises(ValueError, match="block_size must be None or a whole number of at least 1"):
        cauchy_schwarz_divergence(np.ones((2, 3)), np.ones((2, 3)), 1.0, block_size=bad)


@pytest.mark.parametrize("bad", [0, -1, 1e-160, 1e160, float("nan"), float("inf"), "wide", None])
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
    ],
)
def test_bad_points_are_named(x, y, error, message):
    with pytest.raises(error, match=message):
        cauchy_schwarz_divergence(x, y, 1.0)


@pytest.mark.parametrize("name", list(priors.PRIORS))
def test_priors_are_seeded_and_made_again_from_their_config(name):
    prior = priors.get(name)
    points = prior.sample(500, seed=3).numpy()
    assert points.shape == (500, prior.dim) and points.dtype == np.float32
    again = priors.get(name, **prior.get_config())
    assert np.array_equal(points, again.sample(500, seed=3))
    assert not np.array_equal(points, prior.sample(500, seed=4))
    assert not np.array_equal(prior.sample(500), prior.sample(500))


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
    for make in (
        lambda: priors.Gaussian(0),
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
