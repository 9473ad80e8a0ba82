"""The rules of all verdicts.

They were written down when three to seven seeds of most tables were known, and do not change with the seeds
added since. The paper gives one run for each number; we have a run for each seed. So two questions are kept
apart: what our *mean* is (its 95% interval), and where our *next run* would lie (its 95% prediction
interval). The paper's number is one run, so only the second interval can refute it.

- **A value** (`value`) is the paper's if the interval of our mean lies within a margin of it. It is not if
  the paper's number lies outside the interval of our next run. Else it is not settled.
- **An order** (`order`), "a is more than b", is decided by Welch's test, which needs neither pairs of runs
  nor equal spreads. Where the test finds no direction, the order is excluded if the paper claims at least the
  margin and the interval of our effect lies below it. (Once exclusion came first, and a small but sure effect
  was called excluded. With the test first, one verdict moved from no to partly.) Where one sentence of the
  paper claims several orders, and where a table compares several settings with one, Holm's correction keeps
  the chance of any false direction at 5%. Exclusions are not corrected. Over all claims nothing is corrected:
  of forty claims, one or two may be wrong.
- **The best** (`best`) must be ahead of each rival. To say so needs no correction: all tests must agree.
- **A timing** is an order or a value of sessions: each session is one number, the median of its rounds, and
  Student's interval over sessions counts. A bootstrap of six sessions covers less than it says.

Runs with the same seed are not paired. Their correlation is near 0 but for a few settings, and where it is
not shown, pairing throws away half of the degrees of freedom. With equal numbers of seeds the intervals of
differences cover 95%; with 3 seeds beside 20 and unequal spreads down to 92% (tests/test_rules.py).

All seeds share one split into training and validation images, so a spread is that of trainings on this split;
benchmarks/split.py varies the split (its output: benchmarks/split.txt).

Whoever adds seeds until a verdict appears, and stops there, is wrong more often than 5%: looking at each
number of seeds from 7 to 20 finds a direction where there is none in 15% of cases. So each table has a number
of seeds that was named before (Table 1 and the CNN 10, Table 2 20, the sweeps and the grid 6), and a verdict
with fewer is a first look.

Sources: Student's and Welch's intervals as in scipy.stats; the prediction interval as in Hahn & Meeker,
"Statistical Intervals" (1991); Holm, "A simple sequentially rejective multiple test procedure", Scand. J.
Stat. 6 (1979); the best by the intersection-union test, Berger, Technometrics 24 (1982); margins as in
Lakens, "Equivalence tests", Soc. Psychol. Personal. Sci. 8 (2017).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95  # of each interval alone
# Differences of accuracy that nobody would choose a model for. (Of other effects half of the paper's counts.)
SUPERVISED_MARGIN, CLUSTERS_MARGIN = 0.01, 0.02
MOST_SEEDS = 40  # beyond these we call the cost absurd
_ROUNDING = 1e-9  # 0.42 - 0.40 is less than 0.02

VERDICTS = {
    "yes": "a value: the 95% interval of our mean lies within the margin of the paper's number; an order: "
    "it is sure (p ≤ 0.05), and the paper's size, if it gives one, is one that our next difference could "
    "have",
    "partly": "an order that is sure, but of another size: the paper's lies outside the 95% interval of our "
    "next difference, or ours is smaller than the margin and the paper's is not",
    "no": "a value: the paper's number lies outside the 95% interval of our next run, and the interval of "
    "our mean is not within the margin; an order: the opposite is sure, or no direction is, the paper claims "
    "at least the margin, and the 95% interval of ours lies below it",
    "not settled": "none of these; or two readings of the claim give two verdicts",
    "not comparable": "other data than KMNIST, or another profile than the paper's",
    "not in the paper": "only we measured it",
    "not measured": "its notebook has not been run",
    "not testable": "the paper does not say enough, or its own numbers contradict each other",
}


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, or a difference of two means, with its intervals.

    `deviation` is that of one run, or of one difference of two runs; `seeds` the fewest that a mean is of.
    `low` and `high` bound the 95% interval of the mean, `run_low` and `run_high` that of the next run or
    difference; `p` is the two-sided p-value of "it is 0". Where a mean is of one run, all of these are NaN.
    `samples` are the (mean, deviation, number of runs) that they come from.
    """

    mean: float
    samples: tuple
    deviation: float
    low: float
    high: float
    run_low: float
    run_high: float
    p: float

    @property
    def seeds(self):
        """The number of runs, of the smaller group where there are two."""
        return min(n for _, _, n in self.samples)

    @property
    def known(self):
        """Whether there is an interval: every mean is of two runs or more."""
        return self.seeds > 1


