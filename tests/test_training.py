"""Training: plain functions that return a Run and keep nothing. Keeping is tested elsewhere."""

import dataclasses

import numpy as np
import pytest

from kmnist_itl import data, priors, settings, training
from kmnist_itl._tensorflow import keras

SHORT = settings.Profile("short", train_images=None, epochs=3)


@pytest.fixture(scope="module")
def run(few):
    """An autoencoder with 4 codes, trained for three epochs with seed 0."""
    return training.train_autoencoder(few, 4, profile=SHORT)


def test_it_is_what_compile_and_fit_give_and_follows_its_seed(few, run):
    """The notebook's cell, written out: the same losses."""
    model = training.autoencoder(4)
    model.compile(keras.optimizers.Adam(1e-3), "mean_squared_error", run_eagerly=True)
    pipeline = training.batches(few.train.images, seed=0)
    assert model.fit(pipeline, epochs=3, verbose=0, shuffle=False).history["loss"] == run.history["loss"]
    assert run.epochs == 3 and run.seconds > 3 * run.seconds_per_step > 0
    seeded = training.train_autoencoder(few, 4, profile=SHORT, seed=2**32 - 1)
    assert seeded.history["loss"] != run.history["loss"]
    assert run.history["loss"][-1] < run.history["loss"][0]


def test_a_prior_is_sampled_by_the_seed_and_its_csd_stands_in_the_history(few):
    options = {"prior": priors.Gaussian(3), "sigma": 1, "weight": 1.0, "profile": SHORT}
    run, again = (training.train_autoencoder(few, 3, **options) for _ in range(2))
    assert len(run.history["csd"]) == len(run.history["val_csd"]) == 3
    assert run.history == again.history


def test_keras_traces_a_training_step_once(few, monkeypatch):
    traced = []
    step = keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda self, data: traced.append(self) or step(self, data))
    profile = settings.Profile("graph", train_images=None, epochs=training.GRAPH_PAYS_FROM)
    training.train_autoencoder(few, 3, profile=profile, prior=priors.SwissRoll(), sigma=1, weight=1)
    assert len(traced) == 1


@pytest.mark.parametrize(("monitor", "best"), [("val_loss", min), ("val_accuracy", max)])
def test_early_stopping_restores_the_best_weights(monitor, best, few, rng):
    # Random labels for validation: the loss there soon rises.
    noisy = data.Split(few.validation.images, rng.permutation(few.validation.labels))
    profile = settings.Profile("patient", None, epochs=15, patience=1)
    dataset = dataclasses.replace(few, validation=noisy)
    run = training.train_classifier(dataset, profile=profile, monitor=monitor)
    assert run.epochs == run.best_epoch + 1 < 15
    scores = run.model.evaluate(noisy.images, noisy.labels, verbose=0, return_dict=True)
    expected = best(run.history[monitor])
    assert scores[monitor.removeprefix("val_")] == pytest.approx(expected, rel=1e-4)


def test_another_early_stopping_does_not_decide_the_weights(few):
    other = keras.callbacks.EarlyStopping("val_loss", mode="max", patience=1, restore_best_weights=True)
    run = training.train_autoencoder(few, 3, profile=SHORT, callbacks=other)
    error = run.model.evaluate(few.validation.images, few.validation.images, verbose=0)
    assert run.epochs == 2 and error == pytest.approx(run.history["val_loss"][run.best_epoch - 1], rel=1e-4)


def test_what_is_encoded_are_images_and_what_is_decoded_codes(run):
    with pytest.raises(TypeError, match="Divide bytes by 255"):
        training.encode(run, np.zeros((2, 784), np.uint8))
    assert training.decode(run, [[0, 0.5, 1, 2]]).shape == (1, 784)
    for codes in ([0.0] * 4, np.zeros((0, 4))):
        with pytest.raises(ValueError, match=r"inputs of decoder must be \[n, 4\], n >= 1; got shape"):
            training.decode(run, codes)


