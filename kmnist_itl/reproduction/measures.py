"""What is measured of a trained model: a measure gives some columns of its row in measurements.csv."""

import functools
import time
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics import confusion_matrix

from kmnist_itl import clustering, models, priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.clustering import forms, network
from kmnist_itl.divergence import (
    CauchySchwarzRegularizer,
    cauchy_schwarz_divergence,
    divergence_from_gaussians,
)

MEASURES = {}  # by name: the function, and the columns that it gives


def measure(*columns):
    """Decorate a function of a Trained that returns a dict with these columns: it becomes a measure."""
    return lambda function: MEASURES.setdefault(function.__name__, (function, columns))[0]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model as measures see it: its runs.Training, its training.Run, and the data."""

    training: object
    run: training.Run
    data: object

    @classmethod
    def of(cls, training, data):
        """Of a runs.Training, which is trained now or loaded."""
        return cls(training, training.run(data), data)

    @functools.cached_property
    def encoder(self):
        """The training.Run of the autoencoder whose codes a classifier sees; None for other models."""
        return self.training.encoder and self.training.encoder.run(self.data)

    def predict(self, images):
        """A classifier's classes, ints [n], of images [n, 784] or of their codes, whichever it sees."""
        seen = training.encode(self.encoder, images) if self.encoder else images
        return training.outputs(self.run.model, seen).argmax(axis=1)

    @functools.cached_property
    def codes(self):
        """An autoencoder's codes of the test images, float32 [n, k]."""
        return training.encode(self.run, self.data.test.images)

    @functools.cached_property
    def rebuilt(self):
        """What an autoencoder makes of the test images, float32 [n, 784]."""
        return training.decode(self.run, self.codes)


@measure("accuracy", "validation_accuracy", "train_accuracy")
def classes(trained):
    """A classifier's accuracy on each split."""
    data = trained.data
    splits = {"": data.test, "validation_": data.validation, "train_": data.train}
    return {
        f"{name}accuracy": float(np.mean(trained.predict(split.images) == split.labels))
        for name, split in splits.items()
    }


def confusions(trained):
    """A classifier's confusion matrix of the test images, ints [10, 10]: rows are the actual classes."""
    test = trained.data.test
    return confusion_matrix(test.labels, trained.predict(test.images), labels=range(models.CLASSES))


@measure("reconstruction_error")
def reconstruction(trained):
    """An autoencoder's mean squared error over pixels and test images."""
    squares = np.square(trained.rebuilt - trained.data.test.images)
    return {"reconstruction_error": float(np.mean(squares, dtype=np.float64))}


@measure(
    *("accuracy", "nmi", "ari", "train_accuracy", "accuracy_fitted_on_test"),
    *("reconstruction_error", "csd", "distance_to_roll", "code_spread", "collapsed"),
)
def clusters(trained):
    """What k-means finds in an autoencoder's codes, and what the codes are, on the test images.

    csd is that of all codes to as many points of the prior, distance_to_roll the mean over the codes (NaN for
    other priors), code_spread their `standard_deviation`; collapsed: all images are rebuilt as one.
    """
    prior, seed, images = trained.training.prior, trained.training.seed, trained.data.test.images
    csd = distance = np.nan
    if prior is not None:
        drawn, sigma = prior.sample(len(images), seed=seed), trained.training.sigma
        csd = cauchy_schwarz_divergence(trained.codes, drawn, sigma, block_size=settings.BATCH_SIZE)
    if isinstance(prior, priors.SwissRoll):
        distance = np.mean(prior.distance(trained.codes))
    train_codes = training.encode(trained.run, trained.data.train.images)
    return {
        **cluster_codes(trained.data, train_codes, trained.codes, seed=seed)[0],
        **reconstruction(trained),
        "csd": float(csd),
        "distance_to_roll": float(distance),
        "code_spread": standard_deviation(trained.codes),
        "collapsed": standard_deviation(trained.rebuilt) < 0.01 * standard_deviation(images),
    }


def cluster_codes(data, train_codes, test_codes, *, seed=0):
    """k-means with as many clusters as classes, fitted on the training images' codes.

    If there are fewer different codes than classes, as when an autoencoder has collapsed, each is a cluster.
    Returns the scores (accuracy, nmi and ari on the test images, train_accuracy, and accuracy_fitted_on_test,
    where k-means saw the test images instead: the paper does not say which) and for each test image the class
    that its cluster is matched to, int64 [n].
    """

    def fit(codes):
        most = min(models.CLASSES, len(np.unique(codes, axis=0)))
        return clustering.fit_kmeans(codes, clusters=most, seed=seed)

    fitted, truth = fit(train_codes), data.test.labels
    predicted = fitted.predict(test_codes)
    columns = {
        **clustering.scores(truth, predicted),
        "train_accuracy": clustering.clustering_accuracy(data.train.labels, fitted.labels_),
        "accuracy_fitted_on_test": clustering.clustering_accuracy(truth, fit(test_codes).labels_),
    }
    return columns, clustering.match_clusters(truth, predicted)[predicted]


