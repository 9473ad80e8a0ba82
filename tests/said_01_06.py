"""What notebooks 00 to 06 say in "Result" and "What it means", and what the tables must then have.

Each tuple: the notebook's number, a phrase of its Markdown, a function that is true if the tables have it.
"""

import json

import numpy as np
from said import FOLDER, effects, means, tables, values, verdicts

from kmnist_itl.reproduction import paper, rules


def effect(table, setting, ours, reference, column="accuracy", **only):
    """How far one setting lies above another, with Welch's interval."""
    groups = values(table, setting, column, **only)
    return rules.effect(groups[ours], groups[reference])


def side(difference):
    """'more' or 'less' if the 95% interval excludes 0, else 'open'."""
    return "more" if difference.low > 0 else "less" if difference.high < 0 else "open"


def sides(table, setting, reference, column="accuracy"):
    return {name: side(row) for name, row in effects(table, setting, reference, column).items()}


def answers(*beginnings):
    """The answers to the claims that begin so; each beginning is of one claim at least."""
    by_claim = {says: verdicts().holds[verdicts().index.str.startswith(says)] for says in beginnings}
    assert all(map(len, by_claim.values())), by_claim
    return set().union(*by_claim.values())


def percent(share, digits=1):
    return f"{100 * share:.{digits}f}"


def points(difference, digits=1):
    """The size of a difference of shares in points, without its sign."""
    return percent(abs(difference.mean), digits)


def gain(left, right):
    """How far one of notebook 03's four classifiers lies above another: (inputs, batch_norm) each."""
    groups = values("fig03_classify_codes", ["inputs", "batch_norm"])
    return rules.effect(groups[left], groups[right])


CODES, PIXELS, CODES_BOTH, PIXELS_BOTH = (
    (inputs, both) for both in (False, True) for inputs in ("30 codes", "784 pixels")
)


def share_of_codes():
    """The codes' part of the difference between the plain MLP on pixels and the best on codes."""
    return gain(CODES, PIXELS).mean / gain(CODES_BOTH, PIXELS).mean


def pair_of_runs(table, setting, left, right, reported):
    """Whether the difference of one more run of each setting could be as reported."""
    groups = values(table, setting)
    return rules.effect(groups[left], groups[right]).could_be(reported)


def printed(number, beginning):
    """The line that a notebook's stored output has with this beginning."""
    (path,) = (FOLDER / "notebooks").glob(f"{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", [])]
    (line,) = [line for text in texts for line in text.splitlines() if line.startswith(beginning)]
    return line


def errors(name):
    """The relative errors that notebook 05 prints, at sigma = 1, 100 and 1000, as a list."""
    return [float(part.partition(": ")[2]) for part in printed("05", name).split(", sigma")]


def csd_ratio():
    """lambda CSD over the squared error at sigma = 1000, in notebook 06."""
    csd, error = (means("fig05_kernel_size", "sigma", name)[1000] for name in ("csd", "reconstruction_error"))
    return paper.FIG_5_LAMBDA * csd / error


