"""What is measured of a trained model: each measure gives some columns of its row in the store."""

import time
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics import confusion_matrix

from kmnist_itl import clustering, forms, priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.divergence import (
    CauchySchwarzRegularizer,
    cauchy_schwarz_divergence,
    divergence_from_gaussians,
)
from kmnist_itl.reproduction import paper, statistics

# Rebuilt images that differ from each other by less than this share of what the images do are one image.
COLLAPSED_BELOW = 0.01
WALK_STEPS = 10  # each way, as in the paper's Fig 8
WALK_TURNS = 20
GRADIENT_BATCHES = 10
GRADIENT_SIGMAS = (100, 1)  # under which the codes' CSD to N(0, I) is taken


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model as measures see it: its store.Training, its training.Run, and the data.

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


def classes(trained):
    """A classifier's accuracy on each split, and how alike its confusions and the paper's are."""
    data = trained.data
    splits = {"": data.test, "validation_": data.validation, "train_": data.train}
    row = {
        f"{name}accuracy": training.accuracy(trained.run, trained.seen(split.images), split.labels)
        for name, split in splits.items()
    }
    matrix = confusions(trained)
    return row | {
        f"agreement_{figure}": statistics.confusion_agreement(matrix, paper.CONFUSION[figure])
        for figure in ("fig03", "fig04")
    }


def confusions(trained):
    """A classifier's confusion matrix of the test images, ints [10, 10]: rows are the actual classes."""
    test = trained.data.test
    predicted = training.predict_classes(trained.run, trained.seen(test.images))
    return confusion_matrix(test.labels, predicted, labels=range(len(trained.data.class_names)))


def reconstruction(trained):
    """An autoencoder's mean squared error over pixels and test images."""
    return {"reconstruction_error": training.reconstruction_error(trained.run, trained.data.test.images)}


def clusters(trained):
    """What k-means finds in an autoencoder's codes, and what the codes are, on the test images.

    csd of all codes to as many points of the prior; distance_to_roll (mean over the codes; NaN for other
    priors); code_spread (root of the mean variance); collapsed (whether all images are rebuilt as one); the
    scores of `cluster_codes`, and the reconstruction_error.
    """
    run, prior, seed, images = trained.run, trained.prior, trained.training.seed, trained.data.test.images
    codes = training.encode(run, images)
    csd = distance = float("nan")
    if prior is not None:
        sample = prior.sample(len(codes), seed=seed)
        sigma = trained.training.arguments["sigma"]
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
        "code_spread": spread(codes),
        "collapsed": spread(rebuilt) < COLLAPSED_BELOW * spread(images),
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
    found = fitted.predict(test_codes)
    columns = {
        **clustering.scores(data.test.labels, found),
        "train_accuracy": clustering.clustering_accuracy(data.train.labels, fitted.labels_),
        "accuracy_fitted_on_test": clustering.clustering_accuracy(data.test.labels, fit(test_codes).labels_),
    }
    return columns, clustering.match_clusters(data.test.labels, found)[found]


def spread(points):
    """Root of the mean variance of points [n, d], as a float, in their units."""
    return float(np.sqrt(np.mean(np.var(points, axis=0, dtype=np.float64))))


