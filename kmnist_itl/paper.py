"""What the paper reports, as data, and how a measurement is held against it."""

from dataclasses import dataclass, replace

import numpy as np

# Table 1: test accuracy of the MLP on the codes, by the number of bottleneck units.
TABLE_1 = {10: 0.8718, 20: 0.9097, 30: 0.9254, 35: 0.9241, 40: 0.9181, 50: 0.9181}

# Section III.A.b: the same on 30-dimensional codes with batch normalization and 25% dropout.
MLP_BATCH_NORM_DROPOUT = 0.9325

# Section III.A.c: the same MLP on the full images (no batch normalization, no dropout), and the CNN.
MLP_ON_PIXELS = 0.915
CNN = 0.965

# Table 2: k-means accuracy on 3-D codes by prior; sigma = 100 and lambda = 0.1 are given for the Gaussians.
TABLE_2 = {"none": 0.40, "gaussian": 0.4519, "gaussian_mixture": 0.4424, "swiss_roll": 0.42}

# Table 3, section III.D: seconds on a Tesla P100. The text says that the CSD costs extra.
TABLE_3 = {"without CSD": 83, "with CSD": 61}

# The settings of Figs 5 and 7. Fig 7 has six panels; its caption names 10 twice, so the sixth is unknown.
FIG_5_SIGMAS, FIG_5_LAMBDA = (1, 10, 100, 1000), 10
FIG_7_CAPTION = (0.01, 0.05, 0.1, 1, 10, 10)
FIG_7_LAMBDAS, FIG_7_SIGMA = tuple(dict.fromkeys(FIG_7_CAPTION)), 1
BEST_LAMBDA = 0.1  # of Figs 7 and 8, by section III.B.b
TABLE_2_SIGMA, TABLE_2_LAMBDA = 100, 0.1

TEST_IMAGES = 10_000
NEAR = 2  # standard deviations from our mean within which nearly all runs lie


def _matrix(text):
    return np.array([[int(count) for count in line.split()] for line in text.strip().splitlines()])


# Rows: actual class; columns: predicted class, for Figs 10 to 12 that of the matched k-means cluster.
CONFUSION = {
    # The MLP with batch normalization and 25% dropout on 30-dimensional codes.
    "fig03": _matrix(
        """
        939 1 2 0 16 15 1 4 19 3
        1 917 5 1 10 4 31 8 11 12
        9 10 866 66 9 4 8 6 10 12
        1 0 5 982 0 3 5 1 2 1
        13 13 3 11 910 7 12 5 18 8
        1 6 29 11 5 923 12 5 4 4
        4 1 9 3 5 2 968 3 3 2
        6 6 2 3 12 4 16 933 9 9
        7 10 4 21 7 3 3 2 943 0
        8 9 16 4 3 3 4 4 5 944
        """
    ),
    # The CNN.
    "fig04": _matrix(
        """
        979 0 3 0 3 0 0 11 4 0
        1 961 1 1 2 0 17 3 8 6
        11 5 940 16 1 5 15 4 1 2
        0 0 5 987 0 1 5 2 0 0
        23 2 2 8 919 3 14 0 26 3
        5 4 17 5 0 954 5 1 6 3
        0 3 7 0 1 3 982 2 1 1
        5 2 5 1 0 0 7 976 2 2
        2 1 2 8 1 0 0 3 983 0
        5 2 7 1 2 1 3 3 7 969
        """
    ),
    # k-means, no prior.
    "fig10": _matrix(
        """
        660 0 1 254 38 0 1 7 34 5
        5 644 68 178 88 2 14 0 0 1
        20 76 427 216 12 38 195 11 3 2
        14 6 1 635 23 0 18 279 24 0
        130 84 207 75 489 0 7 5 1 2
        7 199 35 58 13 413 12 10 253 0
        7 586 19 65 170 37 116 0 0 0
        65 27 34 41 432 2 1 389 0 9
        34 446 8 461 18 29 2 1 1 0
        49 26 378 231 73 1 3 3 0 236
        """
    ),
    # k-means, said to be of the simple Gaussian prior: as printed, it is Fig 12's picture.
    "fig11": _matrix(
        """
        535 0 0 195 23 62 4 88 0 93
        3 509 57 80 26 0 189 3 29 104
        4 0 482 179 21 9 233 23 10 39
        0 7 0 363 4 309 34 14 0 269
        62 14 51 37 624 21 99 16 1 75
        5 5 393 45 19 260 71 3 177 22
        5 31 12 5 49 2 690 1 21 184
        4 0 33 16 379 8 18 443 1 98
        0 25 14 401 4 23 43 1 434 55
        16 4 367 151 70 10 21 274 3 84
        """
    ),
    # k-means, mixture of ten Gaussians.
    "fig12": _matrix(
        """
        535 0 0 195 23 62 4 88 0 93
        3 509 57 80 26 0 189 3 29 104
        4 0 482 179 21 9 233 23 10 39
        0 7 0 363 4 309 34 14 0 269
        62 14 51 37 624 21 99 16 1 75
        5 5 393 45 19 260 71 3 177 22
        5 31 12 5 49 2 690 1 21 184
        4 0 33 16 379 8 18 443 1 98
        0 25 14 401 4 23 43 1 434 55
        16 4 367 151 70 10 21 274 3 84
        """
    ),
}
# What the text or the caption says of each.
CONFUSION_ACCURACY = {"fig03": 0.9325, "fig04": 0.965, "fig10": 0.40, "fig11": 0.4519, "fig12": 0.4424}


