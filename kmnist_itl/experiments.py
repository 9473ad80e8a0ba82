"""The paper's experiments: their settings, and what is measured of each training, when it is asked for."""

from dataclasses import replace
from functools import cached_property, partial

import numpy as np
from sklearn.metrics import confusion_matrix

from kmnist_itl import clustering, paper, priors, settings, training
from kmnist_itl._tensorflow import tf
from kmnist_itl.divergence import (
    CauchySchwarzRegularizer,
    cauchy_schwarz_divergence,
    divergence_from_gaussians,
)

LATENT_DIM = 3
# Rebuilt images that differ from each other by less than this share of what the images do are one image.
COLLAPSED_BELOW = 0.01
SIXTH_LAMBDA = 100  # of Fig 7's sixth panel, which the paper does not name

_ROLL = priors.SwissRoll()
_WIDE = {"sigma": paper.TABLE_2_SIGMA, "weight": paper.TABLE_2_LAMBDA}

# What `RegularizedAutoencoder` is called with, by what the figures and tables name it.
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
# Around Table 2's sigma = 100 and lambda = 0.1: kernels that see the priors' shape, and more weight.
GRID = {
    (kind, sigma, weight): {**TABLE_2[kind], "sigma": sigma, "weight": weight}
    for kind in ("gaussian", "gaussian_mixture")
    for sigma, weight in ((paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA), (10, 0.1), (10, 1), (1, 0.1), (1, 1))
}
# Of the grid, those whose gradients and codes are followed through training, beside those without a prior.
WATCHED = (("gaussian", paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA), ("gaussian", 1, 0.1))
WATCHED_SIGMAS = tuple(sigma for _, sigma, _ in WATCHED)

# The tables whose rows are RegularizedAutoencoder's, and nothing else.
TABLES = ("table2_priors", "fig07_lambda", "fig05_kernel_size")


class Measured:
    """A training and what is measured of it; it trains, or finds the kept run, when that is asked for.

    `key` is that of the run, `named` the dict of settings that its rows begin with.

    Args:
        data: data.Dataset.
        task: training.Task.
        named: the settings by which a table knows it.
    """

    def __init__(self, data, task, **named):
        self.data, self.named = data, named
        self._task = task

    @property
    def key(self):
        return self._task.key

    @property
    def kept(self):
        """Whether all that is measured has been trained and kept."""
        return self._task.kept

    @cached_property
    def run(self):
        """The training.Run."""
        return self._task.run()


class Classified(Measured):
    """A classifier, and what it makes of the images.

    Args:
        data, named: as of Measured.
        task: training.Task of a classifier or of the CNN.
        encoder: the training.Task of the autoencoder whose codes are classified, None for pixels.
    """

    def __init__(self, data, task, encoder=None, **named):
        super().__init__(data, task, **named)
        self._encoder = encoder

    @property
    def kept(self):
        return super().kept and (self._encoder is None or self._encoder.kept)

    @cached_property
    def encoder(self):
        """The training.Run of the autoencoder whose codes are classified, or None."""
        return self._encoder and self._encoder.run()

    def accuracy(self, split):
        """Share of a data.Split's images that are given their label, as a float in [0, 1]."""
        return training.accuracy(self.run, self._seen(split.images), split.labels)

    @cached_property
    def confusion(self):
        """int array [10, 10] of the test images: rows are the actual, columns the predicted classes."""
        predicted = training.predict_classes(self.run, self._seen(self.data.test.images))
        return confusion_matrix(self.data.test.labels, predicted, labels=range(len(self.data.class_names)))

    def _seen(self, images):
        return training.encode(self.encoder, images) if self.encoder else images


class _WithCodes(Measured):
    """An autoencoder with 3 codes, and its codes."""

    @cached_property
    def codes(self):
        """The test images' codes, float32 [n, 3]."""
        return training.encode(self.run, self.data.test.images)


