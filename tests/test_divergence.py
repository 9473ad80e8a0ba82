import os
import shutil
import subprocess
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from exact import exact, log_potential, value_and_slopes
from scipy import sparse
from scipy.spatial.distance import pdist
from scipy.stats import gaussian_kde

from kmnist_itl import divergence, priors
from kmnist_itl._tensorflow import keras, tf

CSD, CLOSED = divergence.cauchy_schwarz_divergence, divergence.divergence_from_gaussians


def csd_and_slopes(x, y, sigma, **options):
    return value_and_slopes(partial(CSD, sigma=sigma, **options), x, y)


def assert_right(results, expected, case):
    """The value is right to 1e-5, and the slopes to 1e-4 of their length."""
    assert float(results[0]) == pytest.approx(float(expected[0]), rel=1e-5), case
    for slope, right in zip(results[1:], expected[1:3], strict=True):
        assert np.linalg.norm(np.subtract(slope, right)) < 1e-4 * np.linalg.norm(right), case


@pytest.mark.parametrize(
    ("n", "dim", "scale", "shift", "offset"),
    [(150, 3, *rest) for rest in ((1, 0, 0), (1, 0, 100), (2, 0, 100), (1, 1, 0), (1, 1_000, 100))]
    + [(2, 3, 1, 0, 100), (150, 1, 2, 0, 100), (60, 50, 1, 1, 0), (60, 50, 1, 1_000, 100)],
)
def test_values_and_slopes_in_single_precision_are_exact_at_every_kernel_size(n, dim, scale, shift, offset):
    rng = np.random.default_rng(n + dim)
    x, y = rng.normal(size=(n, dim)), scale * rng.normal(size=(n + 1, dim)) + shift / dim**0.5
    x, y = (x + offset).astype(np.float32), (y + offset).astype(np.float32)
    for sigma in (0.01, 0.3, 2, 5, 100, 10_000):
        assert_right(csd_and_slopes(x, y, sigma), exact(x, y, sigma), sigma)
        log_v = log_potential(x.astype(float), y.astype(float), sigma, np.ones(n), np.ones(n + 1))
        log_v = float(log_v) - dim / 2 * np.log(4 * np.pi * sigma**2)
        result = float(divergence.log_information_potential(x, y, sigma))
        assert result == pytest.approx(log_v, rel=1e-6, abs=1e-6), sigma


