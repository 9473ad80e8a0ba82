import json
import subprocess
import sys

import numpy as np
import pytest

from kmnist_itl import data, settings, training

SHORT = settings.Profile("short", train_images=None, epochs=3)


def weights(run):
    return [np.asarray(weight) for weight in run.model.get_weights()]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_a_run_is_kept_found_again_and_follows_its_settings(digits):
    first = training.train_autoencoder(digits, 4, profile=SHORT)
    again = training.train_autoencoder(digits, 4, profile=SHORT)
    other = training.train_autoencoder(digits, 4, profile=SHORT, seed=1)
    assert (first.found, again.found, other.found) == (False, True, False)
    assert same(first, again) and not same(first, other)
    assert (again.key, again.history, again.seconds) == (first.key, first.history, first.seconds)
    assert first.history["loss"][-1] < first.history["loss"][0]
    assert first.epochs == 3 and first.seconds > 0 and first.seconds_per_step > 0

    classifier = training.train_classifier(digits, encoder=first, profile=SHORT)
    of_other = training.train_classifier(digits, encoder=other, profile=SHORT)
    assert classifier.key != of_other.key and not of_other.found
    assert training.train_classifier(digits, encoder=again, profile=SHORT).found
    codes = training.encode(first, digits.test.images)
    assert codes.shape == (len(digits.test), 4)
    probabilities = classifier.model.predict(codes, verbose=0)
    right = probabilities.argmax(axis=1) == digits.test.labels
    assert training.accuracy(classifier, codes, digits.test.labels) == right.mean()


def test_a_trained_again_run_is_the_same_to_the_last_bit(digits):
    first = training.train_autoencoder(digits, 4, profile=SHORT)
    (training.runs_dir() / first.key).rename(training.runs_dir() / "away")
    again = training.train_autoencoder(digits, 4, profile=SHORT)
    assert not again.found and again.history == first.history and same(first, again)


def test_a_training_is_the_same_in_another_process(digits):
    code = (
        "from kmnist_itl import data, settings, training\n"
        "short = settings.Profile('short', train_images=None, epochs=1)\n"
        "print(training.train_autoencoder(data.load('digits'), 2, profile=short).history['loss'][0].hex())"
    )
    answers = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        answers.append(done.stdout)
        for kept in training.runs_dir().iterdir():
            kept.rename(training.runs_dir().parent / f"{kept.name}-{len(answers)}")
    assert answers[0] == answers[1] != ""


def test_a_damaged_run_is_reported_and_trained_again(digits):
    first = training.train_autoencoder(digits, 2, profile=SHORT)
    file = training.runs_dir() / first.key / "model.weights.h5"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        again = training.train_autoencoder(digits, 2, profile=SHORT)
    assert not again.found and same(first, again)
    assert training.train_autoencoder(digits, 2, profile=SHORT).found


def test_the_record_says_all_that_decides(digits):
    run = training.train_autoencoder(digits, 2, profile=SHORT, loss="mean_absolute_error")
    record = json.loads((training.runs_dir() / run.key / "run.json").read_text())
    assert record["settings"] == run.settings
    decides = {"data", "loss", "latent_dim", "seed", "epochs", "patience", "batch_size", "learning_rate"}
    assert decides | {"training_version"} <= set(run.settings)


def test_early_stopping_restores_the_best_weights(digits):
    # Random labels for validation: the loss there soon rises.
    rng = np.random.default_rng(0)
    noisy = data.Split(digits.validation.images, rng.permutation(digits.validation.labels))
    scrambled = data.Dataset(
        digits.train, noisy, digits.test, "digits", "", digits.class_names, digits.glyphs
    )
    profile = settings.Profile("patient", None, epochs=40, patience=2)
    run = training.train_classifier(scrambled, profile=profile)
    assert run.epochs == run.best_epoch + 2 < 40
    run.model.compile("adam", "sparse_categorical_crossentropy")
    loss = run.model.evaluate(noisy.images, noisy.labels, verbose=0)
    assert loss == pytest.approx(min(run.history["val_loss"]), rel=1e-4)


def test_a_loss_that_is_not_finite_stops_and_keeps_nothing(digits):
    images = digits.train.images.copy()
    images[0] = np.nan
    broken = data.Dataset(
        data.Split(images, digits.train.labels), digits.validation, digits.test, "digits", "", (), ()
    )
    with pytest.raises(ValueError, match=r"NaN or infinite in epoch 1 of: autoencoder, 2 units, seed 0"):
        training.train_autoencoder(broken, 2, profile=SHORT)
    assert not training.runs_dir().exists() or list(training.runs_dir().iterdir()) == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"profile": "fast"}, "profile"),
        ({"loss": "huber"}, "loss"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_written(digits, given, named, tmp_path):
    with pytest.raises(ValueError, match=named):
        training.train_autoencoder(digits, **{"latent_dim": 2, "profile": SHORT, **given})
    assert not (tmp_path / "cache").exists()


def test_bad_arguments_of_the_classifier_are_named(digits):
    for given in ({"dropout": "a quarter"}, {"dropout": 1}, {"monitor": "loss"}, {"profile": "fast"}):
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


def test_of_two_that_train_the_same_at_once_one_waits_and_finds_it():
    code = (
        "from kmnist_itl import data, settings, training\n"
        "short = settings.Profile('short', train_images=None, epochs=8)\n"
        "print(training.train_autoencoder(data.load('digits'), 2, profile=short).found)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    assert sorted(process.communicate()[0].strip() for process in both) == ["False", "True"]
    assert len(list(training.runs_dir().iterdir())) == 1


def test_a_place_where_nothing_can_be_kept_is_told_before_training(digits, tmp_path, monkeypatch):
    (tmp_path / "taken").touch()
    monkeypatch.setenv("KMNIST_ITL_CACHE", str(tmp_path / "taken"))
    monkeypatch.setattr(training, "fit", None)
    with pytest.raises(OSError, match=r"Trained runs cannot be written to .*KMNIST_ITL_CACHE"):
        training.train_autoencoder(digits, 2, profile=SHORT)
