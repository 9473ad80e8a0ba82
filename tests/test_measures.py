"""What is measured of a trained model."""

import dataclasses

import numpy as np
import pytest

from kmnist_itl import priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.clustering import clustering_accuracy
from kmnist_itl.divergence import cauchy_schwarz_divergence
from kmnist_itl.reproduction import cost, measures, walk
from kmnist_itl.reproduction.trainings import Autoencoder, Classifier, Clustering

SHORT = settings.Profile("short", train_images=None, epochs=1)
UNTRAINED = settings.Profile("untrained", train_images=None, epochs=0)


def trained(dataset, *, profile=SHORT, seed=0, **arguments):
    training = Autoencoder(
        fingerprint=dataset.fingerprint, profile=profile, seed=seed, latent_dim=3, **arguments
    )
    return measures.Trained(training, training.run(dataset), dataset)


def test_clusters_are_measured_of_the_test_images_codes(digits):
    model = trained(digits, prior=priors.SwissRoll(), sigma=10, weight=0.1, seed=2)
    row, codes = measures.clusters(model), training.encode(model.run, digits.test.images)
    assert row["csd"] > 0 and row["reconstruction_error"] > 0 and row["collapsed"] is False
    assert row["distance_to_roll"] == pytest.approx(float(np.mean(priors.SwissRoll().distance(codes))))
    assert row["code_spread"] == pytest.approx(np.sqrt(codes.var(axis=0).mean()), rel=1e-5)
    plain = measures.clusters(trained(digits))
    assert np.isnan(plain["csd"]) and np.isnan(plain["distance_to_roll"])


def test_a_collapse_is_marked(digits):
    model = trained(digits)
    model.run.model.set_weights([0 * weight for weight in model.run.model.get_weights()])
    row = measures.clusters(model)
    assert row["collapsed"] is True
    assert row["code_spread"] == row["nmi"] == 0 and row["accuracy"] < 0.2


@pytest.mark.parametrize("latent_dim", [4, None])
def test_a_classifier_sees_codes_or_pixels(digits, latent_dim):
    training_ = Classifier(fingerprint=digits.fingerprint, profile=SHORT, seed=0, latent_dim=latent_dim)
    encoder = training_.encoder and training_.encoder.run(digits)
    run = training_.run(digits)
    model = measures.Trained(training_, run, digits, encoder)
    row, matrix = measures.classes(model), measures.confusions(model)
    assert matrix.sum() == len(digits.test)
    assert matrix.trace() / len(digits.test) == pytest.approx(row["accuracy"])
    images = digits.validation.images
    seen = training.encode(encoder, images) if encoder else images
    right = training.predict_classes(run, seen) == digits.validation.labels
    assert row["validation_accuracy"] == right.mean()


def test_confusions_agree_by_the_ranks_of_their_errors():
    matrix = np.arange(100).reshape(10, 10)
    assert measures.confusion_agreement(matrix, matrix**2) == pytest.approx(1)
    assert measures.confusion_agreement(matrix, -matrix) == pytest.approx(-1)
    assert np.isnan(measures.confusion_agreement(matrix, np.eye(10)))


def test_clusters_are_fitted_on_training_and_scored_on_test_codes(digits):
    codes = [20.0 * np.eye(10)[split.labels] for split in (digits.train, digits.test)]
    found, predicted = measures.cluster_codes(digits, *codes, seed=0)
    assert found["accuracy"] == found["train_accuracy"] == found["accuracy_fitted_on_test"] == 1
    assert np.array_equal(predicted, digits.test.labels)
    swapped, _ = measures.cluster_codes(digits, codes[0], np.roll(codes[1], 1, axis=0), seed=0)
    assert swapped["accuracy"] < 0.5 and swapped["train_accuracy"] == 1
    assert clustering_accuracy(digits.test.labels, predicted) == 1


def test_a_reconstruction_loss_is_measured_in_both_errors(digits):
    model = trained(digits, loss="mean_absolute_error")
    row, images = measures.loss(model), digits.test.images
    rebuilt = model.run.model.predict(images, verbose=0)
    assert row["mean_squared_error"] == pytest.approx(np.mean((rebuilt - images) ** 2), rel=1e-5)
    assert row["mean_absolute_error"] == pytest.approx(np.abs(rebuilt - images).mean(), rel=1e-5)
    assert row["image_spread"] == pytest.approx(np.sqrt(rebuilt.var(axis=0).mean()), rel=1e-4)
    assert measures.standard_deviation(np.ones((5, 2))) == 0


