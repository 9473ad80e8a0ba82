"""Figures of images, codes, densities and models; each returns a matplotlib Figure and saves nothing."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.colors import LogNorm, Normalize
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
BLANK = 5  # counts below this are left blank in a confusion matrix
STYLES = ("-", "--", "-.", ":")
POINTS = {"s": 3, "alpha": 0.7, "linewidths": 0, "rasterized": True}  # as a picture also in a PDF


def use_style():
    """Set the style that all figures share, whatever a matplotlibrc says."""
    plt.style.use("default")
    sns.set_theme(style="whitegrid", context="notebook", palette="colorblind")
    plt.rcParams.update({"figure.constrained_layout.use": True, "axes.titlesize": "medium"})


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


def _name_row(axis, name, fontsize):
    axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=fontsize)


def class_samples(dataset, *, per_class=10, seed=0):
    """Samples of each class beside the character as it is written today (the paper's Fig 1).

    `dataset` is a data.Dataset, of whose training images `per_class` are drawn with `seed`.
    """
    rng = np.random.default_rng(seed)
    font = FontProperties(fname=get_font_ttf_path())
    classes = len(dataset.class_names)
    size = 0.62 * (per_class + 1) + 0.6, 0.62 * classes
    figure, axes = _panels(classes, per_class + 1, size, f"Samples of the ten classes: {dataset.title}")
    for label, (first, *row) in enumerate(axes):
        members = np.flatnonzero(dataset.train.labels == label)
        picked = rng.choice(members, per_class, replace=len(members) < per_class)
        first.text(0.5, 0.5, dataset.glyphs[label], font=font, fontsize=24, ha="center", va="center")
        _name_row(first, dataset.class_names[label], fontsize=12)
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
    axis.text(code, 0.75, "codes z", ha="center", va="bottom", style="italic")
    axis.text(last, -1.5, "image x̂", ha="center", va="top")
    axis.text(code / 2, 1.75, "encoder", ha="center", color=OURS, fontsize=13)
    axis.text((code + last + 1) / 2 + 0.2, 1.75, "decoder", ha="center", color=PAPER, fontsize=13)
    axis.set(xlim=(-0.6, last + 0.6), ylim=(-1.9, 2.05))
    axis.set_axis_off()
    parameters = f"{autoencoder.count_params():,} parameters"
    axis.set_title(f"Stacked autoencoder, fully connected, {parameters}: units above, activation below")
    return figure


def reconstructions(images, rebuilt, *, title):
    """Images [n, 784] above what autoencoders make of them; `rebuilt` maps a row's label to n images."""
    rows = {"image": images, **rebuilt}
    size = 0.75 * len(images) + 0.6, 0.8 * len(rows)
    figure, axes = _panels(len(rows), len(images), size, title)
    for row, (name, row_images) in zip(axes, rows.items(), strict=True):
        _show(row, row_images)
        _name_row(row[0], name, fontsize=11)
    return figure


def confusion(ours, papers, class_names, *, ours_title, paper_title, predicted="predicted class", title):
    """Confusion matrices: the paper's, ours and, where both count as many images, ours minus the paper's.

    `ours` and `papers` are int arrays [10, 10] of counts, rows the actual classes; `papers` may also be a
    string that says why there is none, which then stands in its place. Counts and differences below BLANK
    are left blank.
    """
    published = not isinstance(papers, str)
    is_comparable = published and papers.sum() == np.sum(ours)
    rows = 1 + is_comparable
    figure, axes = _panels(rows, 2, (11, 4.8 * rows + 0.3))
    figure.suptitle(title, fontsize="large")

    def matrix(axis, counts, norm, cmap, title):
        # seaborn would look for the limits in the cells, which may all be blank
        colours = {"norm": norm, "vmin": norm.vmin, "vmax": norm.vmax, "cmap": cmap}
        numbers = {"annot": True, "fmt": "d", "annot_kws": {"fontsize": 11}, "mask": np.abs(counts) < BLANK}
        lines = {"square": True, "linewidths": 0.4, "linecolor": "0.85", "cbar": False}
        names = {"xticklabels": class_names, "yticklabels": class_names}
        sns.heatmap(counts, ax=axis, **colours, **numbers, **lines, **names)
        axis.set(xlabel=predicted, ylabel="actual class", title=title)
        axis.tick_params(rotation=0)
        axis.grid(False)
        return axis.collections[0]

    highest = max(BLANK + 1, np.max(ours), papers.max() if published else 0)
    scale = LogNorm(BLANK, highest)
    if published:
        matrix(axes[0, 0], papers, scale, "Blues", paper_title)
    else:
        _words(axes[0, 0], papers, title=paper_title)
    drawn = matrix(axes[0, 1], ours, scale, "Blues", ours_title)
    key = figure.colorbar(drawn, ax=axes[0, 1], shrink=0.8, label="images")
    ticks = [tick for tick in (BLANK, 10, 30, 100, 300, 1000) if tick <= highest]
    key.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    key.minorticks_off()
    if is_comparable:
        difference = ours - papers
        highest = max(BLANK, np.abs(difference).max())
        drawn = matrix(axes[1, 0], difference, Normalize(-highest, highest), "PRGn", "ours minus the paper's")
        figure.colorbar(drawn, ax=axes[1, 0], shrink=0.8, label="images")
        _words(
            axes[1, 1],
            "Each number counts test images.\n"
            f"Blank: fewer than {BLANK}.\n\n"
            "Both matrices above have one scale;\nit is logarithmic.\n\n"
            "On the left, green: more images in ours;\npurple: more in the paper's.\n"
            f"Blank: less than {BLANK} apart.",
        )
    return figure


def _words(axis, text, title=""):
    """Words in the place of a panel."""
    axis.set_axis_off()
    axis.set_title(title)
    axis.text(0.5, 0.55, text, ha="center", va="center", transform=axis.transAxes)


def _colours(labels):
    return np.array(CLASSES)[labels]


def _class_legend(figure, names, heading="class"):
    handles = [
        plt.Line2D([], [], marker="o", linestyle="", color=colour, label=name)
        for name, colour in zip(names, CLASSES, strict=True)
    ]
    figure.legend(handles=handles, title=heading, loc="outside right center", fontsize=10)


def codes_3d(panels, class_names, *, title, columns=3, sheet=None, limits=None):
    """3-D scatter plots of points coloured by class, all with the same axes.

    `panels` maps a title to (points [n, 3], labels [n], or None for grey points). At most SHOWN points of
    each are drawn, in random order, so that no class is on top. `sheet` is None or points [a, b, 3] of a
    surface, which is drawn faintly in each panel. `limits` is None, or the lowest and the highest corner of
    the axes [2, 3]; points beyond them are left out.
    """
    rng = np.random.default_rng(0)
    drawn = {}
    for name, (points, labels) in panels.items():
        picked = rng.permutation(len(points))[:SHOWN]
        colours = np.full(len(picked), NEUTRAL) if labels is None else _colours(labels[picked])
        drawn[name] = np.asarray(points)[picked], colours
    if limits is None:
        surface = [] if sheet is None else [np.reshape(sheet, (-1, 3))]
        everything = np.concatenate([points for points, _ in drawn.values()] + surface)
        limits = everything.min(axis=0), everything.max(axis=0)
    low, high = np.asarray(limits)
    columns = min(columns, len(drawn))
    rows = -(-len(drawn) // columns)
    size = 3.3 * columns + 0.9, 3.3 * rows + 0.4
    figure, axes = _panels(rows, columns, size, title, subplot_kw={"projection": "3d"})
    for axis in axes.flat[len(drawn) :]:
        axis.remove()
    for axis, (name, (points, colours)) in zip(axes.flat, drawn.items(), strict=False):
        if sheet is not None:
            faint = {"color": "0.5", "alpha": 0.2, "lw": 0, "shade": False, "rcount": 100, "ccount": 100}
            axis.plot_surface(*np.moveaxis(sheet, -1, 0), **faint)
        within = np.all((points >= low) & (points <= high), axis=1)
        axis.scatter(*points[within].T, c=colours[within], depthshade=False, **POINTS)
        axis.view_init(elev=12, azim=-72)
        axis.set_title(name, fontsize=11.5)
        axis.set_xlabel("z1", fontsize=10, labelpad=-7)
        axis.set_ylabel("z2", fontsize=10, labelpad=-7)
        axis.set_zlabel("z3", fontsize=10, labelpad=0)
        axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
        axis.tick_params(labelsize=8, pad=-2)
        axis.tick_params(axis="z", pad=1)
        axis.set_box_aspect(high - low, zoom=1.25)
        axis.locator_params(nbins=4)
    _class_legend(figure, class_names)
    figure.get_layout_engine().set(h_pad=0.12)  # the axes' labels stand outside of what the layout knows
    return figure


def forms(images, forms_of_images, clusters, rows, *, title, typical=None, most=8):
    """The mean image of each form, a row for each cluster or class, the largest forms first.

    Args:
        images: floats [n, 784].
        forms_of_images: the form of each image, ints [n].
        clusters: the cluster of each form, ints [forms]; it is written below and gives the frame's colour.
        rows: maps a row's name to the numbers of its forms.
        typical: None, or the number of each form's most typical image, which is drawn beside the mean.
        most: how many forms of a row are drawn at most.
    """
    counts = np.bincount(forms_of_images, minlength=len(clusters))
    size = 0.95 * (1 if typical is None else 2) * most + 0.8, 1.2 * len(rows) + 0.5
    figure, axes = _panels(len(rows), most, size, title)
    for row, (name, numbers) in zip(axes, rows.items(), strict=True):
        numbers = sorted(numbers, key=lambda form: -counts[form])[:most]
        for axis, form in itertools.zip_longest(row, numbers):
            if form is None:
                axis.set_axis_off()
                continue
            shown = [images[forms_of_images == form].mean(axis=0)]
            shown += [] if typical is None else [images[typical[form]]]
            _show(axis, [np.hstack([image.reshape(28, 28) for image in shown])])
            axis.set_xlabel(f"{counts[form]:,} in {clusters[form]}", fontsize=10, labelpad=2)
            axis.spines[:].set(visible=True, color=_colours(clusters[form] % len(CLASSES)), linewidth=3)
        row[0].set_axis_on()
        row[0].set(xticks=[], yticks=[])
        _name_row(row[0], name, fontsize=13)
    return figure


def map_of_points(places, colourings, class_names, *, title):
    """Points in the plane [n, 2], a panel for each colouring: maps a title to the class of each point."""
    figure, axes = _panels(1, len(colourings), (5.2 * len(colourings) + 1.1, 5.4), title)
    for axis, (name, classes) in zip(axes[0], colourings.items(), strict=True):
        axis.scatter(*places.T, c=_colours(classes), **POINTS | {"s": 8})
        _bare(axis)
        axis.set_title(name)
    _class_legend(figure, class_names, "class, or\nmatched to")
    return figure


def clusters_and_classes(panels, class_names, *, title, spans=None):
    """The first two of the 3-D codes: above coloured by k-means cluster, below by class (the paper's Fig 9).

    `panels` maps a title to (codes [n, 3], class that each point's cluster is matched to [n], class [n]).
    `spans` is None or maps titles to the paper's (half width, half height) about the origin, which are drawn
    as dashed boxes.
    """
    rng = np.random.default_rng(0)
    size = 3.3 * len(panels) + 1.1, 7.6
    figure, axes = _panels(2, len(panels), size, title, sharex=True, sharey=True)
    for column, (name, (points, matched, labels)) in zip(axes.T, panels.items(), strict=True):
        picked = rng.permutation(len(points))[:SHOWN]
        for axis, classes, what in zip(column, (matched, labels), ("k-means cluster", "class"), strict=True):
            axis.scatter(*points[picked, :2].T, c=_colours(classes[picked]), **POINTS)
            if name in (spans or {}):
                width, height = spans[name]
                box = {"fill": False, "ls": "--", "lw": 1.5, "ec": "black"}
                axis.add_patch(plt.Rectangle((-width, -height), 2 * width, 2 * height, **box))
            axis.set(xlabel="z1", ylabel=f"z2, coloured by {what}", aspect="equal")
            axis.label_outer()
        column[0].set_title(name)
    _class_legend(figure, class_names, "class, or\nmatched to")
    return figure


def csd_histories(histories, *, title):
    """CSD against epoch on a logarithmic axis (the paper's Fig 6), a thin curve for each training.

    `histories` maps a label to the trainings that it has, each a pair of its CSD by epoch [epochs] and the
    epoch, from 1, whose weights were taken, which is marked.
    """
    figure, ((axis,),) = _panels(1, 1, (8, 4.4))
    dot = {"marker": "o", "ls": "", "ms": 7, "mec": "black"}
    for (label, trainings), look in zip(histories.items(), _looks(), strict=False):
        for values, taken in trainings:
            axis.plot(np.arange(1, len(values) + 1), values, **look, lw=1.3, label=label)
            axis.plot(taken, values[taken - 1], color=look["color"], **dot)
            label = None
    axis.plot([], [], color="white", label="weights of this epoch\nwere taken", **dot)
    axis.set_yscale("log")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set(xlabel="epoch", ylabel="CSD, mean over the epoch's batches", title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=10)
    return figure


def walk(images, *, across, down, title, ends=None):
    """Decoded images [rows, columns, 784] of a walk on a grid, with a label for each direction.

    `ends` is None or what the left, the right, the upper and the lower end are, four strings.
    """
    rows, columns = images.shape[:2]
    figure, axes = _panels(rows, columns, (0.62 * columns + 0.6, 0.62 * rows + 0.8), title)
    _show(axes, images.reshape(rows * columns, -1))
    left, right, top, bottom = ends or [""] * 4
    axes[-1, 0].set_xlabel(left, fontsize=11)
    axes[-1, -1].set_xlabel(right, fontsize=11)
    axes[0, 0].set_ylabel(top, fontsize=11)
    axes[-1, 0].set_ylabel(bottom, fontsize=11)
    figure.supxlabel(across, fontsize=11)
    figure.supylabel(down, fontsize=11)
    return figure


def _looks():
    """Line styles and colours for one curve after another; they repeat after twelve."""
    for style, colour in zip(itertools.cycle(STYLES), itertools.cycle(SERIES), strict=False):
        yield {"linestyle": style, "color": colour}


def lines(x, series, *, xlabel, ylabel, title, log=("", ""), reference=None, band=None):
    """Curves over one axis.

    `x` is an array [n], `series` maps a label to values [n], `reference` is None or (label, value or values),
    `band` is None or (label, low [n], high [n]), which is drawn in the first curve's colour.
    `log` names the axes that are logarithmic: ("x", "y"), or "" in the place of one that is not.
    """
    figure, ((axis,),) = _panels(1, 1, (7, 4.6))
    marker = "o" if len(x) < 40 else None
    for (label, values), look in zip(series.items(), _looks(), strict=False):
        axis.plot(x, values, **look, marker=marker, ms=4, label=label)
    if band is not None:
        label, low, high = band
        axis.fill_between(x, low, high, color=SERIES[0], alpha=0.2, lw=0, label=label)
    if reference is not None:
        label, value = reference
        axis.plot(x, np.broadcast_to(value, np.shape(x)), color="black", lw=1, ls="--", label=label)
    scales = {f"{name}scale": "log" for name in log if name}
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title, **scales)
    figure.legend(loc="outside upper center", ncols=2, fontsize=10)
    return figure


def forces(codes, sample, pulls, *, title):
    """Arrows at 2-D codes [n, 2], a panel for each cost, above a sample [m, 2] of the prior in grey.

    `pulls` maps a panel's title to arrows [n, 2]; in each panel the longest is one unit of z long.
    """
    figure, axes = _panels(1, len(pulls), (3.4 * len(pulls), 3.6), title, sharex=True, sharey=True)
    for axis, (name, arrows) in zip(axes[0], pulls.items(), strict=True):
        axis.scatter(*np.transpose(sample), s=4, color="0.8")
        axis.scatter(*np.transpose(codes), s=8, color=SERIES[0])
        arrows = arrows / np.linalg.norm(arrows, axis=1).max()
        axis.quiver(*np.transpose(codes), *arrows.T, color=SERIES[1], angles="xy", scale_units="xy", scale=1)
        axis.update_datalim(codes + arrows)  # matplotlib leaves the tips out
        axis.autoscale_view()
        axis.set(xlabel="z1", title=name, aspect="equal")
    axes[0, 0].set_ylabel("z2")
    return figure


def histogram_and_densities(sample, x, densities, *, title):
    """A 1-D sample as a histogram and ticks; `densities` maps a label to a density's values at `x` [n]."""
    figure = lines(x, densities, xlabel="x", ylabel="density", title=title)
    axis = figure.axes[0]
    axis.hist(sample, bins=30, density=True, color="0.85", zorder=0)
    axis.plot(sample, np.full(len(sample), -0.01), "|", color=NEUTRAL, alpha=0.6)
    return figure
