"""What notebooks 00 to 06 and 11 say in "Result" and "What it means", and what the tables must then have.

Each tuple is as test_prose.py says it.
"""

import numpy as np
from said import answers, cells, effects, means, points, side, sides, tables, values, welch

from kmnist_itl.reproduction import paper, rules

SIZES = "table1_bottleneck_size", "latent_dim"
MODELS = "fig03_classify_codes", ["inputs", "batch_norm"]
CODES, PIXELS, CODES_BOTH, PIXELS_BOTH = (
    (inputs, both) for both in (False, True) for inputs in ("30 codes", "784 pixels")
)
PAIRS = (CODES, PIXELS), (CODES_BOTH, PIXELS_BOTH)
KERNELS = "fig05_kernel_size", "sigma"
LAMBDAS = "fig07_lambda", "lambda"
WALKS = "fig08_walk", "lambda"


def lead(left, right):
    return welch(*MODELS, left, right)


def printed(number, beginning):
    """The lines of a notebook's stored output that begin so, without the beginning."""
    texts = ["".join(output.get("text", "")) for cell in cells(number) for output in cell.get("outputs", [])]
    lines = [line for text in texts for line in text.splitlines()]
    return [line.removeprefix(beginning) for line in lines if line.startswith(beginning)]


def csd_and_error(weight):
    """The CSD and the squared error that notebook 04 prints after 60 epochs with that lambda."""
    (line,) = printed("04", f"lambda = {weight}, epoch 60: CSD ")
    return [float(value) for value in line.split(", squared error ")]


def csd_ratio(sigma):
    """lambda CSD over the squared error."""
    csd, error = (means(*KERNELS, column)[sigma] for column in ("csd", "reconstruction_error"))
    return paper.FIG_5_LAMBDA * csd / error


