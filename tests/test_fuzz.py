"""Whatever the public functions are given, they answer or raise a short ValueError or TypeError."""

import contextlib
import json
import operator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kmnist_itl import clustering, data, divergence, priors
from kmnist_itl._tensorflow import tf

# The scalars of NumPy, of every dtype, and what is no number at all.
SCALARS = st.builds(
    lambda dtype, number: np.array(number).astype(dtype)[()],
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64, np.uint64, np.bool_]),
    st.integers(0, 100),
)
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**9),
    st.sampled_from([2**31, 2**32, 2**63, 2**64, 10**400, -(2**70)]),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(exclude_characters="{}"), max_size=5),
    st.just([1.0]),
    st.just([[1.0], [1.0, 2.0]]),
    st.sampled_from([priors.SwissRoll, object(), b"1"]),
    SCALARS,
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
LABELS = hnp.arrays(
    dtype=st.sampled_from([np.int8, np.uint8, np.int16, np.uint32, np.int64, np.uint64]),
    shape=st.just(6),
    elements=st.sampled_from([0, 1, 5, 127]),
)
fuzz = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def answer(function, *arguments, **named):
    """What the function returns, or None where it refused in a few lines."""
    try:
        return function(*arguments, **named)
    except (ValueError, TypeError) as error:
        # TensorFlow's own errors are long, or speak of ops.
        assert type(error) in (ValueError, TypeError), repr(error)
        assert len(str(error)) > 0 and str(error).count("\n") < 3, str(error)
        assert not any(part in str(error) for part in ("{{node", "{{function", "Op:")), str(error)
        return None