def test_a_walk_is_decoded_from_the_roll(digits):
    model = trained(digits)
    images = walk.decoded_walk(model.run, walk.roll_walk(steps=3))
    roll = priors.SwissRoll()
    corner = roll.surface([roll.angles[0]], [roll.heights[1]])  # top left: the highest
    assert images.shape == (3, 3, 784)
    np.testing.assert_allclose(images[0, 0], training.decode(model.run, corner)[0], atol=1e-6)


def test_a_smooth_walk_has_few_long_steps_and_a_random_one_half(digits, monkeypatch, rng):
    model = trained(digits, prior=priors.SwissRoll(), sigma=10, weight=0.1)
    row = walk.walk(model)
    assert 0 <= row["long_steps"] < 0.5 and 0 < row["mean_step"] <= row["largest_step"]

    def grid(points):
        rows, columns = np.meshgrid(np.arange(10), np.arange(10), indexing="ij")
        return np.stack([rows, columns, 0 * rows], axis=-1).astype(float)

    monkeypatch.setattr(walk, "decoded_walk", lambda run, points: grid(points))
    assert walk.walk(model)["long_steps"] == 0
    monkeypatch.setattr(walk, "decoded_walk", lambda run, points: rng.normal(size=(10, 10, 784)))
    assert walk.walk(model)["long_steps"] == pytest.approx(0.5, abs=0.15)
    assert walk.walk(model)["long_steps_turned"] == pytest.approx(0.5, abs=0.05)


