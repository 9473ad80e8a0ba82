"""The priors: what they draw, with which seeds, how they are saved, and what they refuse."""

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from kmnist_itl import priors
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer

COVARIANCE = [[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]]
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
    "gaussian, covariance": priors.Gaussian(3, mean=2.0, covariance=COVARIANCE),
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
def test_a_seed_means_the_same_points_but_a_tensor_means_others_under_xla(prior):
    for seed in (3, -1, 2**40, tf.constant([3, 4])):
        eager = prior.sample(50, seed=seed)
        graph, xla = (
            tf.function(lambda s=seed: prior.sample(50, seed=s), jit_compile=jit) for jit in (False, True)
        )
        np.testing.assert_allclose(graph(), eager, rtol=1e-6, atol=1e-6)
        assert np.array_equal(xla(), xla())
        # Of an array rows are drawn, whole numbers, and XLA draws them alike in any case.
        alike = isinstance(seed, int) or prior is EXAMPLES["empirical"]
        assert np.allclose(xla(), eager, atol=1e-5) == alike
    assert "under XLA (jit_compile=True) others than without it" in priors.SwissRoll.sample.__doc__


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
            priors.GaussianMixture.on_sphere(10, 5.0),
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
    if "radius" in config or "dim" in config:
        assert prior.spread == 1.0


def test_a_gaussian_has_its_mean_and_covariance():
    for prior, mean, covariance in (
        (priors.Gaussian(2, mean=3.0, scale=2.0), [3.0, 3.0], 4 * np.eye(2)),
        (priors.Gaussian(3, [1.0, 0.0, -5.0], covariance=COVARIANCE), [1.0, 0.0, -5.0], COVARIANCE),
    ):
        points = prior.sample(50_000, seed=1).numpy()
        np.testing.assert_allclose(points.mean(axis=0), mean, atol=0.04)
        np.testing.assert_allclose(np.cov(points.T), covariance, atol=0.08)
        assert prior.means == [mean] and prior.weights == [1.0]


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
        np.testing.assert_allclose(its.std(axis=0), prior.spread[component], rtol=0.04)


def test_a_component_of_weight_0_is_never_drawn():
    for weights in ([0, 1, 1], [1, 0, 1], [1, 1, 0]):
        points = priors.GaussianMixture(means=MEANS, scale=0.1, weights=weights).sample(5_000, seed=0)
        counts = np.bincount(cdist(points, MEANS).argmin(axis=1), minlength=3)
        assert ((counts == 0) == (np.array(weights) == 0)).all()


def test_a_mixture_on_a_sphere_may_be_narrow():
    prior = priors.GaussianMixture.on_sphere(5, radius=2.0, scale=0.1)
    assert prior.get_config() == {"components": 5, "radius": 2.0, "scale": 0.1}
    assert cdist(prior.sample(1_000, seed=0), prior.means).min(axis=1).max() < 0.6


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


def test_an_object_that_could_not_be_loaded_is_not_saved():
    @keras.saving.register_keras_serializable(package="tests")
    class WithoutFromConfig:
        def __call__(self, n, seed):
            return tf.ones([n, 2])

        def get_config(self):
            return {}

    with pytest.raises(ValueError, match=r"points must be registered .* has get_config and"):
        priors.Empirical(WithoutFromConfig()).get_config()


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda n: None, TypeError, r"points must return floats \[n, d\]; got NoneType"),
        (lambda n: np.ones((n, 3), int), TypeError, "points must return floats; it returned int64. Cast"),
        (
            lambda n: np.ones(n),
            ValueError,
            r"points must return the shape \[2, d\] for n = 2; it returned \(2,\)",
        ),
        (lambda n: np.ones((n, 0)), ValueError, r"shape \[2, d\]"),
        (lambda n: np.ones((5, 3)), ValueError, r"shape \[2, d\] for n = 2; it returned \(5, 3\)"),
        (lambda n: np.full((n, 3), np.nan), ValueError, "points must return finite floats"),
    ],
)
def test_what_a_function_returns_is_checked(returned, error, message):
    with pytest.raises(error, match=message):
        priors.Empirical(lambda n, seed: returned(n))


