"""Training: plain functions that return a Run and keep nothing. Keeping is tested elsewhere."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from kmnist_itl import data, priors, settings, training
from kmnist_itl._tensorflow import keras

SHORT = settings.Profile("short", train_images=None, epochs=3)


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left.get_weights(), right.get_weights(), strict=True))


@pytest.fixture(scope="module")
def run(digits):
    """An autoencoder with 4 codes, trained for three epochs with seed 0."""
    return training.train_autoencoder(digits, 4, profile=SHORT)


def test_a_run_follows_its_seed(digits, run):
    seeded = training.train_autoencoder(digits, 4, profile=SHORT, seed=2**32 - 1)
    assert not same(run.model, seeded.model)
    assert run.history["loss"][-1] < run.history["loss"][0]
    assert run.epochs == 3 and run.seconds > 3 * run.seconds_per_step > 0


def test_it_is_what_compile_and_fit_give(digits, run):
    """The notebook's cell, written out: the same losses."""
    model = training.autoencoder(4)
    model.compile(keras.optimizers.Adam(1e-3), "mean_squared_error", run_eagerly=True)
    pipeline = training.batches(digits.train.images, seed=0)
    assert model.fit(pipeline, epochs=3, verbose=0, shuffle=False).history["loss"] == run.history["loss"]


def test_a_classifier_sees_the_codes_of_an_autoencoder(digits, run):
    classifier = training.train_classifier(digits, encoder=run, profile=SHORT)
    codes = training.encode(run, digits.test.images)
    assert codes.shape == (len(digits.test), 4)
    probabilities = classifier.model.predict(codes, verbose=0)
    right = probabilities.argmax(axis=1) == digits.test.labels
    assert training.accuracy(classifier, codes, digits.test.labels) == right.mean()


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


def test_a_training_is_the_same_in_another_process(run):
    code = (
        "from kmnist_itl import data, settings, training\n"
        "short = settings.Profile('short', train_images=None, epochs=3)\n"
        "print(training.train_autoencoder(data.load('digits'), 4, profile=short).history['loss'])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == str(run.history["loss"])


def test_early_stopping_restores_the_best_weights(digits, rng):
    # Random labels for validation: the loss there soon rises.
    noisy = data.Split(digits.validation.images, rng.permutation(digits.validation.labels))
    profile = settings.Profile("patient", None, epochs=20, patience=1)
    run = training.train_classifier(dataclasses.replace(digits, validation=noisy), profile=profile)
    assert run.epochs == run.best_epoch + 1 < 20
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


def test_reconstruction_error_is_the_mean_squared_error(digits, run):
    images = digits.test.images
    expected = np.mean((run.model.predict(images, verbose=0).astype(np.float64) - images) ** 2)
    assert training.reconstruction_error(run, images) == pytest.approx(expected, rel=1e-6)
