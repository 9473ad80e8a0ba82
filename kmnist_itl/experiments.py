"""The paper's experiments with 3 codes: their settings, and one row of a result, trained and measured."""

from dataclasses import dataclass

import numpy as np

from kmnist_itl import clustering, paper, priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.divergence import CauchySchwarzRegularizer, cauchy_schwarz_divergence

LATENT_DIM = 3
SIXTH_LAMBDA = 100  # of Fig 7's sixth panel, which the paper does not name

_ROLL = priors.SwissRoll()
_WIDE = {"sigma": paper.TABLE_2_SIGMA, "weight": paper.TABLE_2_LAMBDA}

# What `regularized_autoencoder` is called with, by what the figures and tables name it.
KERNEL_SIZES = {s: {"prior": _ROLL, "sigma": s, "weight": paper.FIG_5_LAMBDA} for s in paper.FIG_5_SIGMAS}
LAMBDAS = {
    weight: {"prior": _ROLL, "sigma": paper.FIG_7_SIGMA, "weight": weight}
    for weight in (*paper.FIG_7_LAMBDAS, SIXTH_LAMBDA)
}
TABLE_2 = {
    "none": {},
    "gaussian": {"prior": priors.Gaussian(LATENT_DIM), **_WIDE},
    # The paper gives neither means nor spread of its mixture.
    "gaussian_mixture": {"prior": priors.GaussianMixture(components=10, radius=5.0), **_WIDE},
    # Nor the roll's settings in Table 2; these are those of its section III.B.b that cluster best.
    "swiss_roll": LAMBDAS[paper.BEST_LAMBDA],
}


@dataclass(frozen=True, eq=False)
class Measured:
    """A trained autoencoder and what was measured of it.

    `row` is a dict of the settings (prior, sigma, lambda, seed) and of what was measured on the test images:
    reconstruction_error, csd of all codes to as many points of the prior, distance_to_roll (mean over the
    codes; NaN for other priors), code_spread (root of the mean variance) and `cluster_codes`' scores; and the
    training's epochs, best_epoch, seconds and seconds_per_step. `run` is the training.Run, `codes` are the
    test images' codes, float32 [n, 3], and `predicted` the classes, int64 [n], of their clusters.
    """

    row: dict
    run: training.Run
    codes: np.ndarray
    predicted: np.ndarray


def regularized_autoencoder(data, *, prior=None, sigma=None, weight=None, profile="paper", seed=0):
    """Train an autoencoder with 3 codes under a prior, or without one, and measure its codes.

    Arguments and errors as in `training.train_autoencoder`; returns Measured.
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
    scores, predicted = cluster_codes(data, training.encode(run, data.train.images), codes, seed=seed)
    row = {
        "prior": "none" if prior is None else priors.name_of(prior),
        "sigma": sigma,
        "lambda": 0 if prior is None else weight,
        "seed": seed,
        "reconstruction_error": training.reconstruction_error(run, data.test.images),
        "csd": csd,
        "distance_to_roll": distance,
        "code_spread": float(np.sqrt(np.mean(np.var(codes, axis=0)))),
        **scores,
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "seconds": round(run.seconds, 1),
        "seconds_per_step": round(run.seconds_per_step, 4),
    }
    return Measured(row, run, codes, predicted)


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
    scores = {
        **clustering.scores(data.test.labels, clusters),
        "train_accuracy": clustering.clustering_accuracy(data.train.labels, fitted.labels_),
        "accuracy_fitted_on_test": clustering.clustering_accuracy(data.test.labels, on_test),
    }
    return scores, clustering.match_clusters(data.test.labels, clusters)[clusters]


def csd_gradients(prior, sigma, estimator, *, batch_size=settings.BATCH_SIZE, repeats=60, seed=0):
    """The CSD's gradient in a shift of all codes, over fresh batches and, if it draws the prior, fresh draws.

    The codes are normal, 1.5 wide, and off the origin by 0.5 along the first axis.

    Args:
        prior, sigma, estimator: as of `divergence.CauchySchwarzRegularizer`.
        batch_size, repeats: ints >= 1.
        seed: int, of the batches and the draws.

    Returns:
        float array [repeats, prior.dim]. Errors as of the layer.
    """
    regularizer = CauchySchwarzRegularizer(prior, sigma, estimator=estimator, seed=seed)
    offset = tf.constant(0.5 * np.eye(prior.dim)[0], tf.float32)

    @tf.function
    def gradient(normals):
        with tf.GradientTape() as tape:
            tape.watch(offset)
            regularizer(1.5 * normals + offset)
            csd = regularizer.losses[-1]
        return tape.gradient(csd, offset)

    rng = np.random.default_rng(seed)
    batches = rng.normal(size=(repeats, batch_size, prior.dim)).astype(np.float32)
    return np.array([gradient(normals) for normals in batches])
