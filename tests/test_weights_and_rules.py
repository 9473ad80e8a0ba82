"""Weights of points, kernel sizes that follow the points, and the layer's three divergences."""

import numpy as np
import pytest

from kmnist_itl import priors
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import (
    CauchySchwarzRegularizer,
    cauchy_schwarz_divergence,
    divergence_from_gaussians,
    euclidean_divergence,
    fourier_divergence,
    information_potential,
    log_information_potential,
    median_kernel_size,
    parzen_density,
    renyi_cross_entropy,
    renyi_entropy,
    silverman_kernel_size,
)

SIGMAS = (0.01, 0.5, 10, 10_000)


@pytest.fixture
def weighted(rng):
    """Two samples in single precision, and whole numbers that say how often each point counts."""
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = (2 * rng.normal(size=(50, 3)) + 1).astype(np.float32)
    return x, y, rng.integers(0, 4, 60), rng.integers(0, 4, 50)


@pytest.mark.parametrize("block_size", [None, 7])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_weight_counts_as_so_many_equal_points(weighted, sigma, block_size):
    x, y, a, b = weighted
    both = {"x_weights": a, "y_weights": 0.25 * b, "block_size": block_size}
    many_x, many_y = np.repeat(x, a, axis=0), np.repeat(y, b, axis=0)
    for function in (
        log_information_potential,
        information_potential,
        renyi_cross_entropy,
        cauchy_schwarz_divergence,
        euclidean_divergence,
    ):
        expected = float(function(many_x, many_y, sigma))
        assert float(function(x, y, sigma, **both)) == pytest.approx(expected, rel=2e-6), function.__name__
    assert float(renyi_entropy(x, sigma, weights=a, block_size=block_size)) == pytest.approx(
        float(renyi_entropy(many_x, sigma)), rel=2e-6
    )


@pytest.mark.parametrize("sigma", [0.05, 1, 1_000])
def test_weights_count_in_the_closed_form_and_with_fourier_features_too(weighted, sigma):
    x, y, a, b = weighted
    many_x, many_y = np.repeat(x, a, axis=0), np.repeat(y, b, axis=0)
    means = np.array([[0, 0, 0], [4, 0, 0]], np.float32)
    for offset in (0, 300):  # near the Gaussians, and far
        given = {"means": means, "spread": 0.5, "sigma": sigma, "weights": [1, 2]}
        found = divergence_from_gaussians(x + offset, **given, x_weights=a)
        expected = divergence_from_gaussians(many_x + offset, **given)
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
    how = {"features": 50, "seed": 0}
    found = fourier_divergence(x, y, sigma, **how, x_weights=a, y_weights=b)
    assert float(found) == pytest.approx(float(fourier_divergence(many_x, many_y, sigma, **how)), rel=1e-3)


