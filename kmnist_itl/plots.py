"""Figures of images, codes, densities and models; each returns a matplotlib Figure and saves nothing."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.font_manager import FontProperties
from matplotlib_fontja import get_font_ttf_path

# Okabe and Ito's colours, told apart with every common form of colour blindness.
OURS, PAPER, NEUTRAL = "#0072B2", "#D55E00", "#666666"
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Paul Tol's muted colours, and black: ten that stay apart.
CLASSES = (
    *("#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE"),
    *("#882255", "#44AA99", "#999933", "#AA4499", "#000000"),
)
SHOWN = 4_000  # points in a scatter plot: more would hide one another
STYLES = ("-", "--", "-.", ":")
POINTS = {"s": 3, "alpha": 0.7, "linewidths": 0, "rasterized": True}  # as a picture also in a PDF


def use_style():
    """Set the style that all figures share."""
    sns.set_theme(style="whitegrid", context="notebook", palette="colorblind")
    plt.rcParams.update({"figure.constrained_layout.use": True, "axes.titlesize": "medium"})


def class_samples(dataset, *, per_class=10, seed=0):
    """Samples of each class beside the character as it is written today (the paper's Fig 1).

    `dataset` is a data.Dataset, of whose training images `per_class` are drawn with `seed`.
    """
    use_style()
    rng = np.random.default_rng(seed)
    glyph_font = FontProperties(fname=get_font_ttf_path())
    classes = len(dataset.class_names)
    figure, axes = plt.subplots(
        classes, per_class + 1, figsize=(0.62 * (per_class + 1) + 0.6, 0.62 * classes)
    )
    for label, row in enumerate(axes):
        members = np.flatnonzero(dataset.train.labels == label)
        picked = rng.choice(members, per_class, replace=len(members) < per_class)
        row[0].text(
            0.5, 0.5, dataset.glyphs[label], fontproperties=glyph_font, fontsize=24, ha="center", va="center"
        )
        row[0].set_ylabel(dataset.class_names[label], rotation=0, ha="right", va="center", fontsize=12)
        for axis, image in zip(row[1:], dataset.train.images[picked], strict=True):
            axis.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=1)
        for axis in row:
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
        row[0].spines[:].set_visible(False)
    figure.suptitle(f"Samples of the ten classes: {dataset.title}", fontsize="medium")
    return figure


def architecture(autoencoder):
    """A stacked autoencoder's layers, read off the model itself (the paper's Fig 2)."""
    use_style()
    encoder, decoder = (autoencoder.get_layer(name) for name in ("encoder", "decoder"))
    blocks = [(encoder.input_shape[-1], "image x", None)]
    for part in (encoder, decoder):
        blocks += [(layer.units, layer.activation.__name__, part.name) for layer in part.layers]
    figure, axis = plt.subplots(figsize=(9, 3.8))
    colours = {None: NEUTRAL, "encoder": OURS, "decoder": PAPER}
    code = len(encoder.layers)
    heights = [0.25 + units / 400 for units, _, _ in blocks]
    for x, ((units, text, part), height) in enumerate(zip(blocks, heights, strict=True)):
        axis.add_patch(plt.Rectangle((x - 0.17, -height / 2), 0.34, height, color=colours[part], alpha=0.85))
        axis.text(x, height / 2 + 0.08, f"{units}", ha="center", va="bottom", fontweight="bold")
        axis.text(x, -height / 2 - 0.08, text, ha="center", va="top")
        if x:
            axis.annotate(
                "", (x - 0.2, 0), (x - 0.8, 0), arrowprops={"arrowstyle": "->", "color": NEUTRAL, "lw": 1.5}
            )
    axis.text(code, 0.75, "codes z", ha="center", va="bottom", style="italic")
    axis.text(len(blocks) - 1, -1.5, "image x̂", ha="center", va="top")
    axis.text(code / 2, 1.75, "encoder", ha="center", color=OURS, fontsize=13)
    axis.text((code + len(blocks) - 1) / 2 + 0.2, 1.75, "decoder", ha="center", color=PAPER, fontsize=13)
    axis.set(xlim=(-0.6, len(blocks) - 0.4), ylim=(-1.9, 2.05))
    axis.set_axis_off()
    axis.set_title(
        f"Stacked autoencoder, fully connected, {autoencoder.count_params():,} parameters: "
        "units above, activation below"
    )
    return figure


def reconstructions(images, rebuilt, *, title):
    """Images [n, 784] above what autoencoders make of them; `rebuilt` maps a row's label to n images."""
    use_style()
    rows = {"image": images, **rebuilt}
    figure, axes = plt.subplots(
        len(rows), len(images), figsize=(0.75 * len(images) + 0.6, 0.8 * len(rows)), squeeze=False
    )
    for row, (name, shown) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(row, shown, strict=True):
            axis.imshow(np.reshape(image, (28, 28)), cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)
    figure.suptitle(title, fontsize="medium")
    return figure


