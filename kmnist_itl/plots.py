"""Figures of images, codes, densities and models; each returns a matplotlib Figure and saves nothing."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from cycler import cycler
from matplotlib.font_manager import FontProperties
from matplotlib_fontja import get_font_ttf_path

# Okabe and Ito's colours, told apart with every common form of colour blindness.
OURS, PAPER, NEUTRAL = "#0072B2", "#D55E00", "#666666"
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":", "-", "--")  # of curves in these colours
# Paul Tol's muted colours, and black: ten that stay apart.
CLASSES = (
    *("#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE"),
    *("#882255", "#44AA99", "#999933", "#AA4499", "#000000"),
)
SHOWN = 4_000  # points in a scatter plot: more would hide one another
POINTS = {"s": 3, "alpha": 0.7, "linewidths": 0, "rasterized": True}  # as a picture also in a PDF


def use_style():
    """Set the style that all figures share, whatever a matplotlibrc says."""
    plt.style.use("default")
    sns.set_theme(style="whitegrid", context="notebook")
    plt.rcParams.update({"figure.constrained_layout.use": True, "axes.titlesize": "medium"})
    plt.rcParams["axes.prop_cycle"] = cycler(color=SERIES) + cycler(linestyle=STYLES)


def subplots(rows, columns, size, title="", **options):
    """A figure `size` (width, height) inches large under a title, and its axes [rows, columns]."""
    use_style()
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    figure.suptitle(title, fontsize="medium")
    return figure, axes


def _bare(axis):
    axis.set(xticks=[], yticks=[])
    axis.grid(False)


def _show(axes, images):
    """An image, [784] or [28, width], in each of the axes, without ticks."""
    for axis, image in zip(np.ravel(axes), images, strict=True):
        axis.imshow(np.reshape(image, (28, -1)), cmap="gray_r", vmin=0, vmax=1)
        _bare(axis)


def _name_row(axis, name):
    axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)


def class_samples(dataset):
    """Ten training images of each class beside the character as it is written today (the paper's Fig 1)."""
    rng = np.random.default_rng(0)
    font = FontProperties(fname=get_font_ttf_path())
    figure, axes = subplots(10, 11, (7.4, 6.2), f"Samples of the ten classes: {dataset.title}")
    for label, (first, *row) in enumerate(axes):
        picked = rng.choice(np.flatnonzero(dataset.train.labels == label), 10, replace=False)
        first.text(0.5, 0.5, dataset.glyphs[label], font=font, fontsize=24, ha="center", va="center")
        _name_row(first, dataset.class_names[label])
        _bare(first)
        first.spines[:].set_visible(False)
        _show(row, dataset.train.images[picked])
    return figure


def architecture(autoencoder):
    """A stacked autoencoder's layers, read off the model itself (the paper's Fig 2)."""
    encoder, decoder = (autoencoder.get_layer(name) for name in ("encoder", "decoder"))
    blocks = [(encoder.input_shape[-1], "image x", NEUTRAL)]
    for part, colour in ((encoder, OURS), (decoder, PAPER)):
        blocks += [(layer.units, layer.activation.__name__, colour) for layer in part.layers]
    figure, ((axis,),) = subplots(1, 1, (9, 3.8))
    arrow = {"arrowstyle": "->", "color": NEUTRAL, "lw": 1.5}
    for x, (units, text, colour) in enumerate(blocks):
        height = 0.25 + units / 400
        axis.add_patch(plt.Rectangle((x - 0.17, -height / 2), 0.34, height, color=colour, alpha=0.85))
        axis.text(x, height / 2 + 0.08, f"{units}", ha="center", va="bottom", fontweight="bold")
        axis.text(x, -height / 2 - 0.08, text, ha="center", va="top")
        if x:
            axis.annotate("", (x - 0.2, 0), (x - 0.8, 0), arrowprops=arrow)
    code, last = len(encoder.layers), len(blocks) - 1
    axis.text(code, 0.75, "codes z", ha="center", style="italic")
    axis.text(last, -1.5, "image x̂", ha="center", va="top")
    axis.text(code / 2, 1.75, "encoder", ha="center", color=OURS, fontsize=13)
    axis.text((code + last) / 2, 1.75, "decoder", ha="center", color=PAPER, fontsize=13)
    axis.set(xlim=(-0.6, last + 0.6), ylim=(-1.9, 2.05))
    axis.set_axis_off()
    parameters = f"{autoencoder.count_params():,} parameters"
    axis.set_title(f"Stacked autoencoder, fully connected, {parameters}: units above, activation below")
    return figure


def reconstructions(images, rebuilt, *, title):
    """Images [n, 784] above what autoencoders make of them; `rebuilt` maps a row's label to n images."""
    rows = {"image": images, **rebuilt}
    figure, axes = subplots(len(rows), len(images), (0.75 * len(images) + 0.6, 0.8 * len(rows)), title)
    for row, (name, row_images) in zip(axes, rows.items(), strict=True):
        _show(row, row_images)
        _name_row(row[0], name)
    return figure


def walk(images, *, across, down, title, ends):
    """Decoded images [rows, columns, 784] of a walk on a grid, with a label for each direction.

    `ends` says what the left, the right, the upper and the lower end are, four strings.
    """
    rows, columns = images.shape[:2]
    figure, axes = subplots(rows, columns, (0.62 * columns + 0.6, 0.62 * rows + 0.8), title)
    _show(axes, images.reshape(rows * columns, -1))
    left, right, top, bottom = ends
    axes[0, 0].set_ylabel(top)
    axes[-1, 0].set(xlabel=left, ylabel=bottom)
    axes[-1, -1].set_xlabel(right)
    figure.supxlabel(across)
    figure.supylabel(down)
    return figure


def _class_points(axis, points, classes, **options):
    """Points [n, 2] or [n, 3], coloured by class; without classes grey."""
    colours = NEUTRAL if classes is None else np.array(CLASSES)[classes]
    axis.scatter(*points.T, c=colours, **POINTS | options)


def _class_legend(figure, names, heading="class"):
    dots = [plt.Line2D([], [], marker="o", linestyle="", color=colour) for colour in CLASSES]
    figure.legend(dots, names, title=heading, loc="outside right center", fontsize=10)


def codes_3d(panels, class_names, *, title, sheet=None, limits=None):
    """3-D scatter plots, three in a row, all with the same axes.

    `panels` maps a title to (points [n, 3], their classes [n], or None for grey points), of which SHOWN at
    most are drawn, in random order, so that no class is on top. `sheet` is None or points [a, b, 3] of a
    surface, drawn faintly in each panel; `limits` None or the lowest and the highest corner of the axes
    [2, 3], beyond which points are left out.
    """
    rng = np.random.default_rng(0)
    if limits is None:
        surface = [] if sheet is None else [np.reshape(sheet, (-1, 3))]
        everything = np.concatenate([points for points, _ in panels.values()] + surface)
        limits = everything.min(axis=0), everything.max(axis=0)
    low, high = np.asarray(limits)
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    size = 3.3 * columns + 0.9, 3.3 * rows + 0.4
    figure, axes = subplots(rows, columns, size, title, subplot_kw={"projection": "3d"})
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, (name, (points, labels)) in zip(axes.flat, panels.items(), strict=False):
        if sheet is not None:
            faint = {"color": "0.5", "alpha": 0.2, "lw": 0, "shade": False, "rcount": 100, "ccount": 100}
            axis.plot_surface(*np.moveaxis(sheet, -1, 0), **faint)
        picked = rng.permutation(len(points))[:SHOWN]
        picked = picked[np.all((points[picked] >= low) & (points[picked] <= high), axis=1)]
        _class_points(axis, points[picked], None if labels is None else labels[picked], depthshade=False)
        axis.view_init(elev=12, azim=-72)
        axis.set_title(name, fontsize=11.5)
        axis.set_xlabel("z1", fontsize=10, labelpad=-7)
        axis.set_ylabel("z2", fontsize=10, labelpad=-7)
        axis.set_zlabel("z3", fontsize=10, labelpad=0)
        axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
        axis.tick_params(labelsize=8, pad=-2)
        axis.set_box_aspect(high - low, zoom=1.25)
        axis.locator_params(nbins=4)
    _class_legend(figure, class_names)
    figure.get_layout_engine().set(h_pad=0.12)  # the axes' labels stand outside of what the layout knows
    return figure


def clusters_and_classes(panels, class_names, *, title, spans):
    """The first two of the 3-D codes: above coloured by k-means cluster, below by class (the paper's Fig 9).

    `panels` maps a title to (codes [n, 3], class that each point's cluster is matched to [n], class [n]);
    `spans` a title to the paper's (half width, half height) about the origin, drawn as a dashed box.
    """
    rng = np.random.default_rng(0)
    figure, axes = subplots(2, len(panels), (3.3 * len(panels) + 1.1, 7.6), title, sharex=True, sharey=True)
    box = {"fill": False, "ls": "--", "lw": 1.5, "ec": "black"}
    for column, (name, (points, matched, labels)) in zip(axes.T, panels.items(), strict=True):
        picked = rng.permutation(len(points))[:SHOWN]
        for axis, classes, what in zip(column, (matched, labels), ("k-means cluster", "class"), strict=True):
            _class_points(axis, points[picked, :2], classes[picked])
            if name in spans:
                width, height = spans[name]
                axis.add_patch(plt.Rectangle((-width, -height), 2 * width, 2 * height, **box))
            axis.set(xlabel="z1", ylabel=f"z2, coloured by {what}", aspect="equal")
            axis.label_outer()
        column[0].set_title(name)
    _class_legend(figure, class_names, "class, or\nmatched to")
    return figure


def map_of_points(places, colourings, class_names, *, title):
    """Points in the plane [n, 2], a panel for each colouring: maps a title to the class of each point."""
    figure, axes = subplots(1, len(colourings), (5.2 * len(colourings) + 1.1, 5.4), title)
    for axis, (name, classes) in zip(axes[0], colourings.items(), strict=True):
        _class_points(axis, places, classes, s=8)
        _bare(axis)
        axis.set_title(name)
    _class_legend(figure, class_names, "class, or\nmatched to")
    return figure


def forms(images, forms_of_images, clusters, rows, *, title, typical=None, most=8):
    """The mean image of each form, a row for each cluster or class, the largest forms first.

    `forms_of_images` are the forms, ints [n], of `images` [n, 784]; `clusters` the clusters of the forms,
    ints [forms], written below and shown by the frame's colour; `rows` maps a row's name to the numbers of
    its forms, of which `most` are drawn at most; `typical` is None, or the number of each form's most typical
    image, which is drawn beside the mean.
    """
    counts = np.bincount(forms_of_images, minlength=len(clusters))
    size = 0.95 * (1 if typical is None else 2) * most + 0.8, 1.2 * len(rows) + 0.5
    figure, axes = subplots(len(rows), most, size, title)
    for row, (name, numbers) in zip(axes, rows.items(), strict=True):
        numbers = sorted(numbers, key=lambda form: -counts[form])[:most]
        for axis in row[len(numbers) :]:
            axis.set_axis_off()
        for axis, form in zip(row, numbers, strict=False):
            shown = [images[forms_of_images == form].mean(axis=0)]
            shown += [] if typical is None else [images[typical[form]]]
            _show(axis, [np.hstack([image.reshape(28, 28) for image in shown])])
            axis.set_xlabel(f"{counts[form]:,} in {clusters[form]}", fontsize=10, labelpad=2)
            axis.spines[:].set(visible=True, color=CLASSES[clusters[form] % len(CLASSES)], linewidth=3)
        row[0].set_axis_on()
        row[0].set(xticks=[], yticks=[])
        _name_row(row[0], name)
    return figure


def lines(x, series, *, xlabel, ylabel, title, log=()):
    """Curves over one axis: `series` maps a label to values [n] at `x` [n].

    `log` names the axes that are logarithmic, such as ("x", "y").
    """
    figure, ((axis,),) = subplots(1, 1, (7, 4.6))
    for label, values in series.items():
        axis.plot(x, values, marker="o" if len(x) < 40 else None, ms=4, label=label)
    scales = {f"{name}scale": "log" for name in log}
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title, **scales)
    figure.legend(loc="outside upper center", ncols=2, fontsize=10)
    return figure


def histogram_and_densities(sample, x, densities, *, title):
    """A 1-D sample as a histogram and ticks; `densities` maps a label to a density's values at `x` [n]."""
    figure = lines(x, densities, xlabel="x", ylabel="density", title=title)
    axis = figure.axes[0]
    axis.hist(sample, bins=30, density=True, color="0.85", zorder=0)
    axis.plot(sample, np.full(len(sample), -0.01), "|", color=NEUTRAL, alpha=0.6)
    return figure