@pytest.mark.parametrize("offset", [0, 300])
def test_the_closed_form_has_its_slope_in_weights_even_at_0(weighted, offset):
    x, _, a, _ = weighted

    def divergence(weights):
        points = tf.constant(x + offset, tf.float64)
        return divergence_from_gaussians(points, np.zeros((1, 3)), 1.0, 1.0, x_weights=weights)

    weights = tf.constant(a, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = divergence(weights)
    slope = tape.gradient(found, weights).numpy()
    assert np.isfinite(slope).all()
    counts_nothing = int(np.argmin(a))
    moved = divergence(a + 1e-5 * np.eye(60)[counts_nothing])
    assert slope[counts_nothing] == pytest.approx((float(moved) - float(found)) / 1e-5, rel=1e-3)


def test_equal_weights_are_none(weighted):
    x, y, *_ = weighted
    ones = {"x_weights": np.full(60, 3), "y_weights": np.full(50, 0.1)}
    for sigma in SIGMAS:
        plain = float(cauchy_schwarz_divergence(x, y, sigma))
        assert float(cauchy_schwarz_divergence(x, y, sigma, **ones)) == pytest.approx(plain, rel=1e-6)
        assert float(cauchy_schwarz_divergence(x, y, sigma, x_weights=np.ones(60))) == pytest.approx(
            plain, rel=1e-6
        )


def naive(x, y, a, b, sigma):
    """The weighted CSD in double precision, differentiated by TensorFlow."""
    a, b = a / tf.reduce_sum(a), b / tf.reduce_sum(b)

    def log_mean(u, v, p, q):
        squares = tf.reduce_sum(tf.square(u[:, None] - v[None]), axis=-1)
        return tf.math.log1p(tf.reduce_sum(p[:, None] * q[None] * tf.math.expm1(-squares / (4 * sigma**2))))

    return log_mean(x, x, a, a) + log_mean(y, y, b, b) - 2 * log_mean(x, y, a, b)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("sigma", [0.5, 10, 10_000])
def test_slopes_in_the_points_and_in_the_weights_are_right(weighted, sigma, jit):
    x, y, a, b = (tf.constant(each, tf.float64) for each in weighted)
    a, b = a + 0.5, b + 0.5

    @tf.function(jit_compile=jit)
    def slopes(*given):
        value = cauchy_schwarz_divergence(*given[:2], sigma, x_weights=given[2], y_weights=given[3])
        return tf.gradients(value, given)

    @tf.function
    def expected(*given):
        return tf.gradients(naive(*given, sigma), given)

    for found, right in zip(slopes(x, y, a, b), expected(x, y, a, b), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-6 * np.abs(right).max())


def test_weights_of_single_precision_do_and_have_their_slopes(weighted):
    x, y, a, b = weighted
    a, b = tf.constant(a + 1, tf.float32), tf.constant(b + 1, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch((a, b))
        value = cauchy_schwarz_divergence(x, y, 0.5, x_weights=a, y_weights=b)
    of_a, of_b = tape.gradient(value, (a, b))
    assert of_a.dtype == tf.float32 and value.dtype == tf.float32
    # Only proportions matter, so that no slope goes along the weights themselves.
    assert abs(float(tf.reduce_sum(of_a * a))) < 1e-5 * float(tf.norm(of_a) * tf.norm(a))
    assert float(tf.norm(of_b)) > 0


def test_points_of_weight_0_that_lie_near_do_not_hide_those_that_lie_far(rng):
    near, far = np.zeros((20, 2)), np.full((5, 2), 1_000.0)
    y = np.zeros((7, 2))
    found = log_information_potential(np.concatenate([near, far]), y, 1.0, x_weights=[0] * 20 + [1] * 5)
    assert float(found) == pytest.approx(float(log_information_potential(far, y, 1.0)), rel=1e-12)
    found = log_information_potential(y, np.concatenate([near, far]), 1.0, y_weights=[0] * 20 + [1] * 5)
    assert float(found) == pytest.approx(float(log_information_potential(y, far, 1.0)), rel=1e-12)


@pytest.mark.parametrize("weight", [0, 1e-12])
@pytest.mark.parametrize("sigma", [1, 100, 1_000, 10_000])
def test_a_point_that_hardly_counts_may_lie_anywhere(rng, sigma, weight):
    x, y = rng.normal(size=(2, 50, 3)).astype(np.float32)
    off = np.concatenate([x, [[1e5, 0, 0]]]).astype(np.float32)
    weights = tf.constant([1.0] * 50 + [weight], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = cauchy_schwarz_divergence(off, y, sigma, x_weights=weights)
    # What a weight of 1e-12 of that point moves is below 1e-5 of the rest only where the kernel is narrow.
    if weight == 0 or sigma <= 100:
        assert float(found) == pytest.approx(float(cauchy_schwarz_divergence(x, y, sigma)), rel=1e-5)
    step = 1e-7
    moved = cauchy_schwarz_divergence(off, y, sigma, x_weights=[1.0] * 50 + [weight + step])
    slope = float(tape.gradient(found, weights)[-1])
    assert slope == pytest.approx(
        (float(moved) - float(found)) / step, rel=0.05, abs=1e-3 * abs(slope) + 1e-4
    )


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 1], ValueError, r"x_weights must hold a number for each point, shape \[3\]; got shape \(2,\)"),
        ([[1, 1, 1]], ValueError, "x_weights must hold a number for each point"),
        ([1, -1, 1], ValueError, "x_weights must be finite and at least 0; the least is -1"),
        ([1, np.nan, 1], ValueError, "x_weights must be finite"),
        ([0, 0, 0], ValueError, "x_weights must not all be 0"),
        (["a"] * 3, TypeError, "x_weights must be an array of numbers; got dtype string"),
        (object(), TypeError, "x_weights must be an array of numbers; got object"),
    ],
)
def test_bad_weights_are_named(weights, error, message):
    x = np.zeros((3, 2), np.float32)
    with pytest.raises(error, match=message):
        information_potential(x, x, 1.0, x_weights=weights)


