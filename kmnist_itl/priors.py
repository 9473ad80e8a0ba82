"""Priors for the codes of an autoencoder: the paper's three (its sections III.B and III.C), and given points.

The file needs TensorFlow only: copy it and the folder divergence/ into another project.
"""

import math

import numpy as np

if __package__:
    from .divergence import checks
    from .divergence.backend import keras, tf
else:  # copied to where nothing is a package but the folder divergence/ beside it
    from divergence import checks
    from divergence.backend import keras, tf

_registered = keras.saving.register_keras_serializable(package="kmnist_itl")


def _random(distribution, shape, seed, purpose, **options):
    """Draws of tf.random's distribution: fresh ones without a seed, the same with one for one purpose."""
    if seed is None:
        return getattr(tf.random, distribution)(shape, **options)
    # Named, since what TensorFlow selects differs between devices; and under XLA on a CPU it takes ten times
    # as long (measured for 1,000 points in 3-D: 1 ms more in each training step).
    options["alg"] = generator = "philox"
    if tf.is_tensor(seed):
        seeds = tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int32), purpose, alg=generator)
    else:
        seeds = [purpose, seed]
    return getattr(tf.random, f"stateless_{distribution}")(shape, seeds, **options)


class _Prior:
    """What the priors share. A subclass has `dim` and `_draw(n, seed)`."""

    def __setattr__(self, name, value):
        if hasattr(self, name):
            raise AttributeError(f"{name} of a prior is fixed, or graphs would differ: make another prior.")
        super().__setattr__(name, value)

    def sample(self, n, seed=None):
        """Points drawn from the prior, float32 [n, dim]; ValueError for an n or a seed that is none.

        n: int >= 1, or a scalar int tensor. seed: None for fresh points each time; an int of 64 bits for
        always the same; or a tensor of two ints, under XLA (jit_compile=True) for others than without it.
        """
        n = n if tf.is_symbolic_tensor(n) else checks.count("n", n)
        is_pair = tf.is_tensor(seed) and seed.dtype.is_integer and seed.shape.is_compatible_with([2])
        return self._draw(n, seed if is_pair else checks.seed(seed))

    def get_config(self):
        """The arguments that make the same prior."""
        return {}

    @classmethod
    def from_config(cls, config):
        """The prior that `get_config` describes."""
        return cls(**config)


def _without(defaults, **arguments):
    """The arguments that are no defaults: a standard prior is described, and its run kept, as ever."""
    is_default = {name: np.all(np.equal(arguments[name], value)) for name, value in defaults.items()}
    return {name: value for name, value in arguments.items() if not is_default.get(name)}


@_registered
class Gaussian(_Prior):
    """An isotropic Gaussian N(m, s^2 I); by default the paper's "simple Gaussian" N(0, I).

    mean: a number or `dim` of them. scale: the standard deviation along each axis, a number from 1e-30.

    >>> Gaussian(2, mean=[1.0, 0.0]).means
    [[1.0, 0.0]]
    """

    weights = (1.0,)

    def __init__(self, dim=3, mean=0.0, scale=1.0):
        self.dim = checks.count("dim", dim)
        self.mean = checks.numbers("mean", mean, [], [self.dim]).tolist()
        self.scale = checks.number("scale", scale, checks.SMALLEST)

    @property
    def means(self):
        """The mean, a list of one point of `dim` floats."""
        return np.broadcast_to(self.mean, [1, self.dim]).tolist()

    def _draw(self, n, seed):
        return self.mean + self.scale * _random("normal", [n, self.dim], seed, 1)

    def get_config(self):
        return _without({"mean": 0, "scale": 1}, dim=self.dim, mean=self.mean, scale=self.scale)


@_registered
class GaussianMixture(_Prior):
    """A mixture of k isotropic Gaussians, p(x) = sum_j w_j N(x; m_j, s_j^2 I).

    The paper's mixture has ten in 3-D; it gives neither means nor scale. By default the means are the points
    of a Fibonacci sphere around the origin: they lie evenly.

    Args:
        components, radius: how many Gaussians lie on the sphere, an int >= 1, and its radius, a number from
            1e-30 in the units of the codes.
        means: the m_j instead of a sphere, numbers [k, d].
        scale: the s_j, a number from 1e-30 or k of them: the standard deviation along each axis.
        weights: None for equal ones; or k numbers >= 0, not all 0, which are divided by their sum.

    >>> [[round(value, 2) for value in mean] for mean in GaussianMixture(2, radius=5.0).means]
    [[4.33, 0.0, 2.5], [-3.19, 2.92, -2.5]]
    """

    def __init__(self, components=10, radius=5.0, *, means=None, scale=1.0, weights=None):
        if means is None:
            self.components = checks.count("components", components)
            self.radius = checks.number("radius", radius, checks.SMALLEST)
            number = np.arange(self.components)
            angle, z = number * (math.pi * (3 - math.sqrt(5))), 1 - (2 * number + 1) / self.components
            ring = np.sqrt(1 - z * z)
            sphere = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
            self.means = (self.radius * sphere).tolist()
        elif (components, radius) != (10, 5.0):
            raise ValueError(f"give components={components!r} and radius={radius!r} or means, not both.")
        else:
            self.means, self.radius = checks.numbers("means", means, [None, None]).tolist(), None
            self.components = len(self.means)
        self.dim = len(self.means[0])
        self.scale = checks.numbers("scale", scale, [], [self.components], low=checks.SMALLEST).tolist()
        if weights is not None:
            weights = checks.numbers("weights", weights, [self.components], low=0).tolist()
            if not any(weights):
                raise ValueError(f"weights must not all be 0; got {weights!r}.")
        self._weights = weights

    @property
    def weights(self):
        """The weights of the components, a list of floats of sum 1."""
        given = self._weights or [1.0] * self.components
        return [weight / sum(given) for weight in given]

    def _draw(self, n, seed):
        if self._weights is None:
            component = tf.cast(_random("uniform", [n], seed, 0, maxval=float(self.components)), tf.int32)
            component = tf.minimum(component, self.components - 1)
        else:
            ends = tf.constant(np.cumsum(self.weights)[:-1], tf.float32)
            component = tf.searchsorted(ends, _random("uniform", [n], seed, 0), side="right")
        scales = tf.constant(np.broadcast_to(self.scale, [self.components]), tf.float32)
        deviations = tf.gather(scales, component)[:, None] * _random("normal", [n, self.dim], seed, 1)
        return tf.gather(tf.constant(self.means, tf.float32), component) + deviations

    def get_config(self):
        sphere = {"components": self.components, "radius": self.radius}
        places = {"means": self.means} if self.radius is None else sphere
        return places | _without({"scale": 1, "weights": None}, scale=self.scale, weights=self._weights)


