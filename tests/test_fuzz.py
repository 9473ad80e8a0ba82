"""Whatever the public functions are given, they answer or raise a short ValueError or TypeError."""

import contextlib
import json
import operator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kmnist_itl import divergence, priors
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
        layer(np.ones((share, dim), np.float32), training=True)
        losses.append(float(layer.losses[0]))
        assert losses[-1] >= -1e-6 and (share or losses[-1] == 0)
    counted = [loss for share, loss in zip(shares, losses, strict=True) if share]
    assert float(layer.csd.result()) == pytest.approx(np.mean(counted) if counted else 0, rel=1e-5, abs=1e-6)


@fuzz
@given(x=SAMPLES, y=SAMPLES, sigma=SIGMAS, weights=st.one_of(ARRAYS, ANYTHING))
def test_weights_tables_and_several_samples(x, y, sigma, weights):
    answer(divergence.information_potential, x, y, sigma, x_weights=weights, y_weights=weights)
    answer(divergence.renyi_entropy, x, sigma, weights=weights)
    answer(divergence.silverman_kernel_size, x)
    answer(divergence.median_kernel_size, x)
    answer(divergence.divergence_from_gaussians, x, y, weights, sigma)
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
    for named in ({"estimator": estimator}, {"divergence": estimator}):
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
