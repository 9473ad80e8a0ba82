"""What notebooks 07 to 10 and 12 say, and 00 says of 07, beside what the committed tables must then have.

Each tuple is as test_prose.py says it.
"""

import numpy as np
from said import answers, effects, gain_over_splits, means, points, side, sides, tables, values, verdicts

from kmnist_itl.reproduction import experiments, paper, peers, rules

TABLE_2 = "table2_priors", "prior"
GRID = "prior_grid", "setting", "none"
METHODS = "clustering_methods", "method"
INFORMATIONS = ["nothing", "Shannon's information", "Euclidean information"]
GAUSSIANS = "gaussian", "gaussian_mixture"
NARROWER = experiments.setting_name("gaussian", 10, 1)
SPLIT_SETTING = experiments.setting_name("gaussian", paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA)
PAPERS_GAIN = 100 * (paper.TABLE_2["gaussian"] - paper.TABLE_2["none"])


def gains():
    """The effect of each prior of Table 2 on k-means, by Dunnett over these priors."""
    accuracy = values(*TABLE_2)
    return rules.effects({prior: accuracy[prior] for prior in paper.TABLE_2}, "none")


def frozen(dataset, column):
    """What the network adds to the merged forms of the pixels, of an accuracy in points."""
    return lead("clustering_frozen", "method", "cs_qmi", "forms_of_pixels", column, dataset=dataset)


def ablation():
    return tables()["clustering_ablation"].set_index("changed").accuracy


def lead(table, setting, ours, reference, column="accuracy", **only):
    """How many points one mean lies above another."""
    mean = means(table, setting, column, **only)
    return 100 * (mean[ours] - mean[reference])


def step(prior):
    """A step with a prior over one without: the mean over sessions, and the ends of its interval."""
    ratio = tables()["table3_step_seconds"].groupby(["prior", "session"]).ratio.median()
    return [number / 100 for number in points(rules.effect(ratio[prior]))]


def epochs():
    """The epochs of the autoencoder with the CSD over those of the one without, by seed."""
    runs = tables()["table3_cost"].pivot(index="seed", columns="autoencoder", values="epochs").dropna()
    return runs["with CSD"] / runs["without CSD"]


def gradient_shares():
    """The wide kernel's gradient over the reconstruction's at each stage, means over seeds."""
    runs = tables()["prior_gradients"]
    runs = runs[runs.setting == experiments.WATCHED[0]]
    return (runs.gradient_csd / runs.gradient_reconstruction).groupby(runs.stage).mean()


def rolls():
    """The mean accuracy of every roll that was trained, by (sigma, lambda)."""
    runs = [tables()[name] for name in ("fig05_kernel_size", "fig07_lambda", "audit_wide_roll")]
    return {key: rows.accuracy.mean() for table in runs for key, rows in table.groupby(["sigma", "lambda"])}


def by_labels(method, protocol):
    """Means over the five networks of clustering_labels with few, more and most labels."""
    runs = tables()["clustering_labels"]
    runs = runs[(runs.method == method) & (runs.protocol == protocol)]
    assert runs.seed.nunique() == 5
    columns = ["labels", "accuracy", "train_accuracy", "all_accuracy"]
    return runs.groupby(runs.groupby("seed").labels.rank())[columns].mean()


def fewest_labels(method, *columns):
    """Means of clustering_labels with a label for each of the fewest forms, all images in the graph."""
    return by_labels(method, "all_images").iloc[0][list(columns)].tolist()


