"""What arguments must be. Each message names the argument, what is wanted and what was given."""

import math
import numbers as kinds
import operator

import numpy as np

from .backend import tf

LARGEST = 1e30  # the square of a larger number has no room in float32


def number(name, value, low=-LARGEST, high=LARGEST):
    """`value`, a number of Python, NumPy or a tensor, as a float; ValueError unless low <= value <= high."""
    real = isinstance(value, kinds.Real) or not isinstance(value, kinds.Complex | str | bytes)
    try:
        checked = float(value) if real else math.nan
    except (TypeError, ValueError, OverflowError):
        checked = math.nan
    if not low <= checked <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}; got {value!r}.")
    return checked


def numbers(name, values, shape, low=-LARGEST, high=LARGEST):
    """`values` as a float64 array of that shape, in which None is any size of at least 1; ValueError."""
    sizes = (letter if size is None else str(size) for letter, size in zip("nd", shape, strict=False))
    wanted = f"numbers of shape [{', '.join(sizes)}]"
    try:
        array = np.asarray(values)
        if array.dtype.kind in "bcOSUmM":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, NotImplementedError) as error:  # the last of a tensor of a graph
        raise ValueError(f"{name} must be {wanted}; got {type(values).__name__}.") from error
    if 0 in array.shape or not tf.TensorShape(shape).is_compatible_with(array.shape):
        raise ValueError(f"{name} must be {wanted}; got shape {array.shape}.")
    outside = array[~((array >= low) & (array <= high))]
    if outside.size:
        raise ValueError(f"{name} must hold numbers from {low:g} to {high:g}; got {outside[0]:g}.")
    return array


def number_or_numbers(name, value, size, low=-LARGEST, high=LARGEST):
    """One number as a float, or `size` of them as a list of floats; ValueError."""
    if getattr(value, "ndim", int(isinstance(value, list | tuple))) == 0:
        return number(name, value, low, high)
    return numbers(name, value, [size], low, high).tolist()


def integer(value):
    """`value`, a whole number of Python, NumPy or a tensor, as an int; None if it is none."""
    try:
        return None if isinstance(value, bool | np.bool_) else operator.index(value)
    except (TypeError, AttributeError):  # the latter of a tensor of floats
        return None


def count(name, value, low=1):
    """`value` as an int; ValueError unless it is a whole number of at least `low` and below 2**31."""
    whole = integer(value)
    if whole is None or not low <= whole < 2**31:
        raise ValueError(f"{name} must be a whole number from {low} to 2**31 - 1; got {value!r}.")
    return whole


def block_size(value):
    """None, or the rows of pairs in a block as an int; ValueError."""
    whole = integer(value)
    if value is not None and (whole is None or whole < 1):
        raise ValueError(f"block_size must be None or a whole number of at least 1; got {value!r}.")
    return whole and min(whole, 2**31 - 1)


def seed(value, or_tensor=False):
    """None or an int of 64 bits, or a tensor of two ints if `or_tensor`, as it is; ValueError."""
    pair = isinstance(value, tf.Tensor) and value.dtype.is_integer and value.shape.is_compatible_with([2])
    whole = integer(value)
    if value is None or (or_tensor and pair):
        return value
    if whole is None or not -(2**63) <= whole < 2**63:
        tensor = ", or a tensor of two ints" if or_tensor else ""
        raise ValueError(f"seed must be None or an int of 64 bits{tensor}; got {value!r}.")
    return whole


def choice(name, value, choices):
    """`value`; ValueError unless it is one of the strings `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
    return value


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
    return tensor


def samples(**points):
    """Samples [n, d] of one dtype and one d as float64 tensors, and the dtype that results have.

    One array that is given twice is one tensor. Raises as `log_information_potential` says; NaN and infinity
    are looked for outside of graphs only.
    """
    tensors, double = {}, {}
    for name, given in points.items():
        if id(given) not in tensors:
            tensor = tensors[id(given)] = array(name, given, rank=2, floats=True)
            double[id(given)] = tf.cast(tensor, tf.float64)  # exact, and gradients must cancel in it
            if 0 in tensor.shape:
                raise ValueError(f"{name} must not be empty; got shape {tuple(tensor.shape)}.")
            if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(tensor))):
                raise ValueError(f"{name} must be finite; it holds NaN or infinity.")
        (first, left), right = next(iter(points.items())), tensors[id(given)]
        left = tensors[id(left)]
        _one_dtype(first, left.dtype, name, right.dtype)
        if not left.shape[1:].is_compatible_with(right.shape[1:]):
            sizes = f"{left.shape[1]} and {right.shape[1]}"
            raise ValueError(f"{first} and {name} must have as many dimensions; got {sizes}.")
    dtype = tf.float64 if tensor.dtype == tf.float64 else tf.float32
    return *(double[id(given)] for given in points.values()), dtype


def paired(dtype, second_dtype, **points):
    """TypeError unless two samples were of one dtype, ValueError unless they have as many points."""
    (first, left), (second, right) = points.items()
    _one_dtype(first, dtype, second, second_dtype)
    if not left.shape[:1].is_compatible_with(right.shape[:1]):
        sizes = f"{left.shape[0]} and {right.shape[0]}"
        raise ValueError(f"{first} and {second} must have as many points, in pairs; got {sizes}.")


def _one_dtype(first, dtype, second, second_dtype):
    if dtype != second_dtype:
        names = f"{dtype.name} and {second_dtype.name}"
        raise TypeError(f"{first} and {second} must have one dtype; got {names}.")


def weights(x, y, x_weights, y_weights):
    """The weights of x and of y, float64 [n] of mean 1; or None and None where neither has any."""
    if x_weights is None and y_weights is None:
        return None, None
    of_x = _weights("x_weights", x_weights, x)
    return of_x, of_x if y is x and y_weights is x_weights else _weights("y_weights", y_weights, y)


def _weights(name, values, points):
    n = tf.shape(points)[0]
    if values is None:
        return tf.ones([n], tf.float64)
    values = array(name, values)
    if not values.shape.is_compatible_with(points.shape[:1]):
        wanted = f"a number for each point, shape [{points.shape[0]}]"
        raise ValueError(f"{name} must hold {wanted}; got shape {values.shape}.")
    values = tf.cast(values, tf.float64)
    total = tf.reduce_sum(values)
    if tf.executing_eagerly():
        if not bool(tf.reduce_all(values >= 0)) or not math.isfinite(float(total)):
            raise ValueError(f"{name} must be finite and at least 0; the least is {tf.reduce_min(values)}.")
        if not float(total) > 0:
            raise ValueError(f"{name} must not all be 0.")
    return values * tf.cast(n, tf.float64) / total
