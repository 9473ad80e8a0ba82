"""Figures of tables of runs, beside the paper's values, and codes in motion; none is saved here."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import PillowWriter

from kmnist_itl import files, plots, training
from kmnist_itl._tensorflow import keras
from kmnist_itl.plots import NEUTRAL, OURS, PAPER, use_style
from kmnist_itl.reproduction import claims, paper, tables

FRAMES, FRAMES_PER_SECOND, LAST_FRAMES = 60, 8, 20


def sweep(runs, setting, measures, *, title, best=None, lines=None, logarithmic=True):
    """Measures against a setting, two panels in a row, a point for each run, a line through the means.

    `runs` is a DataFrame with a row for each run; `measures`, two or four, maps a column to (label, whether
    its axis is logarithmic), `logarithmic` says so of the setting's. `best` is None or the setting that the
    paper calls best. `lines` maps a column to (label, values by setting) of what is drawn beside it.
    """
    use_style()
    rows = -(-len(measures) // 2)
    size = 9.6, (4 if rows == 1 else 3.1) * rows + 0.7
    figure, axes = plt.subplots(rows, 2, figsize=size, squeeze=False, sharex=True)
    for axis, (column, (label, is_log)) in zip(axes.flat, measures.items(), strict=True):
        means = runs.groupby(setting)[column].mean()
        axis.plot(means.index, means, "-", color=OURS, label="mean")
        axis.plot(runs[setting], runs[column], "o", color=OURS, ms=5, alpha=0.7, mew=0, label="one training")
        if best is not None:
            axis.axvline(best, color=PAPER, ls="--", lw=1.5, label="best in the paper")
        if column in (lines or {}):
            name, values = lines[column]
            axis.plot(list(values), list(values.values()), "s--", color=PAPER, label=name)
        axis.set(yscale="log" if is_log else "linear", title=label)
        axis.set(**{"xscale": "log"} if logarithmic else {"xticks": sorted({*runs[setting]})})
    for axis in axes[-1]:
        axis.set_xlabel(tables.named(setting))
    return _titled(figure, title)


def _titled(figure, title):
    """The figure with a title above, and one legend for all panels below."""
    handles = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    # A legend "outside lower center" would move when the saved figure is cut to what is drawn.
    height = 0.4 / figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, height, 1, 1 - height))
    box = {"bbox_to_anchor": (0, 0, 1, 1), "bbox_transform": figure.transFigure}
    figure.legend(handles.values(), handles, loc="lower center", ncols=4, fontsize=10, **box)
    figure.suptitle(title, fontsize="medium")
    return figure


def forest(tested, *, title):
    """A forest plot of a list of (claims.Claim, rules.Effect), each on an axis of its own, in its unit."""
    use_style()
    figure, axes = plt.subplots(len(tested), 1, figsize=(9, 0.62 * len(tested) + 1), squeeze=False)
    for axis, (claim, effect) in zip(axes[:, 0], tested, strict=True):
        scale = 100 if claim.unit == "points" else 1
        axis.axvline(0, color=NEUTRAL, lw=1.5, label="no effect")
        if claim.margin:
            axis.axvline(scale * claim.margin, color=NEUTRAL, lw=1.5, ls=":", label="margin")
        axis.plot([scale * effect.low, scale * effect.high], [0, 0], "-", color=OURS, lw=3)
        axis.plot(scale * effect.mean, 0, "o", color=OURS, ms=8, label="ours, 95% interval")
        axis.plot(scale * claim.reported, 0, "D", color=PAPER, ms=8, label="the paper's")
        axis.margins(x=0.15)
        axis.set(yticks=[], ylim=(-1, 1))
        says = f"{claim.says}\n{claims.text(effect.mean, claim.unit)}: {claim.answer(effect)}"
        axis.set_ylabel(says, rotation=0, ha="right", va="center", fontsize=9)
        axis.tick_params(labelsize=8, pad=1)
        if claim.unit == "times":
            axis.xaxis.set_major_formatter(lambda tick, _: f"× {np.exp(tick):.2f}")
    return _titled(figure, title)


def confusion(matrix, name, dataset, *, title, predicted="predicted class"):
    """A confusion matrix [10, 10] beside that of the paper's figure `name`, a key of paper.CONFUSION.

    Where the data are others, it stands alone. Returns (the figure, its caption).
    """
    matrices = {f"ours, {tables.percent(matrix.trace() / matrix.sum())}": matrix}
    if dataset.name == "kmnist":
        reported = f"the paper's, {tables.percent(paper.CONFUSION_ACCURACY[name])}"
        matrices = {reported: paper.CONFUSION[name], **matrices}
    names, title = dataset.class_names, f"{title}: {dataset.title}"
    figure = plots.confusion(matrices, plots.class_labels(dataset), predicted=predicted, title=title)
    ((actual, wrong),) = confused_pairs(matrix, 1)
    return figure, (
        f"Rows: actual class; columns: {predicted}; a number counts test images, and below {plots.BLANK} "
        f"the cell is blank. Most often confused in ours: {names[actual]} taken for {names[wrong]}, "
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

    def on_epoch_end(self, epoch=None, logs=None):
        self.codes.append(training.outputs(self.model.get_layer("encoder"), self.images))

    on_train_begin = on_epoch_end


def animate(panels, labels, class_names, path, *, title, sheet):
    """Write an animated WebP of codes that move, a panel for each training, and its last frame as a PNG.

    A training that ended sooner stays at its last epoch. Of more than FRAMES epochs every second, third and
    so on is drawn. `panels` maps a panel's title to the `codes` of a KeepCodes, `labels` are ints [n], `path`
    ends in .webp, and `sheet` is as in `plots.codes_3d`.
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
