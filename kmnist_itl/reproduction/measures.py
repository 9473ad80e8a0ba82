"""What is measured of a trained model: a measure gives some columns of its row in measurements.csv."""

import time
from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.metrics import confusion_matrix

from kmnist_itl import clustering, priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.clustering import forms, network
from kmnist_itl.divergence import (
    CauchySchwarzRegularizer,
    cauchy_schwarz_divergence,
    divergence_from_gaussians,
)
from kmnist_itl.reproduction import paper

# Rebuilt images that differ from each other by less than this share of what the images do are one image.
COLLAPSED_BELOW = 0.01
GRADIENT_BATCHES = 10
GRADIENT_SIGMAS = (100, 1)  # under which the codes' CSD to N(0, I) is taken
_OF_CLUSTERS = ("accuracy", "nmi", "ari", "train_accuracy", "accuracy_fitted_on_test")

MEASURES = {}  # by name: the function, and the columns that it gives


def measure(*columns):
    """Decorate a function of a Trained that returns a dict with these columns: it becomes a measure."""

    def register(function):
        MEASURES[function.__name__] = function, columns
        return function

    return register


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model as measures see it: its runs.Training, its training.Run, and the data.

    `encoder` is the training.Run of the autoencoder whose codes a classifier sees, None for other models.
    """

    training: object
    run: training.Run
    data: object
    encoder: object = None

    def seen(self, images):
        """What a classifier sees of images [n, 784]: their codes, or the pixels."""
        return training.encode(self.encoder, images) if self.encoder else images

    @property
    def prior(self):
        """The prior object of an autoencoder, or None."""
        return self.training.prior


def of_run(run):
    """How long a training took: columns that every row has."""
    return {
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "seconds": round(run.seconds, 1),
        "seconds_per_step": round(run.seconds_per_step, 4),
    }


@measure("accuracy", "validation_accuracy", "train_accuracy", "agreement_fig03", "agreement_fig04")
def classes(trained):
    """A classifier's accuracy on each split, and how well its confusions agree with the paper's."""
    data = trained.data
    splits = {"": data.test, "validation_": data.validation, "train_": data.train}
    accuracies = {
        f"{name}accuracy": training.accuracy(trained.run, trained.seen(split.images), split.labels)
        for name, split in splits.items()
    }
    matrix = confusions(trained)
    agreement = {
        f"agreement_{figure}": confusion_agreement(matrix, paper.CONFUSION[figure])
        for figure in ("fig03", "fig04")
    }
    return accuracies | agreement


def confusions(trained):
    """A classifier's confusion matrix of the test images, ints [10, 10]: rows are the actual classes."""
    test = trained.data.test
    predicted = training.predict_classes(trained.run, trained.seen(test.images))
    return confusion_matrix(test.labels, predicted, labels=range(len(trained.data.class_names)))


def confusion_agreement(left, right):
    """Spearman's rank correlation of the counts off the diagonals of two confusion matrices, as a float.

    NaN where one matrix has the same count everywhere off its diagonal.
    """
    left, right = np.asarray(left), np.asarray(right)
    errors = ~np.eye(len(left), dtype=bool)
    if np.ptp(left[errors]) == 0 or np.ptp(right[errors]) == 0:
        return float("nan")
    return float(stats.spearmanr(left[errors], right[errors]).statistic)


@measure("reconstruction_error")
def reconstruction(trained):
    """An autoencoder's mean squared error over pixels and test images."""
    return {"reconstruction_error": training.reconstruction_error(trained.run, trained.data.test.images)}


@measure(*_OF_CLUSTERS, "reconstruction_error", "csd", "distance_to_roll", "code_spread", "collapsed")
def clusters(trained):
    """What k-means finds in an autoencoder's codes, and what the codes are, on the test images.

    The scores of `cluster_codes`; reconstruction_error; csd of all codes to as many points of the prior;
    distance_to_roll (mean over the codes; NaN for other priors); code_spread (`standard_deviation`);
    collapsed (whether all images are rebuilt as one).
    """
    run, prior, seed, images = trained.run, trained.prior, trained.training.seed, trained.data.test.images
    codes = training.encode(run, images)
    csd = distance = float("nan")
    if prior is not None:
        sample = prior.sample(len(codes), seed=seed)
        sigma = trained.training.sigma
        csd = float(cauchy_schwarz_divergence(codes, sample, sigma, block_size=settings.BATCH_SIZE))
    if isinstance(prior, priors.SwissRoll):
        distance = float(np.mean(prior.distance(codes)))
    rebuilt = training.decode(run, codes)
    train_codes = training.encode(run, trained.data.train.images)
    return {
        **cluster_codes(trained.data, train_codes, codes, seed=seed)[0],
        "reconstruction_error": training.mean_squared_error(rebuilt, images),
        "csd": csd,
        "distance_to_roll": distance,
        "code_spread": standard_deviation(codes),
        "collapsed": standard_deviation(rebuilt) < COLLAPSED_BELOW * standard_deviation(images),
    }


