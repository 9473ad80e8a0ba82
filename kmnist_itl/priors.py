"""Priors for the codes of an autoencoder (the paper's sections III.B and III.C).

Needs TensorFlow only, so that the file can be taken into another project together with divergence.py.
"""

import math
import numbers
import operator

try:
    from kmnist_itl._tensorflow import keras, tf
except ModuleNotFoundError as missing:
    if missing.name not in ("kmnist_itl", "kmnist_itl._tensorflow"):
        raise
    import keras  # this file was copied into another project
    import tensorflow as tf


def _whole(value):
    """`value`, a whole number of Python, NumPy or a tensor, as an int; None if it is none."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except (TypeError, AttributeError):  # the latter of a tensor of floats
        return None


def _check_count(name, value):
    number = _whole(value)
    if number is None or not 1 <= number < 2**31:
        raise ValueError(f"{name} must be a whole number of at least 1 and below 2**31; got {value!r}.")
    return number


def _check_positive(name, value):
    real = isinstance(value, numbers.Real) or not isinstance(value, numbers.Complex | str | bytes)
    try:
        number = float(value) if real else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 < number <= 1e30:
        raise ValueError(f"{name} must be a finite number above 0 and at most 1e30; got {value!r}.")
    return number


def _floats(name, values, shape):
    """`values` as a float32 tensor of that shape, in which None is any size."""
    try:
        values = tf.convert_to_tensor(values)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of numbers; got {type(values).__name__}.") from error
    if not (values.dtype.is_floating or values.dtype.is_integer):
        raise TypeError(f"{name} must be an array of numbers; got dtype {values.dtype.name}.")
    if not values.shape.is_compatible_with(shape):
        wanted = ", ".join("n" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must be of shape [{wanted}]; got {values.shape}.")
    return tf.cast(values, tf.float32)


# Named, since what TensorFlow selects differs between devices; and under XLA on a CPU it takes ten times as
# long (measured for 1,000 points in 3-D: 1 ms more in each training step).
_GENERATOR = "philox"


def _uniforms(shape, seed, low=0.0, high=1.0):
    """Draws from U[low, high), float32: fresh ones without a seed, always the same with one."""
    if seed is None:
        return tf.random.uniform(shape, low, high)
    return tf.random.stateless_uniform(shape, _pair(seed, 0), low, high, alg=_GENERATOR)


def _normals(shape, seed):
    if seed is None:
        return tf.random.normal(shape)
    return tf.random.stateless_normal(shape, _pair(seed, 1), alg=_GENERATOR)


def _pair(seed, purpose):
    """A stateless seed of two ints, another for each purpose; of an int, or of a tensor of two."""
    if not tf.is_tensor(seed):
        return [purpose, int(seed)]
    return tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int32), purpose, alg=_GENERATOR)


class _Prior:
    """What the priors share: a sample of points, and what Keras needs to make one again from a file.

    A subclass has `dim` and `_draw(n, seed)`, and `get_config` if it has arguments.
    """

    def sample(self, n, seed=None):
        """Points drawn from the prior.

        Args:
            n: int >= 1, or a scalar int tensor.
            seed: None for fresh points each time. An int: always the same points. A tensor of two ints: the
                same points each time, but under XLA (jit_compile=True) others than without it.

        Returns:
            float32 [n, dim].

        Raises:
            ValueError: n or seed is neither.
        """
        if not (isinstance(n, tf.Tensor) and n.dtype.is_integer and n.shape.rank == 0):
            n = _check_count("n", n)
        number = _whole(seed)
        whole = number is not None and -(2**63) <= number < 2**63
        pair = isinstance(seed, tf.Tensor) and seed.dtype.is_integer and seed.shape.is_compatible_with([2])
        if not (seed is None or pair or whole):
            raise ValueError(f"seed must be None, an int of 64 bits or a tensor of two ints; got {seed!r}.")
        return self._draw(n, number if whole else seed)

    def get_config(self):
        """The arguments that make the same prior."""
        return {}

    @classmethod
    def from_config(cls, config):
        """The prior that `get_config` describes."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="kmnist_itl")
class Gaussian(_Prior):
    """The standard normal N(0, I) in `dim` dimensions, the paper's "simple Gaussian" N(0, 1).

    ValueError if dim is no whole number of at least 1. See also: `GaussianMixture`, `SwissRoll`.

    >>> from kmnist_itl import priors
    >>> priors.Gaussian(2).sample(1_000, seed=0).shape.as_list()
    [1000, 2]
    """

    spread = 1.0

    def __init__(self, dim=3):
        self.dim = _check_count("dim", dim)

    @property
    def means(self):
        """The mean, a list of one point of `dim` floats."""
        return [[0.0] * self.dim]

    def _draw(self, n, seed):
        return _normals([n, self.dim], seed)

    def get_config(self):
        return {"dim": self.dim}


