"""The priors: what they draw, with which seeds, how they are saved, and what they refuse."""

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from kmnist_itl import priors
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer

MEANS = [[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]
POINTS = np.random.default_rng(5).normal(size=(400, 2)).astype(np.float32)


@keras.saving.register_keras_serializable(package="tests")
def ring(n, seed):
    return 2.0 * priors.Sphere(2).sample(n, seed)


@keras.saving.register_keras_serializable(package="tests")
class Ring:
    def __call__(self, n, seed):
        return ring(n, seed)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


# The standard ones, and one with every argument of each class.
EXAMPLES = {
    **{
        name: priors.get(name) for name in ("swiss_roll", "gaussian", "gaussian_mixture", "uniform", "sphere")
    },
    "gaussian, scale": priors.Gaussian(2, mean=[1.0, -1.0], scale=0.5),
    "mixture, means": priors.GaussianMixture(means=MEANS, scale=[1.0, 0.5, 2.0], weights=[3, 0, 1]),
    "mixture on a sphere": priors.GaussianMixture(4, 2.5, scale=0.5, weights=[1, 2, 3, 4]),
    "uniform, box": priors.Uniform(2, low=[0.0, -1.0], high=5.0),
    "sphere, 4-D": priors.Sphere(4, radius=3.0),
    "empirical": priors.Empirical(POINTS),
    "empirical, function": priors.Empirical(ring),
    "empirical, object": priors.Empirical(Ring()),
}
every_example = pytest.mark.parametrize("prior", EXAMPLES.values(), ids=list(EXAMPLES))


@every_example
def test_priors_are_seeded_and_made_again_from_their_config(prior):
    points = prior.sample(500, seed=3).numpy()
    assert points.shape == (500, prior.dim) and points.dtype == np.float32
    again = type(prior).from_config(prior.get_config())
    assert again.get_config() == prior.get_config()
    assert np.array_equal(points, again.sample(500, seed=3))
    assert not np.array_equal(points, prior.sample(500, seed=4))
    assert not np.array_equal(prior.sample(500), prior.sample(500))


@every_example
@pytest.mark.parametrize("jit", [False, True])
def test_a_graph_need_not_know_how_many(prior, jit):
    @tf.function(jit_compile=jit)
    def sample(like, seed):
        return prior.sample(tf.shape(like)[0], seed=seed), prior.sample(tf.shape(like)[0])

    for points in sample(tf.zeros([30, 2]), tf.constant([1, 2])):
        assert points.shape == (30, prior.dim) and bool(tf.reduce_all(tf.math.is_finite(points)))


@every_example
def test_a_saved_model_comes_back_with_its_prior(tmp_path, rng, prior):
    x = rng.normal(size=(20, 5)).astype(np.float32)
    layer = CauchySchwarzRegularizer(prior, sigma=3.0, seed=9)
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((5,)), dense(prior.dim), layer, dense(5)])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    back = again.layers[1].prior
    assert type(back) is type(prior) and back.get_config() == prior.get_config()
    assert np.array_equal(back.sample(50, seed=1), prior.sample(50, seed=1))
    assert np.array_equal(model(x), again(x))
    assert float(model.losses[0]) == float(again.losses[0])  # of the same draws


@pytest.mark.parametrize(
    ("prior", "config", "first"),
    [
        (priors.Gaussian(2), {"dim": 2}, [[0.1266503, -0.4930166], [0.6311907, -0.7888466]]),
        (
            priors.GaussianMixture(),
            {"components": 10, "radius": 5.0},
            [[0.5052148, -4.8065639, 3.1311908], [-2.7846324, -3.2744555, -4.0569935]],
        ),
        (
            priors.GaussianMixture(components=3),
            {"components": 3, "radius": 5.0},
            [[3.8534303, -0.4930166, 3.9645240], [-0.4630301, -3.1442015, -4.8903270]],
        ),
        (priors.SwissRoll(), {}, [[6.1242714, 16.1866379, 2.7200885], [4.1187615, 8.1603622, -10.5938816]]),
    ],
)
def test_the_papers_priors_draw_and_are_described_as_ever(prior, config, first):
    """The keys of kept trainings hold these configs, and their results these draws."""
    assert prior.get_config() == config
    np.testing.assert_allclose(prior.sample(3, seed=0)[:2], first, rtol=1e-6)


