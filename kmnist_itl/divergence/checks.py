"""What arguments must be. Each message names the argument, what is wanted and what was given."""

import inspect
import math
import operator
import reprlib
from numbers import Real

import numpy as np

from .backend import keras, tf

SMALLEST, LARGEST = 1e-30, 1e30  # float32 has no room for the square of a larger number


def numbers(name, values, *shapes, low=-LARGEST):
    """`values` as a float64 array of one of these shapes, None being any size from 1; ValueError."""
    kinds = " or ".join(f"numbers of shape {_written(shape)}" if shape else "a number" for shape in shapes)
    wanted = f"{kinds} from {low:g} to {LARGEST:g}"
    try:
        given = np.asarray(values.numpy() if hasattr(values, "numpy") else values)
        real = (isinstance(value, Real) and not isinstance(value, bool) for value in given.flat)
        # V is bfloat16; 10**20 and Fraction(1, 2) are objects.
        array = given.astype(np.float64) if given.dtype.kind in "fiuV" or all(real) else np.array([])
    except (TypeError, ValueError, OverflowError, NotImplementedError):  # the last of a variable in a graph
        array = np.array([])
    fits = any(tf.TensorShape(shape).is_compatible_with(array.shape) for shape in shapes)
    if not fits or 0 in array.shape:
        raise ValueError(f"{name} must be {wanted}; got {reprlib.repr(values)}.")
    outside = array[~((array >= low) & (array <= LARGEST))]
    if outside.size:
        raise ValueError(f"{name} must be {wanted}; got {outside.flat[0]:g}.")
    return array


def number(name, value, low=-LARGEST):
    """`value`, a number, tensor or variable, as a float; ValueError unless it is from `low` to 1e30."""
    return numbers(name, value, [], low=low).item()


def count(name, value, low=1, high=2**31 - 1):
    """`value`, a whole number of Python, NumPy or a tensor, as an int; ValueError unless in [low, high]."""
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except (TypeError, AttributeError):  # the latter of a tensor of floats
        whole = None
    if whole is None or not low <= whole <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}; got {value!r}.")
    return whole


def block_size(value):
    """None, or the rows of pairs in a block as an int; ValueError."""
    return None if value is None else count("block_size", value)


def seed(value):
    """None, or an int of 64 bits; ValueError."""
    return None if value is None else count("seed", value, -(2**63), 2**63 - 1)


def choice(name, value, choices):
    """`value`; ValueError unless it is one of the strings `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
    return value


def check_registered(name, function):
    """ValueError unless Keras can load a function, or an object that is called, from a file."""
    registered = function if inspect.isfunction(function) else type(function)
    known = keras.saving.get_registered_object(keras.saving.get_registered_name(registered))
    if known is not registered or not (registered is function or hasattr(registered, "from_config")):
        advice = "put @keras.saving.register_keras_serializable() before it, or before its class"
        raise ValueError(f"{name} must be registered to be saved: {advice}; got {function!r}.")


def array(name, values, shape, floats=False):
    """`values` as a tensor of that shape, in which None is any size of at least 1; ValueError, TypeError."""
    wanted = f"an array of {'floats' if floats else 'numbers'}"
    try:
        tensor = tf.convert_to_tensor(values)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be {wanted}; got {type(values).__name__}.") from error
    if not (tensor.dtype.is_floating or (tensor.dtype.is_integer and not floats)):
        raise TypeError(f"{name} must be {wanted}; got dtype {tensor.dtype.name}. Convert it first.")
    if tensor.shape.rank is None:
        raise ValueError(f"{name} must be of a known rank: in the graph, call tf.ensure_shape.")
    if 0 in tensor.shape or not tensor.shape.is_compatible_with(shape):
        raise ValueError(f"{name} must be of shape {_written(shape)}, not empty; got {tensor.shape}.")
    return tensor


def _written(shape):
    """A shape as messages have it, with letters for sizes that may be any: [n, d], [n, 3]."""
    sizes = (letter if size is None else str(size) for letter, size in zip("nd", shape, strict=False))
    return f"[{', '.join(sizes)}]"


def samples(same=1, **points):
    """Samples [n, d], of one size along the axis `same`, as float64 tensors; and the dtype that results have.

    One array that is given twice is one tensor. NaN and infinity are looked for outside of graphs only.
    """
    double, dtypes, shape = {}, set(), [None, None]
    for name, values in points.items():
        tensor = array(name, values, shape, floats=True)
        shape[same] = shape[same] or tensor.shape[same]
        dtypes.add(tensor.dtype)
        # Exact, and gradients must cancel in it.
        sample = double.setdefault(id(values), tf.cast(tensor, tf.float64))
        if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(sample))):
            raise ValueError(f"{name} must be finite; it holds NaN or infinity.")
    dtype = tf.float64 if dtypes == {tf.float64} else tf.float32
    return *(double[id(values)] for values in points.values()), dtype


def weights(name, values, points):
    """The weights of points, float64 [n] of mean 1; of None all are 1."""
    n = tf.shape(points)[0]
    if values is None:
        return tf.ones([n], tf.float64)
    values = array(name, values, points.shape[:1])
    # One weight in a graph would count for all points.
    mean = tf.where(tf.size(values) == n, tf.cast(n, tf.float64), tf.cast(math.nan, tf.float64))
    return proportions(name, values) * mean


def proportions(name, values):
    """`values` over their sum, float64; ValueError, in a graph NaN, unless they are >= 0 and not all 0."""
    values = tf.cast(values, tf.float64)
    total = tf.where(tf.reduce_all(values >= 0), tf.reduce_sum(values), tf.cast(math.nan, tf.float64))
    if tf.executing_eagerly() and not 0 < float(total) < math.inf:
        raise ValueError(f"{name} must hold finite numbers of at least 0, and not only zeros.")
    return values / total
