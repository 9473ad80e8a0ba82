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


@pytest.mark.parametrize("estimator", ["sample", "closed_form"])
@pytest.mark.parametrize(
    ("dtype", "how"),
    [
        *[(dtype, {"run_eagerly": True}) for dtype in ("float64", "float32", "float16", "mixed_bfloat16")],
        *[("float64", {"jit_compile": jit}) for jit in (True, False)],
    ],
)
def test_its_dtype_need_not_be_the_models(rng, dtype, how, estimator):
    x = rng.normal(size=(64, 5)).astype(np.float32)
    layer = CauchySchwarzRegularizer(
        priors.Gaussian(3), sigma=2.0, weight=0.5, estimator=estimator, seed=0, dtype=dtype
    )
    model = small_model(layer)
    model.compile(keras.optimizers.Adam(0.0), "mean_squared_error", **how)
    history = model.fit(x, x, batch_size=64, verbose=0).history
    rebuilt = np.mean((model.predict(x, verbose=0) - x) ** 2)
    assert history["loss"][0] == pytest.approx(rebuilt + 0.5 * history["csd"][0], rel=1e-2)


@pytest.mark.parametrize("floatx", ["float32", "float64"])
@pytest.mark.parametrize("policy", ["float32", "float64"])
def test_it_works_whatever_keras_floats_are(rng, policy, floatx):
    x = rng.normal(size=(64, 5))
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    try:
        model = small_model(CauchySchwarzRegularizer(priors.Gaussian(3), sigma=2.0, seed=0))
        model.compile("adam", "mean_squared_error", run_eagerly=True)
        history = model.fit(x, x, verbose=0).history
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    assert history["loss"][0] > history["csd"][0] > 0


def two_bottlenecks(inner, outer):
    images = keras.Input((5,))
    first = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3), inner])
    second = outer(keras.layers.Dense(2)(first(images)))
    return keras.Model(images, keras.layers.Dense(5)(second))


@pytest.mark.parametrize("how", [{"jit_compile": True}, {"jit_compile": False}, {"run_eagerly": True}])
def test_two_in_one_model_have_a_metric_each(tmp_path, rng, how):
    x = rng.normal(2, 3, size=(64, 5)).astype(np.float32)
    inner = CauchySchwarzRegularizer(priors.Gaussian(3), 2.0, name="inner", estimator="closed_form")
    outer = CauchySchwarzRegularizer(priors.Gaussian(2), 0.5, name="outer", estimator="closed_form")
    model = two_bottlenecks(inner, outer)
    model.compile(keras.optimizers.Adam(0.0), "mean_squared_error", **how)
    watched = keras.callbacks.EarlyStopping(monitor="val_outer_csd", mode="min", patience=0)
    history = model.fit(x, x, 64, epochs=3, validation_data=(x, x), callbacks=[watched], verbose=0).history
    assert len(history["loss"]) == 2  # nothing gets better: it stops
    names = {"loss", "inner_csd", "outer_csd"}
    assert set(history) == names | {f"val_{name}" for name in names}
    logs = model.evaluate(x, x, batch_size=64, return_dict=True, verbose=0)
    codes = model.layers[1](x)
    assert logs["inner_csd"] == pytest.approx(float(inner.losses[0]), rel=1e-3) != logs["outer_csd"]
    assert codes.shape == (64, 3)
    rebuilt = np.mean((model.predict(x, verbose=0) - x) ** 2)
    assert logs["loss"] == pytest.approx(rebuilt + logs["inner_csd"] + logs["outer_csd"], rel=1e-3)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert set(again.evaluate(x, x, return_dict=True, verbose=0)) == names


def test_one_in_a_model_is_called_csd_whatever_its_name_and_whoever_else_there_is(rng):
    x = rng.normal(size=(64, 5)).astype(np.float32)
    for name in (None, "pull"):
        model = small_model(CauchySchwarzRegularizer(priors.Gaussian(3), 2.0, name=name))
        model.compile("adam", "mean_squared_error")
        assert set(model.fit(x, x, verbose=0).history) == {"loss", "csd"}