def test_the_components_of_a_mixture_have_their_shares_places_and_widths():
    prior = priors.GaussianMixture(means=MEANS, scale=[1.0, 0.5, 0.25], weights=[1, 3, 4])
    assert (prior.dim, prior.components, prior.radius) == (2, 3, None)
    assert prior.weights == [0.125, 0.375, 0.5] and prior.means == MEANS
    points = prior.sample(40_000, seed=2).numpy()
    nearest = cdist(points, MEANS).argmin(axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / len(points), prior.weights, atol=0.01)
    for component in range(3):
        its = points[nearest == component]
        np.testing.assert_allclose(its.mean(axis=0), MEANS[component], atol=0.04)
        np.testing.assert_allclose(its.std(axis=0), prior.scale[component], rtol=0.04)


def test_a_box_is_filled_evenly():
    points = priors.Uniform(2, low=[0.0, -10.0], high=[1.0, -7.0]).sample(40_000, seed=0).numpy()
    low, high = np.array([0, -10]), np.array([1, -7])
    assert (points >= low).all() and (points <= high).all()
    np.testing.assert_allclose(points.mean(axis=0), (low + high) / 2, atol=0.02)
    np.testing.assert_allclose(np.cov(points.T), np.diag((high - low) ** 2 / 12), atol=0.02)


@pytest.mark.parametrize("dim", [1, 2, 3, 10])
def test_a_sphere_is_covered_evenly(dim):
    points = priors.Sphere(dim, radius=2.0).sample(40_000, seed=0).numpy()
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 2, rtol=1e-5)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.04)
    np.testing.assert_allclose(np.atleast_2d(np.cov(points.T)), 4 / dim * np.eye(dim), atol=0.04)


def test_points_are_drawn_with_replacement():
    given = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    drawn = priors.Empirical(given).sample(30_000, seed=0).numpy()
    rows, counts = np.unique(drawn, axis=0, return_counts=True)
    assert rows.tolist() == given
    np.testing.assert_allclose(counts / len(drawn), 1 / 3, atol=0.01)


def test_a_function_draws():
    calls = []

    def draw(n, seed):
        calls.append((n, seed))
        return np.full((n, 4), 0.5)  # float64

    prior = priors.Empirical(draw)
    assert prior.dim == 4 and calls == [(2, 0)]
    points = prior.sample(7, seed=3)
    assert calls[-1] == (7, 3) and points.dtype == tf.float32 and points.numpy().tolist() == [[0.5] * 4] * 7
    with pytest.raises(ValueError, match="points must be registered to be saved: put @keras"):
        prior.get_config()


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda n: None, TypeError, "what points returns must be an array of floats; got NoneType"),
        (
            lambda n: np.ones((n, 3), int),
            TypeError,
            "what points returns must be an array of floats; got dtype int64",
        ),
        (
            lambda n: np.ones(n),
            ValueError,
            r"points must return the shape \[2, d\]; it returned \(2,\)",
        ),
        (lambda n: np.ones((n, 0)), ValueError, r"shape \[2, d\]"),
        (lambda n: np.ones((5, 3)), ValueError, r"shape \[2, d\]; it returned \(5, 3\)"),
        (lambda n: np.full((n, 3), np.nan), ValueError, "points must return finite floats"),
    ],
)
def test_what_a_function_returns_is_checked(returned, error, message):
    with pytest.raises(error, match=message):
        priors.Empirical(lambda n, seed: returned(n))


