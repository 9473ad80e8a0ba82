"""Figures of tables of runs, beside the paper's values; each is a matplotlib Figure that is not saved."""

import itertools

import matplotlib.pyplot as plt
import numpy as np

from kmnist_itl.plots import NEUTRAL, OURS, PAPER, SERIES, use_style


def bottleneck_sizes(runs, paper_accuracy, *, title):
    """Test accuracy of the classifier and reconstruction error against the bottleneck size.

    `runs` is a DataFrame with latent_dim, accuracy (share) and reconstruction_error, a row for each run;
    `paper_accuracy` maps latent_dim to the paper's accuracy; it may lack some of them, or all.
    """
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    means = runs.groupby("latent_dim")[["accuracy", "reconstruction_error"]].mean()
    sizes = sorted({*paper_accuracy, *means.index})
    if paper_accuracy:
        percent = [100 * share for share in paper_accuracy.values()]
        left.plot(list(paper_accuracy), percent, "s--", color=PAPER, label="paper")
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
        axis.plot(values, np.full(len(values), y), "o", color=OURS, ms=8, label="ours" if not y else None)
        axis.plot([values.mean()], [y], "|", color=OURS, ms=22, mew=2)
    if reported := {y: 100 * papers[name] for y, name in enumerate(names) if name in papers}:
        axis.plot(list(reported.values()), list(reported), "D", color=PAPER, ms=8, label="paper")
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set(xlabel=label, title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def prior_effect(gradients, runs, control, *, title):
    """How much a prior pulls in training, and what it does to the clusters: two panels.

    `gradients` is a DataFrame with setting, stage, gradient_reconstruction and gradient_csd (NaN: not drawn);
    `runs` is one with setting and accuracy (a share); both have a row for each seed. `control` is the setting
    that the others are compared with.
    """
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), width_ratios=(1, 1.15))
    gradients = gradients.dropna(subset="gradient_csd")
    stages = list(dict.fromkeys(gradients.stage))
    settings = list(dict.fromkeys(gradients.setting))
    drawn = [("reconstruction", settings[0], "gradient_reconstruction", NEUTRAL, "s")]
    # Five markers, six colours: the pairs of them repeat only after thirty settings.
    looks = zip(itertools.cycle(SERIES), itertools.cycle("ovD^P"), strict=False)
    drawn += [(f"CSD: {name}", name, "gradient_csd", *next(looks)) for name in settings]
    for label, name, column, colour, marker in drawn:
        part = gradients[gradients.setting == name]
        left.plot(stages, part.groupby("stage")[column].mean()[stages], "-", color=colour)
        left.plot(part.stage.map(stages.index), part[column], marker, color=colour, label=label)
    left.set_yscale("log")
    left.set(xlabel="stage of training", ylabel="norm of the encoder's gradient")
    left.set_title("What each part of the loss asks for")
    left.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    accuracy = {name: 100 * group.accuracy for name, group in runs.groupby("setting", sort=False)}
    right.axvline(accuracy[control].mean(), color=NEUTRAL, lw=1.5, ls="--", label=f"mean of {control}")
    for y, values in enumerate(accuracy.values()):
        right.plot(values, np.full(len(values), y), "o", color=OURS, alpha=0.8)
        right.plot([values.mean()], [y], "|", color=OURS, ms=18, mew=2)
    right.set_yticks(range(len(accuracy)), list(accuracy), fontsize=10)
    right.set_ylim(len(accuracy) - 0.5, -0.5)
    right.set(xlabel="k-means accuracy (%)")
    right.set_title("What it does to the clusters, a point for each seed")
    right.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    figure.suptitle(title, fontsize="medium")
    return figure