def scores(data, predicted):
    """Scores of the clusters of a data.Dataset's three splits, each with the matching that suits it, a dict.

    They are `clustering.scores` of the test images, train_accuracy and all_accuracy.
    """
    labels = [split.labels for split in (data.train, data.validation, data.test)]
    everything = np.concatenate(labels), np.concatenate(predicted)
    return {
        **clustering.scores(labels[-1], predicted[-1]),
        "train_accuracy": clustering.clustering_accuracy(labels[0], predicted[0]),
        "all_accuracy": clustering.clustering_accuracy(*everything),
    }


def standard_deviation(points):
    """Root of the mean variance of points [n, d], as a float, in their units."""
    return float(np.sqrt(np.mean(np.var(points, axis=0, dtype=np.float64))))


def csd_to_blob(points):
    """CSD of points [n, d] to the Gaussian that has their mean and covariance, as a float.

    The points are whitened and compared with N(0, I) in closed form; the kernel size is Silverman's. NaN
    where they lie in a plane, are fewer than d + 1 or not finite.
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
    return {"csd_to_blob": csd_to_blob(trained.codes)}


@measure("reach")
def reach(trained):
    """Half of the range of the test images' first two codes, mean of the two, as in the paper's Fig 9."""
    return {"reach": float(np.mean(np.ptp(trained.codes[:, :2], axis=0)) / 2)}


@measure("plateau_epochs")
def plateau(trained):
    """How many epochs long the CSD in training stays above half of the first epoch's; 0 without a prior."""
    csd = np.array(trained.run.history.get("csd", ()))
    below = np.flatnonzero(csd < csd[:1].sum() / 2)
    return {"plateau_epochs": int(below[0]) if len(below) else len(csd)}


@measure("ink", "mean_absolute_error", "mean_squared_error", "code_spread", "image_spread")
def loss(trained):
    """What an autoencoder rebuilds of the test images: does it collapse?

    ink is the rebuilt images' mean grey value over that of the images, image_spread the root of the mean
    variance over images of a rebuilt pixel: 0 if all are rebuilt as one image.
    """
    images, rebuilt = trained.data.test.images, trained.rebuilt
    return {
        "ink": float(np.mean(rebuilt, dtype=np.float64) / np.mean(images, dtype=np.float64)),
        "mean_squared_error": reconstruction(trained)["reconstruction_error"],
        "mean_absolute_error": float(np.mean(np.abs(rebuilt - images), dtype=np.float64)),
        "code_spread": standard_deviation(trained.codes),
        "image_spread": standard_deviation(rebuilt),
    }


@measure(
    *("gradient_reconstruction", "gradient_csd", "train_code_mean", "train_code_spread"),
    *("csd_sigma_100", "csd_sigma_1"),
)
def gradients(trained):
    """The gradients that train an encoder, and where the codes of all training images lie.

    gradient_* are norms over all weights of the encoder, means over ten training batches; the CSD's is lambda
    times that of a batch against as many fresh points of the prior, NaN without one. train_code_mean is the
    distance of the codes' mean from the origin, csd_sigma_* the codes' CSD to N(0, I) in closed form.
    """
    model, images, described = trained.run.model, trained.data.train.images, trained.training
    encoder, decoder, size = model.get_layer("encoder"), model.get_layer("decoder"), settings.BATCH_SIZE
    regularizer = None
    if described.prior is not None:
        regularizer = CauchySchwarzRegularizer(described.prior, described.sigma, seed=described.seed)

    @tf.function
    def norms(batch):
        with tf.GradientTape(persistent=True) as tape:
            codes = encoder(batch)
            parts = [tf.reduce_mean(tf.square(decoder(codes) - batch))]
            if regularizer is not None:
                regularizer(codes)
                parts.append(described.weight * regularizer.losses[-1])
        return [tf.linalg.global_norm(tape.gradient(part, encoder.trainable_variables)) for part in parts]

    starts = range(0, max(1, len(images) - size + 1), size)[:10]
    of_error, *of_csd = np.mean([norms(images[start : start + size]) for start in starts], axis=0)
    codes = training.outputs(encoder, images)
    origin = np.zeros((1, codes.shape[1]))
    return {
        "gradient_reconstruction": float(of_error),
        "gradient_csd": float(of_csd[0]) if of_csd else np.nan,
        "train_code_mean": float(np.linalg.norm(codes.mean(axis=0))),
        "train_code_spread": standard_deviation(codes),
        "csd_sigma_100": float(divergence_from_gaussians(codes, origin, 1.0, 100, block_size=size)),
        "csd_sigma_1": float(divergence_from_gaussians(codes, origin, 1.0, 1, block_size=size)),
    }


