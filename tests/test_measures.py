"""What is measured of a trained model."""

import dataclasses
import functools

import numpy as np
import pytest

from kmnist_itl import priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.clustering import clustering_accuracy
from kmnist_itl.divergence import cauchy_schwarz_divergence
from kmnist_itl.reproduction import cost, measures, runs, trainings

SHORT = settings.Profile("short", train_images=None, epochs=1)
UNTRAINED = settings.Profile("untrained", train_images=None, epochs=0)
ROLL = {"prior": priors.SwissRoll(), "sigma": 10, "weight": 0.1}


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """A function of a training's arguments that gives a measures.Trained, trained once for all tests."""
    folder = tmp_path_factory.mktemp("cache")

    @functools.cache
    def train(kind, **arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runs, "runs_dir", lambda: folder)
            described = {"fingerprint": digits.fingerprint, "profile": SHORT, "seed": 0}
            described |= dict(ROLL) if kind == "rolled" else {}
            described |= {"latent_dim": 3} if kind != "CNN" else {}
            kind = getattr(trainings, "Autoencoder" if kind == "rolled" else kind)
            return measures.Trained.of(kind(**described | arguments), digits)

    return train


@pytest.fixture
def collapsed(trained):
    """An autoencoder that rebuilds all images as one."""
    run = trained("Autoencoder", profile=UNTRAINED).run
    model = training.autoencoder(3)
    model.set_weights([0 * weight for weight in model.get_weights()])
    return dataclasses.replace(trained("Autoencoder"), run=dataclasses.replace(run, model=model))


def test_clusters_are_measured_of_the_test_images_codes(digits, trained):
    model = trained("rolled")
    row, codes = measures.clusters(model), training.encode(model.run, digits.test.images)
    assert row["csd"] > 0 and row["reconstruction_error"] > 0 and row["collapsed"] is False
    assert row["distance_to_roll"] == pytest.approx(float(np.mean(priors.SwissRoll().distance(codes))))
    assert row["code_spread"] == pytest.approx(np.sqrt(codes.var(axis=0).mean()), rel=1e-5)
    plain = measures.clusters(trained("Autoencoder"))
    assert np.isnan(plain["csd"]) and np.isnan(plain["distance_to_roll"])


def test_a_collapse_is_marked_and_a_walk_through_it_has_only_long_steps(collapsed):
    row, steps = measures.clusters(collapsed), measures.walk(collapsed)
    assert row["collapsed"] is True and row["code_spread"] == row["nmi"] == 0 and row["accuracy"] < 0.2
    assert steps["long_steps"] == steps["long_steps_turned"] == 1 and steps["largest_step"] == 0


@pytest.mark.parametrize("latent_dim", [3, None])
def test_a_classifier_sees_codes_or_pixels(digits, trained, latent_dim):
    model = trained("Classifier", latent_dim=latent_dim)
    row, matrix = measures.classes(model), measures.confusions(model)
    assert matrix.sum() == len(digits.test)
    assert matrix.trace() / len(digits.test) == pytest.approx(row["accuracy"])
    images = digits.validation.images
    seen = training.encode(model.encoder, images) if latent_dim else images
    right = training.predict_classes(model.run, seen) == digits.validation.labels
    assert row["validation_accuracy"] == right.mean()


def test_clusters_are_fitted_on_training_and_scored_on_test_codes(digits):
    codes = [20.0 * np.eye(10)[split.labels] for split in (digits.train, digits.test)]
    scores, predicted = measures.cluster_codes(digits, *codes, seed=0)
    assert scores["accuracy"] == scores["train_accuracy"] == scores["accuracy_fitted_on_test"] == 1
    assert np.array_equal(predicted, digits.test.labels)
    swapped, _ = measures.cluster_codes(digits, codes[0], np.roll(codes[1], 1, axis=0), seed=0)
    assert swapped["accuracy"] < 0.5 and swapped["train_accuracy"] == 1


def test_scores_are_of_the_split_that_they_name(digits):
    splits = (digits.train, digits.validation, digits.test)
    predicted = [split.labels.astype(int) for split in splits]
    assert set(measures.scores(digits, predicted).values()) == {1.0}
    predicted[0] = np.zeros_like(predicted[0])
    scores = measures.scores(digits, predicted)
    assert scores["accuracy"] == 1 and scores["train_accuracy"] < 0.2
    labels = np.concatenate([split.labels for split in splits])
    assert scores["all_accuracy"] == clustering_accuracy(labels, np.concatenate(predicted))


def test_a_reconstruction_loss_is_measured_in_both_errors(digits, trained):
    model, images = trained("Autoencoder"), digits.test.images
    row, rebuilt = measures.loss(model), model.run.model.predict(images, verbose=0)
    assert row["mean_squared_error"] == pytest.approx(np.mean((rebuilt - images) ** 2), rel=1e-5)
    assert row["mean_absolute_error"] == pytest.approx(np.abs(rebuilt - images).mean(), rel=1e-5)
    assert row["image_spread"] == pytest.approx(np.sqrt(rebuilt.var(axis=0).mean()), rel=1e-4)


def test_a_walk_is_decoded_from_the_roll(trained):
    images = measures.decoded_walk(trained("rolled").run, measures.roll_walk(steps=3))
    roll = priors.SwissRoll()
    corner = roll.surface([roll.angles[0]], [roll.heights[1]])  # top left: the highest
    assert images.shape == (3, 3, 784)
    np.testing.assert_allclose(images[0, 0], training.decode(trained("rolled").run, corner)[0], atol=1e-6)


