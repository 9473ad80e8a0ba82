"""Priors for the codes of an autoencoder: the paper's three (its sections III.B and III.C), and more.

Needs TensorFlow only, so that the file can be taken into another project together with divergence.py.
"""

import inspect
import math
import numbers
import operator

import numpy as np

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


# The least that a number may be, by how the messages say it; above 0, the smallest float that is.
_LEAST = {"above 0": math.ulp(0.0), "of at least 0": 0.0, "of at least -1e30": -1e30}
_ANY = "of at least -1e30"


def _check_number(name, value, kind=_ANY):
    real = isinstance(value, numbers.Real) or not isinstance(value, numbers.Complex | str | bytes)
    try:
        number = float(value) if real else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not _LEAST[kind] <= number <= 1e30:
        raise ValueError(f"{name} must be a finite number {kind} and at most 1e30; got {value!r}.")
    return number


def _check_numbers(name, values, shape, kind=_ANY):
    """`values` as a float64 NumPy array of that shape, in which None is any size of at least 1."""
    wanted = ", ".join("n" if size is None else str(size) for size in shape)
    try:
        array = np.asarray(values)
        if array.dtype.kind in "bcOSUmM":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, NotImplementedError) as error:  # the last of a tensor of a graph
        raise ValueError(
            f"{name} must be an array of numbers [{wanted}]; got {type(values).__name__}."
        ) from error
    fits = array.ndim == len(shape) and 0 not in array.shape
    if not fits or any(size not in (None, found) for size, found in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must be of shape [{wanted}]; got {array.shape}.")
    bad = array[~((array >= _LEAST[kind]) & (array <= 1e30))]
    if bad.size:
        raise ValueError(f"{name} must hold finite numbers {kind} and at most 1e30; got {bad[0]:g}.")
    return array


def _check_each(name, value, size, kind=_ANY):
    """`value`, one number or `size` of them, as a float or a list of floats."""
    if getattr(value, "ndim", int(isinstance(value, list | tuple))) == 0:
        return _check_number(name, value, kind)
    return _check_numbers(name, value, [size], kind).tolist()


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


def _rows(shape, seed, rows):
    """Draws from 0, ..., rows - 1, int32."""
    if seed is None:
        return tf.random.uniform(shape, maxval=rows, dtype=tf.int32)
    return tf.random.stateless_uniform(shape, _pair(seed, 2), 0, rows, tf.int32, alg=_GENERATOR)


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
    """A Gaussian N(m, C); by default the standard normal N(0, I), the paper's "simple Gaussian" N(0, 1).

    Args:
        dim: int >= 1, how many dimensions.
        mean: float, or `dim` of them, the m, from -1e30 to 1e30 and in the units of the codes.
        scale: float above 0 and up to 1e30, the standard deviation s along each axis, C = s^2 I; None for 1.
        covariance: the matrix C instead of a scale, floats [dim, dim] from -1e30 to 1e30: symmetric and
            positive definite.

    ValueError if one of them is no such thing, or if both scale and covariance are given.
    See also: `GaussianMixture`, `SwissRoll`.

    >>> from kmnist_itl import priors
    >>> priors.Gaussian(2).sample(1_000, seed=0).shape.as_list()
    [1000, 2]
    >>> priors.Gaussian(2, mean=[1.0, 0.0], covariance=[[2.0, 0.5], [0.5, 1.0]]).means
    [[1.0, 0.0]]
    """

    def __init__(self, dim=3, mean=0.0, scale=None, covariance=None):
        self.dim = _check_count("dim", dim)
        self.mean = _check_each("mean", mean, self.dim)
        if scale is not None and covariance is not None:
            raise ValueError(f"scale must be None if covariance is given; got {scale!r}. Give one of them.")
        self.scale = self.covariance = None
        if covariance is None:
            self.scale = _check_number("scale", 1.0 if scale is None else scale, "above 0")
        else:
            self.covariance = self._checked(covariance).tolist()

    def _checked(self, covariance):
        matrix = _check_numbers("covariance", covariance, [self.dim, self.dim])
        apart = np.abs(matrix - matrix.T).max()
        if apart > 1e-6 * np.abs(matrix).max():
            raise ValueError(f"covariance must be symmetric; it is {apart:.3g} off. Take (C + C.T) / 2.")
        widths = np.linalg.eigvalsh(matrix)
        if widths[0] <= 1e-12 * abs(widths[-1]):
            raise ValueError(
                f"covariance must be positive definite; its eigenvalues reach from {widths[0]:.3g} to "
                f"{widths[-1]:.3g}. Add a small multiple of the identity matrix."
            )
        return matrix

    @property
    def means(self):
        """The mean, a list of one point of `dim` floats."""
        return np.broadcast_to(self.mean, [1, self.dim]).tolist()

    @property
    def weights(self):
        """The weight of the one Gaussian, [1.0]."""
        return [1.0]

    @property
    def spread(self):
        """The standard deviation along each axis, a float; None if there is a covariance."""
        return self.scale

    @property
    def covariances(self):
        """The covariance, a list of one matrix of `dim` lists of `dim` floats; None if there is a scale."""
        return None if self.covariance is None else [self.covariance]

    def _draw(self, n, seed):
        points = _normals([n, self.dim], seed)
        if self.covariance is None:
            return self.mean + self.scale * points
        # In double precision, since some GPUs multiply float32 matrices with 10 bits.
        root = np.linalg.cholesky(self.covariance)
        correlated = tf.matmul(tf.cast(points, tf.float64), root, transpose_b=True)
        return tf.cast(self.mean + correlated, tf.float32)

    def get_config(self):
        # Without what is the default: a standard normal is described as ever.
        config = {"dim": self.dim}
        if np.any(self.mean):
            config["mean"] = self.mean
        if self.covariance is not None:
            config["covariance"] = self.covariance
        elif self.scale != 1:
            config["scale"] = self.scale
        return config


@keras.saving.register_keras_serializable(package="kmnist_itl")
class GaussianMixture(_Prior):
    """A mixture of k round Gaussians, p(x) = sum_j w_j N(x; m_j, s_j^2 I).

    The paper's mixture has ten in 3-D; it gives neither means nor spread. By default the means are the points
    of a Fibonacci sphere around the origin: they lie evenly. `on_sphere` says so by name.

    Args:
        components: int >= 1, how many Gaussians lie on the sphere, k; None for 10.
        radius: float above 0 and up to 1e30, of the sphere, in the units of the codes; None for 5.
        means: the m_j instead of a sphere, floats [k, d] from -1e30 to 1e30, in the units of the codes.
        scale: float above 0 and up to 1e30, or k of them: the standard deviation s_j along each axis.
        weights: None for equal ones; or k floats from 0 to 1e30, the w_j, which are divided by their sum.

    ValueError if one of them is no such thing, if all weights are 0, or if means are given together with
    components or radius. See also: `Gaussian`, `SwissRoll`.

    >>> from kmnist_itl import priors
    >>> [[round(value, 2) for value in mean] for mean in priors.GaussianMixture(2, radius=5.0).means]
    [[4.33, 0.0, 2.5], [-3.19, 2.92, -2.5]]
    >>> priors.GaussianMixture(means=[[0.0], [4.0]], scale=[1.0, 0.5], weights=[3, 1]).weights
    [0.75, 0.25]
    """

    def __init__(self, components=None, radius=None, *, means=None, scale=1.0, weights=None):
        if means is None:
            self.components = _check_count("components", 10 if components is None else components)
            self.radius = _check_number("radius", 5.0 if radius is None else radius, "above 0")
            self.dim = 3
        elif components is not None or radius is not None:
            raise ValueError(
                "components and radius must be None if means are given, which replace the sphere; "
                f"got components={components!r} and radius={radius!r}."
            )
        else:
            means = _check_numbers("means", means, [None, None]).tolist()
            self.components, self.radius, self.dim = len(means), None, len(means[0])
        self._means, self._weights = means, None
        self.scale = _check_each("scale", scale, self.components, "above 0")
        if weights is not None:
            self._weights = _check_numbers("weights", weights, [self.components], "of at least 0").tolist()
            if not any(self._weights):
                raise ValueError(f"weights must not all be 0; got {weights!r}.")

    @classmethod
    def on_sphere(cls, components=10, radius=5.0, scale=1.0):
        """The paper's: equally weighted Gaussians in 3-D with means on a Fibonacci sphere around the origin.

        Arguments and errors as of `GaussianMixture`.

        >>> from kmnist_itl import priors
        >>> priors.GaussianMixture.on_sphere(3, radius=2.0).get_config()
        {'components': 3, 'radius': 2.0}
        """
        return cls(components, radius, scale=scale)

    @property
    def means(self):
        """The means, a list of `components` points of `dim` floats."""
        if self._means is not None:
            return [list(mean) for mean in self._means]
        golden = math.pi * (3 - math.sqrt(5))
        points = []
        for i in range(self.components):
            z = 1 - (2 * i + 1) / self.components
            ring = math.sqrt(1 - z * z)
            direction = (ring * math.cos(i * golden), ring * math.sin(i * golden), z)
            points.append([self.radius * coordinate for coordinate in direction])
        return points

    @property
    def weights(self):
        """The weights of the components, a list of floats of sum 1."""
        if self._weights is None:
            return [1 / self.components] * self.components
        total = sum(self._weights)
        return [weight / total for weight in self._weights]

    @property
    def spread(self):
        """The standard deviation of each component along each axis, a float or a list of `components`."""
        return self.scale

    def _draw(self, n, seed):
        component = self._components_of(n, seed)
        means, scale = tf.constant(self.means, tf.float32), self.scale
        if not isinstance(scale, float):
            scale = tf.gather(tf.constant(scale), component)[:, None]
        return tf.gather(means, component) + scale * _normals([n, self.dim], seed)

    def _components_of(self, n, seed):
        """Which component each of n points is drawn from, int32 [n]."""
        if self._weights is None:
            component = tf.cast(_uniforms([n], seed, 0.0, float(self.components)), tf.int32)
            return tf.minimum(component, self.components - 1)
        ends = tf.constant(np.cumsum(self.weights)[:-1], tf.float32)
        return tf.searchsorted(ends, _uniforms([n], seed), side="right")

    def get_config(self):
        # Without what is the default: the mixture on a sphere is described as ever.
        if self._means is None:
            config = {"components": self.components, "radius": self.radius}
        else:
            config = {"means": self.means}
        if self.scale != 1:
            config["scale"] = self.scale
        if self._weights is not None:
            config["weights"] = self._weights
        return config


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


@keras.saving.register_keras_serializable(package="kmnist_itl")
class Uniform(_Prior):
    """The uniform distribution in a box, low <= x <= high along each axis.

    Args:
        dim: int >= 1.
        low, high: floats from -1e30 to 1e30, or `dim` of them, in the units of the codes.

    ValueError if one of them is no such thing or low is not below high everywhere. See also: `Sphere`.

    >>> from kmnist_itl import priors
    >>> priors.Uniform(2, low=0.0, high=[1.0, 5.0]).get_config()
    {'dim': 2, 'low': 0.0, 'high': [1.0, 5.0]}
    """

    def __init__(self, dim=3, low=-1.0, high=1.0):
        self.dim = _check_count("dim", dim)
        self.low, self.high = _check_each("low", low, self.dim), _check_each("high", high, self.dim)
        if not np.all(np.float32(self.low) < np.float32(self.high)):
            raise ValueError(
                f"low must be below high along each axis, also in float32; got low={low!r} and high={high!r}."
            )

    def _draw(self, n, seed):
        low, high = tf.constant(self.low), tf.constant(self.high)
        # What is rounded up must not leave the box.
        return tf.minimum(low + (high - low) * _uniforms([n, self.dim], seed), high)

    def get_config(self):
        return {"dim": self.dim, "low": self.low, "high": self.high}


@keras.saving.register_keras_serializable(package="kmnist_itl")
class Sphere(_Prior):
    """The uniform distribution on the surface of a sphere around the origin, |x| = radius.

    Args:
        dim: int >= 1, of the space that the sphere lies in: 3 for a ball's surface, 2 for a circle.
        radius: float above 0 and up to 1e30, in the units of the codes.

    ValueError if one of them is no such thing. See also: `Uniform`; `GaussianMixture.on_sphere`.

    >>> from kmnist_itl import priors
    >>> points = priors.Sphere(3, radius=2.0).sample(4, seed=0).numpy()
    >>> [round(float(square), 3) for square in (points**2).sum(axis=1)]
    [4.0, 4.0, 4.0, 4.0]
    """

    def __init__(self, dim=3, radius=1.0):
        self.dim = _check_count("dim", dim)
        self.radius = _check_number("radius", radius, "above 0")

    def _draw(self, n, seed):
        points = _normals([n, self.dim], seed)
        length = tf.norm(points, axis=1, keepdims=True)
        # In 1-D, of ten million draws one is 0 and has no direction.
        return self.radius * tf.where(length > 0, points / length, tf.eye(self.dim)[:1])

    def get_config(self):
        return {"dim": self.dim, "radius": self.radius}


@keras.saving.register_keras_serializable(package="kmnist_itl")
class Empirical(_Prior):
    """The distribution of points that are given, or of a function that draws them.

    Args:
        points: floats [m, d] from -1e30 to 1e30, from which is drawn with replacement. Or a function
            points(n, seed) that returns n draws, floats [n, d]. It is called with what `sample` is called
            with: in a model's training, n is a scalar int tensor and the seed a tensor of two ints, and it
            has to be made of TensorFlow ops. It is called once with n = 2 and seed = 0 to find d.

    To save a model with a function, put @keras.saving.register_keras_serializable() before it, or before its
    class if it is an object. An array is saved in full, as numbers in text.

    Raises:
        ValueError: points are neither; or, from `sample`, what the function returns is no such array. From
            `get_config`, the function is not registered.
        TypeError: the function returns no floats.

    See also: `Uniform`, `Sphere`.

    >>> from kmnist_itl import priors
    >>> priors.Empirical([[1.0, 2.0]]).sample(2, seed=0).numpy().tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    >>> import tensorflow as tf
    >>> priors.Empirical(lambda n, seed: tf.ones([n, 4])).dim
    4
    """

    def __init__(self, points):
        self.points, self.dim = points, None
        if callable(points):
            self.dim = self._draw(2, 0).shape[1]
        else:
            self.points = _check_numbers("points", points, [None, None]).astype(np.float32)
            self.dim = self.points.shape[1]

    def _draw(self, n, seed):
        if not callable(self.points):
            return tf.gather(tf.constant(self.points), _rows([n], seed, len(self.points)))
        return self._checked(self.points(n, seed), n)

    def _checked(self, drawn, n):
        """What the function has drawn, as float32 [n, dim]."""
        try:
            drawn = tf.convert_to_tensor(drawn)
        except (TypeError, ValueError) as error:
            raise TypeError(f"points must return floats [n, d]; got {type(drawn).__name__}.") from error
        if not drawn.dtype.is_floating:
            raise TypeError(f"points must return floats; it returned {drawn.dtype.name}. Cast them.")
        n = None if isinstance(n, tf.Tensor) and not tf.executing_eagerly() else int(n)
        wanted = tf.TensorShape([n, self.dim])
        if not drawn.shape.is_compatible_with(wanted) or (self.dim is None and not drawn.shape[1]):
            sizes = f"{'n' if n is None else n}, {self.dim or 'd'}"
            raise ValueError(
                f"points must return the shape [{sizes}] for n = {n}; it returned {drawn.shape}."
            )
        if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(drawn))):
            raise ValueError("points must return finite floats; it returned NaN or infinity.")
        return tf.cast(tf.ensure_shape(drawn, wanted), tf.float32)

    def get_config(self):
        if not callable(self.points):
            return {"points": self.points.tolist()}
        named = self.points if inspect.isfunction(self.points) else type(self.points)
        known = keras.saving.get_registered_object(keras.saving.get_registered_name(named))
        if known is not named or not (named is self.points or hasattr(named, "from_config")):
            raise ValueError(
                "points must be registered to be saved: put @keras.saving.register_keras_serializable() "
                "before the function, or before its class, which has get_config and from_config; "
                f"got {self.points!r}."
            )
        return {"points": keras.saving.serialize_keras_object(self.points)}

    @classmethod
    def from_config(cls, config):
        points = config["points"]
        return cls(keras.saving.deserialize_keras_object(points) if isinstance(points, dict) else points)