TWO = [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("cauchy", {}, "prior must be one of 'swiss_roll', 'gaussian', .* got 'cauchy'"),
        (["gaussian"], {}, "prior must be one of"),
        ("gaussian", {"dim": 0}, "dim must be a whole number from 1 to"),
        ("gaussian", {"dim": 10**400}, "dim must be a whole number"),
        ("gaussian", {"dim": True}, "dim must be a whole number"),
        ("gaussian", {"mean": "0"}, "mean must be a number from -1e\\+30 to 1e\\+30; got '0'"),
        ("gaussian", {"mean": np.nan}, "mean must be a number .* got nan"),
        ("gaussian", {"mean": [0.0]}, r"mean must be numbers of shape \[3\]; got shape \(1,\)"),
        ("gaussian", {"mean": [0.0, np.inf, 0.0]}, "mean must hold numbers .* got inf"),
        ("gaussian", {"mean": ["a", "b", "c"]}, r"mean must be numbers of shape \[3\]; got list"),
        ("gaussian", {"scale": 0}, "scale must be a number from 1e-30 .* got 0"),
        ("gaussian", {"scale": [1.0] * 3}, "scale must be a number"),
        ("gaussian_mixture", {"components": 2.5}, "components must be a whole number"),
        ("gaussian_mixture", {"radius": 1e160}, "radius must be a number from 1e-30 to"),
        ("gaussian_mixture", {"radius": "5"}, "radius must be a number"),
        ("gaussian_mixture", {"radius": 3, "means": TWO}, "components and radius must be None if means"),
        ("gaussian_mixture", {"means": [1.0]}, r"means must be numbers of shape \[n, d\]; got shape \(1,\)"),
        ("gaussian_mixture", {"means": np.ones((0, 3))}, r"means must be .* got shape \(0, 3\)"),
        ("gaussian_mixture", {"means": [[np.nan]]}, "means must hold numbers .* got nan"),
        ("gaussian_mixture", {"means": TWO, "scale": -1}, "scale must be a number from 1e-30"),
        ("gaussian_mixture", {"means": TWO, "scale": [1, 0]}, "scale must hold numbers from 1e-30 .* got 0"),
        (
            "gaussian_mixture",
            {"means": TWO, "weights": [1, -1]},
            "weights must hold numbers from 0 .* got -1",
        ),
        ("gaussian_mixture", {"means": TWO, "weights": [0, 0]}, "weights must not all be 0; got"),
        ("gaussian_mixture", {"means": TWO, "weights": 1}, r"weights must be numbers of shape \[2\]"),
        ("uniform", {"high": [1.0, 2.0]}, r"high must be numbers of shape \[3\]"),
        (
            "uniform",
            {"dim": 2, "low": 0.0, "high": [1.0, 0.0]},
            "low must be below high, .* low=0.0 and high=",
        ),
        ("sphere", {"radius": 0}, "radius must be a number from 1e-30"),
        ("empirical", {"points": [1.0, 2.0]}, r"points must be numbers of shape \[n, d\]"),
        ("empirical", {"points": [[np.inf]]}, "points must hold numbers"),
        ("empirical", {"points": sparse.eye(3)}, "points must be numbers .* got dia_matrix"),
    ],
)
def test_bad_arguments_are_named(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        priors.get(name, **arguments)


@pytest.mark.parametrize("scalar", [np.uint8, np.int64, np.array, tf.constant])
def test_numbers_of_numpy_and_tensors_are_numbers(scalar):
    for prior in (priors.Gaussian(scalar(2)), priors.GaussianMixture(scalar(2), radius=scalar(3))):
        assert {type(value) for value in prior.get_config().values()} <= {int, float}
        assert np.array_equal(prior.sample(scalar(2), seed=scalar(2)), prior.sample(2, seed=2))
    big = np.int64(1764374702123456789)
    assert np.array_equal(prior.sample(3, seed=big), prior.sample(3, seed=int(big)))


def test_a_prior_has_its_name():
    assert [priors.name_of(priors.get(name)) for name in priors.PRIORS] == list(priors.PRIORS)
    assert priors.name_of(priors.Empirical(TWO)) == "empirical" and priors.name_of(Ring()) == "Ring"


@pytest.mark.parametrize(
    ("n", "seed", "named"),
    [
        (0, None, "n must be a whole number from 1"),
        (2**31, None, "n must be a whole number from 1 to"),
        (2.0, None, "n must be"),
        (tf.constant(2.0), None, "n must be"),
        (tf.constant([2, 2]), None, "n must be"),
        (None, None, "n must be"),
        (2, 2**63, "seed must be None or an int of 64 bits, or a tensor of two ints"),
        (2, 1.5, "seed must be"),
        (2, tf.constant([1, 2, 3]), "seed must be"),
        (2, tf.constant([1.0, 2.0]), "seed must be"),
        (2, tf.constant(1.0), "seed must be"),
    ],
)
def test_bad_arguments_of_a_sample_are_named(n, seed, named):
    with pytest.raises(ValueError, match=named):
        priors.SwissRoll().sample(n, seed=seed)


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


def test_the_distance_to_the_roll_is_that_of_its_nearest_point(rng):
    roll = priors.SwissRoll()
    assert float(tf.reduce_max(roll.distance(roll.sample(500, seed=0)))) < 0.02
    # Straight off the roll's edge, and along the normal of the outermost turn's end.
    edge = roll.surface([4.5 * np.pi], [21.0]).numpy()
    assert float(roll.distance(edge + np.array([[0, 3, 0]]))[0]) == pytest.approx(3, abs=0.01)
    cloud = roll.sample(20_000, seed=1).numpy()
    points = rng.uniform(-15, 25, size=(20, 3)).astype(np.float32)
    nearest = np.linalg.norm(points[:, None] - cloud[None], axis=2).min(axis=1)
    found = roll.distance(points).numpy()
    assert (found <= nearest + 0.01).all() and (nearest - found).max() < 0.6
