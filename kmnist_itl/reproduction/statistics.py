"""Measurements over several seeds beside the paper's one run: intervals, verdicts and tables."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from kmnist_itl.reproduction.paper import TEST_IMAGES

NEAR = 2  # standard deviations from our mean within which nearly all runs lie

# The paper gives one run for each number. So we ask whether that run could be one more of ours. The interval
# of our mean would be the wrong one: it shrinks with every seed, until even our own runs lie outside it.
VERDICTS = {
    "reproduced": "a value: the paper's lies within two standard deviations of our mean, as nearly all runs "
    "do; an order ('a is more than b'): the interval of our mean effect lies above 0, and the paper's effect "
    "lies within two standard deviations of ours",
    "direction reproduced": "an order: the interval of our mean effect lies above 0, but the paper's effect "
    "has another size, or the paper gives none",
    "not reproduced": "a value: the paper's lies outside the interval of one more run of ours; an order: the "
    "interval of our mean effect lies below 0, or it holds 0 and lies below the paper's effect",
    "undecided": "a value: the paper's lies between these two, and more seeds are needed; an order: the "
    "interval of our mean effect holds 0 and the paper's effect (if it gives one), so the seeds differ by "
    "more than the effect",
    "undecided (one seed)": "one seed has no spread and decides nothing",
    "not comparable": "other data than KMNIST, or another profile than the paper's",
    "not in the paper": "only we measured it",
    "not measured": "its notebook has not been run",
    "not testable": "the paper does not say enough, or its own numbers contradict each other",
}


@dataclass(frozen=True)
class Comparison:
    """A measurement over seeds beside the paper's value.

    `mean` and `deviation` (sample standard deviation) are those of `seeds` values. `low` and `high` bound
    Student's interval of the mean, `run_low` and `run_high` that of one more run. They are 95% intervals, or
    wider ones where several effects are tested at once (Bonferroni). With one seed, `deviation` and the
    intervals are NaN. `difference` is mean - paper; `verdict` is a key of VERDICTS.
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
    verdict: str = ""

    @property
    def near(self):
        """Whether the paper's value lies within NEAR standard deviations of our mean; False for one seed."""
        return abs(self.difference) <= NEAR * self.deviation


def compare(values, paper, *, comparable=True):
    """Compare measured values with the paper's value.

    Args:
        values: one number for each seed.
        paper: the paper's value; NaN if it has none.
        comparable: whether the values were measured on the paper's data in the paper profile.

    Returns:
        Comparison.

    Raises:
        ValueError: `values` is empty or holds a number that is not finite.
    """
    found = _intervals(values, paper)
    if np.isnan(paper):
        verdict = "not in the paper"
    elif not comparable:
        verdict = "not comparable"
    elif found.seeds == 1:
        verdict = "undecided (one seed)"
    elif not found.run_low <= paper <= found.run_high:
        verdict = "not reproduced"
    else:
        verdict = "reproduced" if found.near else "undecided"
    return replace(found, verdict=verdict)


def compare_order(effects, paper=float("nan"), *, comparable=True, family=1):
    """Test whether an effect lies above 0, as the paper says.

    Args:
        effects: one number for each seed.
        paper: the size of the effect in the paper; NaN if it gives none.
        comparable: whether the effects were measured on the paper's data in the paper profile.
        family: how many effects are tested at once. All their intervals together hold with 95%.

    Returns:
        Comparison, with the verdict on an order.

    Raises:
        ValueError: `effects` is empty or holds a number that is not finite.
    """
    found = _intervals(effects, paper, family)
    claimed = 0 if np.isnan(paper) else paper
    if not comparable:
        verdict = "not comparable"
    elif found.seeds == 1:
        verdict = "undecided (one seed)"
    elif found.low > 0:
        verdict = "reproduced" if found.near else "direction reproduced"
    else:
        verdict = "not reproduced" if found.high < claimed else "undecided"
    return replace(found, verdict=verdict)