SAID = [
    # Results under the titles
    ("07", "k-means is right for {:.1%} of the test images", lambda: [means(*TABLE_2)["none"]]),
    ("07",
        "by {:+.1f} points (95% interval {:+.1f} to {:+.1f}), the mixture by {:+.1f} ({:+.1f} to {:+.1f}); "
        "a swiss roll with sigma = 1 by {:+.1f} ({:+.1f} to {:+.1f})",
        lambda: [number for effect in gains().values() for number in points(effect)]),
    ("07", "is {:.1%} to {:.1%} of the reconstruction's", lambda: [*gradient_shares().agg(["min", "max"])]),
    ("07", "none clusters significantly better than no prior, and three cluster significantly worse",
        lambda: sorted(sides(*GRID).values()) == ["less"] * 3 + ["open"] * 7),
    ("08", "with the CSD takes {:.2f} times as long as without it (95% interval {:.2f} to {:.2f})",
        lambda: step("gaussian")),
    ("08", "as the paper writes it, {:.2f} times ({:.2f} to {:.2f})", lambda: step("gaussian, as written")),
    ("08", "{:.2f} to {:.2f} times the epochs of the one without", lambda: [*epochs().agg(["min", "max"])]),
    ("09", "Seven hold and five do not; none is open",
        lambda: verdicts().holds.value_counts().to_dict() == {"yes": 7, "no": 5}),
    ("09", "the 95% interval of ours is {:+.1f} to {:+.1f} points, the paper's gain {:.1f}",
        lambda: [*points(gains()["gaussian"])[1:], PAPERS_GAIN]),
    # What it means
    ("07", "with sigma = 1 and lambda = 1 k-means is significantly worse with either prior",
        lambda: {sides(*GRID)[experiments.setting_name(prior, 1, 1)] for prior in GAUSSIANS} == {"less"}),
    ("07", "At sigma = 10 a gain of two points stays open",
        lambda: all(
            effects(*GRID)[experiments.setting_name(prior, 10, weight)].high > rules.CLUSTERS_MARGIN
            for prior, weight in (("gaussian", 0.1), ("gaussian", 1), ("gaussian_mixture", 0.1)))),
    ("07", "one run of each can show any order",
        lambda: all(gains()[prior].run_low < 0 < gains()[prior].run_high for prior in GAUSSIANS)),
    ("07", "the Gaussian's gain is {:+.1f} points (95% interval {:+.1f} to {:+.1f}): over splits it is open",
        lambda: points(gain_over_splits(SPLIT_SETTING)) if gain_over_splits(SPLIT_SETTING).runs == 5 else []),
    ("00", "this swiss roll costs k-means some {:.0f} points. The paper's Gaussian prior, which gained "
        "{:.1f} points in its one run, changes the accuracy by {:.1f} points in the mean of {}",
        lambda: [lead(*TABLE_2, "none", "swiss_roll"), PAPERS_GAIN, points(gains()["gaussian"])[0],
            len(values(*TABLE_2)["gaussian"])]),
    ("08", "On a CPU ours adds a few percent to a step. The formula as the paper writes it adds {:.0f}%",
        lambda: 1.01 < step("gaussian")[0] < 1.08 and [100 * step("gaussian, as written")[0] - 100]),
    ("08", "but in none of our seeds by as much",
        lambda: epochs().min() * step("gaussian")[0]
        > paper.TABLE_3["with CSD"] / paper.TABLE_3["without CSD"]),
    ("09", "holds, except that 30 is the best code size: a lead of one point is excluded",
        lambda: answers("A 30-dimensional code out", "Batch normalization", "The CNN out") == ["yes"] * 3
        and answers("A 30-dimensional code is optimal") == ["no"]),
    ("09", "what it says about wide kernels and the walk holds; the plateau of its Fig 6 and its best lambda "
        "do not",
        lambda: answers("With a wide kernel", "A walk over the roll", "With σ = 100 the CSD", "Among five")
        == ["yes", "yes", "no", "no"]),
    ("09", "That the mixture is no better holds; that its codes span more does not",
        lambda: answers("The mixture of ten", "Under the mixture the codes") == ["yes", "no"]),
    ("09", "Both answers about k-means stay the same if it is fitted on the test images",
        lambda: [row.other_choice.endswith(row.holds) for row in verdicts().itertuples()
            if row.other_choice != "-"] == [True, True]),
    ("12", "Only rolls with sigma = 100 or 1000 come near 42%",
        lambda: all(
            abs(share - paper.TABLE_2["swiss_roll"]) < 0.022 if sigma >= 100
            else share < paper.TABLE_2["swiss_roll"] - 0.08
            for (sigma, _), share in rolls().items())),
    ("12", "on five splits, with one seed each, it is {:+.1f} ({:+.1f} to {:+.1f};",
        lambda: points(gain_over_splits(NARROWER)) if gain_over_splits(NARROWER).runs == 5 else []),
    ("12", "open, too. With the paper's own numbers",
        lambda: side(gain_over_splits(NARROWER)) == "open"),
    ("12", "No interpretation has Fig 6's plateaus",
        lambda: all(
            values("audit_readings", "what", "plateau_epochs")[f"Fig 5, {sigma}"].max() <= 3
            for sigma in paper.FIG_6_PLATEAUS)),
    ("12", "our autoencoder leaves out two thirds of the ink",
        lambda: 0.6 < 1 - means("audit_loss", "loss", "ink")["mean_absolute_error"] < 0.7),
    # Clusters
    ("10", "classifies {:.1%} of the test images and {:.1%} of all images correctly (means of five "
        "networks). As many random labels, spread over the same graph, give {:.1%} and {:.1%}",
        lambda: [mean for method in ("forms", "random_spread")
            for mean in fewest_labels(method, "accuracy", "all_accuracy")]),
    ("10", "One label for each of {:.0f} forms", lambda: fewest_labels("forms", "labels")),
    ("10", "{:.1%} of the test images and {:.1%} of all images lie in the cluster of their class",
        lambda: [tables()["joined_forms"][column].mean() for column in ("accuracy", "all_accuracy")]),
    ("10", "{:.1f} points more than with UMAP and k-means (95% interval {:.1f} to {:.1f})",
        lambda: np.abs(points(effects(*METHODS, "cs_qmi")["umap"]))[[0, 2, 1]].tolist()),
    ("10", "{:.0%} of the training images get the right class",
        lambda: fewest_labels("forms", "train_accuracy")),
    ("10",
        "find significantly more test images than k-means, by {:.0f} points, and than UMAP with k-means, "
        "by {:.0f}",
        lambda: {sides(*METHODS, "cs_qmi")[name] for name in peers.ON_OUR_FEATURES} == {"less"}
        and [lead(*METHODS, "cs_qmi", name) for name in peers.ON_OUR_FEATURES]),
    ("10", "The network adds {:.1f} points on the test images: merged forms of the pixels alone give {:.1%} "
        "of these and {:.1%} of all images",
        lambda: [lead(*METHODS, "cs_qmi", "forms_of_pixels"),
            *(means(*METHODS, column)["forms_of_pixels"] for column in ("accuracy", "all_accuracy"))]),
    ("10", "On 5,000 images of MNIST it adds {:.1f} points; on the 1,797 digits it costs two",
        lambda: round(-frozen("digits", "accuracy")) == 2 and [frozen("mnist", "accuracy")]),
    ("10", "2.25 with the network and 2.15 without on MNIST, 2.26 with both on the digits",
        lambda: [round(frozen(name, "information") / 100, 1) for name in ("mnist", "digits")] == [0.1, 0]),
    ("10", "with Shannon's, Euclidean or Cauchy-Schwarz information the ablation ends within a point",
        lambda: np.ptp(ablation()[INFORMATIONS]) < 0.0105),
    ("10", "Batches of 200 pairs add most, {:.1f} points",
        lambda: ablation().idxmax() == "batches of 200 pairs"
        and [100 * (ablation().max() - ablation()["nothing"])]),
]  # fmt: skip
