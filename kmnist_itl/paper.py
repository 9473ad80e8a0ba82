"""What the paper reports, as data, and how a measurement is held against it."""

from dataclasses import dataclass

import numpy as np

# Table 1: test accuracy of the MLP on the codes, by the number of bottleneck units.
TABLE_1 = {10: 0.8718, 20: 0.9097, 30: 0.9254, 35: 0.9241, 40: 0.9181, 50: 0.9181}

# Section III.A.b: the same on 30-dimensional codes with batch normalization and 25% dropout.
MLP_BATCH_NORM_DROPOUT = 0.9325

TEST_IMAGES = 10_000


@dataclass(frozen=True)
class Comparison:
    """A measurement over seeds beside the paper's value.

    `mean` and `deviation` (sample standard deviation, NaN for one seed) of `seeds` values; `low` and `high`
    is Student's 95% interval of the mean (NaN for one seed); `difference` is mean - paper; `verdict` is
    'reproduced' where the interval holds the paper's value, 'not reproduced' where it does not, and
    'undecided' with one seed, which has no spread; 'not comparable' where other data or a smaller profile
    than the paper's were used.
    """

    paper: float
    mean: float
    deviation: float
    low: float
    high: float
    seeds: int
    difference: float
    verdict: str


def compare(paper, values, *, comparable=True):
    """Hold measured values, one for each seed, against the paper's value.

    `comparable` says whether they are of the paper's data and of the paper profile.

    Raises ValueError if `values` is empty or holds a number that is not finite.
    """
    from scipy import stats

    values = np.asarray(values, dtype=float).ravel()
    if not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(f"values must hold at least one number and only finite ones; got {values}.")
    mean, n = float(values.mean()), len(values)
    deviation = low = high = float("nan")
    verdict = "undecided (one seed)"
    if n > 1:
        deviation = float(values.std(ddof=1))
        half = float(stats.t.ppf(0.975, n - 1)) * deviation / np.sqrt(n)
        low, high = mean - half, mean + half
        verdict = "reproduced" if low <= paper <= high else "not reproduced"
    if not comparable:
        verdict = "not comparable"
    return Comparison(paper, mean, deviation, low, high, n, mean - paper, verdict)


def accuracy_error(accuracy, images=TEST_IMAGES):
    """Standard error of an accuracy measured once on that many images (binomial), as a float."""
    return float(np.sqrt(accuracy * (1 - accuracy) / images))