def test_a_loss_that_is_not_finite_is_told(few):
    class Diverging(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.set_weights([np.nan * weight for weight in self.model.get_weights()])

    with pytest.raises(ValueError, match=r"The loss became NaN or infinite in epoch 1\."):
        training.train_autoencoder(few, 2, profile=SHORT, callbacks=Diverging())


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize(
    ("part", "value", "error", "message"),
    [
        ("images", np.uint8(3), TypeError, "Divide bytes by 255"),
        ("images", np.float32(np.nan), ValueError, "images must be finite"),
        *[
            ("labels", bad, ValueError, f"labels must be whole numbers from 0 to 9; got {bad}")
            for bad in (10, -1, 0.5, np.nan)
        ],
        (
            "labels",
            "3",
            TypeError,
            "got dtype <U1, .* Take the argmax of one-hot rows, and int\\(\\) of strings",
        ),
    ],
)
def test_a_data_set_of_ones_own_is_checked(few, split, part, value, error, message):
    own = getattr(few, split)
    own = dataclasses.replace(own, **{part: np.full(getattr(own, part).shape, value)})
    with pytest.raises(error, match=message):
        training.train_classifier(dataclasses.replace(few, **{split: own}), profile=SHORT)


def test_one_hot_labels_are_told_and_lists_are_taken(few):
    hot = dataclasses.replace(few.train, labels=keras.utils.to_categorical(few.train.labels))
    with pytest.raises(TypeError, match=r"labels must be whole numbers \[n\]; got .* shape \(100, 10\)"):
        training.train_classifier(dataclasses.replace(few, train=hot), profile=SHORT)
    plain = dataclasses.replace(few.train, labels=few.train.labels.tolist())
    once = settings.Profile("once", None, epochs=1)
    assert training.train_classifier(dataclasses.replace(few, train=plain), profile=once).epochs == 1


def test_a_training_that_keras_continues_counts_its_own_epochs(few, tmp_path):
    def stop(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        stopper = keras.callbacks.LambdaCallback(on_epoch_end=stop)
        training.train_autoencoder(few, 3, profile=SHORT, callbacks=[backup, stopper])
    run = training.train_autoencoder(few, 3, profile=SHORT, callbacks=backup)
    assert 1 <= run.best_epoch <= run.epochs == len(run.history["loss"]) < 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"profile": "fast"}, "profile"),
        ({"profile": settings.Profile("p", None, 3, patience=None)}, "profile.patience must be a whole"),
        ({"loss": "huber"}, "loss"),
        ({"seed": -1}, "seed must be a whole number from 0 to 4294967295; got -1"),
        ({"prior": "roll", "sigma": 1}, "prior, sigma and weight go together; got only prior and sigma"),
        ({"weight": 1}, "go together; got only weight"),
    ],
)
def test_bad_arguments_of_an_autoencoder_are_named(few, given, message):
    with pytest.raises(ValueError, match=message):
        training.train_autoencoder(few, **{"latent_dim": 2, "profile": SHORT, **given})


@pytest.mark.parametrize("given", [{"dropout": 1.5}, {"monitor": "loss"}, {"seed": 0.5}, {"profile": "fast"}])
def test_bad_arguments_of_a_classifier_are_named_before_its_images_are_encoded(few, run, given, monkeypatch):
    monkeypatch.setattr(training, "encode", None)
    with pytest.raises(ValueError, match=next(iter(given))):
        training.train_classifier(few, encoder=run, **{"profile": SHORT, **given})


def test_batch_size_and_learning_rate_are_those_of_the_settings_when_it_trains(few, monkeypatch):
    monkeypatch.setattr(settings, "BATCH_SIZE", 30)
    monkeypatch.setattr(settings, "LEARNING_RATE", 0.5)
    once = settings.Profile("once", None, epochs=1)
    model = training.train_classifier(few, profile=once).model
    assert len(training.batches(few.train.images)) == 4
    assert float(model.optimizer.learning_rate) == 0.5 and int(model.optimizer.iterations) == 4


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
