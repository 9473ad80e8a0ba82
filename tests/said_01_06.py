"""What notebooks 00 to 06 and 11 say in "Result" and "What it means", and what the tables must then have.

Each tuple: the notebook's number, a phrase of its Markdown, a function that is true if the tables have it.
"""

import json

import numpy as np
from said import FOLDER, effects, means, tables, values, verdicts

from kmnist_itl.reproduction import paper, rules

SIZES = "table1_bottleneck_size", "latent_dim"
MODELS = "fig03_classify_codes", ["inputs", "batch_norm"]
CODES, PIXELS, CODES_BOTH, PIXELS_BOTH = (
    (inputs, both) for both in (False, True) for inputs in ("30 codes", "784 pixels")
)
KERNELS = "fig05_kernel_size", "sigma"
LAMBDAS = "fig07_lambda", "lambda"
WALKS = "fig08_walk", "lambda"


def side(difference):
    """'more' or 'less' if the 95% interval excludes 0, else 'open'."""
    return "more" if difference.low > 0 else "less" if difference.high < 0 else "open"


def sides(table, setting, reference, column="accuracy"):
    return {name: side(row) for name, row in effects(table, setting, reference, column).items()}


def welch(table, setting, left, right, column="accuracy"):
    """How far one setting lies above another, with Welch's interval."""
    groups = values(table, setting, column)
    return rules.effect(groups[left], groups[right])


def answer(beginning):
    """The answer to the one claim that begins so."""
    (holds,) = verdicts().holds[verdicts().index.str.startswith(beginning)]
    return holds


def points(*numbers, digits=1):
    """Shares in points, as sentences have them."""
    return [f"{100 * number:.{digits}f}" for number in numbers]


def printed(number, beginning):
    """The lines of a notebook's stored output that begin so, without the beginning."""
    (path,) = (FOLDER / "notebooks").glob(f"{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", [])]
    lines = [line for text in texts for line in text.splitlines()]
    return [line.removeprefix(beginning) for line in lines if line.startswith(beginning)]


def csd_and_error(weight):
    """The CSD and the squared error that notebook 04 prints after 60 epochs with that lambda."""
    (line,) = printed("04", f"lambda = {weight}, epoch 60: CSD ")
    return [float(value) for value in line.split(", squared error ")]


def csd_ratios():
    """lambda CSD over the squared error by sigma."""
    csd, error = (means(*KERNELS, column) for column in ("csd", "reconstruction_error"))
    return {sigma: paper.FIG_5_LAMBDA * csd[sigma] / error[sigma] for sigma in csd}


