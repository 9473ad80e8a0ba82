"""A few labels for many images: a person labels one image of each form, and the whole form gets its label.

The steps: `forms.find_forms`, `representatives`, `contact_sheet` to look at, `write_forms` for a file to fill
in, `read_labels`, and `forms.classify_by_neighbours` for new images.
"""

import csv
import warnings
from pathlib import Path

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_itl import files, models, settings
from kmnist_itl.clustering.checks import check_points, check_whole_numbers

COLUMNS = ["form", "size", "label"]


def representatives(points, forms, count=1):
    """The numbers of each form's most typical points, those nearest to its mean: ints [f, count].

    Of points, floats [n, d], such as `network.features`; `forms` are ints [n], as from `find_forms`, from 0
    to f - 1. A form of fewer than `count` points, an int >= 1, repeats its last one. Raises ValueError for
    arguments of other shapes or lengths and a form without points, TypeError for no whole numbers.

    >>> representatives([[0.0], [1.0], [3.0], [9.0]], [0, 0, 0, 1], count=2).tolist()
    [[1, 0], [3, 3]]
    """
    points, count = check_points("points", points), settings.check_count("count", count)
    forms, sizes = _check_forms(forms, len(points))
    chosen = []
    for form, size in enumerate(sizes):
        members = np.flatnonzero(forms == form)
        distance = np.linalg.norm(points[members] - points[members].mean(axis=0), axis=1)
        ranks = np.minimum(np.arange(count), size - 1)
        chosen.append(members[np.argsort(distance, kind="stable")[ranks]])
    return np.array(chosen)


def doubt(forms, neighbours):
    """The share of its points' neighbours that lie in other forms, for each form: floats [f].

    With much doubt, or few points, a form deserves a look at more of its images. `forms` and errors as in
    `representatives`; `neighbours` are ints [n, k].

    >>> doubt([0, 0, 1, 1], [[1], [0], [3], [0]]).tolist()
    [0.0, 0.5]
    """
    neighbours = check_whole_numbers("neighbours", neighbours, 2, None)
    forms, sizes = _check_forms(forms, len(neighbours))
    return np.bincount(forms, (forms[neighbours] != forms[:, None]).mean(axis=1)) / sizes


def write_forms(path, forms):
    """Write a CSV to fill in, UTF-8, with a row for each form: its number, its size, and its label, empty.

    Raises FileExistsError if a file there holds labels, ValueError if it is none of `write_forms`, OSError if
    there is no such folder; other errors as in `representatives`.
    """
    _, sizes = _check_forms(forms)
    if Path(path).is_file() and (_read_forms(path).label != "").any():
        raise FileExistsError(f"{path} holds labels and stays as it is: take another name, or delete it.")
    table = pd.DataFrame({"form": range(len(sizes)), "size": sizes, "label": ""})
    files.write_whole(path, lambda beside: table.to_csv(beside, index=False, lineterminator="\n"))


def read_labels(path, forms):
    """The label of each form from a CSV of `write_forms` that was filled in: strings [f].

    With it ``read_labels(path, forms)[forms]`` are the labels of the images. Rows may stand in any order.

    Of columns of one name the first counts. Raises ValueError, with the file's name, if one is missing, a row
    is longer than the header, a form has no row, several or no label, or the sizes are of other forms; other
    errors as in `representatives`.
    """
    _, sizes = _check_forms(forms)
    table = _read_forms(path)
    numbers = [str(form) for form in range(len(sizes))]
    if wrong := set(numbers) ^ set(table.form) or set(table.form[table.form.duplicated()]):
        look = ", ".join(sorted(wrong)[:5]) or "a row without a form"
        raise ValueError(f"{path} must have one row for each of {len(sizes)} forms; look at {look}.")
    table = table.set_index("form").loc[numbers]
    if table["size"].tolist() != [str(size) for size in sizes]:
        raise ValueError(f"{path} is of other forms: their sizes differ. Write it anew, or find them again.")
    if empty := table.index[table.label == ""].tolist():
        raise ValueError(f"{path} has no label for form {', '.join(empty)}; write ? where nobody can tell.")
    return table.label.to_numpy(str)


def _read_forms(path):
    """The columns form, size and label of a CSV as strings; ValueError if it has them not."""
    text = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):  # of cells to spare
            table = pd.read_csv(path, sep=None, engine="python", index_col=False, **text)
        table.columns = table.columns.str.strip().str.lower()
        table = table.loc[:, ~table.columns.duplicated()][COLUMNS]
    except (ValueError, KeyError, csv.Error, pd.errors.ParserWarning) as error:
        wanted = f"a CSV in UTF-8 with the columns {', '.join(COLUMNS)}, and no cells beyond its header"
        raise ValueError(f"{path} must be {wanted}: {error}. Save it anew as such.") from error
    table = table.fillna("").apply(lambda column: column.str.strip())
    return table[(table != "").any(axis=1)]  # spreadsheets leave rows of nothing but commas


@matplotlib.style.context("default")
def contact_sheet(images, forms, typical, *, columns=2):
    """A figure to label from: a row of typical images for each form, with its number and size.

    Of images as in `network.train_clustering`, their forms, ints [n], and the numbers of those to show, ints
    [f, count], as from `representatives`; errors as in both. `columns`, an int >= 1, is how many forms stand
    side by side. Returns a matplotlib Figure that no matplotlibrc changes, neither when it is drawn nor when
    it is saved: ``figure.savefig("forms.png", dpi=200)``.
    """
    images = models.check_images(images)
    _, sizes = _check_forms(forms, len(images))
    typical = check_whole_numbers("typical", typical, 2, len(images) - 1)
    if len(typical) != len(sizes):
        raise ValueError(f"typical must be [{len(sizes)}, count], of each form; got shape {typical.shape}.")
    columns = min(settings.check_count("columns", columns), len(sizes))
    rows = -(-len(sizes) // columns)
    matplotlib.rcParams["font.family"] = ["DejaVu Sans"]  # by name, or it is looked up when it is drawn
    figure = Figure(figsize=(columns * (1.2 + 0.6 * typical.shape[1]), 0.66 * rows), layout="constrained")
    figure.savefig = matplotlib.style.context("default")(figure.savefig)
    axes = figure.subplots(rows, columns, squeeze=False).T.ravel()
    for axis in axes:
        axis.axis("off")
    for form, (axis, chosen) in enumerate(zip(axes, typical, strict=False)):
        strip = np.hstack([np.pad(image.reshape(28, 28), 1, constant_values=0.5) for image in images[chosen]])
        axis.imshow(strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        place = {"transform": axis.transAxes, "ha": "right", "va": "center", "fontsize": 9}
        axis.text(-0.02, 0.5, f"{form}\n({sizes[form]:,})", **place)
    return figure


def _check_forms(forms, count=None):
    """The form of each point, int64 [n], of `count` points if that is given, and the sizes of forms, [f]."""
    forms = check_whole_numbers("forms", forms, 1, None)
    if count is not None and len(forms) != count:
        raise ValueError(f"forms must be one for each of {count} points; got {len(forms)}.")
    sizes = np.bincount(forms)
    if not sizes.all():
        raise ValueError(f"forms must be numbered without gaps; form {sizes.argmin()} has no points.")
    return forms, sizes
