import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
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


def test_the_potentials_are_densities_and_the_entropies_their_logs(rng):
    x, y = rng.normal(size=(40, 1)), rng.normal(size=(50, 1))
    # One point against itself: the kernel's peak, a normal density of variance 2 sigma^2 at 0.
    peak = float(information_potential([[0.0]], [[0.0]], 0.5))
    assert peak == pytest.approx(1 / np.sqrt(2 * np.pi * 2 * 0.5**2), rel=1e-6)
    assert float(renyi_entropy(x, 0.7)) == pytest.approx(-reference(x, x, 0.7))
    assert float(renyi_cross_entropy(x, y, 0.7)) == pytest.approx(-reference(x, y, 0.7))


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


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("dim", [2, 8, 9, 100, 784])
def test_many_dimensions_are_exact(dim, jit):
    rng = np.random.default_rng(dim)
    x, y = rng.normal(size=(60, dim)) + 100, 1.2 * rng.normal(size=(50, dim)) + 100.1
    x, y = x.astype(np.float32), y.astype(np.float32)
    sigma = float(dim) ** 0.5

    @tf.function(jit_compile=jit)
    def value_and_gradients(x, y):
        value = cauchy_schwarz_divergence(x, y, sigma)
        return value, tf.gradients(value, (x, y))

    value, gradients = value_and_gradients(x, y)
    assert float(value) == pytest.approx(reference_csd(x, y, sigma), rel=1e-5)
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


def closed_form(x, means, scale, weights, sigma):
    """The CSD of a sample and Gaussians in extended precision."""
    x, means = x.astype(np.longdouble), means.astype(np.longdouble)
    weights, variances = weights / np.sum(weights), np.square(scale).astype(np.longdouble)

    def excess(a, b, variance):
        """Of a Gaussian over the peak of the kernel, less 1."""
        squares, window = np.sum((a[:, None] - b) ** 2, axis=-1), 2 * np.longdouble(sigma) ** 2
        logs = x.shape[1] * np.log1p(variance / window) + squares / (window + variance)
        return np.expm1(-logs / 2)

    of_x, across = excess(x, x, 0).mean(), (excess(x, means, variances) @ weights).mean()
    of_means = weights @ excess(means, means, variances[:, None] + variances) @ weights
    return float(np.log1p(of_x) + np.log1p(of_means) - 2 * np.log1p(across))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize(("scale", "weights"), [([1.5, 1.0, 0.25], [2.0, 2.0, 0.0]), ([1.5] * 3, [1.0] * 3)])
