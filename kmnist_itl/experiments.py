"""One row of a result: train an autoencoder with 3 codes, or find it, and measure its codes."""

import numpy as np

from kmnist_itl import clustering, priors, settings, training
from kmnist_itl.divergence import cauchy_schwarz_divergence

LATENT_DIM = 3
CLASS_TO_NAME = {made: name for name, made in priors.PRIORS.items()}


def regularized_autoencoder(data, *, prior=None, sigma=None, weight=None, profile="paper", seed=0):
    """Train an autoencoder with 3 codes under a prior, or without one, and measure its codes.

    Args: as `training.train_autoencoder`.

    Returns:
        row: a dict of the settings (prior, sigma, lambda, seed) and of what was measured on the test images:
            reconstruction_error, csd of all codes to as many points of the prior, distance_to_roll (mean over
            the codes; NaN for other priors), code_spread (root of the mean variance), and `cluster_codes`'
            scores; and the training's epochs, best_epoch, seconds and seconds_per_step.
        run: the training.Run.
        codes: the test images' codes, float32 [n, 3].
    """
    run = training.train_autoencoder(
        data, LATENT_DIM, prior=prior, sigma=sigma, weight=weight, profile=profile, seed=seed
    )
    codes = training.encode(run, data.test.images)
    csd = distance = float("nan")
    if prior is not None:
        sample = prior.sample(len(codes), seed=seed)
        csd = float(cauchy_schwarz_divergence(codes, sample, sigma, block_size=settings.BATCH_SIZE))
    if isinstance(prior, priors.SwissRoll):
        distance = float(np.mean(prior.distance(codes)))
    row = {
        "prior": CLASS_TO_NAME[type(prior)] if prior is not None else "none",
        "sigma": sigma,
        "lambda": 0 if prior is None else weight,
        "seed": seed,
        "reconstruction_error": training.reconstruction_error(run, data.test.images),
        "csd": csd,
        "distance_to_roll": distance,
        "code_spread": float(np.sqrt(np.mean(np.var(codes, axis=0)))),
        **cluster_codes(data, training.encode(run, data.train.images), codes, seed=seed)[0],
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "seconds": round(run.seconds, 1),
        "seconds_per_step": round(run.seconds_per_step, 4),
    }
    return row, run, codes


def cluster_codes(data, train_codes, test_codes, *, seed=0):
    """k-means with as many clusters as classes, fitted on the training images' codes.

    Returns:
        scores: accuracy, nmi and ari on the test images; train_accuracy on the training images; and
            accuracy_fitted_on_test, where k-means saw the test images instead (the paper does not say which).
        predicted: for each test image the class that its cluster is matched to, int64 [n].
    """
    classes = len(data.class_names)
    fitted = clustering.fit_kmeans(train_codes, clusters=classes, seed=seed)
    clusters = fitted.predict(test_codes)
    on_test = clustering.fit_kmeans(test_codes, clusters=classes, seed=seed).labels_
    found = {
        **clustering.scores(data.test.labels, clusters),
        "train_accuracy": clustering.clustering_accuracy(data.train.labels, fitted.labels_),
        "accuracy_fitted_on_test": clustering.clustering_accuracy(data.test.labels, on_test),
    }
    return found, clustering.match_clusters(data.test.labels, clusters)[clusters]