def test_what_a_function_returns_is_checked_in_each_draw():
    prior = priors.Empirical(lambda n, seed: tf.ones([2, 3]))
    with pytest.raises(
        ValueError, match=r"points must return the shape \[5, 3\] for n = 5; it returned \(2, 3\)"
    ):
        prior.sample(5)
    with pytest.raises(ValueError, match=r"shape \[5, 3\]"):
        tf.function(lambda: prior.sample(5))()


def test_get_knows_the_papers_three_and_more():
    assert list(priors.PRIORS) == ["swiss_roll", "gaussian", "gaussian_mixture"]
    for name, arguments in (
        ("uniform", {"dim": 2}),
        ("sphere", {"radius": 2.0}),
        ("empirical", {"points": POINTS}),
    ):
        prior = priors.get(name, **arguments)
        assert priors.name_of(prior) == name


TWO = [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: priors.Gaussian(2, mean="0"), "mean must be a finite number .* got '0'"),
        (lambda: priors.Gaussian(2, mean=np.nan), "mean must be a finite number .* got nan"),
        (lambda: priors.Gaussian(2, mean=[0.0]), r"mean must be of shape \[2\]; got \(1,\)"),
        (lambda: priors.Gaussian(2, mean=[0.0, np.inf]), "mean must hold finite numbers .* got inf"),
        (lambda: priors.Gaussian(2, mean=["a", "b"]), r"mean must be an array of numbers \[2\]; got list"),
        (lambda: priors.Gaussian(2, scale=0), "scale must be a finite number above 0 .* got 0"),
        (lambda: priors.Gaussian(2, scale=[1.0, 2.0]), r"scale must be a finite number .* got \[1.0, 2.0\]"),
        (lambda: priors.Gaussian(2, scale=1.0, covariance=TWO), "scale must be None if covariance is given"),
        (lambda: priors.Gaussian(2, covariance=2.0), r"covariance must be of shape \[2, 2\]; got \(\)"),
        (lambda: priors.Gaussian(3, covariance=TWO), r"covariance must be of shape \[3, 3\]; got \(2, 2\)"),
        (
            lambda: priors.Gaussian(2, covariance=[[1, 1], [0, 1]]),
            "covariance must be symmetric; it is 1 off",
        ),
        (lambda: priors.Gaussian(2, covariance=[[1, 1], [1, 1]]), "covariance must be positive definite"),
        (lambda: priors.Gaussian(2, covariance=np.zeros((2, 2))), "covariance must be positive definite"),
        (
            lambda: priors.GaussianMixture(3, means=TWO),
            "components and radius must be None if means are given",
        ),
        (lambda: priors.GaussianMixture(radius=3, means=TWO), "components and radius must be None if means"),
        (lambda: priors.GaussianMixture(means=[1.0, 2.0]), r"means must be of shape \[n, n\]; got \(2,\)"),
        (lambda: priors.GaussianMixture(means=np.ones((0, 3))), r"means must be of shape .* got \(0, 3\)"),
        (lambda: priors.GaussianMixture(means=[[np.nan]]), "means must hold finite numbers .* got nan"),
        (lambda: priors.GaussianMixture(means=TWO, scale=-1), "scale must be a finite number above 0"),
        (lambda: priors.GaussianMixture(means=TWO, scale=[1, 0]), "scale must hold finite numbers above 0"),
        (lambda: priors.GaussianMixture(means=TWO, scale=[1.0]), r"scale must be of shape \[2\]; got \(1,\)"),
        (lambda: priors.GaussianMixture(means=TWO, weights=[1, -1]), "weights must hold .* of at least 0"),
        (lambda: priors.GaussianMixture(means=TWO, weights=[0, 0]), "weights must not all be 0; got"),
        (lambda: priors.GaussianMixture(means=TWO, weights=[1]), r"weights must be of shape \[2\]"),
        (lambda: priors.GaussianMixture(means=TWO, weights=1), r"weights must be of shape \[2\]; got \(\)"),
        (lambda: priors.Uniform(0), "dim must be a whole number of at least 1"),
        (lambda: priors.Uniform(2, low="a"), "low must be a finite number"),
        (lambda: priors.Uniform(2, high=[1.0, 2.0, 3.0]), r"high must be of shape \[2\]; got \(3,\)"),
        (
            lambda: priors.Uniform(2, 0.0, [1.0, 0.0]),
            r"low must be below high .* low=0.0 and high=\[1.0, 0.0\]",
        ),
        (lambda: priors.Sphere(2.5), "dim must be a whole number of at least 1"),
        (lambda: priors.Sphere(2, 0), "radius must be a finite number above 0 and at most 1e30; got 0"),
        (lambda: priors.Empirical([1.0, 2.0]), r"points must be of shape \[n, n\]; got \(2,\)"),
        (lambda: priors.Empirical([[np.inf]]), "points must hold finite numbers"),
        (lambda: priors.Empirical("roll"), "points must be an array of numbers .* got str"),
        (lambda: priors.Empirical(sparse.eye(3)), "points must be an array of numbers .* got dia_matrix"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_tensor_of_a_graph_is_no_argument():
    @tf.function
    def make(means):
        priors.GaussianMixture(means=means)

    with pytest.raises(ValueError, match="means must be an array of numbers"):
        make(tf.ones([2, 2]))


@pytest.mark.parametrize(
    ("n", "seed", "named"),
    [
        (0, None, "n must be a whole number of at least 1"),
        (2**31, None, "n must be a whole number of at least 1 and below"),
        (2.0, None, "n must be"),
        (tf.constant(2.0), None, "n must be"),
        (tf.constant([2, 2]), None, "n must be"),
        (None, None, "n must be"),
        (2, 2**63, "seed must be None, an int of 64 bits or a tensor of two ints"),
        (2, 1.5, "seed must be"),
        (2, tf.constant([1, 2, 3]), "seed must be"),
        (2, tf.constant([1.0, 2.0]), "seed must be"),
        (2, tf.constant(1.0), "seed must be"),
    ],
)
def test_bad_arguments_of_a_sample_are_named(n, seed, named):
    with pytest.raises(ValueError, match=named):
        priors.SwissRoll().sample(n, seed=seed)


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        (None, TypeError, "points must be an array of numbers; got NoneType"),
        ([[1.0], [1.0, 2.0]], TypeError, "points must be an array of numbers; got list"),
        (sparse.eye(3), TypeError, "points must be an array of numbers; got dia_matrix"),
        (tf.sparse.from_dense(np.eye(3)), TypeError, "points must be an array of numbers; got SparseTensor"),
        (np.array([["a"] * 3]), TypeError, "points must be an array of numbers; got dtype string"),
        (np.ones((4, 2)), ValueError, r"points must be of shape \[n, 3\]; got \(4, 2\)"),
    ],
)
def test_bad_points_beside_the_roll_are_named(points, error, message):
    with pytest.raises(error, match=message):
        priors.SwissRoll().distance(points)


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
    with pytest.raises(ValueError, match=r"prior must be one of 'swiss_roll', 'gaussian', .* got 'cauchy'"):
        priors.get("cauchy")
    with pytest.raises(ValueError, match="prior must be one of"):
        priors.get(["gaussian"])
    for make in (
        lambda: priors.Gaussian(0),
        lambda: priors.Gaussian(10**400),
        lambda: priors.Gaussian(True),
        lambda: priors.GaussianMixture(3, 1e160),
        lambda: priors.GaussianMixture(3, 10**400),
        lambda: priors.GaussianMixture(3, "5"),
        lambda: priors.GaussianMixture(2.5),
        lambda: priors.GaussianMixture(3, -1),
    ):
        with pytest.raises(ValueError, match="must be"):
            make()


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
