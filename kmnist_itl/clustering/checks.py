"""What the arguments of this folder must be; each error names the argument and what was given."""

from collections import Counter

import numpy as np
from sklearn import config_context
from sklearn.utils import check_array

from kmnist_itl import settings


def check_points(name, points, *, clusters=1):
    """Finite numbers [n, d] as float32 or else float64, of which at least `clusters` rows differ.

    A ValueError unless they are, or if their squares overflow.
    """
    try:
        with config_context(assume_finite=False):
            points = check_array(points, dtype=(np.float64, np.float32), input_name=name)
    except (ValueError, TypeError, OverflowError) as error:
        cause = str(error).splitlines()[0]
        raise ValueError(f"{name} must be finite real numbers [n, d], in a dense array: {cause}") from error
    largest, limit = np.abs(points).max(), np.sqrt(np.finfo(points.dtype).max / (4.0 * points.size))
    if largest >= limit:
        raise ValueError(f"{name} must be within +-{limit:.2g}, or squares overflow; got {largest:.6g}.")
    different = set()
    for row in points:  # most often the first few tell, and not all need be copied
        different.add(_as_bytes(row))
        if len(different) == clusters:
            return points
    problem = f"at least {clusters} different rows; got {len(different)}"
    raise ValueError(f"{name} must have {problem}. Have they collapsed?")


def count_copies(rows):
    """How often each different row of floats [n, d] is there, ints; -0.0 and 0.0 are alike."""
    return np.array(list(Counter(map(_as_bytes, rows)).values()))


def _as_bytes(row):
    return (row + 0.0).tobytes()


def check_whole_numbers(name, values, dimensions, largest=2**63 - 1):
    """Whole numbers from 0 to `largest` as an int64 array, not empty, of so many dimensions.

    `largest` None is for numbers of the array's own rows, up to that of its last one.
    """
    values = settings.check_array(name, values)
    if values.ndim != dimensions or not values.size:
        raise ValueError(f"{name} must be {dimensions}-D and not empty; got shape {values.shape}.")
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers; got dtype {values.dtype}.")
    largest = len(values) - 1 if largest is None else largest
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > largest:
        raise ValueError(f"{name} must be from 0 to {largest}; got {low} to {high}.")
    return values.astype(np.int64)