def cluster_codes(data, train_codes, test_codes, *, seed=0):
    """k-means with as many clusters as classes, fitted on the training images' codes.

    If there are fewer different codes than classes, as when an autoencoder has collapsed, each is a cluster.

    Returns:
        scores: accuracy, nmi and ari on the test images; train_accuracy on the training images; and
            accuracy_fitted_on_test, where k-means saw the test images instead (the paper does not say which).
        predicted: for each test image the class that its cluster is matched to, int64 [n].
    """
    classes = len(data.class_names)

    def fit(codes):
        try:
            return clustering.fit_kmeans(codes, clusters=classes, seed=seed)
        except ValueError:  # counted only now: sorting raw pixels takes seconds; other errors come again
            different = len(np.unique(codes, axis=0))
            return clustering.fit_kmeans(codes, clusters=min(classes, different), seed=seed)

    fitted = fit(train_codes)
    predicted = fitted.predict(test_codes)
    columns = {
        **clustering.scores(data.test.labels, predicted),
        "train_accuracy": clustering.clustering_accuracy(data.train.labels, fitted.labels_),
        "accuracy_fitted_on_test": clustering.clustering_accuracy(data.test.labels, fit(test_codes).labels_),
    }
    return columns, clustering.match_clusters(data.test.labels, predicted)[predicted]


def scores(data, predicted):
    """`clustering.scores_of_splits` of a data.Dataset and the clusters of its three splits."""
    labels = [split.labels for split in (data.train, data.validation, data.test)]
    return clustering.scores_of_splits(labels, predicted)


def standard_deviation(points):
    """Root of the mean variance of points [n, d], as a float, in their units."""
    return float(np.sqrt(np.mean(np.var(points, axis=0, dtype=np.float64))))


