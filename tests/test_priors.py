"""The priors: what they draw, with which seeds, how they are saved, and what they refuse."""

import json

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from kmnist_itl import priors
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer

GAUSSIAN, MIXTURE, EMPIRICAL = priors.Gaussian, priors.GaussianMixture, priors.Empirical
MEANS = [[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]


@keras.saving.register_keras_serializable(package="tests")
def circle(n, seed):
    points = GAUSSIAN(2).sample(n, seed)
    return points / tf.norm(points, axis=1, keepdims=True)


@keras.saving.register_keras_serializable(package="tests")
class Circle:
    def __call__(self, n, seed):
        return circle(n, seed)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


# The standard ones, and one with every argument of each class.
EXAMPLES = {
    "swiss_roll": priors.SwissRoll(),
    "gaussian": GAUSSIAN(2, mean=[1.0, -1.0], scale=0.5),
    "mixture, means": MIXTURE(means=MEANS, scale=[1.0, 0.5, 2.0], weights=[3, 0, 1]),
    "mixture on a sphere": MIXTURE(4, 2.5, scale=0.5),
    "empirical": EMPIRICAL(np.random.default_rng(5).normal(size=(400, 2))),
    "empirical, function": EMPIRICAL(circle),
    "empirical, object": EMPIRICAL(Circle()),
}


@pytest.mark.parametrize("prior", EXAMPLES.values(), ids=list(EXAMPLES))
def test_a_prior_is_seeded_and_comes_back_with_a_saved_layer(prior):
    points = prior.sample(500, seed=3).numpy()
    assert points.shape == (500, prior.dim) and points.dtype == np.float32
    assert not np.array_equal(points, prior.sample(500, seed=4))
    assert not np.array_equal(prior.sample(500), prior.sample(500))
    layer = CauchySchwarzRegularizer(prior, sigma=3.0, seed=9)
    description = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert description["config"]["prior"]["registered_name"] == f"kmnist_itl>{type(prior).__name__}"
    again = keras.saving.deserialize_keras_object(description).prior
    assert type(again) is type(prior) and again.get_config() == prior.get_config()
    assert np.array_equal(points, again.sample(500, seed=3))


@pytest.mark.parametrize("given", [[0, 1], range(2), np.arange(2), tf.Variable([0.0, 1.0])])
def test_a_number_for_each_axis_may_come_in_any_sequence(given):
    assert GAUSSIAN(2, mean=given).mean == [0, 1]


@pytest.mark.parametrize("name", ["mixture, means", "empirical, function"])
def test_a_graph_need_not_know_how_many(name):
    prior = EXAMPLES[name]

    @tf.function(jit_compile=True)
    def sample(like, seed):
        return prior.sample(tf.shape(like)[0], seed=seed), prior.sample(tf.shape(like)[0])

    for points in sample(tf.zeros([30, 2]), tf.constant([1, 2])):
        assert points.shape == (30, prior.dim) and bool(tf.reduce_all(tf.math.is_finite(points)))


@pytest.mark.parametrize(
    ("name", "arguments", "config", "first"),
    [
        ("gaussian", {"dim": 2}, {"dim": 2}, [[0.1266503, -0.4930166], [0.6311907, -0.7888466]]),
        (
            "gaussian_mixture",
            {},
            {"components": 10, "radius": 5.0},
            [[0.5052148, -4.8065639, 3.1311908], [-2.7846324, -3.2744555, -4.0569935]],
        ),
        ("swiss_roll", {}, {}, [[6.1242714, 16.1866379, 2.7200885], [4.1187615, 8.1603622, -10.5938816]]),
    ],
)
def test_the_papers_priors_draw_and_are_described_as_ever(name, arguments, config, first):
    """The keys of kept trainings hold these configs, and their results these draws."""
    prior = priors.get(name, **arguments)
    assert prior.get_config() == config and priors.name_of(prior) == name
    np.testing.assert_allclose(prior.sample(3, seed=0)[:2], first, rtol=1e-6)


def test_the_components_of_a_mixture_have_their_shares_places_and_widths():
    prior = MIXTURE(means=MEANS, scale=[1.0, 0.5, 0.25], weights=[1, 3, 4])
    assert (prior.dim, prior.components, prior.radius) == (2, 3, None)
    assert prior.weights == [0.125, 0.375, 0.5] and prior.means == MEANS
    points = prior.sample(40_000, seed=2).numpy()
    nearest = cdist(points, MEANS).argmin(axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / len(points), prior.weights, atol=0.01)
    for component in range(3):
        its = points[nearest == component]
        np.testing.assert_allclose(its.mean(axis=0), MEANS[component], atol=0.04)
        np.testing.assert_allclose(its.std(axis=0), prior.scale[component], rtol=0.04)


def test_the_moments_of_a_gaussian_are_its_arguments():
    points = GAUSSIAN(2, mean=[1.0, -1.0], scale=2.0).sample(40_000, seed=0).numpy()
    np.testing.assert_allclose(points.mean(axis=0), [1, -1], atol=0.04)
    np.testing.assert_allclose(np.cov(points.T), [[4, 0], [0, 4]], atol=0.06)


def test_points_are_drawn_with_replacement():
    given = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    drawn = EMPIRICAL(given).sample(30_000, seed=0).numpy()
    rows, counts = np.unique(drawn, axis=0, return_counts=True)
    assert rows.tolist() == given
    np.testing.assert_allclose(counts / len(drawn), 1 / 3, atol=0.01)


def test_a_function_draws():
    prior = EMPIRICAL(lambda n, seed: np.full((n, 4), seed + 0.5))  # float64
    points = prior.sample(7, seed=3)
    assert prior.dim == 4 and points.dtype == tf.float32 and points.numpy().tolist() == [[3.5] * 4] * 7
    assert priors.name_of(prior) == "Empirical"


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (None, TypeError, "what points returns must be an array of floats; got NoneType"),
        (np.ones(2), ValueError, r"what points returns must be of shape \[2, d\], .* got \(2,\)"),
        (np.ones((5, 3)), ValueError, r"what points returns must be of shape \[2, d\], .* got \(5, 3\)"),
    ],
)
def test_what_a_function_returns_is_checked(returned, error, message):
    with pytest.raises(error, match=message):
        EMPIRICAL(lambda n, seed: returned)


