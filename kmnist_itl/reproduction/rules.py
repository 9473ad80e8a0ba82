"""The rules of all answers: an effect, its intervals, and the three answers yes, no and open.

The 95% interval of an effect answers: all above 0, *yes*; else all below the margin, below which it would not
matter, *no*; else *open*. Notebook 09 has the reasons. Means of independent runs are compared by Welch's
interval; several settings with each other by Tukey's, with one by Dunnett's, which hold together with 95%.

Sources: the prediction interval is that of Hahn and Meeker, "Statistical Intervals" (1991); margins are as in
Lakens, "Equivalence tests", Soc. Psychol. Personal. Sci. 8 (2017).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
CLASSIFIER_MARGIN, CLUSTERS_MARGIN = 0.01, 0.02


@dataclass(frozen=True)
class Effect:
    """A mean over runs, or how far one mean lies above another.

    `low` and `high` bound its 95% interval, `run_low` and `run_high` that of one more run or difference; all
    are NaN if a mean is of one run. `runs` is the number of runs, of the smaller group.
    """

    mean: float
    low: float
    high: float
    run_low: float
    run_high: float
    runs: int

    def answer(self, margin, *, is_absent=False):
        """'yes', 'no' or 'open': whether the effect is above 0; or whether an effect `is_absent`."""
        positive, negative = ("no", "yes") if is_absent else ("yes", "no")
        return positive if self.low > 0 else negative if self.high < margin else "open"

    def could_be(self, reported):
        """'yes' or 'no': whether one more run could give this number; '-' for one run or no number."""
        if np.isnan(reported) or np.isnan(self.run_low):
            return "-"
        return "yes" if self.run_low <= reported <= self.run_high else "no"


def effect(values, reference=None):
    """The Effect of values, a number for each run, or by Welch of how far they lie above a reference's.

    Raises ValueError if values or reference are empty or not finite.
    """
    samples = [_sample("values", values)]
    if reference is not None:
        samples.append(_sample("reference", reference))
    if min(map(len, samples)) < 2:
        return _effect(samples)
    if max(map(np.ptp, samples)) == 0:  # where SciPy's intervals are NaN
        return _effect(samples, [samples[0][0] - sum(sample[0] for sample in samples[1:])] * 2)
    test = stats.ttest_ind(*samples, equal_var=False) if samples[1:] else stats.ttest_1samp(*samples, 0)
    return _effect(samples, test.confidence_interval(LEVEL))


def effects(groups, reference):
    """How far several settings lie from a reference, with Dunnett's intervals, which hold together.

    `groups` maps each setting, the reference among them, to its values. Returns a dict of an Effect for each
    other setting; raises ValueError as `effect`.
    """
    samples = {name: _sample(name, values) for name, values in groups.items()}
    control = samples.pop(reference)
    if min(map(len, [control, *samples.values()])) < 2:
        return {name: _effect([values, control]) for name, values in samples.items()}
    test = stats.dunnett(*samples.values(), control=control, rng=np.random.default_rng(0))
    bounds = np.transpose(test.confidence_interval(LEVEL))
    pairs = zip(samples.items(), bounds, strict=True)
    return {name: _effect([values, control], bound) for (name, values), bound in pairs}


def smallest_lead(ahead, *rivals):
    """The Effect of how far a setting lies above its closest rival, with Tukey's interval over all of them.

    Of the values of the setting and of each rival; raises ValueError as `effect`.
    """
    samples = [_sample("values", values) for values in (ahead, *rivals)]
    closest = max(range(1, len(samples)), key=lambda rival: samples[rival].mean())
    pair = [samples[0], samples[closest]]
    if min(map(len, samples)) < 2:
        return _effect(pair)
    interval = stats.tukey_hsd(*samples).confidence_interval(LEVEL)
    return _effect(pair, (interval.low[0, closest], interval.high[0, closest]))


def _sample(name, values):
    values = np.asarray(values, dtype=float).ravel()
    if not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(f"{name} must hold at least one number and only finite ones; got {values}.")
    return values


def _effect(samples, interval=(np.nan, np.nan)):
    """The Effect of one sample, or of the first over the second; the prediction interval comes from them."""
    mean = samples[0].mean() - sum(sample.mean() for sample in samples[1:])
    counts = np.array([len(values) for values in samples])
    half = np.nan
    if counts.min() > 1:
        # One more run deviates from the mean of n by its own variance and by that of the mean, 1/n of it.
        variances = np.array([np.var(values, ddof=1) for values in samples]) * (1 + 1 / counts)
        total, half = variances.sum(), 0.0
        if total > 0:
            freedom = total**2 / np.sum(variances**2 / (counts - 1))  # Welch and Satterthwaite's
            half = stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(total)
    return Effect(*map(float, (mean, *interval, mean - half, mean + half)), int(counts.min()))