SAID = [
    # ------------------------------------------------------------------ 00
    (
        "00",
        "the squared error pays for it. We think that k-means loses because it looks for round clusters",
        lambda: (
            "rises" in printed("00", "the squared error") and "falls" in printed("00", "the share of images")
        ),
    ),
    # ------------------------------------------------------------------ 01
    ("01", "An accuracy of 95% on the test images has a standard error of 0.22 points, one of 40% has 0.49.",
        lambda: (
            [percent((a * (1 - a) / paper.TEST_IMAGES) ** 0.5, 2) for a in (0.95, 0.4)] == ["0.22", "0.49"]
        )),
    # ------------------------------------------------------------------ 02
    ("02", "With a 30-dimensional code the MLP recognizes 92.1% of the test images.",
        lambda: percent(means("table1_bottleneck_size", "latent_dim")[30]) == "92.1"),
    ("02", "With 10 and 20 dimensions it is significantly worse, by 4.1 and 0.8 points",
        lambda: (
            [sides("table1_bottleneck_size", "latent_dim", 30)[k] for k in (10, 20)] == ["less"] * 2
            and [points(effects("table1_bottleneck_size", "latent_dim", 30)[k]) for k in (10, 20)]
            == ["4.1", "0.8"]
        )),
    ("02", "none of 35, 40 and 50 differs significantly from 30",
        lambda: (
            {side for k, side in sides("table1_bottleneck_size", "latent_dim", 30).items() if k > 30}
            == {"open"}
        )),
    ("02", "early stopping on the validation accuracy gives 93.0%, more than the paper's 92.54%",
        lambda: (
            percent(means("table1_classifier_check", "classifier")["early stopping on validation accuracy"])
            == "93.0"
        )),
    ("02", "both changes raise the accuracy by more than the paper's number differs from ours",
        lambda: all(
            row.low > abs(paper.TABLE_1[30] - means("table1_bottleneck_size", "latent_dim")[30])
            for row in effects("table1_classifier_check", "classifier", "as in Table 1").values()
        )),
    ("02", "up to 30 they also help the classifier",
        lambda: (
            {k: side for k, side in sides("table1_bottleneck_size", "latent_dim", 30).items() if k < 30}
            == {10: "less", 20: "less"}
        )),
    ("02", "From 30 on, the means lie within a quarter of a point",
        lambda: (
            np.ptp([means("table1_bottleneck_size", "latent_dim")[k] for k in (30, 35, 40, 50)]) <= 0.0025
        )),
    ("02", "The paper's fall from 92.54% to 91.81% is what two single runs can differ by",
        lambda: all(
            pair_of_runs("table1_bottleneck_size", "latent_dim", 30, k, 0.9254 - 0.9181) == "yes"
            for k in (40, 50)
        )),
    ("02", "we do not see the fall", lambda: answers("30 codes are optimal") <= {"no", "open"}),
    # ------------------------------------------------------------------ 03
    ("03", "the MLP recognizes 93.3% of the test images from 30-dimensional codes and 91.1% from the pixels",
        lambda: (
            [
                percent(values("fig03_classify_codes", ["inputs", "batch_norm"])[key].mean())
                for key in (CODES_BOTH, PIXELS_BOTH)
            ]
            == ["93.3", "91.1"]
        )),
    ("03",
        "The codes are significantly better than the pixels, by 1.5 points for the plain MLP and by 2.1 with",
        lambda: (
            [side(row) for row in (gain(CODES, PIXELS), gain(CODES_BOTH, PIXELS_BOTH))] == ["more"] * 2
            and [points(row) for row in (gain(CODES, PIXELS), gain(CODES_BOTH, PIXELS_BOTH))]
            == ["1.5", "2.1"]
        )),
    ("03", "These add 1.2 points on codes, which is significant; whether they help on pixels is open (+0.5)",
        lambda: (
            points(gain(CODES_BOTH, CODES)) == "1.2"
            and side(gain(CODES_BOTH, CODES)) == "more"
            and gain(PIXELS_BOTH, PIXELS).answer(rules.CLASSIFIER_MARGIN) == "open"
            and points(gain(PIXELS_BOTH, PIXELS)) == "0.5"
        )),
    ("03", "the paper is right about each",
        lambda: answers("30 codes outperform", "Batch normalization and dropout") == {"yes"}),
    ("03", "about half of the difference comes from the codes", lambda: 0.4 < share_of_codes() < 0.6),
    ("03", "Whether these help on pixels is open",
        lambda: gain(PIXELS_BOTH, PIXELS).answer(rules.CLASSIFIER_MARGIN) == "open"),
    # ------------------------------------------------------------------ 04
    ("04", "The CNN recognizes 95.3% of the test images, the MLP on codes 93.3%.",
        lambda: [percent(mean) for mean in means("fig04_cnn", "model").values()] == ["95.3", "93.3"]),
    ("04", "This lead of 2.1 points (95% interval 1.7 to 2.4) is significant; the paper's is 3.25 points",
        lambda: (
            [
                percent(number)
                for lead in [effect("fig04_cnn", "model", "CNN", "MLP on 30 codes")]
                for number in (lead.mean, lead.low, lead.high)
            ]
            == ["2.1", "1.7", "2.4"]
            and percent(paper.CNN - paper.MLP_BATCH_NORM_DROPOUT, 2) == "3.25"
        )),
    ("04", "its CNN reaches 96.5%, more than one more run of ours would give",
        lambda: rules.effect(values("fig04_cnn", "model")["CNN"]).run_high < paper.CNN),
    ("04", "The CNN is ahead of the MLP on codes, as the paper says, by less",
        lambda: (
            answers("The CNN outperforms") == {"yes"}
            and effect("fig04_cnn", "model", "CNN", "MLP on 30 codes").high
            < paper.CNN - paper.MLP_BATCH_NORM_DROPOUT
        )),
    ("04", "ours stays a point below the paper's 96.5%",
        lambda: 0.008 < paper.CNN - means("fig04_cnn", "model")["CNN"] < 0.016),
    ("04", "on all 784 pixels it does worse", lambda: side(gain(PIXELS_BOTH, CODES_BOTH)) == "less"),
    # ------------------------------------------------------------------ 05: of what the notebook prints
    ("05", "is off by 0.2% with the paper's sigma = 100 and by 23% with its sigma = 1000",
        lambda: [f"{error:.2g}" for error in errors("textbook, float32")[1:]] == ["0.0022", "0.23"]),
    ("05", "`kmnist_itl.divergence` is off by less than a millionth",
        lambda: max(errors("kmnist_itl, float32")) < 1e-6),
    # ------------------------------------------------------------------ 06
    ("06", "the codes lie 0.39 from the roll on average, with sigma = 1000 they lie 2.51 from it",
        lambda: (
            [f"{means('fig05_kernel_size', 'sigma', 'distance_to_roll')[s]:.2f}" for s in (1, 1000)]
            == ["0.39", "2.51"]
            and side(effect("fig05_kernel_size", "sigma", 1000, 1, "distance_to_roll")) == "more"
        )),
    ("06", "so is that of their shapes: under the wide kernel it is closer to a Gaussian",
        lambda: side(effect("fig05_kernel_size", "sigma", 1000, 1, "csd_to_blob")) == "less"),
    ("06", "the CSD stays above half of its first value for 2 epochs at most, in every training",
        lambda: tables()["fig05_kernel_size"].plateau_epochs.max() == 2),
    ("06", "lambda times it is a thousandth of the squared error", lambda: 0.0003 < csd_ratio() < 0.002),
    ("06", "with a wide kernel the codes stay away from the roll, and their shape is closer to a Gaussian",
        lambda: (
            answers("With a wide kernel") == {"yes"}
            and all(sides("fig05_kernel_size", "sigma", 1, "csd_to_blob")[s] == "less" for s in (100, 1000))
        )),
    ("06", "The paper's plateaus are not in our curves",
        lambda: answers("With σ = 100 the CSD first stays high") == {"no"}),
    ("06", "the CSD stays above half of its first value for two epochs at most",
        lambda: tables()["fig05_kernel_size"].plateau_epochs.max() == 2),
    ("06", "none of them makes these plateaus",
        lambda: all(
            values("audit_readings", "what", "plateau_epochs")[f"Fig 5, {sigma}"].max() < epochs / 2
            for sigma, epochs in paper.FIG_6_PLATEAUS.items()
        )),
]  # fmt: skip