@dataclass(frozen=True)
class Comparison:
    """A measurement over seeds beside the paper's value.

    `mean` and `deviation` (sample standard deviation, NaN for one seed) of `seeds` values. `low` and `high`
    is Student's interval of the mean, `run_low` and `run_high` that of one more run (NaN for one seed), of
    95%, or of more where several effects are held against 0 at once (Bonferroni). `difference` is
    mean - paper; `verdict` is one of VERDICTS.
    """

    paper: float
    mean: float
    deviation: float
    low: float
    high: float
    run_low: float
    run_high: float
    seeds: int
    difference: float
    verdict: str

    @property
    def near(self):
        """Whether the paper's value lies within NEAR standard deviations of our mean; False for one seed."""
        return abs(self.difference) <= NEAR * self.deviation


# The paper's numbers are of one run each, so a value is held against the interval of one more run of ours.
# That of the mean shrinks with every seed, until it holds hardly a single run's value, not even of ours.
VERDICTS = {
    "reproduced": "the paper's value lies within two standard deviations of our mean, as nearly all runs do; "
    "of an order ('a is more than b'), the interval of our mean effect lies above 0, and the paper's effect "
    "within two standard deviations of ours",
    "direction reproduced": "an order: the interval of our mean effect lies above 0, but the paper's effect "
    "is of another size than ours, or it gives none",
    "not reproduced": "the interval of one more run of ours does not hold the paper's value; an order: the "
    "interval of our mean effect lies below 0, or it holds 0 and lies below the paper's effect, which is "
    "more than our mean can be",
    "undecided": "a value between the two, for which there are too few seeds; an order: the interval of our "
    "mean effect holds 0 and the paper's effect (if it gives one), the spread over seeds is larger than the "
    "effect",
    "undecided (one seed)": "one seed has no spread and decides nothing",
    "not comparable": "other data than KMNIST, or another profile than the paper's",
    "not in the paper": "ours alone",
    "not measured": "its notebook has not been run",
    "not testable": "the paper does not say enough, or its own numbers contradict each other",
}


def compare(values, paper, *, comparable=True, family=1):
    """Hold measured values, one for each seed, against the paper's value, NaN if it has none.

    `comparable` says whether they are of the paper's data and of the paper profile. `family` is among how
    many intervals this one is: all of them together hold their true values with 95%.

    Raises ValueError if `values` is empty or holds a number that is not finite.
    """
    from scipy import stats

    values = np.asarray(values, dtype=float).ravel()
    if not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(f"values must hold at least one number and only finite ones; got {values}.")
    mean, n = float(values.mean()), len(values)
    deviation = low = high = run_low = run_high = float("nan")
    if n > 1:
        deviation = float(values.std(ddof=1))
        quantile = float(stats.t.ppf(1 - 0.025 / family, n - 1))
        of_mean, of_run = quantile * deviation * (1 / n) ** 0.5, quantile * deviation * (1 + 1 / n) ** 0.5
        low, high, run_low, run_high = mean - of_mean, mean + of_mean, mean - of_run, mean + of_run
    found = Comparison(paper, mean, deviation, low, high, run_low, run_high, n, mean - paper, verdict="")
    if np.isnan(paper):
        verdict = "not in the paper"
    elif not comparable:
        verdict = "not comparable"
    elif n == 1:
        verdict = "undecided (one seed)"
    elif not run_low <= paper <= run_high:
        verdict = "not reproduced"
    else:
        verdict = "reproduced" if found.near else "undecided"
    return replace(found, verdict=verdict)