def compare_best(leads, paper=float("nan"), *, comparable=True):
    """Test whether the setting that the paper calls best is better than each of its rivals.

    Args:
        leads: how far it is above each rival with each seed, [seeds, rivals].
        paper: how far it is above the next best in the paper; NaN if it gives no number.
        comparable: as in `compare_order`.

    Returns:
        Comparison with the rival that comes closest, the one with the smallest mean lead. The verdict is
        'not reproduced' or 'undecided' if that is the verdict for any rival.

    Raises:
        ValueError: `leads` is empty or holds a number that is not finite.
    """
    leads = np.atleast_2d(np.asarray(leads, dtype=float))
    if not leads.size:
        raise ValueError(
            "leads must hold a number for at least one seed and one rival; its shape is "
            f"{leads.shape}. Measure a rival first."
        )
    rivals = leads.shape[1]
    found = [compare_order(lead, paper, comparable=comparable, family=rivals) for lead in leads.T]
    closest = min(found, key=lambda comparison: comparison.mean)
    for verdict in ("not reproduced", "undecided"):
        if verdict in [comparison.verdict for comparison in found]:
            return replace(closest, verdict=verdict)
    return closest


def _intervals(values, paper, family=1):
    """A Comparison that has no verdict yet; the other arguments as in `compare_order`."""
    values = np.asarray(values, dtype=float).ravel()
    if not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(f"values must hold at least one number and only finite ones; got {values}.")
    n, mean = len(values), float(values.mean())
    deviation = mean_margin = run_margin = float("nan")
    if n > 1:
        deviation = float(values.std(ddof=1))
        quantile = float(stats.t.ppf(1 - 0.025 / family, n - 1))
        mean_margin = quantile * deviation * (1 / n) ** 0.5
        run_margin = quantile * deviation * (1 + 1 / n) ** 0.5
    return Comparison(
        paper=paper,
        mean=mean,
        deviation=deviation,
        low=mean - mean_margin,
        high=mean + mean_margin,
        run_low=mean - run_margin,
        run_high=mean + run_margin,
        seeds=n,
        difference=mean - paper,
    )


def accuracy_error(accuracy, images=TEST_IMAGES):
    """Standard error of an accuracy that was measured once on that many images (binomial), as a float."""
    return float(np.sqrt(accuracy * (1 - accuracy) / images))


def percent(value):
    """A share as the paper writes it, 0.9254 as '92.54%'."""
    return f"{100 * value:.2f}%"


def named(value):
    """A setting's value as tables write it: 'swiss_roll' as 'swiss roll', 10.0 as '10'."""
    return value.replace("_", " ") if isinstance(value, str) else f"{value:g}"


def summarized(values, form):
    """Mean ± standard deviation over seeds, and the 95% interval of the mean, as two strings.

    `values` holds one number for each seed; `form` is a format, '.2f' or '.2%'. One seed has no spread and no
    interval ('-'). Raises ValueError as `compare` does.
    """
    found = compare(values, float("nan"))
    if found.seeds == 1:
        return f"{found.mean:{form}}", "-"
    return f"{found.mean:{form}} ± {found.deviation:{form}}", f"{found.low:{form}} to {found.high:{form}}"


def comparison_cells(comparison):
    """A Comparison of shares as the cells of a table's row: a dict of strings by column."""
    spread, mean_interval, run_interval = "", "-", "-"
    if comparison.seeds > 1:
        spread = f" ± {100 * comparison.deviation:.2f}"
        mean_interval = f"{percent(comparison.low)} to {percent(comparison.high)}"
        run_interval = f"{percent(comparison.run_low)} to {percent(comparison.run_high)}"
    reported = not np.isnan(comparison.paper)
    return {
        "paper": percent(comparison.paper) if reported else "-",
        "ours": percent(comparison.mean) + spread,
        "95% interval of the mean": mean_interval,
        "of one more run": run_interval,
        "difference (points)": f"{100 * comparison.difference:+.2f}" if reported else "-",
        "verdict": comparison.verdict,
    }


