import numpy as np
import pytest

from kmnist_itl import cost, experiments, priors, settings
from kmnist_itl.clustering import clustering_accuracy

SHORT = settings.Profile("short", train_images=None, epochs=1)


def test_a_row_holds_the_settings_and_what_was_measured(digits):
    measured = experiments.regularized_autoencoder(
        digits, prior=priors.SwissRoll(), sigma=10, weight=0.1, profile=SHORT, seed=2
    )
    row, codes = measured.row, measured.codes
    assert (row["prior"], row["sigma"], row["lambda"], row["seed"]) == ("swiss_roll", 10, 0.1, 2)
    assert codes.shape == (len(digits.test), 3) and row["epochs"] == measured.run.epochs == 1
    assert row["csd"] > 0 and row["reconstruction_error"] > 0
    assert row["distance_to_roll"] == pytest.approx(float(np.mean(priors.SwissRoll().distance(codes))))
    assert clustering_accuracy(digits.test.labels, measured.predicted) >= row["accuracy"]
    assert np.mean(measured.predicted == digits.test.labels) == row["accuracy"]
    plain = experiments.regularized_autoencoder(digits, profile=SHORT).row
    assert plain["prior"] == "none" and plain["lambda"] == 0 and np.isnan(plain["csd"])


def test_clusters_are_fitted_on_training_and_scored_on_test_codes(digits):
    codes = [20.0 * np.eye(10)[split.labels] for split in (digits.train, digits.test)]
    found, predicted = experiments.cluster_codes(digits, *codes, seed=0)
    assert found["accuracy"] == found["train_accuracy"] == found["accuracy_fitted_on_test"] == 1
    assert np.array_equal(predicted, digits.test.labels)
    swapped, _ = experiments.cluster_codes(digits, codes[0], np.roll(codes[1], 1, axis=0), seed=0)
    assert swapped["accuracy"] < 0.5 and swapped["train_accuracy"] == 1
    assert clustering_accuracy(digits.test.labels, predicted) == 1


def test_the_closed_form_has_the_same_gradient_with_less_noise():
    drawn, exact = (
        experiments.csd_gradients(priors.GaussianMixture(), 2.0, estimator, batch_size=300, repeats=40)
        for estimator in ("sample", "closed_form")
    )
    assert drawn.shape == exact.shape == (40, 3)
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - exact.mean(axis=0)) < 5 * error).all()
    assert drawn.var(axis=0).mean() > 1.5 * exact.var(axis=0).mean()


def test_steps_are_timed_in_turns():
    images = np.random.default_rng(0).random((2_000, 784), dtype=np.float32)
    taken = cost.step_seconds(images, {"none": None, "other": None}, sigma=1, weight=1, rounds=2)
    assert list(taken) == ["none", "other"]
    assert all(seconds.shape == (2,) and (seconds > 0).all() for seconds in taken.values())
    with pytest.raises(ValueError, match="images must fill a batch of 1000; got 999"):
        cost.step_seconds(images[:999], {"none": None}, sigma=1, weight=1)
    assert cost.device_name()
