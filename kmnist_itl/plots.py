"""One function for each kind of figure. Each returns a matplotlib Figure and saves nothing."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.font_manager import FontProperties
from matplotlib_fontja import get_font_ttf_path

# Okabe and Ito's colours, told apart with every common form of colour blindness.
OURS, PAPER, NEUTRAL = "#0072B2", "#D55E00", "#666666"


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