def difference_table(runs, setting, reference, papers=None):
    """How far the accuracy of each setting lies above that of a reference setting, seed by seed.

    Args:
        runs: DataFrame with a row for each run and the columns `seed`, `accuracy` and the one that `setting`
            names.
        reference: the value of `setting` that the others are compared with.
        papers: the paper's accuracies by value of `setting`, so that its difference is shown as well.

    Returns:
        DataFrame of strings with a row for each other setting. All intervals together hold with 95%
        (Student's t, Bonferroni).
    """
    accuracies = runs.pivot(index="seed", columns=setting, values="accuracy")
    others = [value for value in dict.fromkeys(runs[setting]) if value != reference]
    papers = papers or {}
    rows = []
    for value in others:
        gains = (accuracies[value] - accuracies[reference]).dropna()
        found = compare_order(gains, family=len(others))
        spread = f" ± {100 * found.deviation:.2f}" if found.seeds > 1 else ""
        both = value in papers and reference in papers
        rows.append(
            {
                f"{setting}, minus {reference}": named(value),
                "paper (points)": f"{100 * (papers[value] - papers[reference]):+.2f}" if both else "-",
                "ours (points)": f"{100 * found.mean:+.2f}{spread}",
                **_interval_cells(found.low, found.high, str(found.seeds)),
            }
        )
    return pd.DataFrame(rows)


def control_table(runs, setting, control):
    """How far the mean accuracy of each setting lies above that of a control, by Dunnett's test.

    It is meant for many settings with few seeds, where two runs with the same seed are no more alike than any
    other two. All settings share one spread, estimated from all runs, and all intervals together hold with
    95%.

    Args:
        runs: DataFrame with a row for each run and the columns `accuracy` and the one that `setting` names.
        control: the value of `setting` that the others are compared with.

    Returns:
        DataFrame of strings with a row for each other setting; no intervals if no setting has two runs.

    Reference: Dunnett, "A multiple comparison procedure for comparing several treatments with a control",
    J. Am. Stat. Assoc. 50 (1955).
    """
    accuracies = {value: rows.accuracy.to_numpy() for value, rows in runs.groupby(setting, sort=False)}
    baseline = accuracies.pop(control)
    lows = highs = [float("nan")] * len(accuracies)
    if len(runs) > len(accuracies) + 1:
        test = stats.dunnett(*accuracies.values(), control=baseline, rng=0)
        lows, highs = test.confidence_interval()
    return pd.DataFrame(
        {
            f"{setting}, minus {control}": named(value),
            "ours (points)": f"{100 * (ours.mean() - baseline.mean()):+.2f}",
            **_interval_cells(low, high, f"{len(ours)}, {len(baseline)}"),
        }
        for (value, ours), low, high in zip(accuracies.items(), lows, highs, strict=True)
    )


def _interval_cells(low, high, n):
    """The last cells of a difference's row: its interval, n, and on which side of 0 it lies."""
    if np.isnan(low):
        return {"interval": "-", "n": n, "ours is": "-"}
    side = "more" if low > 0 else "less" if high < 0 else "undecided"
    return {"interval": f"{100 * low:+.2f} to {100 * high:+.2f}", "n": n, "ours is": side}


def confused_pairs(matrix, top):
    """The `top` most frequent (actual, predicted) pairs off the diagonal of a confusion matrix, as a list."""
    counts = np.array(matrix)
    np.fill_diagonal(counts, -1)
    order = np.argsort(-counts, axis=None, kind="stable")[:top]
    return [tuple(int(i) for i in np.unravel_index(index, counts.shape)) for index in order]


def confusion_agreement(ours, theirs):
    """Spearman's rank correlation of the counts off the diagonals of two confusion matrices, as a float.

    It is 1 when both matrices rank the pairs of characters alike by how often one is taken for the other, and
    about 0 when the two rankings have nothing to do with each other. It is NaN when one matrix has the same
    count everywhere off its diagonal.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    errors = ~np.eye(len(ours), dtype=bool)
    if np.ptp(ours[errors]) == 0 or np.ptp(theirs[errors]) == 0:
        return float("nan")
    return float(stats.spearmanr(ours[errors], theirs[errors]).statistic)


def describe_confusions(ours, theirs, names, top=8):
    """Say which characters our confusion matrix and the paper's confuse most, and which pairs are in both.

    `names` are those of the classes; the `top` most frequent pairs of each matrix are listed. Returns three
    lines of text.
    """
    found, reported = confused_pairs(ours, top), confused_pairs(theirs, top)

    def text(pairs):
        return ", ".join(f"{names[actual]} taken for {names[predicted]}" for actual, predicted in pairs)

    both = [pair for pair in reported if pair in found]
    return (
        f"ours, most frequent first: {text(found)}\nthe paper's, most frequent first: {text(reported)}\n"
        f"{len(both)} of {top} are in both: {text(both)}"
    )