# The paper's three, which its experiments go through; and all that `get` knows.
PRIORS = {"swiss_roll": SwissRoll, "gaussian": Gaussian, "gaussian_mixture": GaussianMixture}
_BY_NAME = {**PRIORS, "uniform": Uniform, "sphere": Sphere, "empirical": Empirical}


def get(name, **arguments):
    """The prior of that name; ValueError for a name that is none of these.

    'swiss_roll', 'gaussian' and 'gaussian_mixture' are the paper's and in PRIORS; 'uniform', 'sphere' and
    'empirical' are known, too. `arguments` go to the class. See also: `name_of`.

    >>> from kmnist_itl import priors
    >>> priors.get("gaussian_mixture", components=3).get_config()
    {'components': 3, 'radius': 5.0}
    """
    if not isinstance(name, str) or name not in _BY_NAME:
        raise ValueError(f"prior must be one of {', '.join(map(repr, _BY_NAME))}; got {name!r}.")
    return _BY_NAME[name](**arguments)


def name_of(prior):
    """The name by which `get` knows a prior, or else the name of the prior's class. See also: `get`.

    >>> from kmnist_itl import priors
    >>> priors.name_of(priors.SwissRoll())
    'swiss_roll'
    """
    names = {prior_class: name for name, prior_class in _BY_NAME.items()}
    return names.get(type(prior), type(prior).__name__)