def csd_to_blob(points):
    """CSD of points [n, d] to the Gaussian that has their mean and covariance, as a float.

    The points are shifted and stretched to mean 0 and covariance I, and compared with N(0, I) in closed form;
    the kernel size is Silverman's. It is near 0 for a Gaussian blob of any place and form, a ball or an egg,
    and the larger the less they are one. NaN where they lie in a plane, are fewer than d + 1 or not finite.
    """
    centred = np.asarray(points, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    covariance = centred.T @ centred / len(centred)
    if not np.isfinite(covariance).all() or np.linalg.matrix_rank(covariance) < len(covariance):
        return float("nan")
    white = np.linalg.solve(np.linalg.cholesky(covariance), centred.T).T
    origin = np.zeros((1, white.shape[1]))
    return float(divergence_from_gaussians(white, origin, 1.0, "silverman", block_size=settings.BATCH_SIZE))


def shape(trained):
    """How far the test images' codes are from a blob, as `csd_to_blob` has it."""
    return {"csd_to_blob": csd_to_blob(training.encode(trained.run, trained.data.test.images))}


def reach(trained):
    """How far the test images' first two codes reach each way of their middle, as in the paper's Fig 9.

    Half of the distance from the least to the largest, the mean of the two. One code far off moves it.
    """
    codes = training.encode(trained.run, trained.data.test.images)[:, :2]
    return {"reach": float(np.mean(np.ptp(codes, axis=0)) / 2)}


def plateau(trained):
    """How many epochs long the CSD in training stays above half of the first epoch's: plateau_epochs.

    0 without a prior.
    """
    if trained.prior is None:
        return {"plateau_epochs": 0}
    csd = np.array(trained.run.history.get("csd", ()))
    below = np.flatnonzero(csd < csd[:1].sum() / 2)
    return {"plateau_epochs": int(below[0]) if len(below) else len(csd)}


def roll_walk(steps=WALK_STEPS):
    """Points [angle, height, 3] of a walk over the roll, as in the paper's Fig 8.

    Heights fall from left to right, so that they rise from right to left; angles rise from top to bottom.
    """
    roll = priors.SwissRoll()
    angles, heights = np.linspace(*roll.angles, steps), np.linspace(*roll.heights[::-1], steps)
    return np.reshape(roll.surface(np.repeat(angles, steps), np.tile(heights, steps)), (steps, steps, 3))


def decoded_walk(run, points=None):
    """Images [rows, columns, 784] that a decoder makes of points [rows, columns, 3]; None: `roll_walk()`."""
    points = roll_walk() if points is None else np.asarray(points)
    return training.decode(run, points.reshape(-1, 3).astype(np.float32)).reshape(*points.shape[:2], -1)


def walk(trained):
    """How smooth a walk over the roll is: root mean squared differences of decoded images, of 10 x 10 points.

    long_steps is the share of steps between neighbours whose images differ by at least the median of all
    pairs: one half on a random walk, 1 for a decoder that makes one image. mean_step, largest_step and
    median_of_any_two are the differences. long_steps_turned is the same share for the walk turned about its
    middle, out of the roll through empty space, mean over WALK_TURNS turns. Without a roll as prior, the walk
    has the codes' mean and covariance.
    """
    points = roll_walk()
    centre = points.reshape(-1, 3).mean(axis=0)
    if not isinstance(trained.prior, priors.SwissRoll):
        codes = training.encode(trained.run, trained.data.test.images).astype(np.float64)
        ours, rolls = (_root(np.cov(p.reshape(-1, 3).T)) for p in (codes, points))
        stretch = ours @ np.linalg.inv(rolls)
        points = (points - centre) @ stretch.T + codes.mean(axis=0)
        centre = codes.mean(axis=0)
    near, any_two = _steps(decoded_walk(trained.run, points))
    rng = np.random.default_rng(0)
    turned = []
    for _ in range(WALK_TURNS):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        steps, pairs = _steps(decoded_walk(trained.run, (points - centre) @ turn + centre))
        turned.append(np.mean(steps >= np.median(pairs)))
    return {
        "long_steps": float(np.mean(near >= np.median(any_two))),
        "long_steps_turned": float(np.mean(turned)),
        "mean_step": float(near.mean()),
        "largest_step": float(near.max()),
        "median_of_any_two": float(np.median(any_two)),
    }


def _root(covariance):
    """The symmetric square root of a covariance, also of one that is not of full rank."""
    variances, axes = np.linalg.eigh(covariance)
    return axes * np.sqrt(np.maximum(variances, 0)) @ axes.T


def _steps(images):
    """Root mean squared differences of the images of neighbours, and those of all pairs."""
    across, down = np.diff(images, axis=1), np.diff(images, axis=0)
    neighbours = np.concatenate([step.reshape(-1, images.shape[-1]) for step in (across, down)])
    any_two = pdist(images.reshape(-1, images.shape[-1])) / np.sqrt(images.shape[-1])
    return np.sqrt(np.mean(neighbours**2, axis=1)), any_two


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
        "code_spread": spread(codes),
        "image_spread": spread(rebuilt),
    }


