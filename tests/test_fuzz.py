"""Whatever the public functions are given, they answer or raise a short ValueError or TypeError."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kmnist_itl import clustering, data, divergence, priors
from kmnist_itl._tensorflow import tf

ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**9), st.floats(), st.text(max_size=5), st.just([1.0])
)
SIGMAS = st.one_of(st.floats(1e-3, 1e4), ANYTHING)
ARRAYS = hnp.arrays(
    dtype=st.sampled_from([np.float16, np.float32, np.float64, np.int32, np.bool_, np.complex64]),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
POINTS = hnp.arrays(
    dtype=st.sampled_from([np.float32, np.float64]),
    shape=st.tuples(st.integers(1, 5), st.just(2)),
    elements=st.floats(-1e3, 1e3, width=32),
)
SAMPLES = st.one_of(POINTS, ARRAYS, ANYTHING)
fuzz = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def answer(function, *arguments, **named):
    """What the function returns, or None where it refused in a few lines."""
    try:
        return function(*arguments, **named)
    except (ValueError, TypeError) as error:
        # TensorFlow's own errors are long, or speak of ops.
        assert type(error) in (ValueError, TypeError), repr(error)
        assert len(str(error)) > 0 and str(error).count("\n") < 3, str(error)
        assert "{{" not in str(error) and "Op:" not in str(error), str(error)
        return None


@pytest.mark.parametrize(
    "function",
    [
        divergence.log_information_potential,
        divergence.information_potential,
        divergence.renyi_cross_entropy,
        divergence.cauchy_schwarz_divergence,
        divergence.parzen_density,
    ],
)
@fuzz
@given(x=SAMPLES, y=SAMPLES, sigma=SIGMAS)
def test_functions_of_two_samples(function, x, y, sigma):
    found = answer(function, x, y, sigma)
    if found is not None:
        assert not np.any(np.isnan(found))


@fuzz
@given(x=POINTS, y=POINTS, sigma=st.floats(1e-3, 1e4), block_size=st.one_of(st.integers(1, 7), ANYTHING))
def test_the_divergence_is_finite_and_not_negative(x, y, sigma, block_size):
    y = y.astype(x.dtype)
    found = answer(divergence.cauchy_schwarz_divergence, x, y, sigma, block_size=block_size)
    if found is not None:
        # Whether x and y are nearly the same, or so far apart that every kernel underflows.
        assert np.isfinite(found) and found >= -1e-6


@fuzz
@given(x=SAMPLES, sigma=SIGMAS, spread=st.one_of(st.floats(0, 10), ANYTHING), means=SAMPLES)
def test_functions_of_one_sample(x, sigma, spread, means):
    answer(divergence.renyi_entropy, x, sigma)
    answer(divergence.silverman_kernel_size, x)
    answer(divergence.median_kernel_size, x)
    answer(divergence.divergence_from_gaussians, x, means, spread, sigma)


@fuzz
@given(prior=ANYTHING, sigma=SIGMAS, weight=ANYTHING, estimator=ANYTHING)
def test_the_layers_arguments(prior, sigma, weight, estimator):
    answer(divergence.CauchySchwarzRegularizer, prior, sigma, weight)
    answer(divergence.CauchySchwarzRegularizer, priors.Gaussian(2), sigma, weight, estimator=estimator)


@fuzz
@given(number=ANYTHING, other=ANYTHING)
def test_priors(number, other):
    number = min(number, 50) if isinstance(number, int) else number
    answer(priors.get, number)
    for made in (
        answer(priors.Gaussian, number),
        answer(priors.GaussianMixture, number, other),
        answer(priors.SwissRoll),
    ):
        if made is None:
            continue
        points = answer(made.sample, number, seed=other)
        if points is not None:
            assert points.shape == (int(number), made.dim) and bool(tf.reduce_all(tf.math.is_finite(points)))


@fuzz
@given(
    labels=st.one_of(hnp.arrays(np.int64, st.integers(0, 6), elements=st.integers(-1, 5)), SAMPLES),
    clusters=st.one_of(hnp.arrays(np.int64, st.integers(0, 6), elements=st.integers(-1, 5)), SAMPLES),
)
def test_matching(labels, clusters):
    accuracy = answer(clustering.clustering_accuracy, labels, clusters)
    assert accuracy is None or 0 <= accuracy <= 1
    answer(clustering.match_clusters, labels, clusters)
    answer(clustering.scores, labels, clusters)


@fuzz
@given(
    points=SAMPLES, clusters=st.one_of(st.integers(1, 4), ANYTHING), seed=ANYTHING, starts=st.integers(-1, 2)
)
def test_kmeans(points, clusters, seed, starts):
    fitted = answer(clustering.fit_kmeans, points, clusters=clusters, seed=seed, starts=starts)
    assert fitted is None or len(np.unique(fitted.labels_)) <= clusters


@fuzz
@given(
    name=st.one_of(st.just("digits"), st.text(max_size=5), st.integers()),
    fraction=ANYTHING,
    seed=ANYTHING,
    limit=ANYTHING,
)
def test_load(name, fraction, seed, limit):
    if name not in ("kmnist", "auto"):
        answer(data.load, name, validation_fraction=fraction, seed=seed, limit=limit)
