"""The Keras layer that adds the Cauchy-Schwarz divergence to a model's loss."""

import numpy as np
import pytest

from kmnist_itl import divergence, models, priors
from kmnist_itl._tensorflow import keras, tf
from kmnist_itl.divergence import CauchySchwarzRegularizer, silverman_kernel_size


@keras.saving.register_keras_serializable(package="tests")
def twice_silverman(points):
    return 2 * silverman_kernel_size(points)


def regularizer(sigma=2.0, weight=1.0, **options):
    return CauchySchwarzRegularizer(priors.Gaussian(3), sigma, weight, **options)


def closed_form(sigma=2.0, weight=1.0, **options):
    return regularizer(sigma, weight, estimator="closed_form", **options)


def csd_of(codes, sigma=2.0):
    """What `closed_form` adds to the loss."""
    origin = np.zeros((1, 3), np.float32)
    return float(divergence.divergence_from_gaussians(codes, origin, 1.0, sigma))


def compiled(*layers, optimizer="sgd", jit_compile=False, **options):
    """A model from 5 numbers to 3 codes, the layers, and 5 numbers."""
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3), *layers, keras.layers.Dense(5)])
    model.compile(optimizer, "mean_squared_error", jit_compile=jit_compile, **options)
    return model


@pytest.fixture
def x(rng):
    return rng.normal(2, 3, size=(64, 5)).astype(np.float32)


def test_fit_brings_the_codes_nearer_to_the_prior(rng):
    x = rng.normal(2, 3, size=(400, 5)).astype(np.float32)
    keras.utils.set_random_seed(0)
    layer = CauchySchwarzRegularizer(priors.SwissRoll(), sigma=2.0, weight=100.0, seed=0)
    model = compiled(layer, optimizer=keras.optimizers.Adam(0.05), jit_compile=True)
    history = model.fit(x, x, epochs=40, batch_size=400, validation_data=(x, x), verbose=0).history
    assert history["csd"][-1] < history["csd"][0] / 2
    assert history["val_csd"][-1] < history["csd"][0] / 2
    # The loss is the reconstruction's and the divergence, not divided by the batch size.
    logs = model.evaluate(x, x, batch_size=400, verbose=0, return_dict=True)
    rebuilt = np.mean((model(x) - x) ** 2)
    assert logs["loss"] == pytest.approx(rebuilt + 100 * logs["csd"], rel=1e-3)


def test_the_draws_are_fresh_in_each_step_and_follow_the_seed(x):
    def losses(seed):
        layer = regularizer(seed=seed)
        return [float((layer(x[:, :3]), layer.losses[0])[1]) for _ in range(3)]

    first = losses(3)
    assert len(set(first)) == 3
    assert losses(3) == first != losses(4)


@pytest.mark.parametrize(
    ("options", "mode"),
    [({}, "eager"), ({"block_size": 4}, "xla"), ({"sigma": "median", "estimator": "closed_form"}, "graph")],
)
def test_an_empty_share_adds_nothing(x, options, mode):
    """As the second device gets, of a last batch of one."""
    layer = regularizer(**{"seed": 0, **options})

    def loss(codes):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            layer(codes, training=True)
            value = layer.losses[0]
        return value, tape.gradient(value, codes)

    if mode != "eager":
        loss = tf.function(loss, input_signature=[tf.TensorSpec([None, 3])], jit_compile=mode == "xla")
    codes = tf.constant(x[:8, :3])
    value, _ = loss(codes)
    assert float(layer.csd.result()) == float(value) > 0
    empty, gradient = loss(codes[:0])
    assert float(empty) == 0 and (gradient is None or gradient.shape == (0, 3))
    assert float(layer.csd.result()) == float(value)
    if layer.kernel_size is not None:
        assert float(layer.kernel_size.result()) > 0
        assert np.isfinite(loss(codes[:1])[0])  # of one point a rule has NaN or 0


