"""A few labels for many images: a person labels one image of each form, and the whole form gets its label.

The steps: `forms.find_forms`, `representatives`, `contact_sheet` to look at, `write_forms` for a file to fill
in, `read_labels`, and `forms.classify_by_neighbours` for new images.
"""

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np

from kmnist_itl import files, settings
from kmnist_itl.clustering.checks import check_points, check_whole_numbers

COLUMNS = ["form", "size", "label"]


def representatives(points, forms, count=1):
    """The numbers of each form's most typical points, those nearest to its mean: ints [f, count].

    Args:
        points: floats [n, d], such as `network.features`.
        forms: ints >= 0 [n], as from `find_forms`; the largest is f - 1, and none is left out.
        count: int >= 1. A form of fewer points repeats its last one.

    Raises:
        ValueError: arguments of other shapes or lengths, or a form without points.
        TypeError: forms are no whole numbers.

    >>> representatives([[0.0], [1.0], [3.0], [9.0]], [0, 0, 0, 1], count=2).tolist()
    [[1, 0], [3, 3]]
    """
    points, count = check_points("points", points), settings.check_count("count", count)
    members = _members(forms, len(points))
    chosen = []
    for form in members:
        distance = np.linalg.norm(points[form] - points[form].mean(axis=0), axis=1)
        nearest = form[np.argsort(distance, kind="stable")[:count]]
        chosen.append(np.append(nearest, np.repeat(nearest[-1], count - len(nearest))))
    return np.array(chosen)


def doubt(forms, neighbours):
    """The share of its points' neighbours that lie in other forms, for each form: floats [f].

    With much doubt, or few points, a form deserves a look at more of its images. `forms` and errors as in
    `representatives`; `neighbours` are ints [n, k].

    >>> doubt([0, 0, 1, 1], [[1], [0], [3], [0]]).tolist()
    [0.0, 0.5]
    """
    members, forms = _members(forms), np.asarray(forms)
    neighbours = check_whole_numbers("neighbours", neighbours, 2, len(forms) - 1)
    if len(neighbours) != len(forms):
        raise ValueError(f"neighbours must be of each of {len(forms)} points; got {len(neighbours)} rows.")
    leaves = (forms[neighbours] != forms[:, None]).mean(axis=1)
    return np.array([leaves[form].mean() for form in members])


def write_forms(path, forms, labels=None):
    """Write a CSV to fill in, UTF-8, with a row for each form: its number, its size, and its label, empty.

    `labels` are None or the labels so far, [f], with None or NaN where there is none. FileNotFoundError if
    there is no such folder; other errors as in `representatives`.
    """
    import pandas as pd

    sizes = [len(form) for form in _members(forms)]
    labels = [""] * len(sizes) if labels is None else ["" if pd.isna(label) else label for label in labels]
    if len(labels) != len(sizes):
        raise ValueError(f"labels must be one for each of {len(sizes)} forms; got {len(labels)}.")
    if Path(path).is_dir() or not Path(path).parent.is_dir():
        raise FileNotFoundError(f"path must name a file in a folder that is there; got {str(path)!r}.")
    csv.writer(text := io.StringIO(), lineterminator="\n").writerows(
        [COLUMNS, *zip(range(len(sizes)), sizes, labels, strict=True)]
    )
    files.write_whole(path, lambda beside: beside.write_text(text.getvalue(), "utf-8"))