def test_a_walk_without_a_roll_goes_through_the_codes(digits, monkeypatch):
    model, walks = trained(digits), []

    def decoded(run, points):
        walks.append(points.reshape(-1, 3))
        return np.zeros((10, 10, 784))

    monkeypatch.setattr(walk, "decoded_walk", decoded)
    walk.walk(model)
    codes = training.encode(model.run, digits.test.images)
    np.testing.assert_allclose(walks[0].mean(axis=0), codes.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(np.cov(walks[0].T), np.cov(codes.T), rtol=1e-3, atol=1e-5)
    # Turned about its middle, it is as wide as before and elsewhere.
    np.testing.assert_allclose(walks[1].mean(axis=0), codes.mean(axis=0), atol=1e-4)
    assert np.trace(np.cov(walks[1].T)) == pytest.approx(np.trace(np.cov(codes.T)), rel=1e-3)
    assert not np.allclose(walks[0], walks[1])


def test_a_walk_through_codes_that_collapsed_has_only_long_steps(digits):
    model = trained(digits)
    model.run.model.set_weights([0 * weight for weight in model.run.model.get_weights()])
    row = walk.walk(model)
    assert row["long_steps"] == row["long_steps_turned"] == 1 and row["largest_step"] == 0


def test_a_blob_is_told_from_other_shapes_wherever_it_lies_and_however_wide(rng):
    ball = rng.normal(size=(2_000, 3))
    egg = 5 + ball @ np.diag([1, 10, 0.1]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert measures.csd_to_blob(ball) == pytest.approx(measures.csd_to_blob(egg), rel=1e-6)
    roll = measures.csd_to_blob(priors.SwissRoll().sample(2_000, seed=0))
    cube = measures.csd_to_blob(rng.random(size=(2_000, 3)))
    assert measures.csd_to_blob(ball) < 0.1 < cube < roll
    for bad in (ball * [1, 1, 0], ball[:3], np.zeros((9, 3)), ball * np.nan):
        assert np.isnan(measures.csd_to_blob(bad))


@pytest.mark.parametrize(("csd", "epochs"), [([8, 3, 1], 1), ([8, 7, 6, 4.1, 3.9, 5], 4), ([8, 7, 6], 3)])
def test_a_plateau_lasts_until_half_of_the_first_epochs_csd(digits, csd, epochs):
    assert measures.plateau(trained(digits)) == {"plateau_epochs": 0}  # no prior, no CSD
    model = trained(digits, prior=priors.SwissRoll(), sigma=10, weight=0.1)
    run = dataclasses.replace(model.run, history={"csd": csd})
    assert measures.plateau(dataclasses.replace(model, run=run)) == {"plateau_epochs": epochs}


def test_gradients_are_those_of_the_two_parts_of_the_loss(digits):
    options = {"prior": priors.Gaussian(3), "sigma": 2.0, "seed": 1, "profile": UNTRAINED}
    model = trained(digits, **options, weight=0.5)
    row = measures.gradients(model)
    # The reconstruction's, written out, for the one batch that the digits fill.
    images = digits.train.images[:1000]
    encoder, decoder = (model.run.model.get_layer(name) for name in ("encoder", "decoder"))
    weights = encoder.trainable_variables
    with tf.GradientTape() as tape:
        error = tf.reduce_mean((decoder(encoder(images)) - images) ** 2)
    slope = tf.linalg.global_norm(tape.gradient(error, weights))
    assert row["gradient_reconstruction"] == pytest.approx(float(slope), rel=1e-4)
    half = measures.gradients(trained(digits, **options, weight=0.25))
    assert half["gradient_csd"] == pytest.approx(row["gradient_csd"] / 2, rel=1e-4)


def test_codes_without_a_prior_are_measured_as_those_with_one(digits):
    model = trained(digits, profile=UNTRAINED, seed=1)
    row, codes = measures.gradients(model), training.encode(model.run, digits.train.images)
    assert np.isnan(row["gradient_csd"])
    assert row["train_code_mean"] == pytest.approx(np.linalg.norm(codes.mean(axis=0)))
    # To leading order the CSD under a kernel far wider than the codes is the means' squared distance.
    assert row["csd_sigma_100"] == pytest.approx(row["train_code_mean"] ** 2 / (2 * 100**2), rel=0.05)
    many = priors.Gaussian(3).sample(20 * len(codes), seed=0)
    sampled = float(cauchy_schwarz_divergence(codes, many, 1.0, block_size=1000))
    assert row["csd_sigma_1"] == pytest.approx(sampled, rel=0.02)


def test_steps_are_timed_in_turns():
    images = np.random.default_rng(0).random((2_000, 784), dtype=np.float32)
    labels = ["none", "gaussian", "gaussian, as written"]
    taken = cost.step_seconds(images, labels, rounds=2)
    assert list(taken) == labels
    assert all(seconds.shape == (2,) and (seconds > 0).all() for seconds in taken.values())
    with pytest.raises(ValueError, match="images must fill a batch of 1000; got 999"):
        cost.step_seconds(images[:999], ["none"])
    assert cost.device_name()


def test_forms_are_merged_on_training_and_scored_on_test_features(digits):
    both = settings.Profile("both rounds", train_images=None, epochs=2)
    training_ = Clustering(fingerprint=digits.fingerprint, profile=both, seed=0, changes={"heads": (10, 20)})
    run = training_.run(digits)
    row = measures.joined_forms(measures.Trained(training_, run, digits))
    assert run.epochs == both.epochs and tuple(row) == measures.MEASURES["joined_forms"][1]
    assert 0 < row["information"] <= np.log(10) and row["forms"] >= 10
    assert 0.6 < row["accuracy"] <= 1 and 0.6 < row["train_accuracy"] <= 1


@pytest.mark.parametrize("name", ["classes", "clusters", "gradients", "loss", "walk"])
def test_a_measure_gives_its_columns(digits, name):
    run = Classifier if name == "classes" else Autoencoder
    training_ = run(fingerprint=digits.fingerprint, profile=UNTRAINED, seed=0, latent_dim=3)
    encoder = training_.encoder and training_.encoder.run(digits)
    function, columns = measures.MEASURES[name]
    row = function(measures.Trained(training_, training_.run(digits), digits, encoder))
    assert sorted(row) == sorted(columns)


def test_the_cost_as_written_is_the_csd():
    codes = tf.constant(np.random.default_rng(0).normal(1, 2, size=(300, 3)), tf.float32)
    layer = cost.regularizer("gaussian, as written")
    layer.sigma, layer.weight = 2.0, 1.0
    layer(codes)
    drawn = layer.prior.sample(300, seed=1)
    ours = float(cauchy_schwarz_divergence(codes, drawn, 2.0))
    assert float(layer.losses[-1]) == pytest.approx(ours, rel=0.2)  # another sample of the prior
    assert cost.regularizer("none") is None and cost.regularizer("none, as written") is None


def test_sessions_run_in_processes_of_their_own():
    images = np.random.default_rng(0).random((1_000, 784), dtype=np.float32)
    frame = cost.sessions(images, ["none", "none, as written"], count=2, rounds=2)
    assert len(frame) == 2 * 2 * 2 and set(frame.session) == {0, 1}
    assert (frame.ratio == 1).all() and (frame.seconds_per_step > 0).all()
