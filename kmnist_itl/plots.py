"""Figures of images, codes, densities and models; each returns a matplotlib Figure and saves nothing."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from cycler import cycler
from matplotlib.colors import LogNorm
from matplotlib.font_manager import fontManager
from matplotlib_fontja.matplotlib_fontja import FONT_NAME as KANA  # the import adds this font to Matplotlib

# It has one weight. Named as bold, too, or Matplotlib complains on stderr of every bold text.
_kana = next(font for font in fontManager.ttflist if font.name == KANA)
fontManager.ttflist.append(replace(_kana, weight=700))
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
BLANK = 5  # counts below this are left blank in a confusion matrix
FORMS = 8  # typical images in a row


def use_style():
    """Set the style that all figures share, whatever a matplotlibrc says."""
    plt.style.use("default")
    sns.set_theme(style="whitegrid")
    plt.rcParams.update({"figure.constrained_layout.use": True, "axes.titlesize": "medium"})
    plt.rcParams["font.family"] = ["sans-serif", KANA]  # where the first lacks a character
    plt.rcParams["axes.prop_cycle"] = cycler(color=SERIES) + cycler(linestyle=STYLES)


def _panels(rows, columns, size, title="", **options):
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


def class_labels(dataset):
    """The classes of a data.Dataset as figures name them, 'き ki', or the name alone where both are alike."""
    pairs = zip(dataset.glyphs, dataset.class_names, strict=True)
    return tuple(name if glyph == name else f"{glyph} {name}" for glyph, name in pairs)


def class_samples(dataset):
    """Ten training images of each class beside the character as it is written today (the paper's Fig 1)."""
    rng = np.random.default_rng(0)
    figure, axes = _panels(10, 11, (7.4, 6.2), f"Samples of the ten classes: {dataset.title}")
    for label, (first, *row) in enumerate(axes):
        picked = rng.choice(np.flatnonzero(dataset.train.labels == label), 10, replace=False)
        first.text(0.5, 0.5, dataset.glyphs[label], fontsize=24, ha="center", va="center")
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
    figure, ((axis,),) = _panels(1, 1, (9, 3.8))
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
    figure, axes = _panels(len(rows), len(images), (0.75 * len(images) + 0.6, 0.8 * len(rows)), title)
    for row, (name, row_images) in zip(axes, rows.items(), strict=True):
        _show(row, row_images)
        _name_row(row[0], name)
    return figure


def walk(images, *, across, down, title, ends):
    """Decoded images [rows, columns, 784] of a walk on a grid, with a label for each direction.

    `ends` says what the left, the right, the upper and the lower end are, four strings.
    """
    rows, columns = images.shape[:2]
    figure, axes = _panels(rows, columns, (0.62 * columns + 0.6, 0.62 * rows + 0.8), title)
    _show(axes, images.reshape(rows * columns, -1))
    left, right, top, bottom = ends
    axes[0, 0].set_ylabel(top)
    axes[-1, 0].set(xlabel=left, ylabel=bottom)
    axes[-1, -1].set_xlabel(right)
    figure.supxlabel(across)
    figure.supylabel(down)
    return figure


def confusion(matrices, class_names, *, predicted="predicted class", title):
    """Confusion matrices side by side, on one logarithmic scale.

    `matrices` maps a panel's title to counts, ints [10, 10], rows the actual classes; those below BLANK are
    left blank.
    """
    figure, (axes,) = _panels(1, len(matrices), (5.5 * len(matrices), 5.1), title)
    highest = max(BLANK + 1, *(np.max(counts) for counts in matrices.values()))
    # seaborn would look for the limits in the cells, which may all be blank
    colours = {"norm": LogNorm(BLANK, highest), "vmin": BLANK, "vmax": highest, "cmap": "Blues"}
    cells = {"square": True, "linewidths": 0.4, "linecolor": "0.85", "cbar": False}
    numbers = {"annot": True, "fmt": "d", "annot_kws": {"fontsize": 11}}
    below = [name.replace(" ", "\n") for name in class_names]
    names = {"xticklabels": below, "yticklabels": class_names}
    for axis, (name, counts) in zip(axes, matrices.items(), strict=True):
        sns.heatmap(counts, ax=axis, mask=np.less(counts, BLANK), **colours, **cells, **numbers, **names)
        axis.set(xlabel=predicted, ylabel="actual class", title=name)
        axis.tick_params(rotation=0)
        axis.grid(False)
    figure.colorbar(axes[-1].collections[0], ax=axes[-1], shrink=0.8, label="images", format="%d")
    return figure


def _class_points(axis, points, classes, **options):
    """At most SHOWN points [n, 2 or 3] by class, or grey; in random order, so that no class is on top."""
    picked = np.random.default_rng(0).permutation(len(points))[:SHOWN]
    colours = NEUTRAL if classes is None else np.array(CLASSES)[classes[picked]]
    # Rasterized: as a picture also in a PDF.
    axis.scatter(*points[picked].T, c=colours, s=3, alpha=0.7, linewidths=0, rasterized=True, **options)


def _class_legend(figure, names, heading="class"):
    dots = [plt.Line2D([], [], marker="o", linestyle="", color=colour) for colour in CLASSES]
    figure.legend(dots, names, title=heading, loc="outside right center", fontsize=10)


def codes_3d(panels, class_names, *, title, sheet, limits=None):
    """3-D scatter plots, three in a row, all with the same axes.

    `panels` maps a title to (points [n, 3], their classes [n], or None for grey points). `sheet` is points
    [a, b, 3] of a surface, drawn faintly in each panel; `limits` None or the lowest and the highest corner of
    the axes [2, 3], beyond which points are left out.
    """
    if limits is None:
        everything = np.concatenate([*(points for points, _ in panels.values()), np.reshape(sheet, (-1, 3))])
        limits = everything.min(axis=0), everything.max(axis=0)
    low, high = limits
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    size = 3.3 * columns + 0.9, 3.3 * rows + 0.4
    figure, axes = _panels(rows, columns, size, title, subplot_kw={"projection": "3d"})
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    faint = {"color": "0.5", "alpha": 0.2, "lw": 0, "shade": False, "rcount": 100, "ccount": 100}
    for axis, (name, (points, labels)) in zip(axes.flat, panels.items(), strict=False):
        axis.plot_surface(*np.moveaxis(sheet, -1, 0), **faint)
        inside = np.all((points >= low) & (points <= high), axis=1)
        _class_points(axis, points[inside], None if labels is None else labels[inside], depthshade=False)
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
    # The axes' labels stand outside of what the layout knows.
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.15)
    return figure


