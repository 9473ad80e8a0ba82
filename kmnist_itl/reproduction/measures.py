"""What is measured of a trained model: each measure gives some columns of its row in the store."""

from dataclasses import dataclass

import numpy as np
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
WALK_STEPS = 40
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
    priors); code_spread (root of the mean variance); roundness (the least spread in any direction over the
    largest, 1 for a sphere); collapsed (whether all images are rebuilt as one); the scores of
    `cluster_codes`, and the reconstruction_error.
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
    widths = np.linalg.svd(codes - codes.mean(axis=0), compute_uv=False)
    rebuilt = training.decode(run, codes)
    train_codes = training.encode(run, trained.data.train.images)
    return {
        **cluster_codes(trained.data, train_codes, codes, seed=seed)[0],
        "reconstruction_error": training.mean_squared_error(rebuilt, images),
        "csd": csd,
        "distance_to_roll": distance,
        "code_spread": spread(codes),
        "roundness": float(widths.min() / widths.max()) if widths.max() > 0 else 1.0,
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
    scores = {
        **clustering.scores(data.test.labels, found),
        "train_accuracy": clustering.clustering_accuracy(data.train.labels, fitted.labels_),
        "accuracy_fitted_on_test": clustering.clustering_accuracy(data.test.labels, fit(test_codes).labels_),
    }
    return scores, clustering.match_clusters(data.test.labels, found)[found]


def spread(points):
    """Root of the mean variance of points [n, d], as a float, in their units."""
    return float(np.sqrt(np.mean(np.var(points, axis=0, dtype=np.float64))))


def decoded_walk(run, steps=10):
    """Images [angle, height, 784] that a decoder makes of a walk over the roll, as in the paper's Fig 8.

    Heights fall from left to right, so that they rise from right to left; angles rise from top to bottom.
    """
    roll = priors.SwissRoll()
    angles, heights = np.linspace(*roll.angles, steps), np.linspace(*roll.heights[::-1], steps)
    points = roll.surface(np.repeat(angles, steps), np.tile(heights, steps))
    return training.decode(run, points).reshape(steps, steps, -1)


def walk(trained):
    """How smooth a walk over the roll is: root mean squared differences of decoded images.

    neighbours (mean over a step of a walk of 40 x 40), largest_step, any_two points of the walk, and
    neighbour_to_any, the first over the last.
    """
    images = decoded_walk(trained.run, WALK_STEPS)
    across, down = np.diff(images, axis=1), np.diff(images, axis=0)
    neighbours = np.concatenate([across.reshape(-1, 784), down.reshape(-1, 784)])
    pairs = np.random.default_rng(0).integers(0, WALK_STEPS**2, size=(2, 4_000))
    flat = images.reshape(-1, 784)
    near, far = (np.sqrt(np.mean(d**2, axis=1)) for d in (neighbours, flat[pairs[0]] - flat[pairs[1]]))
    return {
        "neighbours": float(near.mean()),
        "any_two": float(far.mean()),
        "largest_step": float(near.max()),
        "neighbour_to_any": float(near.mean() / far.mean()),
    }


def loss(trained):
    """What an autoencoder rebuilds: does it collapse?

    mean_squared_error, mean_absolute_error, code_spread and image_spread (root of the mean variance over
    images of a rebuilt pixel: 0 if all are rebuilt as one image), on the test images.
    """
    images = trained.data.test.images
    codes = training.encode(trained.run, images)
    rebuilt = training.decode(trained.run, codes)
    return {
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

    information on the training images' own neighbours, which is what decides; the number of forms; then, with
    labels, train_accuracy; accuracy, nmi and ari of the test images, which take the form of their neighbours;
    and all_accuracy of all images, validation images included.
    """
    data, run = trained.data, trained.run
    found = forms.cluster_by_forms(
        training.features(run, data.train.images),
        clusters=len(data.class_names),
        seed=trained.training.seed,
    )
    splits = (data.train, data.validation, data.test)
    predicted = [found.labels, *(found.predict(training.features(run, split.images)) for split in splits[1:])]
    labels = [split.labels for split in splits]
    accuracy = clustering.clustering_accuracy
    return {
        "information": found.information,
        "forms": len(found.clusters),
        **clustering.scores(labels[-1], predicted[-1]),
        "train_accuracy": accuracy(labels[0], predicted[0]),
        "all_accuracy": accuracy(np.concatenate(labels), np.concatenate(predicted)),
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
            *("reconstruction_error", "csd", "distance_to_roll", "code_spread", "roundness", "collapsed"),
        ),
    ),
    "walk": (walk, ("neighbours", "any_two", "largest_step", "neighbour_to_any")),
    "loss": (loss, ("mean_absolute_error", "mean_squared_error", "code_spread", "image_spread")),
    "joined_forms": (
        joined_forms,
        ("information", "forms", "accuracy", "nmi", "ari", "train_accuracy", "all_accuracy"),
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