TWO = [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("made", "arguments", "message"),
    [
        (priors.get, {"name": "cauchy"}, "prior must be one of 'swiss_roll', 'gaussian', .* got 'cauchy'"),
        *[(GAUSSIAN, {"dim": bad}, "dim must be a whole number from 1") for bad in (0, 10**400, True, 2.5)],
        (GAUSSIAN, {"mean": np.nan}, r"mean must be a number or numbers of shape \[3\] from .* got nan"),
        (GAUSSIAN, {"mean": [0.0]}, r"mean must be .* of shape \[3\] .* got \[0.0\]"),
        (GAUSSIAN, {"mean": [0.0, np.inf, 0.0]}, r"mean must be .* of shape \[3\] .* got inf"),
        *[(GAUSSIAN, {"scale": bad}, "scale must be a number from 1e-30")
          for bad in (0, [1.0] * 3, np.array("1", object))],
        (GAUSSIAN, {"scale": None}, "scale must be a number from 1e-30 to 1e\\+30; got None"),
        *[(MIXTURE, {"radius": bad}, "radius must be a number from 1e-30") for bad in (1e160, "5")],
        (MIXTURE, {"means": TWO, "radius": 3}, "give components=10 and radius=3 or means, not both"),
        (MIXTURE, {"means": [1.0]}, r"means must be numbers of shape \[n, d\] .* got \[1.0\]"),
        (MIXTURE, {"means": TWO, "scale": [1, 0]}, "scale must be .* from 1e-30 .* got 0"),
        (MIXTURE, {"means": TWO, "weights": [1, -1]}, "weights must be numbers .* from 0 .* got -1"),
        (MIXTURE, {"means": TWO, "weights": [0, 0]}, "weights must not all be 0; got"),
        (MIXTURE, {"means": TWO, "weights": 1}, r"weights must be numbers of shape \[2\]"),
        (EMPIRICAL, {"points": sparse.eye(3)}, "points must be numbers .* got <"),
        *[(GAUSSIAN().sample, {"n": bad}, "n must be a whole number from 1 to")
          for bad in (0, 2**31, 2.0, tf.constant([2, 2]))],
        *[(GAUSSIAN().sample, {"n": 2, "seed": bad}, "seed must be a whole number from -9223372036854775808")
          for bad in (2**63, 1.5, tf.constant([1, 2, 3]), tf.constant([1.0, 2.0]))],
    ],
)  # fmt: skip
def test_bad_arguments_are_named(made, arguments, message):
    with pytest.raises(ValueError, match=message):
        made(**arguments)