@_registered
class SwissRoll(_Prior):
    """The swiss roll of scikit-learn's `make_swiss_roll`, without noise: (t cos t, h, t sin t).

    The angle t is uniform in [1.5 pi, 4.5 pi], the height h in [0, 21].

    >>> SwissRoll().surface(angle=[6.0], height=[10.0]).numpy().round().tolist()
    [[6.0, 10.0, -2.0]]
    """

    dim = 3
    angles = (1.5 * math.pi, 4.5 * math.pi)
    heights = (0.0, 21.0)

    def surface(self, angle, height):
        """The points of the roll at angles [n] (radians) and heights [n], float32 [n, 3].

        Raises TypeError for what is no array of numbers, ValueError for one of another shape.
        """
        angle = tf.cast(checks.array("angle", angle, [None]), tf.float32)
        height = tf.cast(checks.array("height", height, [None]), tf.float32)
        return tf.stack([angle * tf.cos(angle), height, angle * tf.sin(angle)], axis=1)

    def _draw(self, n, seed):
        unit = _random("uniform", [2, n], seed, 0)
        low, high = self.angles
        return self.surface(low + (high - low) * unit[0], self.heights[1] * unit[1])

    def distance(self, points):
        """How far points [n, 3] lie from the roll's surface, float32 [n], in the units of the codes.

        The nearest of 4,000 angles counts, whose points lie 0.034 apart at most. Raises as `surface`.
        """
        points = tf.cast(checks.array("points", points, [None, 3]), tf.float32)
        spiral = self.surface(tf.linspace(*self.angles, 4_000), tf.zeros(4_000))
        within = sum(tf.square(points[:, None, axis] - spiral[None, :, axis]) for axis in (0, 2))
        beyond = points[:, 1] - tf.clip_by_value(points[:, 1], *self.heights)
        return tf.sqrt(tf.reduce_min(within, axis=1) + tf.square(beyond))


@_registered
class Empirical(_Prior):
    """The distribution of points that are given, or of a function that draws them.

    points: numbers [m, d], from which is drawn with replacement. Or a function points(n, seed), made of
    TensorFlow ops, that returns finite floats [n, d]: in training, n is a scalar int tensor and the seed a
    tensor of two ints. It is called once with n = 2 and seed = 0 to find d. To save a model, register it, or
    its object's class, with @keras.saving.register_keras_serializable().

    Raises ValueError for other points, TypeError for a function that returns no floats.

    >>> Empirical([[1.0, 2.0]]).sample(2, seed=0).numpy().tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """

    def __init__(self, points):
        if callable(points):
            self.points, drawn = points, points(2, 0)
            self.dim = checks.array("what points returns", drawn, [2, None], floats=True).shape[1]
        else:
            self.points = checks.numbers("points", points, [None, None]).astype(np.float32)
            self.points.setflags(write=False)
            self.dim = self.points.shape[1]

    def _draw(self, n, seed):
        if callable(self.points):
            return tf.ensure_shape(tf.cast(self.points(n, seed), tf.float32), [None, self.dim])
        rows = _random("uniform", [n], seed, 2, maxval=len(self.points), dtype=tf.int32)
        return tf.gather(tf.constant(self.points), rows)

    def get_config(self):
        if not callable(self.points):
            return {"points": self.points.tolist()}
        checks.check_registered("points", self.points)
        return {"points": keras.saving.serialize_keras_object(self.points)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["points"]))


PRIORS = {"swiss_roll": SwissRoll, "gaussian": Gaussian, "gaussian_mixture": GaussianMixture}  # the paper's


def get(name, **arguments):
    """The paper's prior of that name, of the class with these arguments; ValueError for an unknown name.

    >>> get("gaussian_mixture", components=3).get_config()
    {'components': 3, 'radius': 5.0}
    """
    return PRIORS[checks.choice("prior", name, PRIORS)](**arguments)


def name_of(prior):
    """The name by which `get` knows a prior, or else the name of the prior's class.

    >>> name_of(SwissRoll())
    'swiss_roll'
    """
    return next((name for name, kind in PRIORS.items() if type(prior) is kind), type(prior).__name__)