@pytest.mark.parametrize(
    ("share", "off", "sigma"),
    [(0.01, 30, 100.0), (0.5, 100, 1e-3), (0.01, 1e4, 1e-3), (0.5, 1e4, 100.0), (0.01, 5e8, 100.0)],
)
def test_slopes_are_right_where_points_lie_far_beyond_sigma(share, off, sigma):
    """One point of 100, or half of them, so many sigma off: the large sums of the others must not cancel."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 3)), rng.normal(size=(90, 3)) + 0.5
    x[: int(share * 100)] += off
    y[: int(share * 90)] += off
    x, y = (sigma * x).astype(np.float32), (sigma * y).astype(np.float32)
    assert_right(csd_and_slopes(x, y, sigma), exact(x, y, sigma), sigma)


@pytest.mark.parametrize(("dim", "jit", "block_size"), [(784, True, None), (3, False, 7)])
def test_graphs_of_unknown_sizes_and_blocks_are_exact(dim, jit, block_size):
    rng = np.random.default_rng(dim)
    x, y, sigma = rng.normal(size=(20, dim)) + 100, 1.2 * rng.normal(size=(25, dim)) + 100.1, dim**0.5
    x, y = x.astype(np.float32), y.astype(np.float32)
    graph = tf.function(
        lambda x, y: csd_and_slopes(x, y, sigma, block_size=block_size),
        input_signature=[tf.TensorSpec([None, dim if jit else None])] * 2,
        jit_compile=jit,
    )
    assert_right(graph(x, y), exact(x, y, sigma), sigma)
    if not jit:
        assert np.isnan(graph(x[:0], y)[0])


def test_no_product_is_rounded_where_a_gpu_would_round_it(monkeypatch, rng):
    matmul, dtypes = tf.matmul, []
    monkeypatch.setattr(divergence.pairs, "has_tf32", lambda: True)
    monkeypatch.setattr(tf, "matmul", lambda a, *b, **c: (dtypes.append(a.dtype), matmul(a, *b, **c))[1])
    x, y = rng.normal(size=(20, 3)).astype("f4"), rng.normal(size=(25, 3)).astype("f4") + 1
    assert_right(csd_and_slopes(x, y, 2.0), exact(x, y, 2.0), 2.0)
    assert dtypes and tf.float32 not in dtypes


def test_the_potentials_are_densities_and_the_entropies_their_logs(rng):
    # One point against itself: the kernel's peak, a normal density of variance 2 sigma^2 at 0.
    peak = float(divergence.information_potential([[0.0]], [[0.0]], 0.5))
    assert peak == pytest.approx(1 / np.sqrt(2 * np.pi * 2 * 0.5**2), rel=1e-6)
    x, y = rng.normal(size=(40, 1)), rng.normal(size=(50, 1))
    entropies = divergence.renyi_entropy(x, 0.7), divergence.renyi_cross_entropy(x, y, 0.7)
    for entropy, right in zip(entropies, (x, y), strict=True):
        potential = float(divergence.information_potential(x, right, 0.7))
        assert float(entropy) == pytest.approx(-np.log(potential))


@pytest.mark.parametrize("sigma", [0.1, 1_000])
def test_properties(rng, sigma):
    x, y = rng.normal(size=(60, 3)), 1.5 * rng.normal(size=(80, 3)) + 0.5
    value = float(CSD(x, y, sigma))
    for sample in (x, x.astype(np.float32)):
        assert float(CSD(sample, sample.copy(), sigma)) == 0 <= value
    for left, right, scale in ((y, x, 1), (x + 7, y + 7, 1), (x[::-1].copy(), y, 1), (3 * x, 3 * y, 3)):
        assert float(CSD(left, right, scale * sigma)) == pytest.approx(value, rel=1e-9)
    for left, right, dtype in ((x, x, "f8"), (x, x.astype("f4"), "f4"), (x.astype("f2"), x, "f4")):
        assert CSD(left, right, 1.0).dtype == np.dtype(dtype)


@pytest.mark.parametrize("inner", [0, 2])
def test_a_second_derivative_is_refused_in_points_and_in_weights(rng, inner):
    given = [tf.constant(rng.random(shape)) for shape in ((5, 2), (4, 2), (5,), (4,))]
    with tf.GradientTape(persistent=True) as second:
        second.watch(given)
        slopes = value_and_slopes(lambda x, y, a, b: CSD(x, y, 0.5, x_weights=a, y_weights=b), *given)
    for outer in given:
        with pytest.raises(tf.errors.InvalidArgumentError, match="differentiated once"):
            second.gradient(slopes[1 + inner], outer)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("block_size", [None, 4])
def test_two_tapes_around_a_graph_may_ask_for_first_derivatives(rng, block_size, jit):
    x, y = tf.constant(rng.random((5, 2))), tf.constant(rng.random((4, 2)))
    graph = tf.function(
        lambda x: CSD(x, y, 0.5, block_size=block_size),
        input_signature=[tf.TensorSpec([None, 2], x.dtype)],
        jit_compile=jit,
    )
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(x)
        value, slope = value_and_slopes(graph, x)
    _, alone, _ = csd_and_slopes(x, y, 0.5)
    np.testing.assert_allclose(slope, alone, rtol=1e-9)
    np.testing.assert_allclose(outer.gradient(value, x), alone, rtol=1e-9)
    if jit:
        assert np.isnan(outer.gradient(slope, x)).all()
    else:
        with pytest.raises(tf.errors.InvalidArgumentError, match="differentiated once"):
            outer.gradient(slope, x)


@pytest.mark.parametrize(
    ("scale", "weights", "offset"),
    [([1.5, 1.0, 0.25], [2.0, 2.0, 0.0], 100), ([1.5] * 3, [1.0] * 3, 0)],
)
def test_the_closed_form_and_its_slopes_are_exact(scale, weights, offset):
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(12, 2)) * [2.0, 1.0]).astype(np.float32) + np.float32(offset)
    means = np.array([[1.0, 0.25], [-1.0, -0.25], [0.5, -2.0]], np.float32) + np.float32(offset)
    for sigma in (0.1, 1, 5, 100, 10_000):
        results = value_and_slopes(partial(CLOSED, spread=scale, sigma=sigma, weights=weights), x, means)
        assert_right(results, exact(x, means, sigma, b=weights, scale=scale), sigma)


def test_the_closed_form_is_exact_in_larger_samples():
    """The divergence falls with n, and the rounding must fall, too."""
    rng = np.random.default_rng(2_000)
    means = np.array(priors.GaussianMixture().means, np.float32)
    x = (means[rng.integers(0, 10, 2_000)] + rng.normal(size=(2_000, 3))).astype(np.float32)
    for sigma in (0.3, 3, 10):
        exact = float(CLOSED(x.astype(float), means.astype(float), 1.0, sigma))
        assert float(CLOSED(x, means, 1.0, sigma)) == pytest.approx(exact, rel=1e-5), sigma


def test_kernel_size_rules_are_those_of_their_sources(rng):
    x = rng.normal(size=(501, 2))
    # SciPy's "silverman" is the same factor, (n (d + 2) / 4)^(-1 / (d + 4)).
    factor = gaussian_kde(x.T, "silverman").factor
    deviation = np.sqrt(x.var(axis=0, ddof=1).mean())
    assert float(divergence.silverman_kernel_size(x)) == pytest.approx(factor * deviation, rel=1e-6)
    for points, options, error in ((x, {}, 1e-6), (x[:4], {}, 1e-6), (x, {"most": 200}, 0.1)):
        expected = np.median(pdist(points)) / np.sqrt(2)
        assert float(divergence.median_kernel_size(points, **options)) == pytest.approx(expected, rel=error)


ONES = np.ones((2, 3))
VARIABLES = (tf.Variable(-1.0), keras.Variable(-1.0))
SIGMAS = (0, -1, 1e-160, 10**31, 10**400, float("nan"), 1j, None, True, np.True_, [10**20], *VARIABLES)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x": np.ones((2, 3), int)}, TypeError, "x must be an array of floats; got dtype int64"),
        ({"x": np.ones(3)}, ValueError, r"x must be of shape \[n, d\], not empty; got \(3,\)"),
        ({"y": np.ones((0, 3))}, ValueError, r"y must be of shape \[n, 3\], not empty; got \(0, 3\)"),
        ({"y": np.ones((2, 2))}, ValueError, r"y must be of shape \[n, 3\], not empty; got \(2, 2\)"),
        ({"x": sparse.eye(3)}, TypeError, "x must be an array of floats; got dia_matrix"),
        ({"x": tf.ragged.constant([[1.0], [1.0, 2.0]])}, TypeError, "x must .* got RaggedTensor"),
        ({"y": np.full((2, 3), np.nan)}, ValueError, "y must be finite; it holds NaN or infinity"),
        *[({"block_size": bad}, ValueError, "block_size must be a whole number from 1 to 2147483647")
          for bad in (0, 2.5, "many", True, np.float32(2), 2**31)],
        *[({"sigma": bad}, ValueError, r"sigma must be a number from 1e-30 to 1e\+30") for bad in SIGMAS],
    ],
)  # fmt: skip
def test_bad_arguments_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        CSD(**{"x": ONES, "y": ONES, "sigma": 1.0} | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spread": [1.0]}, r"spread must be .* numbers of shape \[2\] from 0 to 1e\+30; got \[1.0\]"),
        ({"spread": [1.0, -1.0]}, r"spread must be .* numbers of shape \[2\] from 0 to 1e\+30; got -1"),
        ({"spread": None}, "spread must be a number or"),
        ({"weights": [1.0, -1.0]}, "weights must hold finite numbers of at least 0, and not only zeros"),
        ({"weights": [1.0]}, r"weights must be of shape \[2\], not empty; got \(1,\)"),
    ],
)
def test_bad_gaussians_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        CLOSED(np.ones((5, 3)), ONES, **{"spread": 1.0, "sigma": 1.0} | changes)


@pytest.mark.parametrize("scalar", [np.float16, np.uint64, Fraction, np.array, tf.constant, tf.Variable])
def test_numbers_of_numpy_and_tensors_are_numbers(rng, scalar):
    x, y, two = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)), scalar(2)
    assert float(CLOSED(x, y, two, two)) == float(CLOSED(x, y, 2, 2))
    assert float(CSD(x, y, 10**20)) == float(CSD(x, y, 1e20))


COPIED = """
import sys

sys.path = [path for path in sys.path if "kmnist" not in path]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
{imports}

sample = priors.Gaussian(1).sample(5, seed=0)
assert float(divergence.cauchy_schwarz_divergence(sample, sample, 1.0)) == 0
assert not any(name.startswith("kmnist_itl") for name in sys.modules)
print(float(divergence.cauchy_schwarz_divergence([[0.0]], [[1.0]], sigma=1.0)))
"""


@pytest.mark.parametrize(("package", "backend"), [(None, ""), ("ours", "jax")])
def test_the_folder_and_the_priors_work_in_another_project(tmp_path, package, backend):
    home = Path(divergence.__file__).parent
    target = tmp_path / package if package else tmp_path
    shutil.copytree(home, target / "divergence", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(priors.__file__, target)
    code = COPIED.format(imports=f"{f'from {package} ' if package else ''}import divergence, priors")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command, environment = [sys.executable, "-c", code], environment | {"KERAS_BACKEND": backend}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    if backend == "jax":
        assert "environment variable KERAS_BACKEND to 'tensorflow'" in done.stderr.splitlines()[-1]
    else:
        assert done.returncode == 0 and float(done.stdout) == pytest.approx(0.5), done.stderr