def confusion(ours, papers, class_names, *, ours_title, paper_title, predicted="predicted class", title):
    """Confusion matrices: the paper's, ours and, where both count as many images, ours minus the paper's.

    `ours` and `papers` are int arrays [10, 10] of counts, rows the actual classes; `papers` is None where the
    paper has none, or where the data are others.
    """
    use_style()
    panels = [(ours_title, np.asarray(ours), "Blues")]
    if papers is not None:
        panels.insert(0, (paper_title, papers, "Oranges"))
        if papers.sum() == np.sum(ours):
            panels.append(("ours - the paper's", ours - papers, "PuOr_r"))
    figure, axes = plt.subplots(1, len(panels), figsize=(5.4 * len(panels), 5.2), squeeze=False)
    for axis, (name, counts, colours) in zip(axes[0], panels, strict=True):
        off_diagonal = np.abs(counts[~np.eye(len(counts), dtype=bool)])
        most = max(1, np.abs(counts).max() if colours == "PuOr_r" else off_diagonal.max() * 2)
        sns.heatmap(
            counts,
            ax=axis,
            annot=True,
            fmt="d",
            annot_kws={"fontsize": 8},
            cmap=colours,
            vmin=-most if colours == "PuOr_r" else 0,
            vmax=most,
            cbar=False,
            square=True,
            linewidths=0.4,
            xticklabels=class_names,
            yticklabels=class_names,
        )
        axis.set(xlabel=predicted, ylabel="actual class", title=name)
        axis.tick_params(rotation=0)
    figure.suptitle(title, fontsize="medium")
    return figure


def codes_3d(panels, class_names, *, title, columns=4, prior=None):
    """3-D scatter plots of codes coloured by class.

    `panels` maps a title to (codes [n, 3], labels [n]); `prior` is None or (title, points [m, 3]), which is
    drawn first, in grey. At most SHOWN points of each are drawn, in random order, so that no class is on top.
    """
    use_style()
    rng = np.random.default_rng(0)
    shown = [(name, *pair) for name, pair in panels.items()]
    if prior is not None:
        shown.insert(0, (prior[0], np.asarray(prior[1]), None))
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    figure = plt.figure(figsize=(4.2 * columns + 0.9, 4 * rows + 0.4))
    for number, (name, points, labels) in enumerate(shown, 1):
        axis = figure.add_subplot(rows, columns, number, projection="3d")
        picked = rng.permutation(len(points))[:SHOWN]
        colours = NEUTRAL if labels is None else [CLASSES[label] for label in labels[picked]]
        axis.scatter(*points[picked].T, c=colours, depthshade=False, **POINTS)
        axis.view_init(elev=12, azim=-72)
        axis.set_title(name, fontsize=12)
        axis.set(xlabel="z1", ylabel="z2", zlabel="z3")
        axis.tick_params(labelsize=8, pad=0)
        axis.set_box_aspect((4, 4, 3.4), zoom=1.08)
        axis.locator_params(nbins=5)
    _class_legend(figure, class_names)
    figure.suptitle(title, fontsize="medium")
    return figure


def _class_legend(figure, names, heading="class"):
    handles = [
        plt.Line2D([], [], marker="o", linestyle="", color=colour, label=name)
        for name, colour in zip(names, CLASSES, strict=True)
    ]
    figure.legend(handles=handles, title=heading, loc="outside right center", fontsize=10)


