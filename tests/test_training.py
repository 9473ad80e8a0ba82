"""Training: plain functions that return a Run and keep nothing. Keeping is tested elsewhere."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from kmnist_itl import data, models, priors, settings, training
from kmnist_itl._tensorflow import keras

SHORT = settings.Profile("short", train_images=None, epochs=3)


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left.get_weights(), right.get_weights(), strict=True))


def test_a_run_follows_its_seed_and_keeps_nothing(digits, tmp_path):
    first, again, seeded = (
        training.train_autoencoder(digits, 4, profile=SHORT, seed=seed) for seed in (0, 0, 2**32 - 1)
    )
    assert same(first.model, again.model) and first.history == again.history
    assert not same(first.model, seeded.model)
    assert first.history["loss"][-1] < first.history["loss"][0]
    assert first.epochs == 3 and first.seconds > 3 * first.seconds_per_step > 0
    assert not (tmp_path / "cache").exists()


def test_it_is_what_compile_and_fit_give(digits):
    """The notebook's cell, written out: the same losses."""
    trained = training.train_autoencoder(digits, 3, profile=SHORT, seed=4)
    model = training.autoencoder(3, seed=4)
    model.compile(keras.optimizers.Adam(1e-3), "mean_squared_error", run_eagerly=True)
    pipeline = training.batches(digits.train.images, seed=4)
    assert model.fit(pipeline, epochs=3, verbose=0, shuffle=False).history["loss"] == trained.history["loss"]


def test_a_classifier_sees_the_codes_of_an_autoencoder_or_pixels(digits):
    coder = training.train_autoencoder(digits, 4, profile=SHORT)
    classifier = training.train_classifier(digits, encoder=coder, profile=SHORT)
    codes = training.encode(coder, digits.test.images)
    assert codes.shape == (len(digits.test), 4)
    probabilities = classifier.model.predict(codes, verbose=0)
    right = probabilities.argmax(axis=1) == digits.test.labels
    assert training.accuracy(classifier, codes, digits.test.labels) == right.mean()
    assert training.train_classifier(digits, profile=SHORT).model.input_shape == (None, 784)


def test_a_prior_is_sampled_by_the_seed_and_its_csd_stands_in_the_history(digits):
    options = {"prior": priors.Gaussian(3), "sigma": 1, "weight": 1.0, "profile": SHORT}
    run, again = (training.train_autoencoder(digits, 3, **options) for _ in range(2))
    assert len(run.history["csd"]) == len(run.history["val_csd"]) == 3
    assert run.history == again.history


def test_keras_traces_a_training_step_once(digits, monkeypatch):
    traced = []
    step = keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda self, data: traced.append(self) or step(self, data))
    profile = settings.Profile("graph", train_images=None, epochs=training.GRAPH_PAYS_FROM)
    training.train_autoencoder(digits, 3, profile=profile, prior=priors.SwissRoll(), sigma=1, weight=1)
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("steps", "jit", "eagerly", "compiled"),
    [(19, True, True, False), (20, True, False, True), (20, False, False, False)],
)
def test_so_many_steps_are_run(steps, jit, eagerly, compiled):
    assert training.execution(steps, jit) == {"run_eagerly": eagerly, "jit_compile": compiled}


def test_a_training_is_the_same_in_another_process():
    code = (
        "from kmnist_itl import data, settings, training\n"
        "short = settings.Profile('short', train_images=None, epochs=1)\n"
        "print(training.train_autoencoder(data.load('digits'), 2, profile=short).history['loss'][0].hex())"
    )
    command = [sys.executable, "-c", code]
    answers = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(answers) == 1 and answers != {""}


def test_early_stopping_restores_the_best_weights(digits, rng):
    # Random labels for validation: the loss there soon rises.
    noisy = data.Split(digits.validation.images, rng.permutation(digits.validation.labels))
    profile = settings.Profile("patient", None, epochs=40, patience=2)
    run = training.train_classifier(dataclasses.replace(digits, validation=noisy), profile=profile)
    assert run.epochs == run.best_epoch + 2 < 40
    loss, _ = run.model.evaluate(noisy.images, noisy.labels, verbose=0)
    assert loss == pytest.approx(min(run.history["val_loss"]), rel=1e-4)


def test_a_loss_that_is_not_finite_is_told(digits):
    broken = data.Split(np.full_like(digits.train.images, np.nan), digits.train.labels)
    with pytest.raises(ValueError, match=r"The loss became NaN or infinite in epoch 1\."):
        training.train_autoencoder(dataclasses.replace(digits, train=broken), 2, profile=SHORT)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"profile": "fast"}, "profile"),
        ({"loss": "huber"}, "loss"),
        ({"seed": -1}, "seed must be a whole number from 0 to 4294967295; got -1"),
        ({"seed": 2**32}, "seed"),
        ({"prior": "roll", "sigma": 1}, "prior, sigma and weight go together; got only prior and sigma"),
        ({"weight": 1}, "go together; got only weight"),
    ],
)
def test_bad_arguments_of_an_autoencoder_are_named(digits, given, message):
    with pytest.raises(ValueError, match=message):
        training.train_autoencoder(digits, **{"latent_dim": 2, "profile": SHORT, **given})


@pytest.mark.parametrize("given", [{"dropout": 1.5}, {"monitor": "loss"}, {"seed": 0.5}])
def test_bad_arguments_of_a_classifier_are_named(digits, given):
    with pytest.raises(ValueError, match=next(iter(given))):
        training.train_classifier(digits, **{"profile": SHORT, **given})


def test_batches_carry_each_example_once_in_a_new_seeded_order():
    numbers = np.arange(2_500, dtype=np.float32)[:, None]

    def epoch(pipeline):
        return np.concatenate([x.numpy() for x, _ in pipeline]).ravel()

    pipeline = training.batches(numbers, seed=3)
    first, second = epoch(pipeline), epoch(pipeline)
    assert sorted(first) == sorted(second) == list(range(2_500))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, epoch(training.batches(numbers, seed=3)))
    x, y = next(iter(training.batches(numbers, numbers[:, 0] * 2, seed=3)))
    assert x.shape == (1_000, 1) and np.array_equal(y, 2 * x[:, 0])
    assert np.array_equal(epoch(training.batches(numbers)), np.arange(2_500))


def test_reconstruction_error_is_the_mean_squared_error(digits):
    run = training.train_autoencoder(digits, 2, profile=SHORT)
    images = digits.test.images
    expected = np.mean((run.model.predict(images, verbose=0).astype(np.float64) - images) ** 2)
    assert training.reconstruction_error(run, images) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "build",
    [
        lambda: models.stacked_autoencoder(3),
        lambda: models.mlp_classifier(30, batch_norm=True, dropout=0.25),
        models.cnn_classifier,
    ],
)
def test_weights_follow_keras_own_seed(build):
    def seeded(seed):
        keras.utils.set_random_seed(seed)
        return build()

    first = seeded(5)
    assert same(first, seeded(5)) and not same(first, seeded(6))