@pytest.mark.parametrize("rule", [silverman_kernel_size, median_kernel_size])
def test_a_rule_is_taken_of_all_points_together_and_lets_no_slope_through(weighted, rule):
    x, y, *_ = (tf.constant(each) for each in weighted)
    size = float(rule(tf.concat([x, y], axis=0)))
    name = rule.__name__.partition("_")[0]

    def value_and_slope(sigma, jit):
        @tf.function(jit_compile=jit)
        def both(x):
            value = cauchy_schwarz_divergence(x, y, sigma)
            return value, tf.gradients(value, x)[0]

        return both(x)

    for jit in (False, True):
        fixed = value_and_slope(size, jit)
        for sigma in (name, rule, lambda points: 2 * rule(points) / 2):
            for found, expected in zip(value_and_slope(sigma, jit), fixed, strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


def test_a_number_of_points_beyond_int32_products_is_spread_over_the_rows():
    """The rows to look at were once counted in 32 bits."""
    points = tf.cast(tf.range(2_400_000), tf.float32)[:, None]
    expected = 2_400_000 * (1 - 0.5**0.5) / 2**0.5
    assert float(median_kernel_size(points)) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("sigma", ["silverman", "median"])
@pytest.mark.parametrize(
    "how",
    [{}, {"estimator": "closed_form"}, {"estimator": "fourier"}, {"divergence": "euclidean"}],
    ids=lambda how: "".join(how.values()),
)
def test_a_rule_survives_an_empty_share_and_a_batch_of_one(sigma, how, jit):
    layer = CauchySchwarzRegularizer(priors.Gaussian(3), sigma, seed=0, **how)

    @tf.function(jit_compile=jit, input_signature=[tf.TensorSpec([None, 3])] if not jit else None)
    def loss_and_slope(codes):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            layer(codes)
            loss = layer.losses[-1]
        slope = tape.gradient(loss, codes)
        return loss, tf.zeros_like(codes) if slope is None else slope

    loss, slope = loss_and_slope(tf.zeros([0, 3]))
    assert float(loss) == 0 and slope.shape == (0, 3)
    loss, slope = loss_and_slope(tf.ones([1, 3]))
    assert np.isfinite(loss) and np.isfinite(slope).all()


def test_rules_give_the_same_under_xla_as_without(rng):
    for n in (2, 3, 50, 1_000):
        points = tf.constant(rng.normal(size=(n, 3)))
        for rule in (silverman_kernel_size, median_kernel_size):
            assert float(tf.function(rule, jit_compile=True)(points)) == pytest.approx(
                float(rule(points)), rel=1e-6
            )


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (
            "mean",
            "sigma, the kernel size, must be a number, 'silverman' or 'median', or a function; got 'mean'",
        ),
        (lambda points: points, "sigma, a function, must return one number; it returned float64"),
        (lambda points: 0.0, "sigma, the kernel size, must lie between"),
    ],
)
def test_a_bad_rule_is_named(weighted, sigma, message):
    with pytest.raises(ValueError, match=message):
        cauchy_schwarz_divergence(*weighted[:2], sigma)


