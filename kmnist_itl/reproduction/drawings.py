"""Figures of tables of runs, beside the paper's values; each is a matplotlib Figure that is not saved."""

import itertools

import matplotlib.pyplot as plt
import numpy as np

from kmnist_itl.plots import NEUTRAL, OURS, PAPER, SERIES, use_style
from kmnist_itl.reproduction import rules


def bottleneck_finding(runs):
    """What the accuracies by bottleneck size show, as a sentence without its stop.

    `runs` is a DataFrame with latent_dim and accuracy (a share), a row for each run. Which sizes are not
    surely worse than the best is said by rules.apart; with one seed nothing is.
    """
    accuracies = {size: rows.to_numpy() for size, rows in runs.groupby("latent_dim").accuracy}
    best = max(accuracies, key=lambda size: accuracies[size].mean())
    text = f"Highest mean with {best} codes, {100 * accuracies[best].mean():.1f}%"
    sides = rules.apart(accuracies, best)
    if not all(found.known for found, *_ in sides.values()):
        return f"{text}, in one run each"
    alike = [str(size) for size, (*_, side) in sides.items() if side == "not settled"]
    return f"{text}; {_listed(alike)} codes are not surely worse" if alike else f"{text}, surely"


def _listed(words):
    """'a', 'a and b' or 'a, b and c'."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def bottleneck_sizes(runs, paper_accuracy, *, title):
    """Test accuracy of the classifier and reconstruction error against the bottleneck size.

    Points of the runs stand beside one another; a bar is the 95% Student interval of the mean, which one run
    does not have. `runs` is a DataFrame with latent_dim, seed, accuracy (share) and reconstruction_error, a
    row for each run; `paper_accuracy` maps latent_dim to the paper's accuracy; it may lack some of them, or
    all.
    """
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4))
    sizes = sorted({*paper_accuracy, *runs.latent_dim})
    if paper_accuracy:
        percent = [100 * share for share in paper_accuracy.values()]
        left.plot(list(paper_accuracy), percent, "s--", color=PAPER, label="paper, one run")
    _means(left, runs.latent_dim, 100 * runs.accuracy, runs.seed, width=2.4)
    _means(right, runs.latent_dim, runs.reconstruction_error, runs.seed, width=2.4)
    left.set(ylabel="test accuracy of the MLP (%)")
    right.set(ylabel="mean squared error per pixel, test")
    for axis in (left, right):
        axis.set(xlabel="bottleneck units k", xticks=sizes)
    left.legend(fontsize=10)
    figure.suptitle(title, fontsize="medium")
    return figure


def _means(axis, x, y, seeds, width):
    """A line through the means of y at each x, their 95% intervals, and the runs' points side by side.

    `x`, `y` and `seeds` are Series [n] of one index; `width` is how much of the axis the points of one x
    take.
    """
    compared = {place: rules.estimate(values) for place, values in y.groupby(x)}
    means = [found.mean for found in compared.values()]
    axis.plot(list(compared), means, "-", color=OURS, label="ours, mean")
    if any(found.known for found in compared.values()):
        margins = np.nan_to_num([found.high - found.mean for found in compared.values()])
        bars = {"fmt": "none", "ecolor": OURS, "elinewidth": 2, "capsize": 5}
        axis.errorbar(list(compared), means, margins, **bars, label="95% interval of the mean")
    order = seeds.rank(method="dense") - 1
    aside = (order / max(1, order.max()) - 0.5) * width if order.max() else 0
    axis.plot(x + aside, y, "o", color=OURS, ms=4.5, alpha=0.6, mew=0, label="ours, a point for each seed")


def sweep(runs, setting, measures, *, title, best=None, baselines=None):
    """Measures against a setting on a logarithmic axis, a panel for each, a point for each run.

    `runs` is a DataFrame with a row for each run; `measures` maps a column to (label, whether its axis is
    logarithmic); `best` is None or the setting that the paper calls best; `baselines` is None or maps a
    column to (label, value) of a line beside its measures.
    """
    use_style()
    columns = 2 if len(measures) == 4 else min(3, len(measures))
    rows = -(-len(measures) // columns)
    size = (9.6 if columns == 2 else 3.5 * columns, 3.1 * rows + 0.7)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharex=True)
    for axis, (column, (label, logarithmic)) in zip(axes.flat, measures.items(), strict=True):
        means = runs.groupby(setting)[column].mean()
        axis.plot(means.index, means, "-", color=OURS, label="mean")
        axis.plot(runs[setting], runs[column], "o", color=OURS, ms=5, alpha=0.7, mew=0, label="one training")
        if best is not None:
            axis.axvline(best, color=PAPER, ls="--", lw=1.5, label="best in the paper")
        if column in (baselines or {}):
            name, value = baselines[column]
            axis.axhline(value, color=NEUTRAL, ls=":", lw=2, label=name)
        axis.set(xscale="log", yscale="log" if logarithmic else "linear", title=label)
    for axis in axes[-1]:
        axis.set_xlabel(setting)
    _legend(figure)
    figure.suptitle(title, fontsize="medium")
    return figure


def _legend(figure):
    """One legend for all panels, below them."""
    handles = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    # A legend "outside lower center" would move when the saved figure is cut to what is drawn.
    height = 0.4 / figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, height, 1, 1 - height))
    box = {"bbox_to_anchor": (0, 0, 1, 1), "bbox_transform": figure.transFigure}
    figure.legend(handles.values(), handles, loc="lower center", ncols=4, fontsize=10, **box)


def accuracies(runs, group, papers, *, label, title):
    """Accuracy for each group, a point for each run, beside the paper's value where it has one.

    `runs` is a DataFrame with accuracy (a share) and the column `group`, a row for each run; `papers` maps a
    group to the paper's share; `label` says what the accuracy is.
    """
    use_style()
    names = list(dict.fromkeys(runs[group]))
    figure, axis = plt.subplots(figsize=(8, 0.55 * len(names) + 1.6))
    for y, name in enumerate(names):
        values = 100 * runs.accuracy[runs[group] == name]
        first = not y  # one entry in the legend for all groups
        points = {"color": OURS, "ms": 8, "alpha": 0.6, "mew": 0, "label": "ours" if first else None}
        axis.plot(values, np.full(len(values), y), "o", **points)
        mean = {"color": OURS, "ms": 22, "mew": 2, "label": "ours, mean" if first else None}
        axis.plot([values.mean()], [y], "|", **mean)
    if reported := {y: 100 * papers[name] for y, name in enumerate(names) if name in papers}:
        axis.plot(list(reported.values()), list(reported), "D", color=PAPER, ms=8, label="paper")
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.locator_params(axis="x", steps=(1, 2, 5, 10))
    axis.set(xlabel=label, title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def prior_effect(gradients, runs, control, *, title):
    """How hard a prior pulls in training, and what it does to the clusters: two panels.

    `gradients` is a DataFrame with setting, stage and ratio, that of the norm of lambda CSD's gradient to the
    reconstruction's (NaN: not drawn); `runs` is one with setting and accuracy (a share); both have a row for
    each seed. `control` is the setting that the others are compared with.
    """
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), width_ratios=(1, 1.15))
    gradients = gradients.dropna(subset="ratio")
    stages = list(dict.fromkeys(gradients.stage))
    left.axhline(1, color=NEUTRAL, lw=1.5, ls="--", label="as hard as the reconstruction")
    # Five markers, six colours: the pairs of them repeat only after thirty settings.
    looks = zip(itertools.cycle(SERIES), itertools.cycle("ovD^P"), strict=False)
    for (name, part), (colour, marker) in zip(gradients.groupby("setting", sort=False), looks, strict=False):
        left.plot(stages, part.groupby("stage").ratio.mean()[stages], "-", color=colour)
        left.plot(part.stage.map(stages.index), part.ratio, marker, color=colour, label=name)
    left.set_yscale("log")
    left.set(xlabel="stage of training", ylabel="|gradient of λ CSD|\n/ |gradient of the reconstruction|")
    left.set_title("How hard the prior pulls at the encoder")
    left.legend(fontsize=10, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    accuracy = {name: 100 * group.accuracy for name, group in runs.groupby("setting", sort=False)}
    right.axvline(accuracy[control].mean(), color=NEUTRAL, lw=1.5, ls="--", label=f"mean of {control}")
    for y, values in enumerate(accuracy.values()):
        right.plot(values, np.full(len(values), y), "o", color=OURS, alpha=0.8)
        right.plot([values.mean()], [y], "|", color=OURS, ms=18, mew=2)
    right.set_yticks(range(len(accuracy)), list(accuracy), fontsize=11)
    right.set_ylim(len(accuracy) - 0.5, -0.5)
    right.set(xlabel="k-means accuracy (%)")
    right.set_title("What it does to the clusters")
    right.legend(fontsize=10, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    figure.suptitle(title, fontsize="medium")
    return figure