SAID = [
    # ------------------------------------------------------------------ 00
    ("00", "the squared error pays for it. We think that k-means loses because it looks for round clusters",
        lambda: printed("00", "the squared error of a pixel rises")
        and printed("00", "the share of images that k-means gets right falls")),
    # ------------------------------------------------------------------ 01
    ("01", "An accuracy of 95% on the test images has a standard error of {:.2f} points, one of 40% has "
        "{:.2f}.",
        lambda: [100 * (share * (1 - share) / paper.TEST_IMAGES) ** 0.5 for share in (0.95, 0.4)]),
    # ------------------------------------------------------------------ 02
    ("02", "With a 30-dimensional code the MLP recognizes {:.1%} of the test images",
        lambda: [means(*SIZES)[30]]),
    ("02", "10 and 20 dimensions are significantly worse, by {:.1f} and {:.1f} points; none of 35, 40 and 50 "
        "differs significantly from 30",
        lambda: list(sides(*SIZES, 30).values()) == ["less"] * 2 + ["open"] * 3
        and [-100 * effects(*SIZES, 30)[k].mean for k in (10, 20)]),
    ("02", "30 are enough; no peak is significant",
        lambda: answers("A 30-dimensional code is optimal") == ["no"]),
    ("02", "early stopping on the validation accuracy gives {:.1%}, more than the paper's {:.2%}",
        lambda: [means("table1_classifier_check", "classifier")["early stopping on validation accuracy"],
            paper.TABLE_1[30]]),
    ("02", "Both changes raise the accuracy by more than the paper's number differs from ours",
        lambda: all(
            row.low > abs(paper.TABLE_1[30] - means(*SIZES)[30])
            for row in effects("table1_classifier_check", "classifier", "as in Table 1").values())),
    ("02", "From 30 on the means lie within a quarter of a point",
        lambda: np.ptp([mean for k, mean in means(*SIZES).items() if k >= 30]) <= 0.0025),
    ("02", "fall from {:.2%} to {:.2%} by overfitting, but two single runs can differ by as much",
        lambda: {welch(*SIZES, 30, k).could_be(0.9254 - 0.9181) for k in (40, 50)} == {"yes"}
        and [paper.TABLE_1[30], paper.TABLE_1[40]]),
    # ------------------------------------------------------------------ 03
    ("03", "all three claims hold",
        lambda: answers("A 30-dimensional code out", "Batch norm", "The CNN") == ["yes"] * 3),
    ("03", "significantly better than pixels, by {:.1f} points for the plain MLP and by {:.1f} with",
        lambda: {side(lead(*pair)) for pair in PAIRS} == {"more"}
        and [100 * lead(*pair).mean for pair in PAIRS]),
    ("03", "add {:.1f} points and give {:.1%}; whether they help on pixels is open ({:+.1f})",
        lambda: lead(PIXELS_BOTH, PIXELS).answer(rules.CLASSIFIER_MARGIN) == "open"
        and [100 * lead(CODES_BOTH, CODES).mean, means(*MODELS)[CODES_BOTH],
            100 * lead(PIXELS_BOTH, PIXELS).mean]),
    ("03", "The CNN recognizes {:.1%} of the test images, {:.1f} points more than the best MLP (95% interval "
        "{:.1f} to {:.1f}); the paper's lead is {:.2f}",
        lambda: [means("fig04_cnn", "model")["CNN"],
            *points(welch("fig04_cnn", "model", "CNN", "MLP on 30 codes")),
            100 * (paper.CNN - paper.MLP_BATCH_NORM_DROPOUT)]),
    ("03", "codes give {:.1f} to {:.1f} points, batch normalization and dropout {:.1f} to {:.1f}",
        lambda: [100 * lead(*pair).mean for pair in ((CODES, PIXELS), (CODES_BOTH, PIXELS_BOTH),
            (PIXELS_BOTH, PIXELS), (CODES_BOTH, CODES))]),
    ("03", "on all 784 pixels the MLP does worse", lambda: side(lead(PIXELS_BOTH, CODES_BOTH)) == "less"),
    ("03", "of the validation images the CNN recognizes {:.1%}",
        lambda: [means("fig04_cnn", "model", "validation_accuracy")["CNN"]]),
    # ------------------------------------------------------------------ 04, 11: of what the notebook prints
    ("04", "it brings the codes to the prior, and the squared error rises",
        lambda: csd_and_error(1)[0] < csd_and_error(0)[0] / 5 and csd_and_error(1)[1] > csd_and_error(0)[1]),
    ("11", "at sigma = 10,000 all of them; `kmnist_itl.divergence` is off by less than a millionth",
        lambda: all("single  0.0000e+00" in line for line in printed("11", "sigma =  10000: "))
        and all(
            float(error.partition(": ")[2]) < 1e-6
            for line in printed("11", "kmnist_itl, float32")
            for error in line.split(", sigma"))),
    # ------------------------------------------------------------------ 05
    ("05", "The codes lie {:.2f} from the roll with sigma = 1 and {:.2f} from it with 1000, significantly "
        "more",
        lambda: answers("With a wide kernel") == ["yes"]
        and [means(*KERNELS, "distance_to_roll")[sigma] for sigma in (1, 1000)]),
    ("05", "The CSD stays above half of its first value for {:.0f} epochs at most, in every training",
        lambda: [tables()["fig05_kernel_size"].plateau_epochs.max()]),
    ("05", "the plateaus of Fig 6 do not appear", lambda: answers("With σ = 100 the CSD") == ["no"]),
    ("05", "lambda times the CSD is under 0.2% of the squared error",
        lambda: csd_ratio(1000) < 0.002),
    ("05", "seed 0, drawn here, ends six to nine times above the other two",
        lambda: sorted(round(values(*KERNELS, "csd")[1000][0] / csd) for csd in values(*KERNELS, "csd")[1000])
        == [1, 6, 9]),
    ("05", "their shape is significantly closer to a Gaussian",
        lambda: {sides(*KERNELS, 1, "csd_to_blob")[sigma] for sigma in (100, 1000)} == {"less"}),
    ("05", "none makes these plateaus",
        lambda: all(
            values("audit_readings", "what", "plateau_epochs")[f"Fig 5, {sigma}"].max() < epochs / 2
            for sigma, epochs in paper.FIG_6_PLATEAUS.items())),
    # ------------------------------------------------------------------ 06
    ("06", "k-means is right for {:.1%} of the test images with lambda = 0.01 and for {:.1%} with 0.1, "
        "significantly fewer (95% interval of the difference {:.1f} to {:.1f} points)",
        lambda: [means(*LAMBDAS)[0.01], means(*LAMBDAS)[0.1], *points(effects(*LAMBDAS, 0.1)[0.01])[1:]]),
    ("06", "clustering is best with the smallest lambda",
        lambda: max(means(*LAMBDAS), key=means(*LAMBDAS).get) == 0.01 and answers("Among five") == ["no"]),
    ("06", "{:.1%} of its steps are long, without a prior {:.1%}",
        lambda: [means(*WALKS, "long_steps")[weight] for weight in (0.1, 0)]),
    ("06", "With lambda = 100 it is significantly worse than with 0.1",
        lambda: sides(*LAMBDAS, 0.1)[100] == "less"),
    ("06", "with 1 and 10 that is open", lambda: {sides(*LAMBDAS, 0.1)[w] for w in (1, 10)} == {"open"}),
    ("06", "More weight than 0.1 costs reconstruction and brings the codes no closer to the roll",
        lambda: [
            {sides(*LAMBDAS, 0.1, column)[weight] for weight in (1, 10, 100)}
            for column in ("reconstruction_error", "distance_to_roll")
        ] == [{"more"}, {"open"}]),
    ("06", "The walk has significantly fewer long steps than the same walk without a prior",
        lambda: answers("A walk over the roll") == ["yes"]),
    ("06", "Turned, so that it crosses empty space, it has more of them",
        lambda: means(*WALKS, "long_steps_turned")[0.1] > means(*WALKS, "long_steps")[0.1]),
    ("06", "the largest step exceeds the median of all pairs",
        lambda: means(*WALKS, "largest_step")[0.1] > means(*WALKS, "median_of_any_two")[0.1]),
]  # fmt: skip