def fitted(regularizer, jit=False, epochs=2, weight_of_error=1.0):
    keras.utils.set_random_seed(0)
    codes = keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((4,)), codes, regularizer, keras.layers.Dense(4)])
    model.compile("adam", "mean_squared_error", loss_weights=[weight_of_error], jit_compile=jit)
    inputs = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    return model, model.fit(inputs, inputs, batch_size=40, epochs=epochs, verbose=0).history


@keras.saving.register_keras_serializable(package="test")
def twice_silverman(points):
    return 2 * silverman_kernel_size(points)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("sigma", ["silverman", "median", twice_silverman])
def test_a_kernel_that_follows_is_logged_and_comes_back_from_a_file(sigma, jit, tmp_path):
    model, history = fitted(CauchySchwarzRegularizer(priors.Gaussian(2), sigma, seed=0), jit)
    assert set(history) == {"loss", "csd", "sigma"}
    assert all(0.1 < size < 5 for size in history["sigma"])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[1].sigma == sigma


def test_a_function_that_no_file_can_describe_is_told_before_saving(tmp_path):
    model, _ = fitted(CauchySchwarzRegularizer(priors.Gaussian(2), lambda points: 1.0, seed=0))
    with pytest.raises(ValueError, match="a function that no file can describe"):
        model.save(tmp_path / "model.keras")
    model, _ = fitted(CauchySchwarzRegularizer(priors.Gaussian(2), silverman_kernel_size, seed=0))
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").layers[1].sigma is silverman_kernel_size


def test_a_kernel_that_follows_grows_with_the_codes():
    layer = CauchySchwarzRegularizer(priors.Gaussian(2), "median", seed=0)
    codes = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    sizes = []
    for scale in (1, 10):
        layer.kernel_size.reset_state()
        layer(scale * codes)
        sizes.append(float(layer.kernel_size.result()))
    assert sizes[1] > 3 * sizes[0]


def test_two_layers_that_follow_have_a_size_each():
    one, other = (
        CauchySchwarzRegularizer(priors.Gaussian(2), "median", seed=0, name=name) for name in ("one", "other")
    )
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2), one, keras.layers.Dense(2), other, keras.layers.Dense(4)]
    )
    model.compile("adam", "mean_squared_error", jit_compile=False)
    inputs = np.ones((8, 4), np.float32)
    history = model.fit(inputs, inputs, verbose=0).history
    assert set(history) == {"loss", "one_csd", "one_sigma", "other_csd", "other_sigma"}


@pytest.mark.parametrize("kind", ["cauchy_schwarz", "euclidean", "entropy"])
def test_the_layer_adds_the_divergence_that_it_is_asked_for(kind, rng):
    codes = rng.normal(size=(50, 2)).astype(np.float32)
    layer = CauchySchwarzRegularizer(priors.Gaussian(2), 0.5, weight=3.0, divergence=kind, seed=1)
    layer(codes)
    drawn = CauchySchwarzRegularizer(priors.Gaussian(2), 0.5, seed=1)
    sample = drawn.prior.sample(50, seed=drawn._next_seed())
    expected = {
        "cauchy_schwarz": cauchy_schwarz_divergence(codes, sample, 0.5),
        "euclidean": euclidean_divergence(codes, sample, 0.5),
        "entropy": -renyi_entropy(codes, 0.5),
    }[kind]
    assert float(layer.losses[0]) == pytest.approx(3 * float(expected), rel=1e-5)
    shown = float(layer.metrics[0].result())
    assert shown == pytest.approx(float(-expected if kind == "entropy" else expected), rel=1e-5)


