"""One function for each kind of figure. Each returns a matplotlib Figure and saves nothing."""

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
POINTS = {"s": 3, "alpha": 0.7, "linewidths": 0, "rasterized": True}  # as a picture also in a PDF


def use_style():
    """Set the style that all figures share."""
    sns.set_theme(style="whitegrid", context="notebook", palette="colorblind")
    plt.rcParams.update({"figure.constrained_layout.use": True, "axes.titlesize": "medium"})


def class_samples(dataset, *, per_class=10, seed=0):
    """Samples of each class beside the character as it is written today (the paper's Fig 1)."""
    use_style()
    rng = np.random.default_rng(seed)
    glyph_font = FontProperties(fname=get_font_ttf_path())
    classes = len(dataset.class_names)
    figure, axes = plt.subplots(
        classes, per_class + 1, figsize=(0.62 * (per_class + 1) + 0.6, 0.62 * classes)
    )
    for label, row in enumerate(axes):
        of_class = np.flatnonzero(dataset.train.labels == label)
        picked = rng.choice(of_class, per_class, replace=len(of_class) < per_class)
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


def class_counts(dataset):
    """How many images each class has in each split."""
    use_style()
    figure, axis = plt.subplots(figsize=(8, 3.2))
    splits = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    positions = np.arange(len(dataset.class_names))
    for offset, (name, split) in zip((-0.27, 0, 0.27), splits.items(), strict=True):
        counts = np.bincount(split.labels, minlength=len(positions))
        axis.bar(positions + offset, counts, width=0.27, label=f"{name} ({len(split):,})")
    axis.set_xticks(positions, dataset.class_names)
    axis.set(xlabel="class", ylabel="images", title=f"Images in each class: {dataset.title}")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axis.grid(axis="x", visible=False)
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


def bottleneck_sizes(runs, paper_accuracy, *, title):
    """Test accuracy of the classifier and reconstruction error against the bottleneck size.

    `runs` is a DataFrame with latent_dim, accuracy (share) and reconstruction_error, a row for each run;
    `paper_accuracy` maps latent_dim to the paper's accuracy.
    """
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    means = runs.groupby("latent_dim")[["accuracy", "reconstruction_error"]].mean()
    sizes = list(paper_accuracy)
    left.plot(sizes, [100 * paper_accuracy[k] for k in sizes], "s--", color=PAPER, label="paper")
    left.plot(means.index, 100 * means.accuracy, "-", color=OURS)
    left.plot(runs.latent_dim, 100 * runs.accuracy, "o", color=OURS, label="ours, a point for each seed")
    left.set(xlabel="bottleneck units k", ylabel="test accuracy of the MLP (%)", xticks=sizes)
    left.legend()
    right.plot(means.index, means.reconstruction_error, "-", color=OURS)
    right.plot(runs.latent_dim, runs.reconstruction_error, "o", color=OURS)
    right.set(xlabel="bottleneck units k", ylabel="mean squared error per pixel, test", xticks=sizes)
    right.set_ylim(0, 1.1 * runs.reconstruction_error.max())
    figure.suptitle(title, fontsize="medium")
    return figure