@pytest.mark.parametrize(
    "function",
    [
        divergence.log_information_potential,
        divergence.information_potential,
        divergence.renyi_cross_entropy,
        divergence.cauchy_schwarz_divergence,
        divergence.euclidean_divergence,
        divergence.fourier_divergence,
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


@settings(fuzz, max_examples=25)
@given(
    n=st.integers(1, 6),
    m=st.integers(1, 6),
    dim=st.one_of(st.integers(1, 20), st.integers(1, 300)),
    sigma=st.floats(1e-3, 1e3),
    spread=st.floats(-3, 8),
    seed=st.integers(0, 2**32 - 1),
    block_size=st.sampled_from([None, None, None, 4]),
)
def test_many_dimensions_and_far_points(n, m, dim, sigma, spread, seed, block_size):
    """Up to 300 dimensions, and some points up to 1e8 sigma off: value and gradient are right."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + 0.5
    x[rng.random(n) < 0.3] += 10**spread
    y[rng.random(m) < 0.3] += 10**spread
    x, y = (sigma * x / dim**0.5).astype(np.float32), (sigma * y / dim**0.5).astype(np.float32)
    x_, y_ = tf.constant(x), tf.constant(y)
    with tf.GradientTape() as tape:
        tape.watch((x_, y_))
        value = divergence.cauchy_schwarz_divergence(x_, y_, sigma, block_size=block_size)

    def log_mean_and_slope(a, b):
        differences = (b[None] - a[:, None]).astype(np.longdouble)
        exponents = -np.sum(differences**2, axis=2) / (4 * sigma**2)
        weights = np.exp(exponents - exponents.max())
        slope = np.sum(weights[:, :, None] * differences, axis=1) / (2 * sigma**2 * weights.sum())
        return np.log(np.mean(weights)) + exponents.max(), slope

    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    (xx, in_x), (yy, in_y), (xy, cross_x), (_, cross_y) = (
        log_mean_and_slope(*pair) for pair in ((x, x), (y, y), (x, y), (y, x))
    )
    assert float(value) == pytest.approx(float(xx + yy - 2 * xy), rel=1e-4, abs=1e-6)
    for found, within, across in zip(
        tape.gradient(value, (x_, y_)), (in_x, in_y), (cross_x, cross_y), strict=True
    ):
        parts = np.linalg.norm(within) + np.linalg.norm(across)
        assert np.linalg.norm(found - 2 * (within - across)) <= 1e-4 * parts + 1e-30


@fuzz
@given(
    shares=st.lists(st.sampled_from([0, 1, 5]), min_size=1, max_size=4),
    # Few values, since each pair of them is compiled, and XLA keeps what it has compiled.
    dim=st.sampled_from([1, 3, 300]),
    estimator=st.sampled_from(["sample", "closed_form"]),
    block_size=st.sampled_from([None, 4]),
    dtype=st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
)
def test_shares_of_a_batch(shares, dim, estimator, block_size, dtype):
    """Empty ones add 0 and leave the metric alone, whatever the layer's dtype."""
    layer = divergence.CauchySchwarzRegularizer(
        priors.Gaussian(dim), 2.0, estimator=estimator, block_size=block_size, dtype=dtype
    )
    losses = []
    for share in shares:
        layer(np.ones((share, dim), np.float32))
        losses.append(float(layer.losses[0]))
        assert losses[-1] >= -1e-6 and (share or losses[-1] == 0)
    counted = [loss for share, loss in zip(shares, losses, strict=True) if share]
    assert float(layer.csd.result()) == pytest.approx(np.mean(counted) if counted else 0, rel=1e-5, abs=1e-6)


@fuzz
@given(x=SAMPLES, sigma=SIGMAS, spread=st.one_of(st.floats(0, 10), ANYTHING), means=SAMPLES)
def test_functions_of_one_sample(x, sigma, spread, means):
    answer(divergence.renyi_entropy, x, sigma)
    answer(divergence.silverman_kernel_size, x)
    answer(divergence.median_kernel_size, x)
    answer(divergence.divergence_from_gaussians, x, means, spread, sigma)


@fuzz
@given(x=SAMPLES, y=SAMPLES, sigma=SIGMAS, weights=st.one_of(ARRAYS, ANYTHING))
def test_weights_tables_and_several_samples(x, y, sigma, weights):
    answer(divergence.information_potential, x, y, sigma, x_weights=weights, y_weights=weights)
    answer(divergence.renyi_entropy, x, sigma, weights=weights)
    for found in (
        answer(divergence.quadratic_mutual_information, x, y, sigma, 1.0),
        answer(divergence.quadratic_mutual_information, table=x),
        answer(divergence.conditional_cauchy_schwarz_divergence, x, y, y, x, sigma, sigma),
        answer(divergence.generalized_cauchy_schwarz_divergence, [x, y, x], sigma),
    ):
        assert found is None or not np.isnan(found)


@fuzz
@given(prior=ANYTHING, sigma=SIGMAS, weight=ANYTHING, estimator=ANYTHING, seed=ANYTHING, block_size=ANYTHING)
def test_the_layers_arguments(prior, sigma, weight, estimator, seed, block_size):
    answer(divergence.CauchySchwarzRegularizer, prior, sigma, weight)
    for named in ({"estimator": estimator}, {"divergence": estimator}, {"features": seed}):
        answer(divergence.CauchySchwarzRegularizer, priors.Gaussian(2), sigma, weight, **named)
    given_all = {"seed": seed, "block_size": block_size}
    layer = answer(divergence.CauchySchwarzRegularizer, priors.Gaussian(2), sigma, weight, **given_all)
    if layer is not None:
        # What passes the constructor works, and comes back from its own description.
        layer(np.ones((3, 2), np.float32))
        assert np.isfinite(layer.losses[0])
        json.dumps(layer.get_config())
        assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@fuzz
@given(number=SCALARS)
def test_scalars_of_numpy_are_numbers(number):
    x = np.arange(6.0).reshape(3, 2)
    whole = np.issubdtype(number.dtype, np.integer) and number >= 1
    if number > 0:
        assert divergence.check_kernel_size(number) == float(number)
        assert priors.GaussianMixture(2, number).radius == float(number)
    layer = divergence.CauchySchwarzRegularizer(priors.Gaussian(2), 1.0, number)
    assert layer.weight == float(number)
    assert answer(divergence.divergence_from_gaussians, x, x, number, 1.0) is not None
    made = answer(
        divergence.CauchySchwarzRegularizer, priors.Gaussian(2), 1.0, seed=number, block_size=number
    )
    assert (made is not None) == whole


@fuzz
@given(number=ANYTHING, other=ANYTHING)
def test_priors(number, other):
    answer(priors.get, number)
    with contextlib.suppress(TypeError, ValueError):
        number = min(number, 50)
    for made in (
        answer(priors.Gaussian, number),
        answer(priors.GaussianMixture, number, other),
        answer(priors.SwissRoll),
    ):
        if made is None:
            continue
        points = answer(made.sample, number, seed=other)
        if points is not None:
            assert points.shape == (operator.index(number), made.dim) and bool(
                tf.reduce_all(tf.math.is_finite(points))
            )


@fuzz
@given(
    labels=st.one_of(hnp.arrays(np.int64, st.integers(0, 6), elements=st.integers(-1, 5)), LABELS, SAMPLES),
    clusters=st.one_of(
        hnp.arrays(np.int64, st.integers(0, 6), elements=st.integers(-1, 10**15)), LABELS, SAMPLES
    ),
)
def test_matching(labels, clusters):
    accuracy = answer(clustering.clustering_accuracy, labels, clusters)
    assert accuracy is None or 0 <= accuracy <= 1
    answer(clustering.match_clusters, labels, clusters)
    answer(clustering.scores, labels, clusters)


@fuzz
@given(labels=LABELS, clusters=LABELS, dtype=st.sampled_from([np.int64, np.uint64, np.int32]))
def test_the_dtype_of_labels_is_no_matter(labels, clusters, dtype):
    same = labels.astype(dtype), clusters.astype(dtype)
    assert clustering.scores(labels, clusters) == clustering.scores(*same)
    assert np.array_equal(clustering.match_clusters(labels, clusters), clustering.match_clusters(*same))


@fuzz
@given(
    points=SAMPLES, clusters=st.one_of(st.integers(1, 4), ANYTHING), seed=ANYTHING, starts=st.integers(-1, 2)
)
def test_kmeans(points, clusters, seed, starts):
    fitted = answer(clustering.fit_kmeans, points, clusters=clusters, seed=seed, starts=starts)
    assert fitted is None or len(np.unique(fitted.labels_)) <= int(clusters)


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