@measure(
    *("information", "standard_error", "tied", "agreement", "forms", "join_seconds"),
    *("accuracy", "nmi", "ari", "train_accuracy", "all_accuracy"),
)
def joined_forms(trained):
    """The clusters of `forms.cluster_by_forms` in a clustering network's features of training images.

    The first four columns are the forms.Clusters' own; join_seconds come after the training. The scores need
    labels; test images take the cluster of their neighbours.
    """
    data, started = trained.data, time.perf_counter()
    splits = (data.train, data.validation, data.test)
    features, *others = (network.features(trained.run, split.images) for split in splits)
    clusters = forms.cluster_by_forms(features, seed=trained.training.seed)
    predicted = [clusters.labels, *map(clusters.predict, others)]
    return {
        **{name: getattr(clusters, name) for name in ("information", "standard_error", "tied", "agreement")},
        "forms": int(clusters.forms.max()) + 1,
        "join_seconds": round(time.perf_counter() - started, 1),
        **scores(data, predicted),
    }


def roll_walk(steps=10):
    """Points [angle, height, 3] of a walk over the roll, with as many steps each way as in the paper's Fig 8.

    Heights fall from left to right, so that they rise from right to left; angles rise from top to bottom.
    """
    roll = priors.SwissRoll()
    angles, heights = np.linspace(*roll.angles, steps), np.linspace(*roll.heights[::-1], steps)
    return np.reshape(roll.surface(np.repeat(angles, steps), np.tile(heights, steps)), (steps, steps, 3))


def decoded_walk(run, points=None):
    """Images [rows, columns, 784] that a decoder makes of points [rows, columns, 3]; None: `roll_walk()`."""
    points = roll_walk() if points is None else np.asarray(points)
    return training.decode(run, points.reshape(-1, 3).astype(np.float32)).reshape(*points.shape[:2], -1)


@measure("long_steps", "long_steps_turned", "mean_step", "largest_step", "median_of_any_two")
def walk(trained):
    """How smooth a walk over the roll is: root mean squared differences of decoded images, of 10 x 10 points.

    long_steps is the share of steps between neighbours whose images differ by at least the median of all
    pairs: one half on a random walk, 1 for a decoder that makes one image. long_steps_turned is the same
    share for the walk turned about its middle, out of the roll through empty space, mean over twenty turns.
    Without a roll as prior, the walk has the codes' mean and covariance.
    """
    points = roll_walk()
    centre = points.reshape(-1, 3).mean(axis=0)
    if not isinstance(trained.training.prior, priors.SwissRoll):
        codes = trained.codes.astype(np.float64)
        ours, rolls = (_root(np.cov(p.reshape(-1, 3).T)) for p in (codes, points))
        stretch, middle = ours @ np.linalg.inv(rolls), codes.mean(axis=0)
        points, centre = (points - centre) @ stretch.T + middle, middle
    near, median = _steps(decoded_walk(trained.run, points))
    rng, turned = np.random.default_rng(0), []
    for _ in range(20):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        steps, of_pairs = _steps(decoded_walk(trained.run, (points - centre) @ turn + centre))
        turned.append(np.mean(steps >= of_pairs))
    return {
        "long_steps": float(np.mean(near >= median)),
        "long_steps_turned": float(np.mean(turned)),
        "mean_step": float(near.mean()),
        "largest_step": float(near.max()),
        "median_of_any_two": float(median),
    }


def _root(covariance):
    """The symmetric square root of a covariance, also of one that is not of full rank."""
    variances, axes = np.linalg.eigh(covariance)
    return axes * np.sqrt(np.maximum(variances, 0)) @ axes.T


def _steps(images):
    """Root mean squared differences of the images of neighbours, and the median of those of all pairs."""
    pixels = images.shape[-1]
    neighbours = np.concatenate([np.diff(images, axis=axis).reshape(-1, pixels) for axis in (1, 0)])
    pairs = pdist(images.reshape(-1, pixels)) / np.sqrt(pixels)
    return np.sqrt(np.mean(neighbours**2, axis=1)), np.median(pairs)