def estimate(values):
    """The mean of values with Student's intervals.

    Args:
        values: one finite number for each seed.

    Returns:
        Estimate.

    Raises:
        ValueError: `values` is empty or holds a number that is not finite.
    """
    return _estimate((_sample(values, "values"),))


def difference(ours, others):
    """How far the mean of `ours` lies above that of `others`, with Welch's intervals.

    Args:
        ours, others: finite numbers, one for each run; they may differ in number.

    Returns:
        Estimate. The degrees of freedom are Welch and Satterthwaite's.

    Raises:
        ValueError: one is empty or holds a number that is not finite.
    """
    return _estimate((_sample(ours, "ours"), _sample(others, "others")))


def apart(groups, reference):
    """How far several settings lie from one, tested together.

    Args:
        groups: maps a setting to its values, one for each run, as in `difference`.
        reference: the setting that the others are compared with.

    Returns:
        Maps each other setting to (Estimate of its mean minus the reference's, p with Holm's correction,
        'more' or 'less' where it is sure and else 'not settled').

    Raises:
        ValueError: as `difference`, or there is no such reference.
    """
    if reference not in groups:
        raise ValueError(f"reference must be one of {list(groups)}; got {reference!r}.")
    others = {name: values for name, values in groups.items() if name != reference}
    return apart_in_pairs({name: (values, groups[reference]) for name, values in others.items()})


def apart_in_pairs(pairs):
    """As `apart`, for pairs of (ours, others) by name."""
    found = {name: difference(*pair) for name, pair in pairs.items()}
    corrected = holm([each.p for each in found.values()])
    return {
        name: (each, p, ("more" if each.mean > 0 else "less") if p <= 1 - LEVEL else "not settled")
        for (name, each), p in zip(found.items(), corrected, strict=True)
    }


def value(found, paper, margin):
    """Whether a measured value is the paper's: 'yes', 'no' or 'not settled'.

    Args:
        found: Estimate of our values.
        paper: the paper's number.
        margin: float > 0, how far off is still the same.
    """
    if not found.known:
        return "not settled"
    if paper - margin - _ROUNDING <= found.low and found.high <= paper + margin + _ROUNDING:
        return "yes"
    return "not settled" if found.run_low <= paper <= found.run_high else "no"


def agreed(verdict, other):
    """The verdict on a claim whose words have two readings: that of both, else 'not settled'."""
    return verdict if verdict == other else "not settled"


def order(found, paper=float("nan"), margin=0.0, p=None):
    """Whether an effect lies above 0, as the paper says: 'yes', 'partly', 'no' or 'not settled'.

    Args:
        found: Estimate of the effect.
        paper: the size of the effect in the paper; NaN where it gives none, or calls it not significant.
        margin: float >= 0, the smallest effect that matters. It is asked only where the paper's is as large.
        p: the p-value with Holm's correction where several orders are tested at once; None is the effect's.
    """
    if not found.known:
        return "not settled"
    counts = margin > 0 and paper >= margin - _ROUNDING  # False where the paper gives no size
    if not _sure(found, p):
        return "no" if counts and found.high < margin else "not settled"
    if found.mean < 0:
        return "no"
    other_size = not np.isnan(paper) and not found.run_low <= paper <= found.run_high
    return "partly" if other_size or (counts and found.mean < margin) else "yes"


def no_more(found, margin, p=None):
    """Whether an effect is not above 0, as the paper says: 'yes', 'no' or 'not settled'.

    'yes' if an effect of the margin is excluded or the opposite is sure, 'no' if it is surely above 0. The
    arguments are those of `order`.
    """
    if not found.known:
        return "not settled"
    if found.high < margin:
        return "yes"
    if not _sure(found, p):
        return "not settled"
    return "yes" if found.mean < 0 else "no"