class RegularizedAutoencoder(_WithCodes):
    """An autoencoder with 3 codes under a prior, or without one, and its codes.

    Args:
        data, named: as of Measured.
        prior, sigma, weight, profile, seed: as of `training.train_autoencoder`, and so are the errors.
    """

    def __init__(self, data, *, prior=None, sigma=None, weight=None, profile="paper", seed=0, **named):
        how = {"prior": prior, "sigma": sigma, "weight": weight}
        task = training.train_autoencoder.task(data, LATENT_DIM, profile=profile, seed=seed, **how)
        super().__init__(data, task, **named)
        self.prior, self.sigma, self.weight, self.seed = prior, sigma, weight, seed

    @property
    def predicted(self):
        """The classes that the clusters of the test images' codes are matched to, int64 [n]."""
        return self._clusters[1]

    @cached_property
    def _clusters(self):
        train_codes = training.encode(self.run, self.data.train.images)
        return cluster_codes(self.data, train_codes, self.codes, seed=self.seed)

    @cached_property
    def row(self):
        """Dict of the settings (prior, sigma, lambda, seed) and of what was measured on the test images.

        reconstruction_error; csd of all codes to as many points of the prior; distance_to_roll (mean over the
        codes; NaN for other priors); code_spread (root of the mean variance); roundness (the least spread in
        any direction over the largest, 1 for a sphere); collapsed (whether all images are rebuilt as one);
        `cluster_codes`' scores; and the training's epochs, best_epoch, seconds and seconds_per_step.
        """
        run, codes, prior, images = self.run, self.codes, self.prior, self.data.test.images
        csd = distance = float("nan")
        if prior is not None:
            sample = prior.sample(len(codes), seed=self.seed)
            csd = float(cauchy_schwarz_divergence(codes, sample, self.sigma, block_size=settings.BATCH_SIZE))
        if isinstance(prior, priors.SwissRoll):
            distance = float(np.mean(prior.distance(codes)))
        widths = np.linalg.svd(codes - codes.mean(axis=0), compute_uv=False)
        rebuilt = training.decode(run, codes)
        return {
            **_setting(prior, self.sigma, self.weight),
            "seed": self.seed,
            "reconstruction_error": training.mean_squared_error(rebuilt, images),
            "csd": csd,
            "distance_to_roll": distance,
            "code_spread": spread(codes),
            "roundness": float(widths.min() / widths.max()) if widths.max() > 0 else 1.0,
            "collapsed": spread(rebuilt) < COLLAPSED_BELOW * spread(images),
            **self._clusters[0],
            "epochs": run.epochs,
            "best_epoch": run.best_epoch,
            "seconds": round(run.seconds, 1),
            "seconds_per_step": round(run.seconds_per_step, 4),
        }


class TrainedOnLoss(_WithCodes):
    """An autoencoder with 3 codes trained on a loss of `training.RECONSTRUCTION_LOSSES`: does it collapse?

    Args:
        data: data.Dataset.
        loss, profile, seed: as of `training.train_autoencoder`, and so are the errors.
    """

    def __init__(self, data, loss, *, profile="paper", seed=0):
        task = training.train_autoencoder.task(data, LATENT_DIM, profile=profile, seed=seed, loss=loss)
        super().__init__(data, task, loss=loss, seed=seed)

    @cached_property
    def rebuilt(self):
        """The rebuilt test images, float32 [n, 784]."""
        return training.decode(self.run, self.codes)

    @cached_property
    def row(self):
        """Dict of what was measured on the test images.

        mean_squared_error, mean_absolute_error, code_spread and image_spread (root of the mean variance over
        images of a rebuilt pixel: 0 if all are rebuilt as one image), epochs and best_epoch.
        """
        images = self.data.test.images
        return {
            "mean_squared_error": training.mean_squared_error(self.rebuilt, images),
            "mean_absolute_error": float(np.mean(np.abs(self.rebuilt - images), dtype=np.float64)),
            "code_spread": spread(self.codes),
            "image_spread": spread(self.rebuilt),
            "epochs": self.run.epochs,
            "best_epoch": self.run.best_epoch,
        }


def _setting(prior, sigma, weight):
    """How a row names the prior, its kernel size and its weight."""
    if prior is None:
        return {"prior": "none", "sigma": None, "lambda": 0}
    return {"prior": priors.name_of(prior), "sigma": sigma, "lambda": weight}


def spread(points):
    """Root of the mean variance of points [n, d], as a float, in their units."""
    return float(np.sqrt(np.mean(np.var(points, axis=0, dtype=np.float64))))


