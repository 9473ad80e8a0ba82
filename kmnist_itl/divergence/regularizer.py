"""A Keras layer that adds the divergence between its input and a prior to a model's loss."""

import re

from . import checks, kernel_size
from .backend import keras, tf
from .divergences import cauchy_schwarz_divergence, divergence_from_gaussians, euclidean_divergence
from .potentials import renyi_entropy

ESTIMATORS = ("sample", "closed_form")
# What the layer can add to the loss, and the name of its metric.
DIVERGENCES = {"cauchy_schwarz": "csd", "euclidean": "euclidean", "entropy": "entropy"}
UNNAMED = r"cauchy_schwarz_regularizer(_\d+)?"  # what Keras calls the layer if nobody does


@keras.saving.register_keras_serializable(package="kmnist_itl")
class CauchySchwarzRegularizer(keras.layers.Layer):
    """Hands its input on and adds a divergence to the loss (the paper's section II.D).

        loss = reconstruction loss + lambda CSD(codes||prior)

    The divergence is one of the whole batch: it is not divided by the batch size. The logs have its mean over
    the batches as "csd" ("euclidean"; "entropy" for H_2) and, where a rule chooses sigma, "sigma". A layer
    with a name of its own, as each of several in one model needs, logs "<name>_csd".

    `weight` and `sigma` (a number) are variables: `layer.weight = 10` or `layer.weight.assign(10)` in a
    callback has effect at once, and a saved model has the number of that moment.

    Under tf.distribute.MirroredStrategy each replica compares its own part of the batch with draws of its
    own, and the loss has the mean of the replicas' divergences. A sample of N points has some divergence even
    from its own density, about in proportion to 1/N, so keep each replica's batch as large as the one that
    lambda was chosen for. A replica that gets no points adds 0 to the loss and nothing to the metric.

    The divergence is computed in float32, of float64 codes in float64, and is added to the loss in Keras'
    floatx, whatever the layer's dtype.

    Args:
        prior: what the codes are regularized towards: an object with `dim`, `sample(n, seed)` and
            `get_config()`, as in priors.py.
        sigma: the kernel size: a number from 1e-30 to 1e30 or a variable; or 'silverman', 'median' or a
            function as in `log_information_potential`, taken in each batch of codes and prior together. To
            be saved, a function must be registered with Keras.
        weight: the paper's lambda, a number from 0 to 1e30 or a variable, which is used as it is.
        divergence: 'cauchy_schwarz', the paper's; 'euclidean'; or 'entropy', -H_2 of the codes, which
            spreads them whatever the prior.
        estimator: 'sample', the paper's, draws as many points of the prior as the batch has, fresh in each
            step; 'closed_form', without the noise of the draw, is for the CSD to Gaussians.
        seed: None, or an int of 64 bits that decides the draws; under XLA they are others than without it.
        block_size: as in `log_information_potential`.
        **kwargs: as of keras.layers.Layer, such as name and dtype.

    Raises:
        ValueError: an argument is out of range or no choice; codes that are not [n, prior.dim].
        TypeError: prior cannot be sampled, or has no closed form when it is asked for.

    >>> from kmnist_itl import divergence, priors
    >>> import keras
    >>> regularizer = divergence.CauchySchwarzRegularizer(priors.SwissRoll(), sigma=1.0, weight=10.0)
    >>> model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(3), regularizer])
    >>> model.compile("adam", "mean_squared_error")
    >>> sorted(model.fit(keras.ops.ones((8, 20)), keras.ops.ones((8, 3)), verbose=0).history)
    ['csd', 'loss']
    """

    def __init__(
        self,
        prior,
        sigma,
        weight=1.0,
        *,
        divergence="cauchy_schwarz",
        estimator="sample",
        seed=None,
        block_size=None,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        samples = hasattr(prior, "dim") and callable(getattr(prior, "sample", None))
        if isinstance(prior, type) or not samples:
            wanted = "an object with dim and sample(n, seed), as priors.SwissRoll() is"
            raise TypeError(f"prior must be {wanted}; got {prior!r}.")
        self.divergence = checks.choice("divergence", divergence, DIVERGENCES)
        self.estimator = checks.choice("estimator", estimator, ESTIMATORS)
        if estimator == "closed_form" and divergence != "cauchy_schwarz":
            raise ValueError(
                f"estimator='closed_form' is for divergence='cauchy_schwarz' only; got {divergence!r}."
            )
        if estimator == "closed_form" and not (hasattr(prior, "means") and hasattr(prior, "scale")):
            raise TypeError(f"estimator='closed_form' needs a prior of Gaussians; got {prior!r}.")
        self.prior, self.seed, self.block_size = prior, checks.seed(seed), checks.block_size(block_size)
        sigma = kernel_size.check(sigma)
        is_rule = isinstance(sigma, str) or callable(sigma)
        self._sigma = sigma if is_rule else _variable(sigma, kernel_size.check_kernel_size(_read(sigma)))
        self._weight = _variable(weight, checks.number("weight", _read(weight), 0))
        self.draws = keras.random.SeedGenerator(self.seed)
        prefix = "" if name is None or re.fullmatch(UNNAMED, name) else f"{name}_"
        self.csd = MeanOfSteps(name=prefix + DIVERGENCES[divergence])
        if self._follows():
            self.kernel_size = MeanOfSteps(name=prefix + "sigma")

    @property
    def weight(self):
        """The variable that the divergence is multiplied by; a number may be assigned to it."""
        return self._weight

    @weight.setter
    def weight(self, value):
        self._weight.assign(checks.number("weight", _read(value), 0))

    @property
    def sigma(self):
        """The kernel size: a variable, to which a number may be assigned; or a rule."""
        return self._sigma

    @sigma.setter
    def sigma(self, value):
        if self._follows():
            raise ValueError(f"sigma is the rule {self._sigma!r} and takes no number: make another layer.")
        self._sigma.assign(kernel_size.check_kernel_size(_read(value)))

    def _follows(self):
        """Whether the kernel size follows the codes."""
        return isinstance(self._sigma, str) or callable(self._sigma)

    def build(self, input_shape):
        shape = tuple(input_shape) if isinstance(input_shape, list | tuple) else input_shape
        if shape is None or len(shape) != 2 or shape[-1] != self.prior.dim:
            raise ValueError(f"codes must be [n, {self.prior.dim}], as the prior; got {shape}.")

    def compute_output_shape(self, input_shape):
        # Keras would else trace `call` to find out: half a second for each model that is built.
        return input_shape

    def call(self, codes, training=None):
        points = codes if codes.dtype == tf.float64 else tf.cast(codes, tf.float32)
        nothing = tf.zeros([], points.dtype)
        csd, sigma = (nothing, nothing) if points.shape[0] == 0 else self._divergence(points)
        # A replica's share of the last batch can be empty: its divergence would be NaN.
        filled = tf.shape(points)[0] > 0
        csd, sigma = (tf.where(filled, tf.cast(value, nothing.dtype), nothing) for value in (csd, sigma))
        self.add_loss(tf.cast(tf.cast(self._weight, csd.dtype) * csd, keras.config.floatx()))
        # What is shown of the entropy is H_2 itself; its negative is what is made small.
        self.csd.add(-csd if self.divergence == "entropy" else csd, filled, training)
        if self._follows():
            self.kernel_size.add(sigma, filled, training)
        return codes

    def _divergence(self, points):
        """The divergence of codes that are there, and the kernel size that it was taken with."""
        sigma = self._sigma if self._follows() else tf.cast(self._sigma, tf.float64)
        if self.estimator == "closed_form" and not self._follows():
            return self._closed_form(points, sigma), sigma
        sample = self.prior.sample(tf.shape(points)[0], seed=self._next_seed())
        # Through a product that changes nothing, since XLA fuses no draws across one: without it each
        # point would be drawn again for every pair that it is in (measured: 30 ms a step instead of 2).
        identity = tf.eye(self.prior.dim, dtype=tf.float64)
        sample = tf.cast(tf.matmul(tf.cast(sample, tf.float64), identity), points.dtype)
        if self._follows():
            both = {"codes": points, "prior": sample}
            sigma = kernel_size.resolve(sigma, **{k: tf.cast(v, tf.float64) for k, v in both.items()})
        if self.estimator == "closed_form":
            divergence = self._closed_form(points, sigma)
        elif self.divergence == "entropy":
            divergence = -renyi_entropy(points, sigma, block_size=self.block_size)
        else:
            functions = {"cauchy_schwarz": cauchy_schwarz_divergence, "euclidean": euclidean_divergence}
            function = functions[self.divergence]
            divergence = function(points, sample, sigma, block_size=self.block_size)
        return divergence, sigma

    def _closed_form(self, points, sigma):
        prior, means = self.prior, tf.cast(self.prior.means, points.dtype)
        options = {"weights": prior.weights, "block_size": self.block_size}
        return divergence_from_gaussians(points, means, prior.scale, sigma, **options)

    def _next_seed(self):
        seed = self.draws.next()
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:  # or all would draw the same points
            seed = tf.random.experimental.stateless_fold_in(
                tf.cast(seed, tf.int32), replica.replica_id_in_sync_group, alg="philox"
            )
        return seed

    def get_config(self):
        sigma = self._sigma if self._follows() else float(self._sigma.numpy())
        registered = callable(sigma) and keras.saving.get_registered_name(sigma)
        if registered and keras.saving.get_registered_object(registered) is not sigma:
            raise ValueError(
                f"sigma is {sigma!r}, a function that no file can describe. Decorate it with "
                "@keras.saving.register_keras_serializable() before you save or copy the model."
            )
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior),
            "sigma": keras.saving.serialize_keras_object(sigma),
            "weight": float(self._weight.numpy()),
            **{name: getattr(self, name) for name in ("divergence", "estimator", "seed", "block_size")},
        }

    @classmethod
    def from_config(cls, config):
        # Files of before hold the number of features of an estimator that is no more.
        config = {name: value for name, value in config.items() if name != "features"}
        made = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("prior", "sigma")}
        return cls(**config | made)


