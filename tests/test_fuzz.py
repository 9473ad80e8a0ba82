"""Whatever the public functions are given, they answer or raise a short ValueError or TypeError."""

import contextlib
import json
import operator

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kmnist_itl import divergence, priors
from kmnist_itl._tensorflow import tf

# The scalars of NumPy, of every dtype, and what is no number at all.
DTYPES = [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64, np.uint64, np.bool_]
ODD = [2**31, 2**63, 2**64, 10**400, -(2**70), [1.0], [[1.0], [1.0, 2.0]], priors.SwissRoll, object(), b"1"]
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**9),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(exclude_characters="{}"), max_size=5),
    st.sampled_from(ODD),
    st.builds(lambda dtype, number: dtype(number), st.sampled_from(DTYPES), st.integers(0, 100)),
)
SIGMAS = st.one_of(st.floats(1e-3, 1e4), ANYTHING)
ARRAYS = hnp.arrays(
    dtype=st.sampled_from([np.float16, np.float32, np.float64, np.int32, np.bool_, np.complex64]),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
POINTS = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.just(2)), elements=st.floats(-1e3, 1e3, width=32)
)
SAMPLES = st.one_of(POINTS, ARRAYS, ANYTHING)
fuzz = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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


@fuzz
@given(x=SAMPLES, y=SAMPLES, sigma=SIGMAS, weights=st.one_of(ARRAYS, ANYTHING))
def test_functions_of_samples_weights_and_tables(x, y, sigma, weights):
    answer(divergence.renyi_entropy, x, sigma, weights=weights)
    answer(divergence.silverman_kernel_size, x)
    answer(divergence.median_kernel_size, x)
    answer(divergence.divergence_from_gaussians, x, y, weights, sigma)
    for result in (
        answer(divergence.euclidean_divergence, x, y, sigma),
        answer(divergence.cauchy_schwarz_divergence, x, y, sigma, x_weights=weights),
        answer(divergence.quadratic_mutual_information, x, y, sigma, 1.0),
        answer(divergence.quadratic_mutual_information, table=x),
        answer(divergence.conditional_cauchy_schwarz_divergence, x, y, y, x, sigma, sigma),
        answer(divergence.generalized_cauchy_schwarz_divergence, [x, y, x], sigma),
    ):
        assert result is None or not np.isnan(result)


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
@given(number=ANYTHING, value=ANYTHING)
def test_priors(number, value):
    answer(priors.get, number)
    with contextlib.suppress(TypeError, ValueError):
        number = min(number, 50)
    for prior in (answer(priors.Gaussian, number), answer(priors.GaussianMixture, number, value)):
        points = prior and answer(prior.sample, number, seed=value)
        if points is not None:
            assert points.shape == (operator.index(number), prior.dim)
            assert bool(tf.reduce_all(tf.math.is_finite(points)))
