import numpy as np
import pandas as pd
import pytest

from kmnist_itl import cost, experiments, paper, priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.clustering import clustering_accuracy
from kmnist_itl.divergence import cauchy_schwarz_divergence
from kmnist_itl.results import Results

SHORT = settings.Profile("short", train_images=None, epochs=1)


def test_a_row_holds_the_settings_and_what_was_measured(digits):
    measured = experiments.RegularizedAutoencoder(
        digits, prior=priors.SwissRoll(), sigma=10, weight=0.1, profile=SHORT, seed=2
    )
    assert not (training.runs_dir() / measured.key).exists()  # nothing is trained before it is asked for
    row, codes = measured.row, measured.codes
    assert (row["prior"], row["sigma"], row["lambda"], row["seed"]) == ("swiss_roll", 10, 0.1, 2)
    assert codes.shape == (len(digits.test), 3) and row["epochs"] == measured.run.epochs == 1
    assert row["csd"] > 0 and row["reconstruction_error"] > 0
    assert row["distance_to_roll"] == pytest.approx(float(np.mean(priors.SwissRoll().distance(codes))))
    assert clustering_accuracy(digits.test.labels, measured.predicted) >= row["accuracy"]
    assert np.mean(measured.predicted == digits.test.labels) == row["accuracy"]
    assert 0 < row["roundness"] <= 1
    plain = experiments.RegularizedAutoencoder(digits, profile=SHORT).row
    assert plain["prior"] == "none" and plain["lambda"] == 0 and np.isnan(plain["csd"])


def test_a_classifier_sees_codes_or_pixels(digits):
    coder = training.train_autoencoder.task(digits, 4, profile="smoke")
    for encoder in (coder, None):
        task = training.train_classifier.task(digits, encoder=encoder, profile="smoke")
        of = experiments.Classified(digits, task, encoder, latent_dim=4)
        assert of.key == task.key and of.named == {"latent_dim": 4} and not of.kept
        assert of.confusion.sum() == len(digits.test)
        assert of.confusion.trace() / len(digits.test) == pytest.approx(of.accuracy(digits.test))
        images = digits.validation.images
        seen = training.encode(coder.run(), images) if encoder else images
        right = training.predict_classes(of.run, seen) == digits.validation.labels
        assert of.accuracy(digits.validation) == right.mean() and of.kept


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


def test_gradients_are_those_of_the_two_parts_of_the_loss(digits):
    how = {"prior": priors.Gaussian(3), "sigma": 2.0, "weight": 0.5, "seed": 1}
    profile = settings.Profile("short", train_images=None, epochs=2)
    of = experiments.GradientHistory(digits, **how, profile=profile)
    assert of.run.epochs == 2 and not of.kept  # the half-way training is not
    rows = of.rows
    assert of.kept
    assert (rows[0]["stage"], rows[0]["epoch"]) == ("start", 0)
    assert [row["stage"] for row in rows] == ["start", "middle", "end"]
    assert rows[1]["epoch"] == 1 and {row["prior"] for row in rows} == {"gaussian"}
    measured = ("gradient_reconstruction", "gradient_csd", "csd_sigma_100", "csd_sigma_1")
    assert all(row[name] > 0 for row in rows for name in measured)

    # The untrained one's, written out.
    model, images = training.untrained_autoencoder(3, seed=1), digits.train.images[:1000]
    start = experiments._gradient_sizes(model, images, 1, **how)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    weights = encoder.trainable_variables
    with tf.GradientTape() as tape:
        error = tf.reduce_mean((decoder(encoder(images)) - images) ** 2)
    slope = tf.linalg.global_norm(tape.gradient(error, weights))
    assert start["gradient_reconstruction"] == pytest.approx(float(slope), rel=1e-4)

    # Half the weight, half the gradient.
    full, half = (
        experiments._gradient_sizes(model, images, 1, **{**how, "weight": weight})["gradient_csd"]
        for weight in (0.5, 0.25)
    )
    assert half == pytest.approx(full / 2, rel=1e-4)