def _read(value):
    """The number in a variable, which may be mirrored on several devices; any other value as it is."""
    return value.numpy() if isinstance(value, tf.Variable | keras.Variable) else value


def _variable(value, number):
    """The tf.Variable of a variable that is given, or a new one of the number.

    A keras.Variable itself would be trained and saved with the layer, and read in half precision in its call.
    """
    if isinstance(value, keras.Variable):
        return value.value
    return value if isinstance(value, tf.Variable) else tf.Variable(number, False, dtype=tf.float64)


class MeanOfSteps(keras.metrics.Mean):
    """The mean of a value over the batches of training and validation, but not of predict, export or calls.

    Keras calls a layer alike in validation and in prediction. But only steps of training and validation ask
    for the metrics' results, so what is not called for training counts when the same graph does that. A graph
    that does not (of predict, of an export) need not compute the value, and TensorFlow leaves it out. Outside
    of graphs (run_eagerly=True) values count that are of steps as the first since the last reset: of training
    or of validation, and none if graphs have counted already. The others are of calls and of predict.
    """

    def __init__(self, name="mean", **kwargs):
        super().__init__(name=name, **kwargs)
        self._start()

    def _start(self):
        self._held = []
        self._eager_weight, self._eager_training = 0.0, None

    def add(self, value, sample_weight, training):
        """Count `value` with that weight: at once in a graph of training, else if the result is asked for."""
        sample_weight = tf.cast(sample_weight, self.dtype)
        eager = tf.executing_eagerly()
        if training and not eager:
            self.update_state(value, sample_weight=sample_weight)
        elif training is not None or not eager:  # else somebody calls the model
            self._held.append((value, sample_weight, bool(training)))

    def result(self):
        graph = _graph_of(tf.zeros([]))
        held, self._held = self._held, []
        held = [entry for entry in held if _graph_of(entry[0]) is graph]
        if held and graph is None:
            held = self._of_eager_steps(held)
        for value, sample_weight, _ in held:
            self.update_state(value, sample_weight=sample_weight)
        return super().result()

    def _of_eager_steps(self, held):
        if float(self.count.numpy()) != self._eager_weight:  # graphs have counted
            return []
        if self._eager_training is None:
            self._eager_training = any(training for *_, training in held)
        held = [entry for entry in held if entry[2] == self._eager_training]
        self._eager_weight += sum(float(sample_weight) for _, sample_weight, _ in held)
        return held

    def reset_state(self):
        self._start()
        super().reset_state()


def _graph_of(tensor):
    """The graph that a tensor belongs to; None of one that is computed eagerly."""
    return getattr(tensor, "graph", None)
