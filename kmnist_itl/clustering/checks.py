"""What the arguments of this folder must be; each error names the argument and what was given."""

import warnings
from collections import Counter

import numpy as np


def check_points(name, points, *, clusters=1):
    """Finite numbers [n, d] as float32 or else float64, of which at least `clusters` rows differ.

    A ValueError unless they are, or if their squares overflow.
    """
    from sklearn.utils import check_array

    try:
        points = check_array(points, dtype=(np.float64, np.float32), input_name=name)
    except (ValueError, TypeError, OverflowError) as error:
        cause = str(error).splitlines()[0]
        raise ValueError(f"{name} must be finite real numbers [n, d], in a dense array: {cause}") from error
    largest, limit = np.abs(points).max(), np.sqrt(np.finfo(points.dtype).max / (4.0 * points.size))
    if largest >= limit:
        raise ValueError(f"{name} must be within +-{limit:.2g}, or squares overflow; got {largest:.6g}.")
    check_different(name, points, clusters)
    return points


def check_different(name, rows, at_least):
    """Raise a ValueError unless at least so many rows of floats [n, d] differ."""
    different = set()
    for row in rows:
        different.add((row + 0.0).tobytes())  # -0.0 becomes 0.0
        if len(different) == at_least:
            return
    raise ValueError(
        f"{name} must have at least {at_least} different rows; got {len(different)}. Have they collapsed?"
    )


def warn_of_equal(name, rows):
    """(how many rows of floats [n, d] are equal to another, how many differ); a UserWarning if most are."""
    counts = Counter((row + 0.0).tobytes() for row in rows)
    equal = sum(count for count in counts.values() if count > 1)
    if 2 * equal > len(rows):
        warnings.warn(f"{equal} of {len(rows)} {name} are equal to another.", stacklevel=3)
    return equal, len(counts)


def check_table(name, table):
    """A joint distribution of two that are alike as float64 [f, f]; ValueError unless it is one."""
    try:
        table = np.asarray(table, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers [f, f]; got {type(table).__name__}.") from error
    if table.ndim != 2 or len(set(table.shape)) != 1:
        raise ValueError(f"{name} must be [f, f]; got shape {table.shape}.")
    if not (np.all(table >= 0) and np.isclose(table.sum(), 1) and np.all(table.sum(axis=1) > 0)):
        raise ValueError(f"{name} must be numbers >= 0 of sum 1, no row 0; got sum {table.sum():g}.")
    if not np.allclose(table, table.T, rtol=1e-9, atol=0):
        raise ValueError(f"{name} must be symmetric: give (table + table.T) / 2.")
    return table


def check_whole_numbers(name, values, dimensions, largest=2**63 - 1):
    """Whole numbers from 0 to `largest` as an int64 array, not empty, of so many dimensions."""
    try:
        values = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} cannot be made an array: {str(error).splitlines()[0]}") from error
    if values.ndim != dimensions or not values.size:
        raise ValueError(f"{name} must be {dimensions}-D and not empty; got shape {values.shape}.")
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers; got dtype {values.dtype}.")
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > largest:
        raise ValueError(f"{name} must be from 0 to {largest}; got {low} to {high}.")
    return values.astype(np.int64)