def gradients(trained):
    """What pulls at an encoder, and where the codes of all training images lie.

    gradient_reconstruction and gradient_csd are norms over all weights of the encoder, means over training
    batches; the CSD's is lambda times that of a batch against as many fresh points of the prior, as in
    training, NaN without a prior. train_code_mean is the distance of the codes' mean from the origin,
    train_code_spread their spread, csd_sigma_<sigma> their CSD to Table 2's N(0, I) in closed form.
    """
    model, images = trained.run.model, trained.data.train.images
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    arguments, regularizer = trained.training.arguments, None
    if trained.prior is not None:
        seed = trained.training.seed
        regularizer = CauchySchwarzRegularizer(trained.prior, arguments["sigma"], seed=seed)

    @tf.function
    def sizes(batch):
        with tf.GradientTape(persistent=True) as tape:
            codes = encoder(batch)
            parts = [tf.reduce_mean(tf.square(decoder(codes) - batch))]
            if regularizer is not None:
                regularizer(codes)
                parts.append(arguments["weight"] * regularizer.losses[-1])
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
        "train_code_spread": spread(codes),
        **{
            f"csd_sigma_{sigma:g}": float(
                divergence_from_gaussians(codes, gaussian.means, gaussian.spread, sigma, block_size=size)
            )
            for sigma in GRADIENT_SIGMAS
        },
    }


def joined_forms(trained):
    """The clusters that `forms.cluster_by_forms` finds in a clustering network's features of training images.

    information on the training images' own neighbours, which is what decides, its standard error, how many
    joins are tied within it and how far they agree; the number of forms; the seconds that all this takes
    after the training; then, with labels, the columns of `scores`: test images take the cluster of
    their neighbours.
    """
    data, run, started = trained.data, trained.run, time.perf_counter()
    found = forms.cluster_by_forms(
        training.features(run, data.train.images),
        clusters=len(data.class_names),
        seed=trained.training.seed,
    )
    others = (data.validation.images, data.test.images)
    predicted = [found.labels, *(found.predict(training.features(run, images)) for images in others)]
    return {
        "information": found.information,
        "standard_error": found.standard_error,
        "tied": found.tied,
        "agreement": found.agreement,
        "forms": int(found.forms.max()) + 1,
        "join_seconds": round(time.perf_counter() - started, 1),
        **statistics.scores(data, predicted),
    }


# By name: the function, and the columns that it gives; the first of them is never empty.
MEASURES = {
    "classes": (
        classes,
        ("accuracy", "validation_accuracy", "train_accuracy", "agreement_fig03", "agreement_fig04"),
    ),
    "reconstruction": (reconstruction, ("reconstruction_error",)),
    "clusters": (
        clusters,
        (
            *("accuracy", "nmi", "ari", "train_accuracy", "accuracy_fitted_on_test"),
            *("reconstruction_error", "csd", "distance_to_roll", "code_spread", "collapsed"),
        ),
    ),
    "shape": (shape, ("csd_to_blob",)),
    "reach": (reach, ("reach",)),
    "plateau": (plateau, ("plateau_epochs",)),
    "walk": (walk, ("long_steps", "long_steps_turned", "mean_step", "largest_step", "median_of_any_two")),
    "loss": (
        loss,
        ("ink", "mean_absolute_error", "mean_squared_error", "code_spread", "image_spread"),
    ),
    "joined_forms": (
        joined_forms,
        (
            "information",
            "standard_error",
            "tied",
            "agreement",
            "forms",
            "join_seconds",
            "accuracy",
            "nmi",
            "ari",
            "train_accuracy",
            "all_accuracy",
        ),
    ),
    "gradients": (
        gradients,
        (
            *("gradient_reconstruction", "gradient_csd", "train_code_mean", "train_code_spread"),
            *(f"csd_sigma_{sigma:g}" for sigma in GRADIENT_SIGMAS),
        ),
    ),
}


def csd_gradients(prior, sigma, estimator, *, batch_size=settings.BATCH_SIZE, repeats=60, seed=0):
    """The CSD's gradient in a shift of all codes, over fresh batches and, if it draws the prior, fresh draws.

    The codes are normal, 1.5 wide, and off the origin by 0.5 along the first axis.

    Args:
        prior, sigma, estimator: as in `divergence.CauchySchwarzRegularizer`.
        batch_size, repeats: ints >= 1.
        seed: int, of the batches and the draws.

    Returns:
        float array [repeats, prior.dim]. Errors as in the layer.
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