def read_labels(path, forms):
    """The label of each form from a CSV of `write_forms` that was filled in: strings [f].

    With it ``read_labels(path, forms)[forms]`` are the labels of the images. Rows may stand in any order.

    Raises ValueError, with the file's name, if a column is missing or there twice, a row is longer than the
    header, a form has no row, several or no label, or the sizes are of other forms; other errors as in
    `representatives` and of a file that is not there.
    """
    sizes = [str(len(form)) for form in _members(forms)]
    try:
        text = Path(path).read_text("utf-8-sig").lstrip()
        delimiter = csv.Sniffer().sniff(text.partition("\n")[0]).delimiter
        header, *rows = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    except (ValueError, csv.Error) as error:
        wanted = f"a CSV in UTF-8 with the columns {', '.join(COLUMNS)}"
        raise ValueError(f"{path} must be {wanted}: {error}. Save it anew as such.") from error
    header = [name.strip().lower() for name in header]
    if wrong := [name for name in COLUMNS if header.count(name) != 1]:
        problem = f"{wrong[0]} is {'there twice' if wrong[0] in header else 'missing'}"
        raise ValueError(f"{path} must have the columns {', '.join(COLUMNS)}; {problem}.")
    if long := [row for row in rows if any(row[len(header) :])]:
        raise ValueError(f"{path} must have {len(header)} cells in a row; got {', '.join(long[0])}.")
    places, filled = [header.index(name) for name in COLUMNS], []
    for row in rows:
        row = [cell.strip() for cell in row] + [""] * len(header)
        filled.append([row[place] for place in places])
    filled = [row for row in filled if any(row)]  # spreadsheets leave rows of nothing but commas
    expected, given = Counter(map(str, range(len(sizes)))), Counter(number for number, *_ in filled)
    if wrong := (expected - given) + (given - expected):
        raise ValueError(f"{path} must have one row for each of {len(sizes)} forms; look at {_some(wrong)}.")
    by_form = {number: rest for number, *rest in filled}
    if [by_form[form][0] for form in expected] != sizes:
        raise ValueError(f"{path} is of other forms: their sizes differ. Write it anew, or find them again.")
    if empty := [form for form in expected if not by_form[form][1]]:
        raise ValueError(f"{path} has no label for form {_some(empty)}; write ? where nobody can tell.")
    return np.array([by_form[form][1] for form in expected], dtype=str)


def contact_sheet(images, forms, typical, *, columns=2):
    """A figure to label from: a row of typical images for each form, with its number and size.

    Args:
        images: floats [n, height * width] of square images, or [n, height, width], 0 black to 1 white.
        forms: ints [n].
        typical: ints [f, count], as from `representatives`.
        columns: int >= 1, how many forms stand side by side.

    Returns a matplotlib Figure; ``figure.savefig("forms.png", dpi=200)`` writes it. Raises ValueError for
    arguments of other shapes or lengths, and numbers of no image; TypeError for no whole numbers.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    class Sheet(Figure):
        """A matplotlibrc decides nothing, neither when it is drawn nor when it is saved."""

        def savefig(self, *arguments, **options):
            with matplotlib.style.context("default"):
                super().savefig(*arguments, **options)

    images = settings.check_array("images", images)
    side = round(images.shape[1] ** 0.5) if images.ndim == 2 else 0
    if images.ndim != 3 and not (side and images.shape[1] == side**2):
        raise ValueError(
            f"images must be square, [n, height * width], or [n, height, width]; got {images.shape}."
        )
    if not (images.min() > -1e-6 and images.max() < 1 + 1e-6):  # rounding errors may stay
        raise ValueError(f"images must be from 0 to 1; got {images.min():.7g} to {images.max():.7g}.")
    images = images.reshape(len(images), side, side) if side else images
    sizes = [len(form) for form in _members(forms, len(images))]
    typical = check_whole_numbers("typical", typical, 2, len(images) - 1)
    if len(typical) != len(sizes):
        raise ValueError(f"typical must be [{len(sizes)}, count], of each form; got shape {typical.shape}.")
    columns = min(settings.check_count("columns", columns), len(sizes))
    rows = -(-len(sizes) // columns)
    size = columns * (1.2 + 0.6 * typical.shape[1]), 0.66 * rows
    with matplotlib.style.context("default"):
        matplotlib.rcParams["font.family"] = ["DejaVu Sans"]  # by name, or it is looked up when it is drawn
        figure = Sheet(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).T.ravel()
        for axis in axes:
            axis.axis("off")
        for form, (axis, chosen) in enumerate(zip(axes, typical, strict=False)):
            strip = np.hstack([np.pad(image, 1, constant_values=0.5) for image in images[chosen]])
            axis.imshow(strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            place = {"transform": axis.transAxes, "ha": "right", "va": "center", "fontsize": 9}
            axis.text(-0.02, 0.5, f"{form}\n({sizes[form]:,})", **place)
    return figure


def _members(forms, count=None):
    """The numbers of each form's points, a list of arrays of ints."""
    n = len(check_whole_numbers("forms", forms, 1))
    forms = check_whole_numbers("forms", forms, 1, n - 1)
    if count is not None and len(forms) != count:
        raise ValueError(f"forms must be one for each of {count} points; got {len(forms)}.")
    sizes = np.bincount(forms)
    if not sizes.all():
        raise ValueError(f"forms must be numbered without gaps; form {sizes.argmin()} has no points.")
    return np.split(np.argsort(forms, kind="stable"), sizes.cumsum()[:-1])


def _some(values, most=5):
    values = sorted(values)
    return ", ".join(values[:most]) + (", ..." if len(values) > most else "")