def csd_to_blob(points):
    """CSD of points [n, d] to the Gaussian that has their mean and covariance, as a float.

    The points are shifted and stretched to mean 0 and covariance I, and compared with N(0, I) in closed form;
    the kernel size is Silverman's. It is near 0 for a Gaussian sample with any mean and covariance, and
    larger for any other shape. NaN where they lie in a plane, are fewer than d + 1 or not finite.
    """
    centred = np.asarray(points, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    covariance = centred.T @ centred / len(centred)
    if not np.isfinite(covariance).all() or np.linalg.matrix_rank(covariance) < len(covariance):
        return float("nan")
    white = np.linalg.solve(np.linalg.cholesky(covariance), centred.T).T
    origin = np.zeros((1, white.shape[1]))
    return float(divergence_from_gaussians(white, origin, 1.0, "silverman", block_size=settings.BATCH_SIZE))


@measure("csd_to_blob")
def shape(trained):
    """How far the test images' codes are from a Gaussian, by `csd_to_blob`."""
    return {"csd_to_blob": csd_to_blob(training.encode(trained.run, trained.data.test.images))}


@measure("reach")
def reach(trained):
    """Half of the range of the test images' first two codes, mean of the two, as in the paper's Fig 9."""
    codes = training.encode(trained.run, trained.data.test.images)[:, :2]
    return {"reach": float(np.mean(np.ptp(codes, axis=0)) / 2)}


@measure("plateau_epochs")
def plateau(trained):
    """How many epochs long the CSD in training stays above half of the first epoch's: plateau_epochs.

    0 without a prior.
    """
    if trained.prior is None:
        return {"plateau_epochs": 0}
    csd = np.array(trained.run.history.get("csd", ()))
    below = np.flatnonzero(csd < csd[:1].sum() / 2)
    return {"plateau_epochs": int(below[0]) if len(below) else len(csd)}


@measure("ink", "mean_absolute_error", "mean_squared_error", "code_spread", "image_spread")
def loss(trained):
    """What an autoencoder rebuilds: does it collapse?

    ink (the rebuilt images' mean grey value over that of the images), mean_squared_error,
    mean_absolute_error, code_spread and image_spread (root of the mean variance over images of a rebuilt
    pixel: 0 if all are rebuilt as one image), on the test images.
    """
    images = trained.data.test.images
    codes = training.encode(trained.run, images)
    rebuilt = training.decode(trained.run, codes)
    return {
        "ink": float(np.mean(rebuilt, dtype=np.float64) / np.mean(images, dtype=np.float64)),
        "mean_squared_error": training.mean_squared_error(rebuilt, images),
        "mean_absolute_error": float(np.mean(np.abs(rebuilt - images), dtype=np.float64)),
        "code_spread": standard_deviation(codes),
        "image_spread": standard_deviation(rebuilt),
    }


@measure(
    *("gradient_reconstruction", "gradient_csd", "train_code_mean", "train_code_spread"),
    *(f"csd_sigma_{sigma:g}" for sigma in GRADIENT_SIGMAS),
)
def gradients(trained):
    """The gradients that train an encoder, and where the codes of all training images lie.

    gradient_reconstruction and gradient_csd are norms over all weights of the encoder, means over training
    batches; the CSD's is lambda times that of a batch against as many fresh points of the prior, as in
    training, NaN without a prior. train_code_mean is the distance of the codes' mean from the origin,
    train_code_spread their standard deviation, csd_sigma_<sigma> their CSD to N(0, I) in closed form.
    """
    model, images = trained.run.model, trained.data.train.images
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    regularizer = None
    if trained.prior is not None:
        seed = trained.training.seed
        regularizer = CauchySchwarzRegularizer(trained.prior, trained.training.sigma, seed=seed)

    @tf.function
    def sizes(batch):
        with tf.GradientTape(persistent=True) as tape:
            codes = encoder(batch)
            parts = [tf.reduce_mean(tf.square(decoder(codes) - batch))]
            if regularizer is not None:
                regularizer(codes)
                parts.append(trained.training.weight * regularizer.losses[-1])
        return [tf.linalg.global_norm(tape.gradient(part, encoder.trainable_variables)) for part in parts]

    size = settings.BATCH_SIZE
    starts = range(0, max(1, len(images) - size + 1), size)[:GRADIENT_BATCHES]
    slope_of_error, *slope_of_csd = np.mean([sizes(images[start : start + size]) for start in starts], axis=0)
    codes = training.outputs(encoder, images)
    gaussian = priors.Gaussian(codes.shape[1])
    return {
        "gradient_reconstruction": float(slope_of_error),
        "gradient_csd": float(slope_of_csd[0]) if slope_of_csd else float("nan"),
        "train_code_mean": float(np.linalg.norm(codes.mean(axis=0))),
        "train_code_spread": standard_deviation(codes),
        **{
            f"csd_sigma_{sigma:g}": float(
                divergence_from_gaussians(codes, gaussian.means, gaussian.scale, sigma, block_size=size)
            )
            for sigma in GRADIENT_SIGMAS
        },
    }


@measure(
    *("information", "standard_error", "tied", "agreement", "forms", "join_seconds"),
    *("accuracy", "nmi", "ari", "train_accuracy", "all_accuracy"),
)
def joined_forms(trained):
    """The clusters of `forms.cluster_by_forms` in a clustering network's features of training images.

    information on the training images' own neighbours, which decides, and its standard error; tied: how many
    mergers lie within it, and their agreement; the number of forms; join_seconds after the training; then,
    with labels, the columns of `scores`: test images take the cluster of their neighbours.
    """
    data, run, started = trained.data, trained.run, time.perf_counter()
    clusters = forms.cluster_by_forms(
        network.features(run, data.train.images),
        clusters=len(data.class_names),
        seed=trained.training.seed,
    )
    images = (data.validation.images, data.test.images)
    predicted = [clusters.labels, *(clusters.predict(network.features(run, part)) for part in images)]
    return {
        "information": clusters.information,
        "standard_error": clusters.standard_error,
        "tied": clusters.tied,
        "agreement": clusters.agreement,
        "forms": int(clusters.forms.max()) + 1,
        "join_seconds": round(time.perf_counter() - started, 1),
        **scores(data, predicted),
    }
