"""A Keras layer that adds the divergence between its input and a prior to a model's loss."""

import collections
import re

from . import checks, kernel_size
from .backend import keras, tf
from .divergences import cauchy_schwarz_divergence, divergence_from_gaussians, euclidean_divergence
from .potentials import renyi_entropy

ESTIMATORS = ("sample", "closed_form")
# What the layer can add to the loss: a function of codes, a sample of the prior and sigma; and its metric.
DIVERGENCES = {
    "cauchy_schwarz": (cauchy_schwarz_divergence, "csd"),
    "euclidean": (euclidean_divergence, "euclidean"),
    "entropy": (lambda codes, _, sigma, **options: -renyi_entropy(codes, sigma, **options), "entropy"),
}
# The numbers that may be assigned in training, and the least that each may be.
LEAST = {"sigma": checks.SMALLEST, "weight": 0}
UNNAMED = r"cauchy_schwarz_regularizer(_\d+)?"  # what Keras calls the layer if nobody does


class LossMean(keras.metrics.Mean):
    """The mean over batches; where these are of graphs, as by default in `fit`, nothing eager counts."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.eager = keras.metrics.Mean()

    def update_state(self, values, sample_weight=None):
        mean = self.eager if tf.executing_eagerly() else super()
        mean.update_state(values, sample_weight=sample_weight)

    def reset_state(self):
        super().reset_state()
        self.eager.reset_state()

    def result(self):
        return tf.where(self.count > 0, super().result(), self.eager.result())


class FixedLayer(keras.layers.Layer):
    """A layer whose settings `fixed` cannot be set again: a graph that is traced would not see it."""

    fixed = ()

    def __setattr__(self, name, value):
        if name in self.fixed and hasattr(self, name):
            raise AttributeError(f"{name} of {self.name} is fixed: make another layer.")
        super().__setattr__(name, value)


class LossLayer(FixedLayer):
    """A layer with losses, whose metrics count a batch when its loss is asked for.

    Keras calls a layer alike in validation and in prediction, but asks for the loss in training and
    validation only. So predict, an export and a mere call of the model count nothing, and the graphs of the
    first two leave out what only the loss needs.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._counted = collections.deque()  # not a list, which Keras and TensorFlow would track
        self._refused = None

    def count(self, metric, value, weight):
        """Let a LossMean have the value, with that weight, of the batch that is called."""
        self._counted.append((metric, value, tf.cast(weight, metric.dtype)))

    def refuse(self, message):
        """Raise a ValueError when the loss of the batch that is called is asked for."""
        self._refused = message

    def _clear_losses(self):
        super()._clear_losses()
        self._counted.clear()
        self._refused = None

    def _get_own_losses(self):
        if self._refused:
            raise ValueError(self._refused)
        while self._counted:
            metric, value, weight = self._counted.popleft()
            # Of a graph that is traced no more, such as that of a prediction, nothing is left to count.
            if getattr(value, "graph", None) is getattr(tf.zeros([]), "graph", None):
                metric.update_state(value, sample_weight=weight)
        return super()._get_own_losses()