def test_the_closed_form_and_its_gradient_are_exact(scale, weights, offset, jit):
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(12, 2)) * [2.0, 1.0]).astype(np.float32) + np.float32(offset)
    means = np.array([[1.0, 0.25], [-1.0, -0.25], [0.5, -2.0]], np.float32) + np.float32(offset)
    for sigma in (0.1, 1, 2, 5, 10, 100, 1_000, 10_000):

        @tf.function(jit_compile=jit)
        def value_and_gradient(x, sigma=sigma):
            value = divergence_from_gaussians(x, means, scale, sigma, weights=weights)
            return value, tf.gradients(value, x)[0]

        value, gradient = value_and_gradient(x)
        assert float(value) == pytest.approx(closed_form(x, means, scale, weights, sigma), rel=1e-5), sigma
        step = np.zeros(x.shape)
        step[3, 1] = 1e-4 * max(1, sigma / 10)
        ahead, behind = (closed_form(x + side * step, means, scale, weights, sigma) for side in (1, -1))
        assert float(gradient[3, 1]) == pytest.approx((ahead - behind) / (2 * step[3, 1]), rel=1e-4), sigma


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
        with pytest.raises(ValueError, match="the points must differ for a rule"):
            rule(np.ones((5, 2)))
    with pytest.raises(ValueError, match="most must be a whole number from 2 to 2"):
        median_kernel_size(x, most=1)


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

    with pytest.raises(ValueError, match="x must be 2-D; got shape <unknown>: in a graph, call ensure_shape"):
        csd(np.ones((2, 3), np.float32))


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x": np.ones((2, 3), int)}, TypeError, "x must be an array of floats; got dtype int64"),
        ({"x": np.ones(3)}, ValueError, "x must be 2-D"),
        ({"y": np.ones((0, 3))}, ValueError, "y must not be empty"),
        ({"y": np.ones((2, 2))}, ValueError, "x and y must have as many dimensions; got 3 and 2"),
        (
            {"x": np.ones((2, 3), np.float32)},
            TypeError,
            "x and y must have one dtype; got float32 and float64",
        ),
        ({"x": None}, TypeError, "x must be an array of floats; got NoneType"),
        ({"y": [[1.0], [1.0, 2.0]]}, TypeError, "y must be an array of floats; got list"),
        ({"x": sparse.eye(3)}, TypeError, "x must be an array of floats; got dia_matrix"),
        ({"x": tf.ragged.constant([[1.0], [1.0, 2.0]])}, TypeError, "x must .* got RaggedTensor"),
        ({"y": np.full((2, 3), np.nan)}, ValueError, "y must be finite; it holds NaN or infinity"),
        *[
            ({"block_size": bad}, ValueError, "block_size must be None or a whole number of at least 1")
            for bad in (0, -1, 2.5, "many", True, np.float32(2))
        ],
        *[
            ({"sigma": bad}, ValueError, "sigma, the kernel size, must be a number from 1e-30 to 1e\\+30")
            for bad in (0, -1, 1e-160, 10**400, float("nan"), 1j, np.complex64(1), None)
        ],
        ({"sigma": "wide"}, ValueError, "sigma, the kernel size, must be a number, 'silverman' or 'median'"),
    ],
)
def test_bad_arguments_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        cauchy_schwarz_divergence(**{"x": ONES, "y": ONES, "sigma": 1.0} | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spread": [1.0]}, r"spread must be numbers of shape \[2\]; got shape \(1,\)"),
        ({"spread": [1.0, -1.0]}, "spread must hold numbers from 0 to 1e\\+30; got -1"),
        ({"spread": None}, "spread must be a number from 0"),
        ({"spread": "1"}, "spread must be a number from 0"),
        ({"weights": [1.0]}, r"weights must be numbers of shape \[2\]; got shape \(1,\)"),
        ({"weights": [1.0, -1.0]}, "weights must hold numbers from 0 to 1e\\+30; got -1"),
        ({"weights": [0.0, 0.0]}, "weights must not all be 0"),
    ],
)
def test_bad_gaussians_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        divergence_from_gaussians(np.ones((5, 3)), ONES, **{"spread": 1.0, "sigma": 1.0} | changes)


SCALARS = [np.float16, np.float64, np.int8, np.uint64, np.array, tf.constant, tf.Variable]


@pytest.mark.parametrize("scalar", SCALARS)
def test_numbers_of_numpy_and_tensors_are_numbers(rng, scalar):
    x, y, two = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)), scalar(2)
    assert float(cauchy_schwarz_divergence(x, y, two)) == float(cauchy_schwarz_divergence(x, y, 2))
    closed = float(divergence_from_gaussians(x, y, 2, 2))
    assert float(divergence_from_gaussians(x, y, two, two)) == closed


COPIED = """
import os, sys

sys.path = [path for path in sys.path if "kmnist" not in path]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
{imports}

sample = priors.Gaussian(1).sample(5, seed=0)
assert float(divergence.cauchy_schwarz_divergence(sample, sample, 1.0)) == 0
assert not any(name.startswith("kmnist_itl") for name in sys.modules)
print(float(divergence.cauchy_schwarz_divergence([[0.0]], [[1.0]], sigma=1.0)))
"""


@pytest.mark.parametrize("package", [None, "ours"])
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_folder_and_the_priors_work_in_another_project(tmp_path, package, backend):
    home = Path(divergence.__file__).parent
    target = tmp_path / package if package else tmp_path
    shutil.copytree(home, target / "divergence", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(priors.__file__, target)
    code = COPIED.format(
        imports=f"from {package} import divergence, priors" if package else "import divergence, priors"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command, environment = [sys.executable, "-c", code], environment | {"KERAS_BACKEND": backend}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    if backend == "jax":
        assert "environment variable KERAS_BACKEND to 'tensorflow'" in done.stderr.splitlines()[-1]
    else:
        assert done.returncode == 0 and float(done.stdout) == pytest.approx(0.5), done.stderr