def test_codes_without_a_prior_are_measured_as_those_with_one(digits):
    rows = experiments.GradientHistory(digits, profile=SHORT, seed=1).rows
    assert [(row["stage"], row["prior"], row["lambda"]) for row in rows] == [
        ("start", "none", 0),
        ("end", "none", 0),
    ]
    assert all(np.isnan(row["gradient_csd"]) for row in rows)
    codes = training.outputs(
        training.untrained_autoencoder(3, seed=1).get_layer("encoder"), digits.train.images
    )
    assert rows[0]["code_mean"] == pytest.approx(np.linalg.norm(codes.mean(axis=0)))
    # To leading order the CSD under a kernel far wider than the codes is the means' squared distance.
    assert rows[0]["csd_sigma_100"] == pytest.approx(rows[0]["code_mean"] ** 2 / (2 * 100**2), rel=0.05)
    many = priors.Gaussian(3).sample(20 * len(codes), seed=0)
    sampled = float(cauchy_schwarz_divergence(codes, many, 1.0, block_size=1000))
    assert rows[0]["csd_sigma_1"] == pytest.approx(sampled, rel=0.02)


def test_an_untrained_autoencoder_is_what_a_training_begins_with(digits):
    trained = training.train_autoencoder(digits, 3, profile=SHORT, seed=4)
    part = [(split.images, None) for split in (digits.train, digits.validation)]
    history, _, _ = training.fit(
        training.untrained_autoencoder(3, seed=4),
        *part,
        compiled={"loss": "mean_squared_error"},
        jit=False,
        profile=SHORT,
        seed=4,
        title="again",
    )
    assert history == trained.history


def test_a_reconstruction_loss_is_measured_in_both_errors(digits):
    of = experiments.TrainedOnLoss(digits, "mean_absolute_error", profile=SHORT)
    row, rebuilt = of.row, of.rebuilt
    assert of.named == {"loss": "mean_absolute_error", "seed": 0}
    difference = rebuilt - digits.test.images
    assert row["mean_absolute_error"] == pytest.approx(np.abs(difference).mean(), rel=1e-5)
    assert row["mean_squared_error"] == pytest.approx((difference**2).mean(), rel=1e-5)
    assert row["image_spread"] == pytest.approx(np.sqrt(rebuilt.var(axis=0).mean()), rel=1e-4)
    assert experiments.spread(np.ones((5, 2))) == 0


def test_the_grid_holds_the_papers_setting():
    for kind in ("gaussian", "gaussian_mixture"):
        how = experiments.GRID[kind, paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA]
        assert how == experiments.TABLE_2[kind]


def test_steps_are_timed_in_turns():
    images = np.random.default_rng(0).random((2_000, 784), dtype=np.float32)
    taken = cost.step_seconds(images, {"none": None, "other": None}, sigma=1, weight=1, rounds=2)
    assert list(taken) == ["none", "other"]
    assert all(seconds.shape == (2,) and (seconds > 0).all() for seconds in taken.values())
    with pytest.raises(ValueError, match="images must fill a batch of 1000; got 999"):
        cost.step_seconds(images[:999], {"none": None}, sigma=1, weight=1)
    assert cost.device_name()


def test_a_collapse_is_marked_in_the_row_and_told_below_the_table(digits, monkeypatch, tmp_path):
    train = training.Task.run

    def collapsed(task):
        run = train(task)
        run.model.set_weights([0 * weight for weight in run.model.get_weights()])
        return run

    healthy = experiments.RegularizedAutoencoder(digits, profile=SHORT).row
    monkeypatch.setattr(training.Task, "run", collapsed)
    row = experiments.RegularizedAutoencoder(digits, profile=SHORT).row
    assert (healthy["collapsed"], row["collapsed"]) == (False, True)
    assert row["code_spread"] == row["nmi"] == 0 and row["accuracy"] < 0.2

    results = Results(digits, settings.parameters("smoke", "digits"))
    results.save_runs([healthy], "runs")
    table = pd.DataFrame({"a": ["1"]})
    assert "collapsed" not in results.save_table(table, "table", "Healthy")
    results.save_runs([healthy, row], "runs")
    assert "collapsed to one image, counted in above: 1." in results.save_table(table, "table", "Collapsed")