def cluster_codes(data, train_codes, test_codes, *, seed=0):
    """k-means with as many clusters as classes, fitted on the training images' codes.

    Of fewer different codes than classes, as when an autoencoder has collapsed, each is a cluster.

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
    clusters = fitted.predict(test_codes)
    on_test = fit(test_codes).labels_
    scores = {
        **clustering.scores(data.test.labels, clusters),
        "train_accuracy": clustering.clustering_accuracy(data.train.labels, fitted.labels_),
        "accuracy_fitted_on_test": clustering.clustering_accuracy(data.test.labels, on_test),
    }
    return scores, clustering.match_clusters(data.test.labels, clusters)[clusters]


def half(profile):
    """A settings.Profile with half as many epochs, at least 1."""
    return replace(profile, epochs=max(1, profile.epochs // 2))


class GradientHistory(Measured):
    """What pulls at an encoder with 3 codes, and what its codes are: untrained, half-way, and at the end.

    Half-way is the same training with half as many epochs; without a prior it is left out.

    Args:
        data, named: as of Measured.
        prior, sigma, weight, profile, seed: as of `training.train_autoencoder`, and so are the errors.
        batches: int >= 1, how many training batches are measured, at most as many as there are.
    """

    def __init__(
        self, data, *, prior=None, sigma=None, weight=None, profile="paper", seed=0, batches=10, **named
    ):
        profile = settings.get_profile(profile)
        self._how = {"prior": prior, "sigma": sigma, "weight": weight, "seed": seed}
        describe = partial(training.train_autoencoder.task, data, LATENT_DIM, **self._how)
        super().__init__(data, describe(profile=profile), **named)
        self._half_way = None if prior is None else describe(profile=half(profile))
        self.batches = batches

    @property
    def kept(self):
        return super().kept and (self._half_way is None or self._half_way.kept)

    @cached_property
    def rows(self):
        """List of dicts, of the start, the middle (with a prior) and the end.

        stage, epoch (of the weights), the settings (prior, sigma, lambda, seed), gradient_reconstruction and
        gradient_csd, and of all training images' codes code_mean (the distance of their mean from the
        origin), code_spread and csd_sigma_<sigma> for each of WATCHED_SIGMAS. The gradients' norms are of all
        weights of the encoder, each a mean over training batches; the CSD's is lambda times that of a batch
        against as many fresh points of the prior, as in training, and NaN without one. The codes' CSDs are
        to Table 2's Gaussian N(0, I) in closed form, whatever they were trained with: one measure for all.
        """
        how = self._how
        stages = [("start", 0, training.untrained_autoencoder(LATENT_DIM, seed=how["seed"]))]
        if self._half_way is not None:
            half_way = self._half_way.run()
            stages.append(("middle", half_way.best_epoch, half_way.model))
        stages.append(("end", self.run.best_epoch, self.run.model))
        images = self.data.train.images
        return [
            {
                "stage": stage,
                "epoch": epoch,
                **_setting(how["prior"], how["sigma"], how["weight"]),
                "seed": how["seed"],
                **_gradient_sizes(model, images, self.batches, **how),
                **_where_codes_lie(training.outputs(model.get_layer("encoder"), images)),
            }
            for stage, epoch, model in stages
        ]


def _gradient_sizes(model, images, batches, *, prior, sigma, weight, seed):
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    regularizer = None if prior is None else CauchySchwarzRegularizer(prior, sigma, seed=seed)

    @tf.function
    def sizes(batch):
        with tf.GradientTape(persistent=True) as tape:
            codes = encoder(batch)
            parts = [tf.reduce_mean(tf.square(decoder(codes) - batch))]
            if regularizer is not None:
                regularizer(codes)
                parts.append(weight * regularizer.losses[-1])
        return [tf.linalg.global_norm(tape.gradient(of, encoder.trainable_variables)) for of in parts]

    size = settings.BATCH_SIZE
    starts = range(0, max(1, len(images) - size + 1), size)[:batches]
    of_error, *of_csd = np.mean([sizes(images[start : start + size]) for start in starts], axis=0)
    return {
        "gradient_reconstruction": float(of_error),
        "gradient_csd": float(of_csd[0]) if of_csd else float("nan"),
    }


def _where_codes_lie(codes):
    gaussian = TABLE_2["gaussian"]["prior"]
    of_gaussian = {"means": gaussian.means, "spread": gaussian.spread, "block_size": settings.BATCH_SIZE}
    return {
        "code_mean": float(np.linalg.norm(codes.mean(axis=0))),
        "code_spread": spread(codes),
        **{
            f"csd_sigma_{sigma:g}": float(divergence_from_gaussians(codes, sigma=sigma, **of_gaussian))
            for sigma in WATCHED_SIGMAS
        },
    }


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
