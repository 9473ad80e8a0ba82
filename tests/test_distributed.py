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
from kmnist_itl import data, priors, settings, training
from kmnist_itl.clustering import network
from kmnist_itl.divergence import CauchySchwarzRegularizer

x = np.random.default_rng(0).normal(2, 3, size=(400, 5)).astype(np.float32)
half = x[:100, :3]


def fit(points, optimizer, *weight, epochs=1, batch, **options):
    keras.utils.set_random_seed(0)
    with mirrored.scope():
        regularizer = in_scope(*weight, **options)
        layers = [keras.Input((5,)), keras.layers.Dense(3), regularizer, keras.layers.Dense(5)]
        model = keras.Sequential(layers)
        model.compile(optimizer(), "mean_squared_error", jit_compile=False)
    logs = {"validation_data": (points, points) if epochs > 1 else None, "verbose": 0, "shuffle": False}
    history = model.fit(points, points, epochs=epochs, batch_size=batch, **logs).history
    return {**history, "codes": model.layers[0](points).numpy().tolist()}


def in_scope(*weights, **options):
    with mirrored.scope():
        return CauchySchwarzRegularizer(priors.Gaussian(3), 2.0, *weights, seed=0, **options)


def losses_of(layer):
    losses = mirrored.run(lambda: layer(tf.constant(half)) is not None and layer.losses[-1])
    return [float(loss) for loss in mirrored.experimental_local_results(losses)]


def settings_after_assignment():
    with mirrored.scope():
        given = tf.Variable(1.0)
    layers = in_scope(1.0), in_scope(given)
    for layer in layers:
        layer.weight, layer.sigma = 7, 0.5
    assigned = [[layer.get_config()[name] for name in ("weight", "sigma")] for layer in layers]
    return assigned, losses_of(layers[0])


def refusal():
    with mirrored.scope():
        try:
            network.train_clustering(np.random.default_rng(0).random((9, 784)), heads=(2,))
        except ValueError as error:
            return str(error)


def classified():
    with mirrored.scope():
        profile = settings.Profile("short", train_images=None, epochs=2)
        return training.train_classifier(data.load("digits", limit=60), profile=profile).history["loss"]


mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
# Of 397 rows in batches of 132, and of 65 in batches of 32, the last is one: the second device has none.
print(json.dumps({
    "trained": fit(x[:397], lambda: keras.optimizers.Adam(0.05), 100.0, epochs=5, batch=132),
    "replicas": [losses_of(in_scope(estimator=estimator)) for estimator in ("sample", "closed_form")],
    "assigned": settings_after_assignment(),
    "clustering": refusal(),
    "classified": classified(),
    "empty": fit(x[:65], lambda: keras.optimizers.SGD(0.0), batch=32, estimator="closed_form"),
}))
"""


@pytest.fixture(scope="module")
def histories():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_two_replicas_train_also_where_one_has_an_empty_share(histories):
    history = histories["trained"]
    assert all(np.isfinite(values).all() for values in history.values())
    for name in ("csd", "val_csd"):
        assert history[name][-1] < history[name][0] / 2


def test_each_replica_draws_points_of_its_own_and_sees_what_is_assigned(histories):
    sample, closed_form = histories["replicas"]
    assert sample[0] != sample[1]
    assert closed_form[0] == closed_form[1]
    settings, losses = histories["assigned"]
    assert settings == [[7, 0.5], [7, 0.5]]
    assert all(loss > 7 * before for loss, before in zip(losses, sample, strict=True))  # of a smaller sigma


def test_an_empty_share_leaves_the_metric_alone(histories):
    # The four shares of 16 and the one of a single row: the metric is the mean of their five divergences.
    codes, means = np.array(histories["empty"]["codes"], np.float32), np.zeros((1, 3), np.float32)
    shares = [codes[0:16], codes[16:32], codes[32:48], codes[48:64], codes[64:65]]
    expected = [float(divergence.divergence_from_gaussians(share, means, 1.0, 2.0)) for share in shares]
    assert histories["empty"]["csd"][0] == pytest.approx(np.mean(expected), rel=1e-4)


def test_a_classifier_trains_on_replicas_and_a_network_that_pairs_images_refuses_them(histories):
    first, last = histories["classified"]
    assert last < first
    assert "pairs the halves of a batch: no 2 replicas, only 1" in histories["clustering"]