def test_what_no_file_can_hold_is_not_described():
    by_rule = CauchySchwarzRegularizer(GAUSSIAN(2), lambda points: 1.0)
    for name, made in (("points", EMPIRICAL(lambda n, seed: tf.zeros([n, 4]))), ("sigma", by_rule)):
        with pytest.raises(ValueError, match=f"{name} must be registered to be saved: put @keras"):
            made.get_config()


@pytest.mark.parametrize("prior", EXAMPLES.values(), ids=list(EXAMPLES))
def test_its_settings_are_fixed(prior):
    for name in vars(prior):
        with pytest.raises(AttributeError, match=f"{name} of a prior is fixed, .* make another prior"):
            setattr(prior, name, 5.0)


@pytest.mark.parametrize("scalar", [np.uint8, np.array, tf.constant])
def test_numbers_of_numpy_and_tensors_are_numbers(scalar):
    for prior in (GAUSSIAN(scalar(2)), MIXTURE(scalar(2), radius=scalar(3))):
        assert {type(value) for value in prior.get_config().values()} <= {int, float}
        assert np.array_equal(prior.sample(scalar(2), seed=scalar(2)), prior.sample(2, seed=2))
    big = np.int64(1764374702123456789)
    assert np.array_equal(prior.sample(3, seed=big), prior.sample(3, seed=int(big)))


def test_the_roll_and_the_mixture_lie_where_the_paper_has_them():
    x, height, z = priors.SwissRoll().sample(5_000, seed=0).numpy().T
    angle = np.hypot(x, z)
    assert angle.min() >= 1.5 * np.pi - 1e-3 and angle.max() <= 4.5 * np.pi + 1e-3
    np.testing.assert_allclose(angle * np.cos(angle), x, atol=1e-3)
    assert height.min() >= 0 and height.max() <= 21
    mixture = MIXTURE(10, radius=50.0)
    np.testing.assert_allclose(np.linalg.norm(mixture.means, axis=1), 50)
    nearest = cdist(mixture.sample(5_000, seed=0), mixture.means)
    assert np.bincount(nearest.argmin(axis=1), minlength=10).min() > 400


def test_the_distance_to_the_roll_is_that_of_its_nearest_point(rng):
    roll = priors.SwissRoll()
    assert float(tf.reduce_max(roll.distance(roll.sample(500, seed=0)))) < 0.02
    # Straight off the roll's edge.
    edge = roll.surface([4.5 * np.pi], [21.0]).numpy()
    assert float(roll.distance(edge + np.array([[0, 3, 0]]))[0]) == pytest.approx(3, abs=0.01)
    cloud = roll.sample(20_000, seed=1).numpy()
    points = rng.uniform(-15, 25, size=(20, 3)).astype(np.float32)
    nearest, distances = cdist(points, cloud).min(axis=1), roll.distance(points).numpy()
    assert (distances <= nearest + 0.01).all() and (nearest - distances).max() < 0.6