def test_an_empty_share_adds_nothing(rng):
    """As the second device gets, of a last batch of one: also in blocks, in a graph and under XLA."""
    x = rng.normal(size=(8, 3)).astype(np.float32)
    for options in ({}, {"block_size": 4}, {"estimator": "closed_form"}):
        for how in ("eager", "graph", "xla"):
            layer = CauchySchwarzRegularizer(priors.Gaussian(3), 1.0, seed=0, **options)

            def loss(codes, layer=layer):
                with tf.GradientTape() as tape:
                    tape.watch(codes)
                    layer(codes)
                    found = layer.losses[0]
                return found, tape.gradient(found, codes)

            if how != "eager":
                unknown = [tf.TensorSpec([None, 3])]
                loss = tf.function(loss, input_signature=unknown, jit_compile=how == "xla")
            value, _ = loss(tf.constant(x))
            assert float(layer.csd.result()) == float(value) > 0
            empty, gradient = loss(tf.constant(x[:0]))
            assert float(empty) == 0 and (gradient is None or gradient.shape == (0, 3))
            assert float(layer.csd.result()) == float(value)


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
        ({"prior": priors.SwissRoll}, TypeError, r"prior must be an object, not its class: SwissRoll\(\)"),
        (
            {"prior": type("Points", (), {"dim": 3, "sample": [1.0]})()},
            TypeError,
            "prior must have dim and sa",
        ),
        ({"seed": 1.5}, ValueError, "seed must be None or an int of 64 bits; got 1.5"),
        ({"seed": 2**63}, ValueError, "seed must be None or an int of 64 bits"),
        ({"seed": True}, ValueError, "seed must be None or an int of 64 bits"),
        ({"block_size": 0}, ValueError, "block_size must be None or a whole number of at least 1; got 0"),
        ({"weight": 1e160}, ValueError, "weight must be a finite number of at least 0"),
        ({"weight": "1"}, ValueError, "weight must be a finite number of at least 0"),
        ({"weight": 1j}, ValueError, "weight must be a finite number of at least 0"),
        ({"sigma": 1e160}, ValueError, "sigma, the kernel size"),
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


def test_one_layer_on_two_tensors_adds_both_divergences(rng):
    layer = CauchySchwarzRegularizer(priors.Gaussian(2), 1.0, weight=2.0, seed=0)
    inputs = keras.Input((4,))
    codes = keras.layers.Dense(2)
    both = keras.ops.concatenate([layer(codes(inputs)), layer(codes(-inputs))], axis=-1)
    model = keras.Model(inputs, keras.layers.Dense(4)(both))
    model.compile("adam", "mean_squared_error", jit_compile=False)
    history = model.fit(*2 * [rng.normal(size=(60, 4)).astype(np.float32)], batch_size=60, verbose=0).history
    assert set(history) == {"loss", "csd"}
    model(np.ones((60, 4), np.float32))
    assert len(model.losses) == 2


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("sigma", [1.0, "median"])
def test_what_keras_does_with_a_model_works(rng, jit, sigma, capsys):
    regularizer = CauchySchwarzRegularizer(priors.Gaussian(3), sigma, weight=0.1, seed=0)
    model = small_model(regularizer)
    model.compile("adam", "mean_squared_error", jit_compile=jit)
    images = rng.normal(size=(41, model.input_shape[1])).astype(np.float32)
    # 41 by 20: the last batch has one image.
    history = model.fit(images, images, batch_size=20, verbose=0, validation_data=(images, images)).history
    assert all(np.isfinite(history[name]).all() for name in ("csd", "val_csd", "loss"))
    model.fit(images, images, batch_size=20, steps_per_epoch=1, verbose=0)
    rebuilt = model.predict(images, batch_size=20, verbose=0)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    np.testing.assert_allclose(twin.predict(images, verbose=0), rebuilt, rtol=1e-5, atol=1e-6)
    assert [type(layer) for layer in twin.layers] == [type(layer) for layer in model.layers]
    model.summary()
    assert "CauchySchwarzRegularizer" in capsys.readouterr().out


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_a_policy_of_16_bits_trains(rng, policy):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        regularizer = CauchySchwarzRegularizer(priors.Gaussian(3), "median", weight=0.1, seed=0)
        model = small_model(regularizer)
        model.compile("sgd", "mean_squared_error", jit_compile=False)
        images = rng.normal(size=(40, model.input_shape[1])).astype(np.float32)
        history = model.fit(images, images, batch_size=20, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["csd"]).all()