@keras.saving.register_keras_serializable(package="kmnist_itl")
class CauchySchwarzRegularizer(LossLayer):
    """Hands its input on and adds a divergence to the loss (the paper's section II.D).

        loss = reconstruction loss + lambda CSD(codes||prior)

    The divergence is one of the whole batch, not divided by its size. The logs have its mean over the batches
    as "csd" ("euclidean"; "entropy" for H_2) and, where a rule chooses sigma, "sigma"; a layer with a name of
    its own, as each of several in one model needs, logs "<name>_csd".

    `weight` and `sigma` (a number) are variables: `layer.weight = 10` in a callback has effect at once, and a
    saved model has the number of that moment. All else is fixed, also the prior's settings. The divergence is
    computed in float32, of float64 codes in float64, and added in Keras' floatx, whatever the layer's dtype.
    Under tf.distribute.MirroredStrategy each replica compares its part of the batch with draws of its own,
    and the loss has the mean of their divergences; an empty part adds nothing.

    Args:
        prior: an object with `dim` and `sample(n, seed)`, as in priors.py; to be saved, with `get_config()`
            and `from_config(config)`, too.
        sigma: the kernel size: a number from 1e-30 to 1e30 or a variable; or a rule as in
            `log_information_potential`, taken in each batch of codes and prior together. To be saved, a
            function must be registered with Keras.
        weight: the paper's lambda, a number from 0 to 1e30 or a variable, which is used as it is.
        divergence: 'cauchy_schwarz', the paper's; 'euclidean'; or 'entropy', -H_2 of the codes, which
            spreads them whatever the prior.
        estimator: 'sample', the paper's, draws as many points of the prior as the batch has, fresh in each
            step; 'closed_form', without the noise of the draw, is for the CSD to Gaussians.
        seed: None, or an int of 64 bits that decides the draws; under XLA they are others than without it.
        block_size: as in `log_information_potential`.

    Raises ValueError for an argument that is out of range or no choice, and codes of another shape than
    [n, prior.dim]; TypeError for a prior that cannot be sampled or has no closed form that is asked for.

    >>> from kmnist_itl import priors
    >>> regularizer = CauchySchwarzRegularizer(priors.SwissRoll(), sigma=1.0, weight=10.0)
    >>> model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(3), regularizer])
    >>> model.compile("adam", "mean_squared_error")
    >>> sorted(model.fit(keras.ops.ones((8, 20)), keras.ops.ones((8, 3)), verbose=0).history)
    ['csd', 'loss']
    """

    fixed = ("prior", "sigma", "weight", "divergence", "estimator", "seed", "block_size")

    def __init__(
        self, prior, sigma, weight=1.0, *, divergence="cauchy_schwarz", estimator="sample", seed=None,
        block_size=None, name=None, **kwargs,
    ):  # fmt: skip
        super().__init__(name=name, **kwargs)
        if isinstance(prior, type) or not (hasattr(prior, "dim") and hasattr(prior, "sample")):
            wanted = "an object with dim and sample(n, seed), as priors.SwissRoll() is"
            raise TypeError(f"prior must be {wanted}; got {prior!r}.")
        self.divergence = checks.choice("divergence", divergence, DIVERGENCES)
        self.estimator = checks.choice("estimator", estimator, ESTIMATORS)
        is_mixture = all(hasattr(prior, name) for name in ("means", "scale", "weights"))
        if estimator == "closed_form" and not (divergence == "cauchy_schwarz" and is_mixture):
            given = f"divergence={divergence!r} and {prior!r}"
            raise TypeError(f"estimator='closed_form' is for the CSD to a prior of Gaussians; got {given}.")
        self.prior, self.seed, self.block_size = prior, checks.seed(seed), checks.block_size(block_size)
        has_rule = kernel_size.is_rule(sigma)
        self.sigma = sigma if has_rule else _variable("sigma", sigma)
        self.weight = _variable("weight", weight)
        self.draws = keras.random.SeedGenerator(self.seed)
        self._drawn = self.draws.state.value  # Keras tracks it, but tf.saved_model does not look there
        prefix = "" if name is None or re.fullmatch(UNNAMED, name) else f"{name}_"
        self.csd = LossMean(name=prefix + DIVERGENCES[divergence][1])
        self.kernel_size = LossMean(name=prefix + "sigma") if has_rule else None

    def __setattr__(self, name, value):
        variable = getattr(self, name, None) if name in LEAST else None
        if isinstance(variable, tf.Variable):
            variable.assign(checks.number(name, value, LEAST[name]))
        else:
            super().__setattr__(name, value)

    def build(self, input_shape):
        if len(input_shape) != 2 or input_shape[-1] != self.prior.dim:
            raise ValueError(f"codes must be [n, {self.prior.dim}], as the prior; got {input_shape}.")

    def compute_output_shape(self, input_shape):
        # Keras would else trace `call` to find out: half a second for each model that is built.
        return input_shape

    def call(self, codes):
        points = codes if codes.dtype == tf.float64 else tf.cast(codes, tf.float32)
        nothing = tf.zeros([], points.dtype)
        csd, sigma = (nothing, nothing) if points.shape[0] == 0 else self._divergence(points)
        # A replica's share of the last batch can be empty: its divergence would be NaN.
        filled = tf.shape(points)[0] > 0
        csd, sigma = (tf.where(filled, tf.cast(value, nothing.dtype), nothing) for value in (csd, sigma))
        self.add_loss(tf.cast(tf.cast(self.weight, csd.dtype) * csd, keras.config.floatx()))
        # What is shown of the entropy is H_2 itself; its negative is what is made small.
        self.count(self.csd, -csd if self.divergence == "entropy" else csd, filled)
        if self.kernel_size is not None:
            self.count(self.kernel_size, sigma, filled)
        return codes

    def _divergence(self, points):
        """The divergence of codes that are there, and the kernel size that it was taken with."""
        sample = points
        if self.estimator == "sample" or self.kernel_size is not None:
            sample = self._sample(tf.shape(points)[0], points.dtype)
        both = {"codes": tf.cast(points, tf.float64), "prior": tf.cast(sample, tf.float64)}
        sigma, blocks = kernel_size.resolve(self.sigma, **both), {"block_size": self.block_size}
        if self.estimator == "sample":
            function, _ = DIVERGENCES[self.divergence]
            return function(points, sample, sigma, **blocks), sigma
        means, weights = tf.cast(self.prior.means, points.dtype), tf.constant(self.prior.weights, tf.float64)
        mixture = {"means": means, "spread": self.prior.scale, "weights": weights}
        return divergence_from_gaussians(points, sigma=sigma, **mixture, **blocks), sigma

    def _sample(self, n, dtype):
        """As many points of the prior, others on each replica."""
        seed = self.draws.next()
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            seed = tf.random.experimental.stateless_fold_in(
                tf.cast(seed, tf.int32), replica.replica_id_in_sync_group, alg="philox"
            )
        try:
            sample = self.prior.sample(n, seed=seed)
        except (TypeError, NotImplementedError) as error:  # NumPy's, of a tensor that is none of its arrays
            needed = "be made of TensorFlow ops: in training n and seed are tensors"
            raise TypeError(f"prior.sample(n, seed) must {needed}. It raised: {error}") from error
        sample = checks.array("what prior.sample returns", sample, [None, self.prior.dim], floats=True)
        # Through a product that changes nothing, since XLA fuses no draws across one: without it each
        # point would be drawn again for every pair that it is in (measured: 30 ms a step instead of 2).
        sample = tf.cast(sample, tf.float64)
        return tf.cast(tf.matmul(sample, tf.eye(self.prior.dim, dtype=tf.float64)), dtype)

    def get_config(self):
        if not (hasattr(self.prior, "get_config") and hasattr(self.prior, "from_config")):
            needed = "get_config() and from_config(config)"
            raise ValueError(f"to be saved, prior needs {needed}; got {self.prior!r}.")
        config = {}
        for name in self.fixed:
            value = getattr(self, name)
            if name == "sigma" and callable(value):
                checks.check_registered(name, value)
            config[name] = float(value.numpy()) if isinstance(value, tf.Variable) else value
        return super().get_config() | keras.saving.serialize_keras_object(config)

    @classmethod
    def from_config(cls, config):
        # Files of before hold the number of features of an estimator that is no more.
        config = {name: value for name, value in config.items() if name != "features"}
        return cls(**keras.saving.deserialize_keras_object(config))


def _variable(name, value):
    """The tf.Variable of a variable that is given, or a new one of the number.

    A keras.Variable itself would be trained and saved with the layer, and read in half precision in its call.
    """
    number = checks.number(name, value, LEAST[name])
    value = value.value if isinstance(value, keras.Variable) else value
    return value if isinstance(value, tf.Variable) else tf.Variable(number, trainable=False, dtype=tf.float64)