def test_a_smooth_walk_has_few_long_steps_and_a_random_one_half(trained, monkeypatch, rng):
    rows, columns = np.meshgrid(np.arange(10.0), np.arange(10.0), indexing="ij")
    for images, shares in ((np.stack([rows, columns], axis=-1), (0, 0)), (None, (0.5, 0.5))):
        monkeypatch.setattr(
            measures,
            "decoded_walk",
            lambda *_, images=images: rng.normal(size=(10, 10, 784)) if images is None else images,
        )
        row = measures.walk(trained("rolled"))
        assert row["long_steps"] == pytest.approx(shares[0], abs=0.15 * (images is None))
        assert row["long_steps_turned"] == pytest.approx(shares[1], abs=0.05 * (images is None))


def test_a_walk_without_a_roll_goes_through_the_codes(trained, monkeypatch):
    walks = []
    monkeypatch.setattr(
        measures, "decoded_walk", lambda _, points: walks.append(points) or np.zeros((10, 10, 784))
    )
    model = trained("Autoencoder")
    measures.walk(model)
    for walk in (walks[0].reshape(-1, 3), walks[1].reshape(-1, 3)):  # the second is turned about its middle
        np.testing.assert_allclose(walk.mean(axis=0), model.codes.mean(axis=0), atol=1e-4)
        assert np.trace(np.cov(walk.T)) == pytest.approx(np.trace(np.cov(model.codes.T)), rel=1e-3)
    np.testing.assert_allclose(np.cov(walks[0].reshape(-1, 3).T), np.cov(model.codes.T), rtol=1e-3, atol=1e-5)
    assert not np.allclose(walks[0], walks[1])


def test_a_blob_is_told_from_other_shapes_wherever_it_lies_and_however_wide(rng):
    ball = rng.normal(size=(2_000, 3))
    egg = 5 + ball @ np.diag([1, 10, 0.1]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert measures.csd_to_blob(ball) == pytest.approx(measures.csd_to_blob(egg), rel=1e-6)
    roll = measures.csd_to_blob(priors.SwissRoll().sample(2_000, seed=0))
    cube = measures.csd_to_blob(rng.random(size=(2_000, 3)))
    assert measures.csd_to_blob(ball) < 0.1 < cube < roll
    for bad in (ball * [1, 1, 0], ball[:3], np.zeros((9, 3)), ball * np.nan):
        assert np.isnan(measures.csd_to_blob(bad))


@pytest.mark.parametrize(
    ("history", "epochs"),
    [({"csd": [8, 3, 1]}, 1), ({"csd": [8, 7, 6, 4.1, 3.9, 5]}, 4), ({"csd": [8, 7, 6]}, 3), ({}, 0)],
)
def test_a_plateau_lasts_until_half_of_the_first_epochs_csd(history, epochs):
    run = training.Run(None, history, 0, 0, 0, 0)
    assert measures.plateau(measures.Trained(None, run, None)) == {"plateau_epochs": epochs}


def test_gradients_are_those_of_the_two_parts_of_the_loss(digits, trained):
    options = {"prior": priors.Gaussian(3), "sigma": 2.0, "seed": 1, "profile": UNTRAINED}
    model = trained("Autoencoder", **options, weight=0.5)
    row = measures.gradients(model)
    # The reconstruction's, written out, for the one batch that the digits fill.
    images = digits.train.images[:1000]
    encoder, decoder = (model.run.model.get_layer(name) for name in ("encoder", "decoder"))
    weights = encoder.trainable_variables
    with tf.GradientTape() as tape:
        error = tf.reduce_mean((decoder(encoder(images)) - images) ** 2)
    slope = tf.linalg.global_norm(tape.gradient(error, weights))
    assert row["gradient_reconstruction"] == pytest.approx(float(slope), rel=1e-4)
    half = measures.gradients(trained("Autoencoder", **options, weight=0.25))
    assert half["gradient_csd"] == pytest.approx(row["gradient_csd"] / 2, rel=1e-4)


def test_codes_without_a_prior_are_measured_as_those_with_one(digits, trained):
    model = trained("Autoencoder", profile=UNTRAINED, seed=1)
    row, codes = measures.gradients(model), training.encode(model.run, digits.train.images)
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
    assert set(function(trained("Classifier" if name == "classes" else "rolled"))) == set(columns)


def test_the_cost_as_written_is_the_csd():
    codes = tf.constant(np.random.default_rng(0).normal(1, 2, size=(300, 3)), tf.float32)
    layer = cost.regularizer("gaussian, as written")
    layer.sigma, layer.weight = 2.0, 1.0
    layer(codes)
    drawn = layer.prior.sample(300, seed=1)
    ours = float(cauchy_schwarz_divergence(codes, drawn, 2.0))
    assert float(layer.losses[-1]) == pytest.approx(ours, rel=0.2)  # another sample of the prior


def test_steps_are_timed_in_turns_in_sessions_of_their_own():
    images = np.random.default_rng(0).random((1_000, 784), dtype=np.float32)
    frame = cost.sessions(images, ["none", "none, as written"], count=1, rounds=2)
    assert frame.prior.tolist() == ["none"] * 2 + ["none, as written"] * 2
    assert (frame.ratio == 1).all() and (frame.seconds_per_step > 0).all()
    with pytest.raises(ValueError, match="images must fill a batch of 1000; got 999"):
        cost.step_seconds(images[:999], ["none"])