def clusters_and_classes(panels, class_names, *, title):
    """The first two of the 3-D codes: above coloured by k-means cluster, below by class (the paper's Fig 9).

    `panels` maps a title to (codes [n, 3], class that each point's cluster is matched to [n], class [n]).
    """
    use_style()
    rng = np.random.default_rng(0)
    figure, axes = plt.subplots(2, len(panels), figsize=(3.7 * len(panels) + 0.8, 7.2), squeeze=False)
    for column, (name, (points, matched, labels)) in zip(axes.T, panels.items(), strict=True):
        picked = rng.permutation(len(points))[:SHOWN]
        for axis, classes, what in zip(column, (matched, labels), ("k-means cluster", "class"), strict=True):
            colours = [CLASSES[label] for label in classes[picked]]
            axis.scatter(*points[picked, :2].T, c=colours, **POINTS)
            axis.set(xlabel="z1", ylabel="z2", title=f"{name}: by {what}")
    _class_legend(figure, class_names, "class, or\nmatched to")
    figure.suptitle(title, fontsize="medium")
    return figure


def csd_histories(histories, *, title):
    """CSD against epoch on a logarithmic axis (the paper's Fig 6); `histories` maps a label to its values."""
    use_style()
    figure, axis = plt.subplots(figsize=(8, 4))
    for (label, values), look in zip(histories.items(), _looks(), strict=False):
        axis.plot(np.arange(1, len(values) + 1), values, **look, lw=2, label=label)
    axis.set_yscale("log")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set(xlabel="epoch", ylabel="CSD, mean over the epoch's batches", title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def walk(images, *, across, down, title):
    """Decoded images [rows, columns, 784] of a walk on a grid, with a label for each direction."""
    use_style()
    rows, columns = images.shape[:2]
    figure, axes = plt.subplots(rows, columns, figsize=(0.62 * columns + 0.6, 0.62 * rows + 0.8))
    for axis, image in zip(axes.flat, images.reshape(rows * columns, -1), strict=True):
        axis.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    figure.supxlabel(across, fontsize=11)
    figure.supylabel(down, fontsize=11)
    figure.suptitle(title, fontsize="medium")
    return figure


def _looks():
    """Line styles and colours for one curve after another; they repeat after twelve."""
    for style, colour in zip(itertools.cycle(STYLES), itertools.cycle(SERIES), strict=False):
        yield {"linestyle": style, "color": colour}


def lines(x, series, *, xlabel, ylabel, title, log=("", ""), reference=None, size=(7, 4.6)):
    """Curves over one axis.

    `x` is an array [n], `series` maps a label to values [n], `reference` is None or (label, value or values).
    `log` names the axes that are logarithmic: ("x", "y"), or "" in the place of one that is not.
    """
    use_style()
    figure, axis = plt.subplots(figsize=size)
    marker = "o" if len(x) < 40 else None
    for (label, values), look in zip(series.items(), _looks(), strict=False):
        axis.plot(x, values, **look, marker=marker, ms=4, label=label)
    if reference is not None:
        label, value = reference
        axis.plot(x, np.broadcast_to(value, np.shape(x)), color="black", lw=1, ls="--", label=label)
    if log[0]:
        axis.set_xscale("log")
    if log[1]:
        axis.set_yscale("log")
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    figure.legend(loc="outside upper center", ncols=2, fontsize=10)
    return figure


def forces(codes, sample, pulls, *, title):
    """Arrows at 2-D codes [n, 2], a panel for each cost, above a sample [m, 2] of the prior in grey.

    `pulls` maps a panel's title to arrows [n, 2]; in each panel the longest is one unit of z long.
    """
    use_style()
    figure, panels = plt.subplots(1, len(pulls), figsize=(4.6 * len(pulls), 4.4), sharex=True, sharey=True)
    for axis, (name, arrows) in zip(np.atleast_1d(panels), pulls.items(), strict=True):
        axis.scatter(*np.transpose(sample), s=4, color="0.8")
        axis.scatter(*np.transpose(codes), s=8, color=SERIES[0])
        arrows = arrows / np.linalg.norm(arrows, axis=1).max()
        axis.quiver(*np.transpose(codes), *arrows.T, color=SERIES[1], angles="xy", scale_units="xy", scale=1)
        axis.set(xlabel="z1", ylabel="z2", title=name, aspect="equal")
    figure.suptitle(title)
    return figure


def histogram_and_densities(sample, x, densities, *, title):
    """A 1-D sample as a histogram and ticks; `densities` maps a label to a density's values at `x` [n]."""
    figure = lines(x, densities, xlabel="x", ylabel="density", title=title)
    axis = figure.axes[0]
    axis.hist(sample, bins=30, density=True, color="0.85", zorder=0)
    axis.plot(sample, np.full(len(sample), -0.01), "|", color=NEUTRAL, alpha=0.6)
    return figure
