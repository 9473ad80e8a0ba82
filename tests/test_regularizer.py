"""The Keras layer that adds the Cauchy-Schwarz divergence to a model's loss."""

import numpy as np
import pytest

from kmnist_itl import divergence, models, priors
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer


def small_model(regularizer):
    model = keras.Sequential(
        [keras.layers.Input((5,)), keras.layers.Dense(3), regularizer, keras.layers.Dense(5)]
    )
    return model


@pytest.mark.parametrize(
    ("prior", "jit"),
    [(priors.SwissRoll(), True), (priors.Gaussian(3), False), (priors.GaussianMixture(), False)],
)
def test_fit_pulls_the_codes_towards_the_prior(rng, prior, jit):
    x = rng.normal(2, 3, size=(400, 5)).astype(np.float32)
    keras.utils.set_random_seed(0)
    model = small_model(CauchySchwarzRegularizer(prior, sigma=2.0, weight=100.0, seed=0))
    model.compile(keras.optimizers.Adam(0.05), "mean_squared_error", jit_compile=jit)
    history = model.fit(x, x, epochs=25, batch_size=200, validation_data=(x, x), verbose=0).history
    assert history["csd"][-1] < history["csd"][0] / 2
    assert history["val_csd"][-1] < history["csd"][0] / 2
    # The loss is the reconstruction's and the divergence, not divided by the batch size.
    rebuilt = np.mean((model.predict(x, verbose=0) - x) ** 2)
    logs = model.evaluate(x, x, verbose=0, return_dict=True, batch_size=400)
    assert logs["loss"] == pytest.approx(rebuilt + 100 * logs["csd"], rel=1e-3)


def test_it_hands_its_input_on_and_adds_weight_times_the_divergence(rng):
    codes = rng.normal(size=(50, 3)).astype(np.float32)
    layer = CauchySchwarzRegularizer(priors.Gaussian(3), sigma=1.5, weight=7.0, estimator="closed_form")
    assert np.array_equal(layer(codes), codes)
    expected = divergence.divergence_from_gaussians(codes, np.zeros((1, 3), np.float32), 1.0, 1.5)
    assert float(layer.losses[0]) == pytest.approx(7 * float(expected), rel=1e-6)


def test_the_draws_are_fresh_in_each_step_and_follow_the_seed(rng):
    codes = rng.normal(size=(50, 3)).astype(np.float32)

    def losses(seed):
        layer = CauchySchwarzRegularizer(priors.SwissRoll(), sigma=1.0, seed=seed)
        found = []
        for _ in range(3):
            layer(codes)
            found.append(float(layer.losses[0]))
        return found

    first = losses(3)
    assert len(set(first)) == 3
    assert losses(3) == first != losses(4)


@pytest.mark.parametrize("prior", [priors.SwissRoll(), priors.Gaussian(3), priors.GaussianMixture(4, 2.5)])
def test_a_saved_model_comes_back_with_its_prior(tmp_path, rng, prior):
    x = rng.normal(size=(20, 5)).astype(np.float32)
    model = small_model(CauchySchwarzRegularizer(prior, sigma=3, weight=0.5, seed=9, block_size=8))
    model.compile("adam", "mean_squared_error")
    model.fit(x, x, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    layer = again.layers[1]
    assert type(layer.prior) is type(prior) and layer.prior.get_config() == prior.get_config()
    assert (layer.sigma, layer.weight, layer.seed, layer.block_size) == (3.0, 0.5, 9, 8)
    assert np.array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


def test_it_works_in_mixed_precision(rng):
    x = rng.normal(size=(64, 5)).astype(np.float32)
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = small_model(CauchySchwarzRegularizer(priors.Gaussian(3), sigma=100.0, seed=0))
        model.compile("adam", "mean_squared_error")
        history = model.fit(x, x, epochs=2, verbose=0).history
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert 0 < history["csd"][-1] < 1e-2  # float16 alone has no such numbers beside 1


def test_nan_stops_the_training(rng):
    x = rng.normal(size=(64, 5)).astype(np.float32)
    x[7] = np.nan
    model = small_model(CauchySchwarzRegularizer(priors.Gaussian(3), sigma=1.0))
    model.compile("adam", "mean_squared_error", jit_compile=True)
    stopped = keras.callbacks.TerminateOnNaN()
    history = model.fit(x, x, epochs=5, verbose=0, callbacks=[stopped]).history
    assert len(history["loss"]) == 1 and np.isnan(history["csd"][0])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"prior": "swiss_roll"}, TypeError, "prior must have dim and sample"),
        ({"sigma": 0}, ValueError, "sigma, the kernel size"),
        ({"weight": -1}, ValueError, "weight must be a finite number of at least 0"),
        ({"estimator": "exact"}, ValueError, "estimator must be one of 'sample', 'closed_form'"),
        ({"estimator": "closed_form"}, TypeError, "needs a prior of Gaussians"),
    ],
)
def test_bad_arguments_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        CauchySchwarzRegularizer(**{"prior": priors.SwissRoll(), "sigma": 1.0, **changes})


def test_codes_of_another_dimension_than_the_prior_are_refused():
    with pytest.raises(ValueError, match=r"codes must be \[n, 3\]"):
        models.stacked_autoencoder(2, CauchySchwarzRegularizer(priors.SwissRoll(), 1.0))


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