def reconstructions(images, rebuilt, *, title):
    """Images above what autoencoders make of them; `rebuilt` maps a row's label to images [n, 784]."""
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
    """Confusion matrices [10, 10] of counts: the paper's, ours and, where they are of one size, ours - paper.

    `papers` is None where the paper has none, or where the data are others.
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


def codes_3d(panels, class_names, *, title, columns=4, view=(12, -72), prior=None):
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
        axis.view_init(*view)
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
        for axis, of, what in zip(column, (matched, labels), ("k-means cluster", "class"), strict=True):
            colours = [CLASSES[i] for i in of[picked]]
            axis.scatter(*points[picked, :2].T, c=colours, **POINTS)
            axis.set(xlabel="z1", ylabel="z2", title=f"{name}: by {what}")
    _class_legend(figure, class_names, "class, or\nmatched to")
    figure.suptitle(title, fontsize="medium")
    return figure


def csd_histories(histories, *, title):
    """CSD against epoch on a logarithmic axis (the paper's Fig 6); `histories` maps a label to its values."""
    use_style()
    figure, axis = plt.subplots(figsize=(8, 4))
    styles = ("-", "--", "-.", ":")
    for number, (label, values) in enumerate(histories.items()):
        epochs = np.arange(1, len(values) + 1)
        axis.plot(epochs, values, styles[number % 4], color=SERIES[number], lw=2, label=label)
    axis.set_yscale("log")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set(xlabel="epoch", ylabel="CSD, mean over the epoch's batches", title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def sweep(runs, setting, measures, *, title, best=None):
    """Measures against a setting on a logarithmic axis, a panel for each, a point for each run.

    `runs` is a DataFrame with a row for each run; `measures` maps a column to (label, whether its axis is
    logarithmic); `best` is None or the setting that the paper calls best.
    """
    use_style()
    figure, axes = plt.subplots(1, len(measures), figsize=(3.6 * len(measures) + 0.6, 3.6), squeeze=False)
    for axis, (column, (label, logarithmic)) in zip(axes[0], measures.items(), strict=True):
        means = runs.groupby(setting)[column].mean()
        axis.plot(means.index, means, "-", color=OURS)
        axis.plot(runs[setting], runs[column], "o", color=OURS)
        axis.set_xscale("log")
        if logarithmic:
            axis.set_yscale("log")
        elif runs[column].min() >= 0:
            axis.set_ylim(0, 1.15 * runs[column].max())
        if best is not None:
            axis.axvline(best, color=PAPER, ls="--", lw=1.5, label="best in the paper")
            axis.legend(fontsize=9)
        axis.set(xlabel=setting, title=label)
    figure.suptitle(title, fontsize="medium")
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


def accuracies(runs, group, papers, *, label, title, column="accuracy"):
    """Accuracy for each group, a point for each run, beside the paper's value where it has one."""
    use_style()
    names = list(dict.fromkeys(runs[group]))
    figure, axis = plt.subplots(figsize=(8, 0.55 * len(names) + 1.6))
    for y, name in enumerate(names):
        values = 100 * runs.loc[runs[group] == name, column]
        axis.plot(values, np.full(len(values), y), "o", color=OURS, ms=8, label="ours" if not y else None)
        axis.plot([values.mean()], [y], "|", color=OURS, ms=22, mew=2)
    reported = [(100 * papers[name], y) for y, name in enumerate(names) if name in papers]
    axis.plot(*zip(*reported, strict=True), "D", color=PAPER, ms=8, label="paper")
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set(xlabel=label, title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def prior_effect(gradients, runs, control, *, title):
    """What a prior weighs in training, and what it does to the clusters: two panels.

    `gradients` is a DataFrame with setting, stage, gradient_reconstruction and gradient_csd (NaN: not drawn),
    a row for each seed; `runs` one with setting and accuracy (a share), also a row for each seed, `control`
    its setting that the others are held against.
    """
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), width_ratios=(1, 1.15))
    gradients = gradients.dropna(subset="gradient_csd")
    stages = list(dict.fromkeys(gradients.stage))
    settings = list(dict.fromkeys(gradients.setting))
    drawn = [("reconstruction", settings[0], "gradient_reconstruction", NEUTRAL)]
    drawn += [(f"CSD: {name}", name, "gradient_csd", SERIES[i]) for i, name in enumerate(settings)]
    for (label, name, column, colour), marker in zip(drawn, "sovD^P"[: len(drawn)], strict=True):
        part = gradients[gradients.setting == name]
        left.plot(stages, part.groupby("stage")[column].mean()[stages], "-", color=colour)
        left.plot(part.stage.map(stages.index), part[column], marker, color=colour, label=label)
    left.set_yscale("log")
    left.set(xlabel="stage of training", ylabel="norm of the encoder's gradient")
    left.set_title("What each part of the loss asks for")
    left.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    of = {name: 100 * group.accuracy for name, group in runs.groupby("setting", sort=False)}
    right.axvline(of[control].mean(), color=NEUTRAL, lw=1.5, ls="--", label=f"mean of {control}")
    for y, values in enumerate(of.values()):
        right.plot(values, np.full(len(values), y), "o", color=OURS, alpha=0.8)
        right.plot([values.mean()], [y], "|", color=OURS, ms=18, mew=2)
    right.set_yticks(range(len(of)), list(of), fontsize=10)
    right.set_ylim(len(of) - 0.5, -0.5)
    right.set(xlabel="k-means accuracy (%)")
    right.set_title("What it does to the clusters, a point for each seed")
    right.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    figure.suptitle(title, fontsize="medium")
    return figure


def lines(x, series, *, xlabel, ylabel, title, log=("", ""), reference=None, size=(7, 4.6)):
    """Curves over one axis; `series` maps a label to values, `reference` is (label, value or values)."""
    use_style()
    figure, axis = plt.subplots(figsize=size)
    styles = ("-", "--", "-.", ":")
    for number, (label, values) in enumerate(series.items()):
        marker = "o" if len(x) < 40 else None
        axis.plot(x, values, styles[number % 4], color=SERIES[number], marker=marker, ms=4, label=label)
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


def histogram_and_densities(sample, x, densities, *, title):
    """A 1-D sample as a histogram and ticks, with densities over it; `densities` maps a label to values."""
    figure = lines(x, densities, xlabel="x", ylabel="density", title=title)
    axis = figure.axes[0]
    axis.hist(sample, bins=30, density=True, color="0.85", zorder=0)
    axis.plot(sample, np.full(len(sample), -0.01), "|", color=NEUTRAL, alpha=0.6)
    return figure
