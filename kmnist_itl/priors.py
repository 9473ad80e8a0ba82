"""Priors for the codes of an autoencoder: the paper's three (its sections III.B and III.C), and more.

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

SMALLEST = 1 / checks.LARGEST
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
    """What the priors share. A subclass has `dim`, `_draw(n, seed)`, and the names of its arguments."""

    # Defaults are left out of the config, so that a standard prior is described, and its run kept, as ever.
    _arguments, _defaults = (), {}

    def sample(self, n, seed=None):
        """Points drawn from the prior, float32 [n, dim]; ValueError for an n or a seed that is none.

        n: int >= 1, or a scalar int tensor. seed: None for fresh points each time; an int of 64 bits for
        always the same; or a tensor of two ints, under XLA (jit_compile=True) for others than without it.
        """
        if not (isinstance(n, tf.Tensor) and n.dtype.is_integer and n.shape.rank == 0):
            n = checks.count("n", n)
        return self._draw(n, checks.seed(seed, or_tensor=True))

    def get_config(self):
        """The arguments that make the same prior."""
        config = {name: getattr(self, name) for name in (*self._arguments, *self._defaults)}
        standard = [name for name, value in self._defaults.items() if np.all(np.equal(config[name], value))]
        return {name: value for name, value in config.items() if name not in standard}

    @classmethod
    def from_config(cls, config):
        """The prior that `get_config` describes."""
        return cls(**config)


@_registered
class Gaussian(_Prior):
    """An isotropic Gaussian N(m, s^2 I); by default the paper's "simple Gaussian" N(0, I).

    mean: a number or `dim` of them. scale: the standard deviation along each axis, a number from 1e-30.

    >>> Gaussian(2, mean=[1.0, 0.0]).means
    [[1.0, 0.0]]
    """

    weights = (1.0,)
    _arguments, _defaults = ("dim",), {"mean": 0, "scale": 1}

    def __init__(self, dim=3, mean=0.0, scale=1.0):
        self.dim = checks.count("dim", dim)
        self.mean = checks.number_or_numbers("mean", mean, self.dim)
        self.scale = checks.number("scale", scale, SMALLEST)

    @property
    def means(self):
        """The mean, a list of one point of `dim` floats."""
        return np.broadcast_to(self.mean, [1, self.dim]).tolist()

    def _draw(self, n, seed):
        return self.mean + self.scale * _random("normal", [n, self.dim], seed, 1)


@_registered
class GaussianMixture(_Prior):
    """A mixture of k isotropic Gaussians, p(x) = sum_j w_j N(x; m_j, s_j^2 I).

    The paper's mixture has ten in 3-D; it gives neither means nor scale. By default the means are the points
    of a Fibonacci sphere around the origin: they lie evenly.

    Args:
        components, radius: how many Gaussians lie on the sphere, an int >= 1 (None for 10), and its radius, a
            number from 1e-30 in the units of the codes (None for 5).
        means: the m_j instead of a sphere, numbers [k, d].
        scale: the s_j, a number from 1e-30 or k of them: the standard deviation along each axis.
        weights: None for equal ones; or k numbers >= 0, not all 0, which are divided by their sum.

    >>> [[round(value, 2) for value in mean] for mean in GaussianMixture(2, radius=5.0).means]
    [[4.33, 0.0, 2.5], [-3.19, 2.92, -2.5]]
    """

    _arguments, _defaults = (), {"scale": 1}

    def __init__(self, components=None, radius=None, *, means=None, scale=1.0, weights=None):
        if means is None:
            self.components = checks.count("components", 10 if components is None else components)
            self.radius = checks.number("radius", 5.0 if radius is None else radius, SMALLEST)
            number = np.arange(self.components)
            angle, z = number * (math.pi * (3 - math.sqrt(5))), 1 - (2 * number + 1) / self.components
            ring = np.sqrt(1 - z * z)
            sphere = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
            self.means = (self.radius * sphere).tolist()
        elif components is not None or radius is not None:
            given = f"components={components!r} and radius={radius!r}"
            raise ValueError(f"components and radius must be None if means are given; got {given}.")
        else:
            self.means, self.radius = checks.numbers("means", means, [None, None]).tolist(), None
            self.components = len(self.means)
        self.dim = len(self.means[0])
        self.scale = checks.number_or_numbers("scale", scale, self.components, SMALLEST)
        given = weights if weights is None else checks.numbers("weights", weights, [self.components], 0)
        if given is not None and not given.any():
            raise ValueError(f"weights must not all be 0; got {weights!r}.")
        self._weights = given if given is None else given.tolist()

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
        config = {"means": self.means} if self.radius is None else sphere
        return config | super().get_config() | ({"weights": self._weights} if self._weights else {})


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
        angle = tf.cast(checks.array("angle", angle, rank=1), tf.float32)
        height = tf.cast(checks.array("height", height, rank=1), tf.float32)
        return tf.stack([angle * tf.cos(angle), height, angle * tf.sin(angle)], axis=1)

    def _draw(self, n, seed):
        unit = _random("uniform", [2, n], seed, 0)
        low, high = self.angles
        return self.surface(low + (high - low) * unit[0], self.heights[1] * unit[1])

    def distance(self, points):
        """How far points [n, 3] lie from the roll's surface, float32 [n], in the units of the codes.

        The nearest of 4,000 angles counts, whose points lie 0.034 apart at most. Raises as `surface`.
        """
        points = tf.cast(checks.array("points", points, rank=2), tf.float32)
        if points.shape[1] not in (None, 3):
            raise ValueError(f"points must be of shape [n, 3]; got {tuple(points.shape)}.")
        spiral = self.surface(tf.linspace(*self.angles, 4_000), tf.zeros(4_000))
        within = sum(tf.square(points[:, None, axis] - spiral[None, :, axis]) for axis in (0, 2))
        beyond = points[:, 1] - tf.clip_by_value(points[:, 1], *self.heights)
        return tf.sqrt(tf.reduce_min(within, axis=1) + tf.square(beyond))


@_registered
class Uniform(_Prior):
    """The uniform distribution in a box of `dim` dimensions; low < high: numbers, or `dim` of them.

    >>> Uniform(2, low=0.0, high=[1.0, 5.0]).get_config()
    {'dim': 2, 'low': 0.0, 'high': [1.0, 5.0]}
    """

    _arguments = ("dim", "low", "high")

    def __init__(self, dim=3, low=-1.0, high=1.0):
        self.dim = checks.count("dim", dim)
        self.low = checks.number_or_numbers("low", low, self.dim)
        self.high = checks.number_or_numbers("high", high, self.dim)
        if not np.all(np.float32(self.low) < np.float32(self.high)):
            raise ValueError(f"low must be below high, also in float32; got low={low!r} and high={high!r}.")

    def _draw(self, n, seed):
        low, high = tf.constant(self.low), tf.constant(self.high)
        # What is rounded up must not leave the box.
        return tf.minimum(low + (high - low) * _random("uniform", [n, self.dim], seed, 0), high)


@_registered
class Sphere(_Prior):
    """The uniform distribution on a sphere around the origin, |x| = radius, in `dim` dimensions.

    >>> [round(float(x**2 + y**2), 3) for x, y in Sphere(2, radius=2.0).sample(2, seed=0)]
    [4.0, 4.0]
    """

    _arguments = ("dim", "radius")

    def __init__(self, dim=3, radius=1.0):
        self.dim, self.radius = checks.count("dim", dim), checks.number("radius", radius, SMALLEST)

    def _draw(self, n, seed):
        points = _random("normal", [n, self.dim], seed, 1)
        length = tf.norm(points, axis=1, keepdims=True)  # in 1-D 0 once in ten million draws
        return self.radius * tf.where(length > 0, points / length, tf.eye(self.dim)[:1])


@_registered
class Empirical(_Prior):
    """The distribution of points that are given, or of a function that draws them.

    points: numbers [m, d], from which is drawn with replacement. Or a function points(n, seed), made of
    TensorFlow ops, that returns finite floats [n, d]: in training, n is a scalar int tensor and the seed a
    tensor of two ints. It is called once with n = 2 and seed = 0 to find d. To save a model, register it, or
    its object's class, with @keras.saving.register_keras_serializable().

    Raises ValueError for other points and from `sample` for another shape, TypeError for no floats.

    >>> Empirical([[1.0, 2.0]]).sample(2, seed=0).numpy().tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """

    def __init__(self, points):
        self.points, self.dim = points, None
        if not callable(points):
            self.points = checks.numbers("points", points, [None, None]).astype(np.float32)
        self.dim = self._draw(2, 0).shape[1]

    def _draw(self, n, seed):
        if not callable(self.points):
            rows = _random("uniform", [n], seed, 2, maxval=len(self.points), dtype=tf.int32)
            return tf.gather(tf.constant(self.points), rows)
        points = checks.array("what points returns", self.points(n, seed), rank=2, floats=True)
        wanted = tf.TensorShape([n if isinstance(n, int) else None, self.dim])
        if not points.shape.is_compatible_with(wanted):
            raise ValueError(f"points must return the shape {wanted}; it returned {points.shape}.")
        return tf.cast(tf.ensure_shape(points, wanted), tf.float32)

    def get_config(self):
        if not callable(self.points):
            return {"points": self.points.tolist()}
        return {"points": checks.serialized("points", self.points)}

    @classmethod
    def from_config(cls, config):
        points = config["points"]
        return cls(keras.saving.deserialize_keras_object(points) if isinstance(points, dict) else points)


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
    names = {prior_class: name for name, prior_class in PRIORS.items()}
    return names.get(type(prior), type(prior).__name__)