def accuracy_error(accuracy, images=TEST_IMAGES):
    """Standard error of an accuracy measured once on that many images (binomial), as a float."""
    return float(np.sqrt(accuracy * (1 - accuracy) / images))


def compare_order(effects, paper=float("nan"), *, comparable=True, family=1):
    """Hold an effect that the paper says is above 0, measured once for each seed, against that.

    `paper` is the size of the effect in the paper, NaN if it gives none. Returns a Comparison whose verdict
    is that of an order; the other arguments and errors as `compare`.
    """
    found = compare(effects, 0.0, comparable=comparable, family=family)
    verdict = found.verdict
    found = replace(found, paper=paper, difference=found.mean - paper)
    if comparable and found.seeds > 1:
        if found.low > 0:
            verdict = "reproduced" if found.near else "direction reproduced"
        else:
            claimed = 0 if np.isnan(paper) else paper
            verdict = "not reproduced" if found.high < claimed else "undecided"
    return replace(found, verdict=verdict)


def compare_best(leads, paper=float("nan"), *, comparable=True):
    """Hold a setting that the paper calls best against each of its rivals.

    `leads` [seeds, rivals] says by how much it was better than each rival with each seed, `paper` by how much
    it leads the next best in the paper. Returns the Comparison of the rival with the least mean lead; the
    verdict is that of an order which must hold against all rivals, 'not reproduced' if one of them is better.
    """
    leads = np.atleast_2d(np.asarray(leads, dtype=float))
    against = [
        compare_order(column, paper, comparable=comparable, family=leads.shape[1]) for column in leads.T
    ]
    found = min(against, key=lambda one: one.mean)
    verdicts = [one.verdict for one in against]
    if "not reproduced" in verdicts:
        found = replace(found, verdict="not reproduced")
    elif "undecided" in verdicts:
        found = replace(found, verdict="undecided")
    return found


def confused_pairs(matrix, top=5):
    """The `top` most frequent (actual, predicted) pairs off the diagonal of a confusion matrix, as a list."""
    counts = np.array(matrix)
    np.fill_diagonal(counts, -1)
    order = np.argsort(-counts, axis=None, kind="stable")[:top]
    return [tuple(int(i) for i in np.unravel_index(index, counts.shape)) for index in order]


def confusion_agreement(ours, theirs):
    """Spearman's rank correlation of the counts off the diagonals of two confusion matrices, as a float.

    1 when the pairs of characters are in the same order of how often one is taken for the other, about 0 when
    the two have nothing to do with each other; NaN when one matrix has the same count everywhere.
    """
    from scipy import stats

    ours, theirs = np.asarray(ours), np.asarray(theirs)
    errors = ~np.eye(len(ours), dtype=bool)
    if (np.ptp(ours[errors]), np.ptp(theirs[errors])).count(0):
        return float("nan")
    return float(stats.spearmanr(ours[errors], theirs[errors]).statistic)


def describe_confusions(ours, theirs, names, top=8):
    """Say which characters two confusion matrices, ours and the paper's, confuse most, and which both do.

    `names` are those of the classes, `top` how many pairs of each matrix are looked at; three lines of text.
    """
    found, reported = confused_pairs(ours, top), confused_pairs(theirs, top)

    def text(pairs):
        return ", ".join(f"{names[actual]} taken for {names[predicted]}" for actual, predicted in pairs)

    both = [pair for pair in reported if pair in found]
    return (
        f"ours, most frequent first: {text(found)}\nthe paper's, most frequent first: {text(reported)}\n"
        f"{len(both)} of {top} are in both: {text(both)}"
    )
