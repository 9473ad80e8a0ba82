"""The layer on several devices: two logical CPU devices, which must be made before TensorFlow starts."""

import json
import subprocess
import sys

import numpy as np
import pytest

from kmnist_itl import divergence

SCRIPT = """
import json
import numpy as np
from kmnist_itl._tensorflow import keras, tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from kmnist_itl import priors
from kmnist_itl.divergence import CauchySchwarzRegularizer

x = np.random.default_rng(0).normal(2, 3, size=(400, 5)).astype(np.float32)
half = x[:100, :3]


def fit(strategy, points, optimizer, *weight, epochs=1, batch, **options):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        regularizer = CauchySchwarzRegularizer(priors.Gaussian(3), 2.0, *weight, seed=0, **options)
        layers = [keras.layers.Input((5,)), keras.layers.Dense(3), regularizer, keras.layers.Dense(5)]
        model = keras.Sequential(layers)
        model.compile(optimizer(), "mean_squared_error", jit_compile=False)
    logs = {"validation_data": (points, points), "verbose": 0, "shuffle": False}
    return model, model.fit(points, points, epochs=epochs, batch_size=batch, **logs).history


def train(strategy):
    return fit(strategy, x, lambda: keras.optimizers.Adam(0.05), 100.0, epochs=5, batch=200)[1]


def on_replicas(strategy, estimator):
    with strategy.scope():
        layer = CauchySchwarzRegularizer(priors.Gaussian(3), 2.0, estimator=estimator, seed=0)
    losses = strategy.run(lambda: layer(tf.constant(half)) is not None and layer.losses[-1])
    return [float(loss) for loss in strategy.experimental_local_results(losses)]


# Of 65 rows in batches of 32 the last is one: the second device gets none of it.
def epoch_with_an_empty_share(strategy, **options):
    model, history = fit(strategy, x[:65], lambda: keras.optimizers.SGD(0.0), batch=32, **options)
    finite = all(bool(np.isfinite(weights).all()) for weights in model.get_weights())
    return {**history, "codes": model.layers[0](x[:65]).numpy().tolist(), "finite": finite}


def settings_after_assignment(strategy):
    with strategy.scope():
        weights = (1.0, tf.Variable(1.0))
        layers = [CauchySchwarzRegularizer(priors.Gaussian(3), 2.0, weight) for weight in weights]
    for layer in layers:
        layer.weight, layer.sigma = 7, 0.5
    losses = strategy.run(lambda: layers[0](tf.constant(half)) is not None and layers[0].losses[-1] / 7)
    settings = [[layer.get_config()[name] for name in ("weight", "sigma")] for layer in layers]
    return settings, [float(loss) for loss in strategy.experimental_local_results(losses)]


mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one = tf.distribute.get_strategy()
print(json.dumps({
    "one": train(one),
    "two": train(mirrored),
    "replicas": [on_replicas(mirrored, estimator) for estimator in ("sample", "closed_form")],
    "assigned": settings_after_assignment(mirrored),
    "empty": epoch_with_an_empty_share(mirrored, estimator="closed_form"),
    "empty, sample": epoch_with_an_empty_share(mirrored, block_size=8),
}))
"""


@pytest.fixture(scope="module")
def histories():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_two_replicas_train_as_one_does_but_for_the_smaller_samples(histories):
    one, two = histories["one"], histories["two"]
    for name in ("csd", "val_csd"):
        assert two[name][-1] < two[name][0] / 2
        # 100 points instead of 200: the estimate's own bias is larger.
        assert two[name][-1] == pytest.approx(one[name][-1], rel=0.5)
    assert two["loss"][-1] == pytest.approx(one["loss"][-1], rel=0.3)


def test_each_replica_draws_points_of_its_own(histories):
    sample, closed_form = histories["replicas"]
    assert sample[0] != sample[1]
    assert closed_form[0] == closed_form[1]


def test_what_is_assigned_reaches_every_replica_and_the_description(histories):
    settings, losses = histories["assigned"]
    assert settings == [[7, 0.5], [7, 0.5]]
    # Far above the divergence with sigma = 2 and of a like size: both replicas took the sigma of 0.5.
    assert min(losses) > 2 * max(histories["replicas"][0]) and max(losses) < 2 * min(losses)


def test_an_empty_share_leaves_the_metric_and_the_loss_alone(histories):
    for name in ("empty", "empty, sample"):
        history = histories[name]
        assert history["finite"] and np.isfinite(history["loss"]) and np.isfinite(history["val_loss"])
        assert np.isfinite(history["csd"]) and np.isfinite(history["val_csd"])
    # The four shares of 16 and the one of a single row: the metric is the mean of their five divergences.
    codes = np.array(histories["empty"]["codes"], np.float32)
    means = np.zeros((1, 3), np.float32)
    shares = [codes[0:16], codes[16:32], codes[32:48], codes[48:64], codes[64:65]]
    expected = [float(divergence.divergence_from_gaussians(share, means, 1.0, 2.0)) for share in shares]
    assert histories["empty"]["csd"][0] == pytest.approx(np.mean(expected), rel=1e-4)