@keras.saving.register_keras_serializable(package="kmnist_itl")
class GaussianMixture(_Prior):
    """Equally weighted unit Gaussians in 3-D, p(x) = 1/k sum_j N(x; m_j, I), with means m_j on a sphere.

    The paper's mixture has ten; it gives neither means nor spread. Here the means are the points of a
    Fibonacci sphere around the origin: they lie evenly.

    Args:
        components: int >= 1, how many Gaussians, k.
        radius: float above 0 and up to 1e30, of the sphere, in the units of the codes.

    ValueError if either is out of range. See also: `Gaussian`, `SwissRoll`.

    >>> from kmnist_itl import priors
    >>> [[round(value, 2) for value in mean] for mean in priors.GaussianMixture(2, radius=5.0).means]
    [[4.33, 0.0, 2.5], [-3.19, 2.92, -2.5]]
    """

    dim = 3
    spread = 1.0

    def __init__(self, components=10, radius=5.0):
        self.components = _check_count("components", components)
        self.radius = _check_positive("radius", radius)

    @property
    def means(self):
        """The means, a list of `components` points of 3 floats."""
        golden = math.pi * (3 - math.sqrt(5))
        points = []
        for i in range(self.components):
            z = 1 - (2 * i + 1) / self.components
            ring = math.sqrt(1 - z * z)
            direction = (ring * math.cos(i * golden), ring * math.sin(i * golden), z)
            points.append([self.radius * coordinate for coordinate in direction])
        return points

    def _draw(self, n, seed):
        component = tf.cast(_uniforms([n], seed, 0.0, float(self.components)), tf.int32)
        component = tf.minimum(component, self.components - 1)
        return tf.gather(tf.constant(self.means, tf.float32), component) + _normals([n, 3], seed)

    def get_config(self):
        return {"components": self.components, "radius": self.radius}


@keras.saving.register_keras_serializable(package="kmnist_itl")
class SwissRoll(_Prior):
    """The swiss roll of scikit-learn's `make_swiss_roll`, without noise: (t cos t, h, t sin t).

    The angle t is uniform in [1.5 pi, 4.5 pi], the height h in [0, 21]. See also: `Gaussian`.

    >>> from kmnist_itl import priors
    >>> priors.SwissRoll().surface(angle=[6.0], height=[10.0]).numpy().round().tolist()
    [[6.0, 10.0, -2.0]]
    """

    dim = 3
    angles = (1.5 * math.pi, 4.5 * math.pi)
    heights = (0.0, 21.0)

    def surface(self, angle, height):
        """The points of the roll at angles [n] (radians) and heights [n], float32 [n, 3].

        Raises TypeError for what is no array of numbers, ValueError for one of another shape.
        """
        angle, height = _floats("angle", angle, [None]), _floats("height", height, [None])
        return tf.stack([angle * tf.cos(angle), height, angle * tf.sin(angle)], axis=1)

    def _draw(self, n, seed):
        unit = _uniforms([2, n], seed)
        low, high = self.angles
        return self.surface(low + (high - low) * unit[0], self.heights[1] * unit[1])

    def distance(self, points):
        """How far each of the points [n, 3] lies from the roll's surface: float32 [n], in the codes' units.

        The nearest angle is looked for on a grid of 4,000, whose points lie 0.034 apart at most. Raises as
        `surface`.

        >>> from kmnist_itl import priors
        >>> round(float(priors.SwissRoll().distance([[0.0, 10.0, 0.0]])[0]), 2)
        4.71
        """
        points = _floats("points", points, [None, 3])
        spiral = self.surface(tf.linspace(*self.angles, 4_000), tf.zeros(4_000))
        within = sum(tf.square(points[:, None, axis] - spiral[None, :, axis]) for axis in (0, 2))
        beyond = points[:, 1] - tf.clip_by_value(points[:, 1], *self.heights)
        return tf.sqrt(tf.reduce_min(within, axis=1) + tf.square(beyond))


PRIORS = {"swiss_roll": SwissRoll, "gaussian": Gaussian, "gaussian_mixture": GaussianMixture}


def get(name, **arguments):
    """The prior of that name, 'swiss_roll', 'gaussian' or 'gaussian_mixture'; ValueError for another.

    `arguments` go to its class. See also: `name_of`.

    >>> from kmnist_itl import priors
    >>> priors.get("gaussian_mixture", components=3).get_config()
    {'components': 3, 'radius': 5.0}
    """
    if not isinstance(name, str) or name not in PRIORS:
        raise ValueError(f"prior must be one of {', '.join(map(repr, PRIORS))}; got {name!r}.")
    return PRIORS[name](**arguments)


def name_of(prior):
    """The name by which `get` knows a prior, or else the name of the prior's class. See also: `get`.

    >>> from kmnist_itl import priors
    >>> priors.name_of(priors.SwissRoll())
    'swiss_roll'
    """
    names = {prior_class: name for name, prior_class in PRIORS.items()}
    return names.get(type(prior), type(prior).__name__)