SAID = [
    # ------------------------------------------------------------------ 00
    ("00", "the squared error pays for it. We think that k-means loses because it looks for round clusters",
        lambda: (
            printed("00", "the squared error of a pixel rises")
            and printed("00", "the share of images that k-means gets right falls")
        )),
    # ------------------------------------------------------------------ 01
    ("01", "An accuracy of 95% on the test images has a standard error of 0.22 points, one of 40% has 0.49.",
        lambda: (
            points(*((a * (1 - a) / paper.TEST_IMAGES) ** 0.5 for a in (0.95, 0.4)), digits=2)
            == ["0.22", "0.49"]
        )),
    # ------------------------------------------------------------------ 02
    ("02", "With a 30-dimensional code the MLP recognizes 92.1% of the test images",
        lambda: points(means(*SIZES)[30]) == ["92.1"]),
    ("02", "10 and 20 dimensions are significantly worse, by 4.1 and 0.8 points; none of 35, 40 and 50 "
        "differs significantly from 30",
        lambda: (
            points(*(-effects(*SIZES, 30)[k].mean for k in (10, 20))) == ["4.1", "0.8"]
            and list(sides(*SIZES, 30).values()) == ["less"] * 2 + ["open"] * 3
        )),
    ("02", "30 are enough, but not a peak", lambda: answer("A 30-dimensional code is optimal") == "no"),
    ("02", "early stopping on the validation accuracy gives 93.0%, more than the paper's 92.54%",
        lambda: points(
            means("table1_classifier_check", "classifier")["early stopping on validation accuracy"]
        ) == ["93.0"]),
    ("02", "Both changes raise the accuracy by more than the paper's number differs from ours",
        lambda: all(
            row.low > abs(paper.TABLE_1[30] - means(*SIZES)[30])
            for row in effects("table1_classifier_check", "classifier", "as in Table 1").values()
        )),
    ("02", "From 30 on the means lie within a quarter of a point",
        lambda: np.ptp([mean for k, mean in means(*SIZES).items() if k >= 30]) <= 0.0025),
    ("02", "fall from 92.54% to 91.81% by overfitting, but two single runs can differ by as much",
        lambda: {welch(*SIZES, 30, k).could_be(0.9254 - 0.9181) for k in (40, 50)} == {"yes"}),
    # ------------------------------------------------------------------ 03
    ("03", "all three claims hold",
        lambda: (
            {answer(claim) for claim in ("A 30-dimensional code out", "Batch norm", "The CNN")} == {"yes"}
        )),
    ("03", "significantly better than pixels, by 1.5 points for the plain MLP and by 2.1 with",
        lambda: (
            [side(welch(*MODELS, *pair)) for pair in ((CODES, PIXELS), (CODES_BOTH, PIXELS_BOTH))]
            == ["more"] * 2
            and points(*(welch(*MODELS, *pair).mean for pair in ((CODES, PIXELS), (CODES_BOTH, PIXELS_BOTH))))
            == ["1.5", "2.1"]
        )),
    ("03", "add 1.2 points and give 93.3%; whether they help on pixels is open (+0.5)",
        lambda: (
            points(welch(*MODELS, CODES_BOTH, CODES).mean, means(*MODELS)[CODES_BOTH]) == ["1.2", "93.3"]
            and welch(*MODELS, PIXELS_BOTH, PIXELS).answer(rules.CLASSIFIER_MARGIN) == "open"
            and points(welch(*MODELS, PIXELS_BOTH, PIXELS).mean) == ["0.5"]
        )),
    ("03", "The CNN recognizes 95.3% of the test images, 2.1 points more than the best MLP (95% interval 1.7 "
        "to 2.4); the paper's lead is 3.25",
        lambda: (
            points(
                means("fig04_cnn", "model")["CNN"],
                *[
                    end
                    for lead in [welch("fig04_cnn", "model", "CNN", "MLP on 30 codes")]
                    for end in (lead.mean, lead.low, lead.high)
                ],
            )
            == ["95.3", "2.1", "1.7", "2.4"]
            and points(paper.CNN - paper.MLP_BATCH_NORM_DROPOUT, digits=2) == ["3.25"]
        )),
    ("03", "about half of the difference comes from the codes",
        lambda: (
            0.4 < welch(*MODELS, CODES, PIXELS).mean / welch(*MODELS, CODES_BOTH, PIXELS).mean < 0.6
        )),
    ("03", "on all 784 pixels the MLP does worse",
        lambda: side(welch(*MODELS, PIXELS_BOTH, CODES_BOTH)) == "less"),
    ("03", "of the validation images the CNN recognizes 98.6%",
        lambda: points(means("fig04_cnn", "model", "validation_accuracy")["CNN"]) == ["98.6"]),
    # ------------------------------------------------------------------ 04, 11: of what the notebook prints
    ("04", "it brings the codes to the prior, and the squared error rises",
        lambda: csd_and_error(1)[0] < csd_and_error(0)[0] / 5 and csd_and_error(1)[1] > csd_and_error(0)[1]),
    ("11", "at sigma = 10,000 all of them; `kmnist_itl.divergence` is off by less than a millionth",
        lambda: (
            all("single  0.0000e+00" in line for line in printed("11", "sigma =  10000: "))
            and all(
                float(error.partition(": ")[2]) < 1e-6
                for line in printed("11", "kmnist_itl, float32")
                for error in line.split(", sigma")
            )
        )),
    # ------------------------------------------------------------------ 05
    ("05", "The codes lie 0.39 from the roll with sigma = 1 and 2.51 from it with 1000, significantly more",
        lambda: (
            [f"{means(*KERNELS, 'distance_to_roll')[sigma]:.2f}" for sigma in (1, 1000)] == ["0.39", "2.51"]
            and answer("With a wide kernel") == "yes"
        )),
    ("05", "The CSD stays above half of its first value for 2 epochs at most, in every training",
        lambda: tables()["fig05_kernel_size"].plateau_epochs.max() == 2),
    ("05", "the plateaus of Fig 6 do not appear", lambda: answer("With σ = 100 the CSD") == "no"),
    ("05", "lambda times the CSD is less than a thousandth of the squared error",
        lambda: csd_ratios()[1000] < 0.001),
    ("05", "seed 0, drawn here, ends six to nine times above the other two",
        lambda: (
            [round(ratio) for csd in [values(*KERNELS, "csd")[1000]] for ratio in sorted(csd[0] / csd[1:])]
            == [6, 9]
        )),
    ("05", "their shape is significantly closer to a Gaussian",
        lambda: [sides(*KERNELS, 1, "csd_to_blob")[sigma] for sigma in (100, 1000)] == ["less"] * 2),
    ("05", "none makes these plateaus",
        lambda: all(
            values("audit_readings", "what", "plateau_epochs")[f"Fig 5, {sigma}"].max() < epochs / 2
            for sigma, epochs in paper.FIG_6_PLATEAUS.items()
        )),
    # ------------------------------------------------------------------ 06
    ("06", "k-means is right for 33.9% of the test images with lambda = 0.01 and for 28.8% with 0.1, "
        "significantly fewer (95% interval of the difference 2.0 to 8.4 points)",
        lambda: (
            [f"{means(*LAMBDAS)[weight]:.1%}" for weight in (0.01, 0.1)] == ["33.9%", "28.8%"]
            and points(effects(*LAMBDAS, 0.1)[0.01].low, effects(*LAMBDAS, 0.1)[0.01].high) == ["2.0", "8.4"]
        )),
    ("06", "clustering is best with the smallest lambda",
        lambda: max(means(*LAMBDAS), key=means(*LAMBDAS).get) == 0.01 and answer("Among five") == "no"),
    ("06", "6.6% of its steps are long, without a prior 14.5%",
        lambda: [f"{means(*WALKS, 'long_steps')[weight]:.1%}" for weight in (0.1, 0)] == ["6.6%", "14.5%"]),
    ("06", "With lambda = 100 it is significantly worse than with 0.1",
        lambda: sides(*LAMBDAS, 0.1)[100] == "less"),
    ("06", "with 1 and 10 that is open", lambda: [sides(*LAMBDAS, 0.1)[w] for w in (1, 10)] == ["open"] * 2),
    ("06", "More weight than 0.1 costs reconstruction and brings the codes no closer to the roll",
        lambda: (
            [
                {sides(*LAMBDAS, 0.1, column)[weight] for weight in (1, 10, 100)}
                for column in ("reconstruction_error", "distance_to_roll")
            ]
            == [{"more"}, {"open"}]
        )),
    ("06", "The walk has significantly fewer long steps than the same walk without a prior",
        lambda: answer("A walk over the roll") == "yes"),
    ("06", "Turned, so that it crosses empty space, it has more of them",
        lambda: means(*WALKS, "long_steps_turned")[0.1] > means(*WALKS, "long_steps")[0.1]),
    ("06", "the largest step exceeds the median of all pairs",
        lambda: means(*WALKS, "largest_step")[0.1] > means(*WALKS, "median_of_any_two")[0.1]),
]  # fmt: skip