@pytest.mark.parametrize(("kind", "name"), [("euclidean", "euclidean"), ("entropy", "entropy")])
def test_the_other_divergences_train_and_come_back_from_a_file(kind, name, tmp_path):
    regularizer = CauchySchwarzRegularizer(priors.Gaussian(2), 1.0, divergence=kind, seed=0)
    model, history = fitted(regularizer, epochs=40, weight_of_error=0.0)
    assert set(history) == {"loss", name}
    assert history["loss"][-1] < history["loss"][0]
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").layers[1].divergence == kind


def test_the_euclidean_divergence_of_equal_samples_is_0_where_the_kernels_peak_overflows():
    points = np.random.default_rng(0).normal(size=(5, 784))
    assert float(euclidean_divergence(points, points, 0.01)) == 0


def test_a_density_may_have_a_rule(rng):
    x = rng.normal(size=(200, 2))
    size = float(silverman_kernel_size(x))
    np.testing.assert_allclose(
        parzen_density(x[:5], x, "silverman"), parzen_density(x[:5], x, size), rtol=1e-6
    )


def test_a_bad_divergence_is_named():
    with pytest.raises(
        ValueError, match="divergence must be one of 'cauchy_schwarz', 'euclidean', 'entropy'"
    ):
        CauchySchwarzRegularizer(priors.Gaussian(2), 1.0, divergence="renyi")
    with pytest.raises(
        ValueError, match="goes with divergence='cauchy_schwarz' only; got divergence='entropy'"
    ):
        CauchySchwarzRegularizer(priors.Gaussian(2), 1.0, divergence="entropy", estimator="closed_form")


@pytest.mark.parametrize("sigma", [0.5, 2, 100])
def test_fourier_features_tend_to_the_divergence(weighted, sigma):
    x, y = weighted[0] + 100, weighted[1] + 100
    exact = float(cauchy_schwarz_divergence(x, y, sigma))
    errors = [
        np.mean(
            [abs(float(fourier_divergence(x, y, sigma, features=k, seed=s)) / exact - 1) for s in range(8)]
        )
        for k in (50, 5_000)
    ]
    assert errors[1] < 0.05 and errors[1] < errors[0] / 3
    assert float(fourier_divergence(x, x, sigma)) == pytest.approx(0, abs=1e-12)


def test_the_layer_with_fourier_features_draws_anew_and_comes_back_from_a_file(tmp_path, rng):
    codes = rng.normal(size=(300, 2)).astype(np.float32)
    layer = CauchySchwarzRegularizer(priors.Gaussian(2), 1.0, estimator="fourier", features=2_000, seed=0)
    found = []
    for _ in range(4):
        layer(1 + codes)
        found.append(float(layer.losses[0]))
    exact = float(cauchy_schwarz_divergence(1 + codes, priors.Gaussian(2).sample(300, seed=0), 1.0))
    assert len(set(found)) == 4 and np.mean(found) == pytest.approx(exact, rel=0.2)
    for jit in (False, True):
        model, history = fitted(
            CauchySchwarzRegularizer(priors.Gaussian(2), 1.0, estimator="fourier", features=70, seed=0), jit
        )
        assert set(history) == {"loss", "csd"} and np.isfinite(history["csd"]).all()
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").layers[1].features == 70


@pytest.mark.parametrize("changes", [{"features": 0}, {"features": 1.5}, {"seed": "a"}])
def test_bad_features_are_named(changes):
    with pytest.raises(ValueError, match=f"{next(iter(changes))} must be"):
        fourier_divergence(np.zeros((3, 2)), np.ones((3, 2)), 1.0, **changes)


@pytest.mark.parametrize("estimator", ["closed_form", "fourier"])
def test_a_kernel_that_follows_goes_with_every_estimator(estimator):
    layer = CauchySchwarzRegularizer(priors.Gaussian(2), "median", estimator=estimator, seed=0)
    _, history = fitted(layer)
    assert set(history) == {"loss", "csd", "sigma"} and 0.1 < history["sigma"][0] < 5