def test_codes_of_another_dimension_than_the_prior_are_refused():
    with pytest.raises(ValueError, match=r"codes must be \[n, 3\]"):
        models.stacked_autoencoder(2, regularizer())


def test_one_layer_on_two_tensors_adds_both_divergences(x):
    layer = regularizer(seed=0)
    inputs, codes = keras.Input((5,)), keras.layers.Dense(3)
    both = keras.ops.concatenate([layer(codes(inputs)), layer(codes(-inputs))], axis=-1)
    model = keras.Model(inputs, both)
    model(x)
    assert len(model.losses) == 2


@pytest.mark.parametrize(("policy", "sigma"), [("mixed_float16", "median"), ("float64", 2.0)])
def test_it_trains_under_every_policy(x, policy, sigma):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        # 41 by 20: the last batch has one row.
        history = compiled(regularizer(sigma, 0.1, seed=0)).fit(x[:41], x[:41], 20, verbose=0).history
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(list(history.values())).all() and history["csd"][0] > 0


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_layers_with_names_have_metrics_with_names(tmp_path, x, run_eagerly):
    inner, outer = (closed_form(name=name) for name in ("inner", "outer"))
    optimizer = keras.optimizers.SGD(0.0)
    model = compiled(inner, keras.layers.Dense(3), outer, optimizer=optimizer, run_eagerly=run_eagerly)
    history = model.fit(x, x, 64, validation_data=(x, x), verbose=0).history
    names = {"loss", "inner_csd", "outer_csd"}
    assert set(history) == names | {f"val_{name}" for name in names}
    rebuilt = np.mean((model.predict(x, verbose=0) - x) ** 2)
    expected = rebuilt + history["val_inner_csd"][0] + history["val_outer_csd"][0]
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-3)
    assert history["inner_csd"][0] == pytest.approx(history["val_inner_csd"][0], rel=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert set(again.evaluate(x, x, return_dict=True, verbose=0)) == names


@pytest.mark.parametrize("sigma", [1.5, twice_silverman])
def test_a_saved_model_goes_on_as_it_was(tmp_path, x, sigma):
    layer = CauchySchwarzRegularizer(priors.GaussianMixture(4, 2.5), sigma, 0.5, seed=9)
    model = compiled(layer)
    layer.weight = 7
    if sigma == 1.5:
        layer.sigma = 2.5
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    layer.draws.state.assign(again.layers[1].draws.state)  # which Keras does not save
    logs = again.evaluate(x, x, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "csd"} | (set() if sigma == 1.5 else {"sigma"})
    assert logs == model.evaluate(x, x, verbose=0, return_dict=True)  # of the same draws
    assert again.layers[1].get_config() == layer.get_config() and float(again.layers[1].weight) == 7


def test_a_description_of_before_makes_the_layer_and_fourier_is_refused():
    config = regularizer(seed=3).get_config()
    layer = CauchySchwarzRegularizer.from_config({**config, "features": 400})
    assert layer.get_config() == config and layer.csd.name == "csd"
    with pytest.raises(ValueError, match="estimator must be one of 'sample', 'closed_form'; got 'fourier'"):
        CauchySchwarzRegularizer.from_config({**config, "estimator": "fourier", "features": 70})


class WarmUp(keras.callbacks.Callback):
    """Sets the weight to 10 times the epoch, and meddles: calls and predicts before and between the steps."""

    def __init__(self, set_weight, images, training, reads_losses):
        super().__init__()
        self.set_weight, self.images, self.training = set_weight, 3 * images, training
        self.reads_losses = reads_losses

    def on_epoch_begin(self, epoch, logs=None):
        self.set_weight(10.0 * epoch)
        self.on_train_batch_end(0)

    def on_train_batch_end(self, batch, logs=None):
        self.model(self.images, training=self.training)
        if self.reads_losses:
            sum(self.model.losses)
        self.model.predict_on_batch(self.images)

    def on_test_batch_end(self, batch, logs=None):
        self.on_train_batch_end(batch)


@pytest.mark.parametrize(
    ("way", "training", "run_eagerly"),
    [("attribute", None, False), ("variable", False, False), ("assign", False, True)],
)
def test_a_callback_sets_the_weight_and_no_inference_touches_the_metric(x, way, training, run_eagerly):
    weight = keras.Variable(1.0, trainable=False) if way == "variable" else 1.0
    layer = closed_form(2.0, weight)
    set_weight = {
        "attribute": lambda value: setattr(layer, "weight", value),
        "assign": lambda value: layer.weight.assign(value),
        "variable": lambda value: weight.assign(value),
    }[way]
    model = compiled(layer, optimizer=keras.optimizers.SGD(0.0), run_eagerly=run_eagerly)
    callbacks = [WarmUp(set_weight, x, training, reads_losses=not run_eagerly)]
    history = model.fit(x, x, 64, 2, validation_data=(x, x), callbacks=callbacks, verbose=0).history
    csd = csd_of(model.layers[0](x))
    assert history["loss"][1] - history["loss"][0] == pytest.approx(10 * csd, rel=1e-3)
    assert [*history["csd"], *history["val_csd"]] == pytest.approx([csd] * 4, rel=1e-4)
    assert float(layer.weight) == 10 and layer.get_config()["weight"] == 10


def test_calls_are_not_gathered_and_a_loss_counts_once(x):
    layer = closed_form()
    for _ in range(3):
        layer(x[:, :3], training=False)
    assert len(layer._counted) == 1
    assert layer.losses == layer.losses and layer.csd.eager.count == 1


def test_an_eager_model_whose_call_knows_no_training_logs_the_csd(x):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.layer = keras.layers.Dense(3), closed_form()

        def call(self, points):
            return self.layer(self.encoder(points))

    model = Model()
    model.compile(keras.optimizers.SGD(0.0), "mean_squared_error", run_eagerly=True)
    history = model.fit(x, x[:, :3], len(x), verbose=0).history
    assert history["csd"] == pytest.approx([csd_of(model.encoder(x))], rel=1e-4)


def test_a_variable_that_is_given_is_shared_saved_and_not_trained(tmp_path, x):
    weight = keras.Variable(3.0)  # which is trainable unless told
    layers = [regularizer(weight, weight, name=name) for name in "ab"]
    model = compiled(*layers)
    model.fit(x, x, verbose=0)
    assert weight.numpy() == 3 and len(model.trainable_variables) == 4
    layers[0].weight = keras.Variable(7.0)  # of which the number is taken
    assert len(model.trainable_variables) == 4
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert [float(again.get_layer(name).weight) for name in "ab"] == [float(weight.numpy())] * 2 == [7, 7]
    keras.models.clone_model(model).set_weights(model.get_weights())


def test_sigma_can_be_set_to_numbers_in_range(x):
    codes, layer = x[:, :3], closed_form(1.0)
    loss = tf.function(lambda: (layer(codes), layer.losses[0])[1])
    loss()
    layer.sigma = 3
    assert float(loss()) == pytest.approx(csd_of(codes, 3.0), rel=1e-6)
    for bad in (0, "median"):
        with pytest.raises(ValueError, match="sigma must be a number from"):
            layer.sigma = bad
    with pytest.raises(ValueError, match="weight must be a number from 0"):
        layer.weight = -1


@pytest.mark.parametrize("name", ["prior", "sigma", "divergence", "estimator", "seed", "block_size"])
def test_what_a_graph_would_not_see_is_fixed(name):
    layer = regularizer("median")
    with pytest.raises(AttributeError, match=f"{name} of .* is fixed: make another layer"):
        setattr(layer, name, getattr(layer, name))


@pytest.mark.parametrize("shape", [lambda n: [n], lambda n: [n, 2]])
def test_a_prior_that_samples_another_shape_is_named(shape, x):
    class Line:
        dim = 3

        def sample(self, n, seed=None):
            return tf.random.normal(shape(n))

    layer = CauchySchwarzRegularizer(Line(), 1.0)
    with pytest.raises(ValueError, match=r"what prior.sample returns must be of shape \[n, 3\]"):
        layer(x[:, :3])
    with pytest.raises(ValueError, match=r"to be saved, prior needs get_config\(\) and from_config"):
        layer.get_config()


def test_a_prior_that_numpy_draws_is_told_so():
    class Normal:
        dim = 3

        def sample(self, n, seed=None):
            return np.random.default_rng(0).normal(size=(n, 3))

    with pytest.raises(TypeError, match=r"prior.sample\(n, seed\) must be made of TensorFlow ops"):
        tf.function(CauchySchwarzRegularizer(Normal(), 1.0).call)(tf.zeros([4, 3]))


def test_an_export_holds_no_pairs_and_tensorflow_saves_the_draws_of_a_prior(tmp_path, x):
    model = compiled(CauchySchwarzRegularizer(priors.SwissRoll(), 2.0, seed=0))
    model.export(tmp_path / "exported", verbose=False)
    converted = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "exported")).convert()
    assert len(converted) < 10_000
    tf.saved_model.save(model, tmp_path / "saved")
    exported, saved = (tf.saved_model.load(tmp_path / name) for name in ("exported", "saved"))
    served = saved.signatures["serving_default"](tf.constant(x))["output_0"]
    for result in (exported.serve(x), served):
        np.testing.assert_allclose(result, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "name", "function"),
    [
        ({}, "csd", divergence.cauchy_schwarz_divergence),
        ({"divergence": "euclidean"}, "euclidean", divergence.euclidean_divergence),
        (
            {"divergence": "entropy"},
            "entropy",
            lambda codes, _, sigma: -divergence.renyi_entropy(codes, sigma),
        ),
        ({"estimator": "closed_form"}, "csd", lambda codes, _, sigma: csd_of(codes, sigma)),
    ],
)
def test_it_hands_its_input_on_and_adds_weight_times_what_it_is_asked_for(options, name, function, x):
    codes = x[:, :3]
    layer, twin = (regularizer(0.5, 3.0, seed=1, **options) for _ in range(2))
    assert np.array_equal(layer(codes, training=True), codes)
    expected = float(function(codes, layer.prior.sample(64, seed=twin.draws.next()), 0.5))
    assert float(layer.losses[0]) == pytest.approx(3 * expected, rel=1e-5)
    shown = -expected if name == "entropy" else expected
    assert layer.csd.name == name and float(layer.csd.result()) == pytest.approx(shown, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"prior": "swiss_roll"}, TypeError, "prior must be an object with dim and sample"),
        ({"prior": priors.SwissRoll}, TypeError, r"prior must be an object .* as priors.SwissRoll\(\) is"),
        *[({"seed": bad}, ValueError, "seed must be a whole number from -9") for bad in (1.5, 2**63, True)],
        ({"block_size": 0}, ValueError, "block_size must be a whole number from 1 to .* got 0"),
        *[({"weight": bad}, ValueError, "weight must be a number from 0 to")
          for bad in (1e160, -1, tf.Variable(-1.0), tf.Variable([1.0, 2.0]))],
        *[({"sigma": bad}, ValueError, "sigma must be a number") for bad in (0, tf.Variable(np.nan))],
        ({"divergence": "renyi"}, ValueError, "divergence must be one of 'cauchy_schwarz', 'euclidean'"),
        ({"prior": priors.Gaussian(), "divergence": "entropy", "estimator": "closed_form"}, TypeError,
         "'closed_form' is for the CSD to a prior of Gaussians; got divergence='entropy'"),
        ({"estimator": "closed_form"}, TypeError, "'closed_form' is for the CSD to a prior of Gaussians"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        CauchySchwarzRegularizer(**{"prior": priors.SwissRoll(), "sigma": 1.0, **changes})
