"""What is measured of a trained model."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from kmnist_itl import priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.divergence import cauchy_schwarz_divergence
from kmnist_itl.reproduction import cost, measures, trainings

UNTRAINED = settings.Profile("untrained", train_images=None, epochs=0)
DESCRIBED = {"profile": UNTRAINED, "seed": 0, "latent_dim": 3}
Autoencoder, Classifier = (partial(k, **DESCRIBED) for k in (trainings.Autoencoder, trainings.Classifier))
Rolled = partial(Autoencoder, prior=priors.SwissRoll(), sigma=10, weight=0.1)


@pytest.fixture
def trained(few):
    """A function of a kind of training and arguments that gives the measures.Trained, untrained."""
    return lambda kind, **changes: measures.Trained.of(kind(fingerprint=few.fingerprint, **changes), few)


def test_clusters_are_measured_of_the_test_images_codes(few, trained):
    model = trained(Rolled)
    row, codes = measures.clusters(model), training.encode(model.run, few.test.images)
    assert row["csd"] > 0 and row["reconstruction_error"] > 0 and row["collapsed"] is False
    assert row["distance_to_roll"] == pytest.approx(float(np.mean(priors.SwissRoll().distance(codes))))
    assert row["code_spread"] == pytest.approx(np.sqrt(codes.var(axis=0).mean()), rel=1e-5)
    plain = measures.clusters(trained(Autoencoder))
    assert np.isnan(plain["csd"]) and np.isnan(plain["distance_to_roll"])


def test_a_collapse_is_marked_and_a_walk_through_it_has_only_long_steps(trained):
    model = training.autoencoder(3)
    model.set_weights([0 * weight for weight in model.get_weights()])  # rebuilds all images as one
    plain = trained(Autoencoder)
    collapsed = dataclasses.replace(plain, run=dataclasses.replace(plain.run, model=model))
    row, steps = measures.clusters(collapsed), measures.walk(collapsed)
    assert row["collapsed"] is True and row["code_spread"] == row["nmi"] == 0 and row["accuracy"] < 0.2
    assert steps["long_steps"] == steps["long_steps_turned"] == 1 and steps["largest_step"] == 0


@pytest.mark.parametrize("latent_dim", [3, None])
def test_a_classifier_sees_codes_or_pixels(few, trained, latent_dim):
    model = trained(Classifier, latent_dim=latent_dim)
    row, matrix, test = measures.classes(model), measures.confusions(model), few.test
    assert matrix.sum() == len(test) and matrix.trace() / len(test) == pytest.approx(row["accuracy"])
    images = few.validation.images
    seen = training.encode(model.encoder, images) if latent_dim else images
    predicted = model.run.model.predict(seen, verbose=0).argmax(axis=1)
    assert row["validation_accuracy"] == np.mean(predicted == few.validation.labels)


def test_clusters_are_fitted_on_training_and_scored_on_test_codes(few):
    codes = [20.0 * np.eye(10)[split.labels] for split in (few.train, few.test)]
    scores, predicted = measures.cluster_codes(few, *codes, seed=0)
    assert scores["accuracy"] == scores["train_accuracy"] == scores["accuracy_fitted_on_test"] == 1
    assert np.array_equal(predicted, few.test.labels)
    swapped, _ = measures.cluster_codes(few, codes[0], np.roll(codes[1], 1, axis=0), seed=0)
    assert swapped["accuracy"] < 0.5 and swapped["train_accuracy"] == 1


def test_a_reconstruction_loss_is_measured_in_both_errors(few, trained):
    model, images = trained(Autoencoder), few.test.images
    row, rebuilt = measures.loss(model), model.run.model.predict(images, verbose=0)
    assert row["mean_squared_error"] == pytest.approx(np.mean((rebuilt - images) ** 2), rel=1e-5)
    assert row["mean_absolute_error"] == pytest.approx(np.abs(rebuilt - images).mean(), rel=1e-5)
    assert row["image_spread"] == pytest.approx(np.sqrt(rebuilt.var(axis=0).mean()), rel=1e-4)


def test_a_walk_is_decoded_from_the_roll(trained):
    images = measures.decoded_walk(trained(Rolled).run, measures.roll_walk(steps=3))
    roll = priors.SwissRoll()
    corner = roll.surface([roll.angles[0]], [roll.heights[1]])  # top left: the highest
    assert images.shape == (3, 3, 784)
    np.testing.assert_allclose(images[0, 0], training.decode(trained(Rolled).run, corner)[0], atol=1e-6)


GRID = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0), indexing="ij"), axis=-1)
NOISE = np.random.default_rng(0).normal(size=(10, 10, 784))


@pytest.mark.parametrize(("images", "share"), [(GRID, 0), (NOISE, 0.5)])
def test_a_smooth_walk_has_few_long_steps_and_a_random_one_half(images, share, trained, monkeypatch):
    monkeypatch.setattr(measures, "decoded_walk", lambda *_: images)
    row = measures.walk(trained(Rolled))
    for name in ("long_steps", "long_steps_turned"):
        assert row[name] == pytest.approx(share, abs=0.15 * share)


def test_a_walk_without_a_roll_goes_through_the_codes(trained, monkeypatch):
    walks = []
    monkeypatch.setattr(measures, "decoded_walk", lambda _, points: walks.append(points) or NOISE)
    model = trained(Autoencoder)
    measures.walk(model)
    straight, turned = (walk.reshape(-1, 3) for walk in walks[:2])  # the second is turned about its middle
    covariance = np.cov(model.codes.T)
    np.testing.assert_allclose(np.cov(straight.T), covariance, rtol=1e-3, atol=1e-5)
    assert not np.allclose(straight, turned)
    for walk in (straight, turned):
        np.testing.assert_allclose(walk.mean(axis=0), model.codes.mean(axis=0), atol=1e-4)
        assert np.trace(np.cov(walk.T)) == pytest.approx(np.trace(covariance), rel=1e-3)


def test_a_blob_is_told_from_other_shapes_wherever_it_lies_and_however_wide(rng):
    ball = rng.normal(size=(2_000, 3))
    egg = 5 + ball @ np.diag([1, 10, 0.1]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert measures.csd_to_blob(ball) == pytest.approx(measures.csd_to_blob(egg), rel=1e-6)
    roll = measures.csd_to_blob(priors.SwissRoll().sample(2_000, seed=0))
    cube = measures.csd_to_blob(rng.random(size=(2_000, 3)))
    assert measures.csd_to_blob(ball) < 0.1 < cube < roll
    for bad in (ball * [1, 1, 0], ball[:3], np.zeros((9, 3)), ball * np.nan):
        assert np.isnan(measures.csd_to_blob(bad))


@pytest.mark.parametrize(("csd", "epochs"), [([8, 7, 4.1, 3.9, 5], 3), ([8, 7, 6], 3), ([], 0)])
def test_a_plateau_lasts_until_half_of_the_first_epochs_csd(csd, epochs):
    run = training.Run(None, {"csd": csd}, 0, 0, 0, 0)
    assert measures.plateau(measures.Trained(None, run, None)) == {"plateau_epochs": epochs}


def test_gradients_are_those_of_the_two_parts_of_the_loss(few, trained):
    options = {"prior": priors.Gaussian(3), "sigma": 2.0, "seed": 1}
    model = trained(Autoencoder, **options, weight=0.5)
    row = measures.gradients(model)
    # The reconstruction's, written out, for the one batch that they fill.
    images = few.train.images
    encoder, decoder = (model.run.model.get_layer(name) for name in ("encoder", "decoder"))
    weights = encoder.trainable_variables
    with tf.GradientTape() as tape:
        error = tf.reduce_mean((decoder(encoder(images)) - images) ** 2)
    slope = tf.linalg.global_norm(tape.gradient(error, weights))
    assert row["gradient_reconstruction"] == pytest.approx(float(slope), rel=1e-4)
    half = measures.gradients(trained(Autoencoder, **options, weight=0.25))
    assert half["gradient_csd"] == pytest.approx(row["gradient_csd"] / 2, rel=1e-4)


def test_codes_without_a_prior_are_measured_as_those_with_one(few, trained):
    model = trained(Autoencoder, seed=1)
    row, codes = measures.gradients(model), training.encode(model.run, few.train.images)
    assert np.isnan(row["gradient_csd"])
    assert row["train_code_mean"] == pytest.approx(np.linalg.norm(codes.mean(axis=0)))
    # To leading order the CSD under a kernel far wider than the codes is the means' squared distance.
    assert row["csd_sigma_100"] == pytest.approx(row["train_code_mean"] ** 2 / (2 * 100**2), rel=0.05)
    many = priors.Gaussian(3).sample(20 * len(codes), seed=0)
    sampled = float(cauchy_schwarz_divergence(codes, many, 1.0, block_size=1000))
    assert row["csd_sigma_1"] == pytest.approx(sampled, rel=0.02)


@pytest.mark.parametrize("name", sorted(measures.MEASURES.keys() - {"joined_forms"}))
def test_a_measure_gives_the_columns_that_it_declares(name, trained):
    function, columns = measures.MEASURES[name]
    assert set(function(trained(Classifier if name == "classes" else Rolled))) == set(columns)


def test_the_cost_as_written_is_the_csd():
    codes = tf.constant(np.random.default_rng(0).normal(1, 2, size=(300, 3)), tf.float32)
    layer = cost.regularizer("gaussian, as written")
    layer.sigma, layer.weight = 2.0, 1.0
    layer(codes)
    drawn = layer.prior.sample(300, seed=1)
    ours = float(cauchy_schwarz_divergence(codes, drawn, 2.0))
    assert float(layer.losses[-1]) == pytest.approx(ours, rel=0.2)  # another sample of the prior


def test_steps_are_timed_in_turns(monkeypatch):
    """Here in a thread, which starts sooner than a process."""
    monkeypatch.setattr(cost, "ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(workers))
    images = np.random.default_rng(0).random((1_000, 784), dtype=np.float32)
    frame = cost.sessions(images, ["none, as written"], count=1, rounds=2)
    assert frame["prior"].tolist() == ["none, as written"] * 2 and frame["round"].tolist() == [0, 1]
    assert (frame.ratio == 1).all() and (frame.seconds_per_step > 0).all()