def clusters_and_classes(panels, class_names, *, title, spans):
    """The first two of the 3-D codes: above coloured by k-means cluster, below by class (the paper's Fig 9).

    `panels` maps a title to (codes [n, 3], class that each point's cluster is matched to [n], class [n]);
    `spans` a title to the paper's (half width, half height) about the origin, drawn as a dashed box.
    """
    figure, axes = _panels(2, len(panels), (3.3 * len(panels) + 1.1, 7.6), title, sharex=True, sharey=True)
    box = {"fill": False, "ls": "--", "lw": 1.5, "ec": "black"}
    for column, (name, (points, matched, labels)) in zip(axes.T, panels.items(), strict=True):
        for axis, classes, what in zip(column, (matched, labels), ("k-means cluster", "class"), strict=True):
            _class_points(axis, points[:, :2], classes)
            if name in spans:
                width, height = spans[name]
                axis.add_patch(plt.Rectangle((-width, -height), 2 * width, 2 * height, **box))
            axis.set(xlabel="z1", ylabel=f"z2, coloured by {what}", aspect="equal")
            axis.label_outer()
        column[0].set_title(name)
    _class_legend(figure, class_names, "class, or\nmatched to")
    return figure


def forms(rows, *, title):
    """Typical images of forms, a row for each class; `rows` maps its name to (image [784], size, is right).

    The first FORMS are drawn. A dashed orange frame marks a form that is not right.
    """
    figure, axes = _panels(len(rows), FORMS, (0.95 * FORMS + 0.8, 1.2 * len(rows) + 0.5), title)
    for row, (name, members) in zip(axes, rows.items(), strict=True):
        _name_row(row[0], name)
        for axis in row:
            _bare(axis)
            axis.spines[:].set_visible(False)
        for axis, (image, size, is_right) in zip(row, members, strict=False):
            _show([axis], [image])
            axis.set_xlabel(f"{size:,}", fontsize=10, labelpad=2)
            look = {"color": "0.6", "lw": 1} if is_right else {"color": PAPER, "lw": 3, "ls": "--"}
            axis.spines[:].set(visible=True, **look)
    return figure


def lines(x, series, *, xlabel, ylabel, title, log=()):
    """Curves: `series` maps a label to values [n] at `x` [n]; `log` names logarithmic axes, as ("x", "y")."""
    figure, ((axis,),) = _panels(1, 1, (7, 4.6))
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