def _sure(found, p):
    return (found.p if p is None else p) <= 1 - LEVEL


def best(leads, paper=float("nan"), margin=0.0):
    """Whether a setting is ahead of each of its rivals.

    Args:
        leads: Estimates of how far it is above each rival, at least one.
        paper, margin: as in `order`; the paper's lead is that over the next best.

    Returns:
        (verdict, the Estimate of the rival that comes closest). 'yes' or 'partly' if it is surely ahead of
        each (no correction: all tests must agree); 'no' if one is surely ahead of it, with Holm's correction
        over the rivals, or the paper's lead over one is excluded.

    Raises:
        ValueError: there is no rival.
    """
    if not leads:
        raise ValueError("leads must hold at least one rival; it is empty. Measure a rival first.")
    closest = min(leads, key=lambda lead: lead.mean)
    corrected = holm([each.p for each in leads])
    if any(order(lead, paper, margin, p) == "no" for lead, p in zip(leads, corrected, strict=True)):
        return "no", closest
    if any(order(lead) != "yes" for lead in leads):
        return "not settled", closest
    return order(closest, paper, margin), closest


def holm(p_values):
    """Holm's corrected p-values, in the order of the given ones, as a list of floats.

    A NaN stays NaN and does not count as a test.
    """
    p_values = np.asarray(p_values, dtype=float)
    corrected, running = p_values.copy(), 0.0
    ranked = [index for index in np.argsort(p_values, kind="stable") if not np.isnan(p_values[index])]
    for rank, index in enumerate(ranked):
        running = max(running, min(1.0, (len(ranked) - rank) * p_values[index]))
        corrected[index] = running
    return corrected.tolist()


def seeds_needed(found, judge):
    """How many seeds a verdict would take if means and deviations stayed as they are.

    With so many, about half of all trials settle it, fewer where several tests must agree (simulated in
    tests/test_rules.py).

    Args:
        found: list of Estimates.
        judge: function of a list of Estimates that returns a verdict.

    Returns:
        The fewest seeds, from those that `found` has up to MOST_SEEDS, at which the verdict is not 'not
        settled'; None if more are needed; infinity if no number settles it, as where the paper's value lies
        neither within the margin nor beyond the spread of single runs. None, too, if one seed gives no
        deviation.
    """
    if not all(each.known for each in found):
        return None

    def settled(seeds):
        more = [
            _estimate(tuple((mean, deviation, max(n, seeds)) for mean, deviation, n in each.samples))
            for each in found
        ]
        return judge(more) != "not settled"

    fewest = min(each.seeds for each in found)
    if (seeds := next(filter(settled, range(fewest, MOST_SEEDS + 1)), None)) is not None:
        return seeds
    return None if settled(10**6) else float("inf")


def _sample(values, name):
    values = np.asarray(values, dtype=float).ravel()
    if not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(f"{name} must hold at least one number and only finite ones; got {values}.")
    deviation = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return float(values.mean()), deviation, len(values)


def _estimate(samples):
    """The Estimate of one (mean, deviation, number of runs), or of how far one lies above another."""
    means, deviations, counts = np.transpose(samples)
    mean = float(means[0] - means[1:].sum())
    half = run_half = p = float("nan")
    if counts.min() > 1:
        half, p = _half_width(mean, deviations**2 / counts, counts)
        run_half, _ = _half_width(mean, deviations**2 * (1 + 1 / counts), counts)
    return Estimate(
        mean=mean,
        samples=samples,
        deviation=float(np.sqrt(np.sum(deviations**2))),
        low=mean - half,
        high=mean + half,
        run_low=mean - run_half,
        run_high=mean + run_half,
        p=p,
    )


def _half_width(mean, variances, counts):
    """Half the width of the interval whose variance is the sum of these, and the p-value of a mean of 0."""
    total = variances.sum()
    if total < _ROUNDING**2:
        return 0.0, float(abs(mean) < _ROUNDING)
    freedom = total**2 / np.sum(variances**2 / (counts - 1))
    error = np.sqrt(total)
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom) * error), float(
        2 * stats.t.sf(abs(mean) / error, freedom)
    )
