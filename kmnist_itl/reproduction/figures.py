"""Figures of tables of runs, beside the paper's values, and codes in motion; none is saved here."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.animation import PillowWriter
from matplotlib.colors import LogNorm

from kmnist_itl import files, plots, training
from kmnist_itl._tensorflow import keras
from kmnist_itl.plots import NEUTRAL, OURS, PAPER
from kmnist_itl.reproduction import claims, paper, tables

BLANK = 5  # counts below this are left blank in a confusion matrix
FRAMES, FRAMES_PER_SECOND, LAST_FRAMES = 60, 8, 20


def sweep(runs, setting, measures, *, title, best=None, lines=None, logarithmic=True):
    """Measures against a setting, a panel for each, a point for each run, a line through the means.

    `runs` is a DataFrame with a row for each run; `measures` maps a column to (label, whether its axis is
    logarithmic), `logarithmic` says so of the setting's. `best` is None or the setting that the paper calls
    best. `lines` maps a column to (label, value) of what is drawn beside it: a number, or a dict by setting.
    """
    columns = 2 if len(measures) in (2, 4) else 3
    rows = -(-len(measures) // columns)
    size = (9.6 if columns == 2 else 10.5, (4 if rows == 1 else 3.1) * rows + 0.7)
    figure, axes = plots.subplots(rows, columns, size, title, sharex=True)
    for axis, (column, (label, is_log)) in zip(axes.flat, measures.items(), strict=True):
        means = runs.groupby(setting)[column].mean()
        axis.plot(means.index, means, "-", color=OURS, label="mean")
        axis.plot(runs[setting], runs[column], "o", color=OURS, ms=5, alpha=0.7, mew=0, label="one training")
        if best is not None:
            axis.axvline(best, color=PAPER, ls="--", lw=1.5, label="best in the paper")
        if column in (lines or {}):
            name, value = lines[column]
            if isinstance(value, dict):
                axis.plot(list(value), list(value.values()), "s--", color=PAPER, label=name)
            else:
                axis.axhline(value, color=NEUTRAL, ls=":", lw=2, label=name)
        axis.set(yscale="log" if is_log else "linear", title=label)
        axis.set(**{"xscale": "log"} if logarithmic else {"xticks": sorted({*runs[setting]})})
    for axis in axes[-1]:
        axis.set_xlabel(tables.named(setting))
    _legend_below(figure)
    return figure


def _legend_below(figure):
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
    groups = {name: 100 * rows.accuracy for name, rows in runs.groupby(group, sort=False)}
    figure, ((axis,),) = plots.subplots(1, 1, (8, 0.55 * len(groups) + 1.6))
    for y, values in enumerate(groups.values()):
        row = np.full(len(values), y)
        axis.plot(values, row, "o", color=OURS, ms=8, alpha=0.6, mew=0, label="ours" if y == 0 else None)
        mean = {"color": OURS, "ms": 22, "mew": 2, "label": "ours, mean" if y == 0 else None}
        axis.plot([values.mean()], [y], "|", **mean)
    if reported := {y: 100 * papers[name] for y, name in enumerate(groups) if name in papers}:
        axis.plot(list(reported.values()), list(reported), "D", color=PAPER, ms=8, label="paper")
    axis.set_yticks(range(len(groups)), list(groups))
    axis.invert_yaxis()  # the first group is on top
    axis.locator_params(axis="x", steps=(1, 2, 5, 10))
    axis.set(xlabel=label, title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def forest(tested, *, title):
    """A forest plot of a list of (claims.Claim, rules.Effect), each on an axis of its own, in its unit."""
    figure, axes = plots.subplots(len(tested), 1, (9, 0.62 * len(tested) + 1), title)
    for axis, (claim, effect) in zip(axes[:, 0], tested, strict=True):
        scale = 100 if claim.unit == "points" else 1
        axis.axvline(0, color=NEUTRAL, lw=1.5, label="no effect")
        if claim.margin:
            axis.axvline(scale * claim.margin, color=NEUTRAL, lw=1.5, ls=":", label="margin")
        if effect.runs > 1:
            axis.plot([scale * effect.low, scale * effect.high], [0, 0], "-", color=OURS, lw=3)
        axis.plot(scale * effect.mean, 0, "o", color=OURS, ms=8, label="ours, 95% interval")
        if claim.reported == claim.reported:
            axis.plot(scale * claim.reported, 0, "D", color=PAPER, ms=8, label="the paper's")
        axis.margins(x=0.15)
        axis.set(yticks=[], ylim=(-1, 1))
        says = f"{claim.says}\n{claims.text(effect.mean, claim.unit)}: {claim.answer(effect)}"
        axis.set_ylabel(says, rotation=0, ha="right", va="center", fontsize=9)
        axis.tick_params(labelsize=8, pad=1)
        if claim.unit == "times":
            ticks = axis.get_xticks()
            axis.set_xticks(ticks, [f"× {np.exp(tick):.2f}" for tick in ticks])
            axis.autoscale()
    _legend_below(figure)
    return figure


def confusion(matrix, name, dataset, *, title, predicted="predicted class"):
    """A confusion matrix, ints [10, 10], beside that of the paper's figure `name`, on one logarithmic scale.

    Rows are the actual classes. `name` is a key of paper.CONFUSION; where the data are others, and for
    Fig 11, which shows Fig 12's picture, words stand in place of the paper's matrix. Returns (the figure, its
    caption).
    """
    papers, reported = paper.CONFUSION[name], tables.percent(paper.CONFUSION_ACCURACY[name])
    words = "" if dataset.name == "kmnist" else "The paper's matrix is of KMNIST,\nnot of these data."
    if name == "fig11" and not words:
        words = "Never published.\n\nThe picture printed as Fig 11\nis that of Fig 12, the mixture's.\n\n"
        words += f"The caption gives {reported}."
    figure, ((left, right),) = plots.subplots(1, 2, (11, 5.1), f"{title}: {dataset.title}")
    highest = max(BLANK + 1, np.max(matrix), 0 if words else papers.max())
    # seaborn would look for the limits in the cells, which may all be blank
    look = {"norm": LogNorm(BLANK, highest), "vmin": BLANK, "vmax": highest, "cmap": "Blues", "cbar": False}
    look |= {"square": True, "linewidths": 0.4, "linecolor": "0.85", "annot": True, "fmt": "d"}
    look |= {"xticklabels": dataset.class_names, "yticklabels": dataset.class_names}
    for axis, counts in ((right, matrix), *([] if words else [(left, papers)])):
        sns.heatmap(counts, ax=axis, mask=np.less(counts, BLANK), annot_kws={"fontsize": 11}, **look)
        axis.set(xlabel=predicted, ylabel="actual class")
        axis.tick_params(rotation=0)
        axis.grid(False)
    if words:
        left.set_axis_off()
        left.text(0.5, 0.55, words, ha="center", va="center", transform=left.transAxes)
    left.set_title(f"the paper's, {reported}")
    right.set_title(f"ours, {tables.percent(matrix.trace() / matrix.sum())}")
    figure.colorbar(right.collections[0], ax=right, shrink=0.8, label="images", format="%d")
    ((actual, wrong),) = confused_pairs(matrix, 1)
    names = dataset.class_names
    return figure, (
        f"Rows: actual class; columns: {predicted}; a number counts test images, and below {BLANK} the cell "
        f"is blank. Most often confused in ours: {names[actual]} taken for {names[wrong]}, "
        f"{matrix[actual, wrong]:,} images."
    )


def confused_pairs(matrix, top):
    """The `top` most frequent (actual, predicted) pairs off the diagonal of a confusion matrix, as a list."""
    counts = np.array(matrix)
    np.fill_diagonal(counts, -1)
    order = np.argsort(-counts, axis=None, kind="stable")[:top]
    return [tuple(map(int, np.unravel_index(index, counts.shape))) for index in order]


class KeepCodes(keras.callbacks.Callback):
    """`codes`: those of images [n, 784] before training and after every epoch, a list of [n, k]."""

    def __init__(self, images):
        super().__init__()
        self.images, self.codes = images, []

    def on_train_begin(self, logs=None):
        self.codes = [training.outputs(self.model.get_layer("encoder"), self.images)]

    def on_epoch_end(self, epoch, logs=None):
        self.codes.append(training.outputs(self.model.get_layer("encoder"), self.images))


def animate(panels, labels, class_names, path, *, title, sheet):
    """Write an animated WebP of codes that move, a panel for each training, and its last frame as a PNG.

    A training that ended sooner stays at its last epoch. Of more than FRAMES epochs every second, third and
    so on is drawn.

    `panels` maps a panel's title to the `codes` of a KeepCodes, `labels` are ints [n], `path` ends in .webp,
    the epoch stands behind `title`, and `sheet` are points [a, b, 3] of a surface, drawn faintly.
    """
    last = max(map(len, panels.values())) - 1
    epochs = [*range(0, last, -(-(last + 1) // FRAMES)), *[last] * LAST_FRAMES]
    points = np.concatenate([np.concatenate(codes) for codes in panels.values()])
    low, high = np.percentile(points, (0.5, 99.5), axis=0)
    limits = np.minimum(low, np.min(sheet, axis=(0, 1))), np.maximum(high, np.max(sheet, axis=(0, 1)))

    def draw(epoch):
        shown = {name: (codes[min(epoch, len(codes) - 1)], labels) for name, codes in panels.items()}
        return plots.codes_3d(shown, class_names, sheet=sheet, title=f"{title}: epoch {epoch}", limits=limits)

    def write(beside):
        writer = PillowWriter(fps=FRAMES_PER_SECOND)
        with writer.saving(draw(0), beside, dpi=80):
            for epoch in epochs:
                plt.close(writer.fig)
                writer.fig = draw(epoch)
                writer.grab_frame()
        files.write_whole(path.with_suffix(".png"), lambda png: writer.fig.savefig(png, format="png", dpi=96))
        plt.close(writer.fig)

    files.write_whole(path, write)
