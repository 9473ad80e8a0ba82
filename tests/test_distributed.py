"""The layer on several devices: two logical CPU devices, which must be made before TensorFlow starts."""

import json
import subprocess
import sys

import numpy as np
import pytest

from kmnist_itl import divergence, priors

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


def train(strategy, estimator):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        regularizer = CauchySchwarzRegularizer(priors.Gaussian(3), 2.0, 100.0, estimator=estimator, seed=0)
        model = keras.Sequential(
            [keras.layers.Input((5,)), keras.layers.Dense(3), regularizer, keras.layers.Dense(5)]
        )
        model.compile(keras.optimizers.Adam(0.02), "mean_squared_error", jit_compile=False)
    found = model.fit(x, x, epochs=10, batch_size=200, shuffle=False, validation_data=(x, x), verbose=0)
    if strategy.num_replicas_in_sync > 1:
        each = strategy.run(lambda: regularizer(tf.constant(half)) is not None and regularizer.losses[-1])
        found.history["replicas"] = [float(v) for v in strategy.experimental_local_results(each)]
    return found.history


# Of 65 rows in batches of 32 the last is one: the second device gets none of it.
def epoch_with_an_empty_share(strategy, **options):
    keras.utils.set_random_seed(0)
    some = x[:65]
    with strategy.scope():
        regularizer = CauchySchwarzRegularizer(priors.Gaussian(3), 2.0, seed=0, **options)
        model = keras.Sequential(
            [keras.layers.Input((5,)), keras.layers.Dense(3), regularizer, keras.layers.Dense(5)]
        )
        model.compile(keras.optimizers.SGD(0.0), "mean_squared_error", jit_compile=False)
    found = model.fit(some, some, batch_size=32, shuffle=False, validation_data=(some, some), verbose=0)
    finite = all(bool(np.isfinite(weights).all()) for weights in model.get_weights())
    return {**found.history, "codes": model.layers[0](some).numpy().tolist(), "finite": finite}


mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one = tf.distribute.get_strategy()
print(json.dumps({
    "one": train(one, "sample"),
    "two": train(mirrored, "sample"),
    "two, closed form": train(mirrored, "closed_form"),
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
    of_samples, exact = histories["two"]["replicas"], histories["two, closed form"]["replicas"]
    assert of_samples[0] != of_samples[1]
    assert exact[0] == exact[1]


def test_an_empty_share_leaves_the_metric_and_the_loss_alone(histories):
    for name in ("empty", "empty, sample"):
        history = histories[name]
        assert history["finite"] and np.isfinite(history["loss"]) and np.isfinite(history["val_loss"])
        assert np.isfinite(history["csd"]) and np.isfinite(history["val_csd"])
    # The four shares of 16 and the one of a single row: the metric is the mean of their five divergences.
    codes = np.array(histories["empty"]["codes"], np.float32)
    means = np.zeros((1, 3), np.float32)
    shares = [codes[0:16], codes[16:32], codes[32:48], codes[48:64], codes[64:65]]
    found = [float(divergence.divergence_from_gaussians(share, means, 1.0, 2.0)) for share in shares]
    assert histories["empty"]["csd"][0] == pytest.approx(np.mean(found), rel=1e-4)


def test_a_sample_half_as_large_is_about_twice_as_far_from_its_own_density():
    prior = priors.Gaussian(3)

    def mean_csd(n):
        drawn = [(prior.sample(n, seed=2 * i), prior.sample(n, seed=2 * i + 1)) for i in range(60)]
        return np.mean([divergence.cauchy_schwarz_divergence(x, y, 2.0) for x, y in drawn])

    assert mean_csd(100) / mean_csd(200) == pytest.approx(2, rel=0.3)
