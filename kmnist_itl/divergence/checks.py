"""What arguments must be. Each message names the argument, what is wanted and what was given."""

import inspect
import math
import operator
from numbers import Real

import numpy as np

from .backend import keras, tf

LARGEST = 1e30  # the square of a larger number has no room in float32


def numbers(name, values, shape, low=-LARGEST, high=LARGEST):
    """`values` as a float64 array of that shape, in which None is any size of at least 1; ValueError."""
    sizes = ", ".join(
        letter if size is None else str(size) for letter, size in zip("nd", shape, strict=False)
    )
    wanted = f"{f'numbers of shape [{sizes}]' if shape else 'a number'} from {low:g} to {high:g}"
    array = None
    try:
        given = np.asarray(values.numpy() if hasattr(values, "numpy") else values)
        real = (isinstance(value, Real) and not isinstance(value, bool) for value in given.flat)
        if given.dtype.kind in "fiuV" or all(real):  # V: bfloat16; and 10**20 and Fraction(1, 2) are objects
            array = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError, NotImplementedError):  # the last of a variable in a graph
        pass
    if array is None:
        raise ValueError(f"{name} must be {wanted}; got {type(values).__name__ if shape else repr(values)}.")
    if 0 in array.shape or not tf.TensorShape(shape).is_compatible_with(array.shape):
        raise ValueError(f"{name} must be {wanted}; got shape {array.shape}.")
    outside = array[~((array >= low) & (array <= high))]
    if outside.size:
        raise ValueError(f"{name} must be {wanted}; got {outside.flat[0]:g}.")
    return array


def number(name, value, low=-LARGEST, high=LARGEST):
    """`value`, a number, tensor or variable, as a float; ValueError unless low <= value <= high."""
    return float(numbers(name, value, [], low, high))


def number_or_numbers(name, value, size, low=-LARGEST, high=LARGEST):
    """One number as a float, or `size` of them as a list of floats; ValueError."""
    several = len(value.shape) if hasattr(value, "shape") else isinstance(value, list | tuple | range)
    return numbers(name, value, [size] if several else [], low, high).tolist()


def count(name, value, low=1, high=2**31, wanted=None):
    """`value`, a whole number of Python, NumPy or a tensor, as an int; ValueError unless low <= it < high."""
    try:
        whole = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except (TypeError, AttributeError):  # the latter of a tensor of floats
        whole = None
    if whole is None or not low <= whole < high:
        wanted = wanted or f"a whole number from {low} to 2**31 - 1"
        raise ValueError(f"{name} must be {wanted}; got {value!r}.")
    return whole


def block_size(value):
    """None, or the rows of pairs in a block as an int; ValueError."""
    return None if value is None else count("block_size", value)


def seed(value, or_tensor=False):
    """None or an int of 64 bits, or a tensor of two ints if `or_tensor`, as it is; ValueError."""
    pair = isinstance(value, tf.Tensor) and value.dtype.is_integer and value.shape.is_compatible_with([2])
    if value is None or (or_tensor and pair):
        return value
    wanted = f"None or an int of 64 bits{', or a tensor of two ints' if or_tensor else ''}"
    return count("seed", value, -(2**63), 2**63, wanted)


def choice(name, value, choices):
    """`value`; ValueError unless it is one of the strings `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
    return value


def serialized(name, function):
    """What files hold of a function or an object that is called; ValueError if Keras cannot load it."""
    named = function if inspect.isfunction(function) else type(function)
    known = keras.saving.get_registered_object(keras.saving.get_registered_name(named))
    if known is not named or not (named is function or hasattr(named, "from_config")):
        advice = "put @keras.saving.register_keras_serializable() before it, or before its class"
        raise ValueError(f"{name} must be registered to be saved: {advice}; got {function!r}.")
    return keras.saving.serialize_keras_object(function)


def array(name, values, rank=None, floats=False):
    """`values` as a tensor of numbers; TypeError if it is none, ValueError if it is of another rank."""
    wanted = f"an array of {'floats' if floats else 'numbers'}"
    try:
        tensor = tf.convert_to_tensor(values)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be {wanted}; got {type(values).__name__}.") from error
    if not (tensor.dtype.is_floating or (tensor.dtype.is_integer and not floats)):
        raise TypeError(f"{name} must be {wanted}; got dtype {tensor.dtype.name}. Convert it first.")
    if rank is not None and tensor.shape.rank != rank:
        raise ValueError(f"{name} must be {rank}-D; got shape {tensor.shape}: in a graph, call ensure_shape.")
    if rank is not None and 0 in tensor.shape:
        raise ValueError(f"{name} must not be empty; got shape {tuple(tensor.shape)}.")
    return tensor


def samples(same=1, **points):
    """Samples [n, d], of one size along the axis `same`, as float64 tensors; and the dtype that results have.

    One array that is given twice is one tensor. NaN and infinity are looked for outside of graphs only.
    """
    tensors = {id(values): array(name, values, rank=2, floats=True) for name, values in points.items()}
    # Exact, and gradients must cancel in it.
    double = {key: tf.cast(tensor, tf.float64) for key, tensor in tensors.items()}
    first, *_ = points
    for name, values in points.items():
        sample = double[id(values)]
        if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(sample))):
            raise ValueError(f"{name} must be finite; it holds NaN or infinity.")
        sizes = [tensor.shape[same] for tensor in (double[id(points[first])], sample)]
        if None not in sizes and sizes[0] != sizes[1]:
            wanted = ("points, in pairs", "dimensions")[same]
            raise ValueError(f"{first} and {name} must have as many {wanted}; got {sizes[0]} and {sizes[1]}.")
    all_double = all(tensor.dtype == tf.float64 for tensor in tensors.values())
    return *(double[id(values)] for values in points.values()), tf.float64 if all_double else tf.float32


def weights(name, values, points):
    """The weights of points, float64 [n] of mean 1; of None all are 1."""
    n = tf.shape(points)[0]
    if values is None:
        return tf.ones([n], tf.float64)
    values = array(name, values)
    if not values.shape.is_compatible_with(points.shape[:1]):
        wanted = f"a number for each point, shape [{points.shape[0]}]"
        raise ValueError(f"{name} must hold {wanted}; got shape {values.shape}.")
    # One weight in a graph would count for all points.
    mean = tf.where(tf.size(values) == n, tf.cast(n, tf.float64), tf.cast(math.nan, tf.float64))
    return proportions(name, values) * mean


def both_weights(x, y, x_weights, y_weights):
    """The weights of x and of y; or None and None where neither has any."""
    if x_weights is None and y_weights is None:
        return None, None
    a = weights("x_weights", x_weights, x)
    return a, a if y is x and y_weights is x_weights else weights("y_weights", y_weights, y)


def proportions(name, values):
    """`values` over their sum, float64; ValueError, in a graph NaN, unless they are >= 0 and not all 0."""
    values = tf.cast(values, tf.float64)
    total = tf.where(tf.reduce_all(values >= 0), tf.reduce_sum(values), tf.cast(math.nan, tf.float64))
    if tf.executing_eagerly() and not 0 < float(total) < math.inf:
        raise ValueError(f"{name} must hold finite numbers of at least 0, and not only zeros.")
    return values / total
