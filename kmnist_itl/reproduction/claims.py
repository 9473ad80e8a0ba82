"""Every claim of the paper, what we measured of it, and the verdict by the rules of rules.py."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from kmnist_itl.reproduction import experiments, paper, rules, statistics

SECTIONS = {
    "A": "Classification (section III.A)",
    "B": "The swiss roll (section III.B)",
    "C": "Clusters and priors (section III.C)",
    "D": "What it costs (section III.D)",
}


@dataclass(frozen=True)
class Claim:
    """What the paper says, and how we test it.

    `section` is a key of SECTIONS, `where` the section, table or figure, `says` the claim in short;
    `headline` puts it into README.md's summary. Of the methods `value`, `order`, `no_more`, `best` and
    `untestable`, each claim calls one. They fill in the rest. Claims of one `family` are one sentence of the
    paper, and corrected together. Where the paper's words have a second reading, `other_measure` measures
    that one, and a verdict is given only if both agree. With `our_reading` the paper gives words only, and
    the size that they are tested by is ours.
    """

    section: str
    where: str
    says: str
    headline: bool = False
    kind: str = ""
    table: str = ""
    measure: Callable | None = None
    other_measure: Callable | None = None
    reported: float = float("nan")
    unit: str = "share"
    family: str = ""
    why: str = ""
    our_reading: bool = False

    def value(self, table, reported, **settings):
        """Test whether the accuracy in the rows of a table that have these settings is the reported one."""
        return replace(
            self, kind="value", table=table, reported=reported, measure=_alone("accuracy", **settings)
        )

    def on_both(self):
        """Test Table 2's claim for k-means fitted on the training and on the test images: it does not say."""
        return replace(self, other_measure=lambda frame: self.measure(_fitted_on_test(frame)))

    def order(self, table, measure, reported=float("nan"), unit="points", family=""):
        """Test whether an effect lies above 0.

        Args:
            table: name of the CSV.
            measure: function of its DataFrame that returns pairs of values, [(ours, others)]: the effect is
                the mean of `ours` minus that of `others`, or if `others` is None the mean of `ours`.
            reported: the size of the effect in the paper, NaN where it gives none.
            unit: 'points' for a difference of shares, 'times' for one of natural logarithms, otherwise words
                with {} in the place of the number.
            family: a name that the orders tested together share.
        """
        return replace(
            self,
            kind="order",
            table=table,
            measure=measure,
            reported=reported,
            unit=unit,
            family=family or self.says,
        )

    def best(self, table, measure, reported=float("nan")):
        """Test whether a setting is ahead of each rival; `measure` gives a pair for each of them."""
        return replace(self, kind="best", table=table, measure=measure, reported=reported, unit="points")

    def no_more(self, table, measure, reported):
        """Test whether an effect is not above 0; the arguments as in `order`, `reported` is only shown."""
        return replace(self.order(table, measure, reported), kind="no more")

    def untestable(self, why):
        """Say what the paper leaves open."""
        return replace(self, why=why)

    @property
    def margin(self):
        """The smallest difference that counts: of accuracies a fixed one, of others half of the paper's."""
        if self.unit not in ("share", "points"):
            return 0.0 if np.isnan(self.reported) else self.reported / 2
        return rules.SUPERVISED_MARGIN if self.section == "A" else rules.CLUSTERS_MARGIN

    def judged(self, estimates, p=None):
        """(verdict, Estimate) from the Estimates of what `measure` gives; `p` as in `rules.order`."""
        if self.kind == "best":
            return rules.best(estimates, self.reported, self.margin)
        (found,) = estimates
        if self.kind == "value":
            return rules.value(found, self.reported, self.margin), found
        if self.kind == "no more":
            return rules.no_more(found, self.margin, p), found
        return rules.order(found, self.reported, self.margin, p), found


def _rows(frame, settings):
    for name, wanted in settings.items():
        frame = frame[frame[name] == wanted]
    return frame


def _values(frame, column, **settings):
    """A column of the rows that have these settings, without those that were not measured."""
    return _rows(frame, settings)[column].dropna().to_numpy(float)


def _fitted_on_test(frame):
    return frame.assign(accuracy=frame.accuracy_fitted_on_test)


def _above(setting, ours, *others, column="accuracy", of=lambda values: values, **settings):
    """A function of a table: a pair of one value of a setting with each other one.

    Only the rows that have the other `settings` count. If no other value is named, it takes all that the
    table has. `of` is applied to the column first.
    """

    def measure(frame):
        all_values = dict.fromkeys(_rows(frame, settings)[setting])
        rivals = others or [value for value in all_values if value != ours]

        def values(value):
            return of(_values(frame, column, **settings, **{setting: value}))

        return [(values(ours), values(rival)) for rival in rivals]

    measure.names = [_side(setting, value) for value in (ours, *others)] if len(others) == 1 else None
    return measure


def _side(setting, value):
    """A side of a comparison behind a number: 'with σ = 1', 'without a prior', 'for CNN'."""
    if setting == "lambda" and not value:
        return "without a prior"
    symbol = {"sigma": "σ", "lambda": "λ"}.get(setting)
    return f"with {symbol} = {value:g}" if symbol else f"for {value}"


def _alone(column, of=lambda values: values, **settings):
    """A function of a table: a column by itself, to be compared with 0."""
    return lambda frame: [(of(_values(frame, column, **settings)), None)]


def _smallest_fall(frame):
    errors = frame.pivot(index="seed", columns="latent_dim", values="reconstruction_error")
    return [(-errors.sort_index(axis=1).diff(axis=1).iloc[:, 1:].max(axis=1).dropna().to_numpy(), None)]


def _step_ratios(prior):
    """A function of the table of steps: the log of a step with a CSD over one without, by session."""

    def measure(frame):
        ratios = frame[frame["prior"] == prior].groupby("session")["ratio"].median()
        return [(np.log(ratios.to_numpy()), None)]

    return measure


def _log_spans(prior, other):
    return float(np.log(np.mean(paper.FIG_9_SPANS[prior]) / np.mean(paper.FIG_9_SPANS[other])))


_OTHER_SIZES = [size for size in paper.TABLE_1 if size != 30]
_LEAD_OF_30 = paper.TABLE_1[30] - max(paper.TABLE_1[size] for size in _OTHER_SIZES)
_OTHER_LAMBDAS = [weight for weight in paper.FIG_7_LAMBDAS if weight != paper.BEST_LAMBDA]
_PRIORS = {"gaussian": "Gaussian", "gaussian_mixture": "mixture of ten", "swiss_roll": "swiss roll"}
_BEST_OF_GRID = experiments.setting_name("gaussian", paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA)

CLAIMS = [
    *(
        Claim("A", "Table 1", f"{size} codes: accuracy of the MLP", headline=size == 30).value(
            "table1_bottleneck_size", accuracy, latent_dim=size
        )
        for size, accuracy in paper.TABLE_1.items()
    ),
    Claim("A", "III.A.a", "30 codes are optimal for the MLP", headline=True).best(
        "table1_bottleneck_size", _above("latent_dim", 30, *_OTHER_SIZES), _LEAD_OF_30
    ),
    Claim("A", "III.A.a", "With more codes accuracy gets worse again: 30 over 50").order(
        "table1_bottleneck_size", _above("latent_dim", 30, 50), paper.TABLE_1[30] - paper.TABLE_1[50]
    ),
    Claim("A", "III.A.a", "The reconstruction error always falls with more codes").order(
        "table1_bottleneck_size", _smallest_fall, unit="by {} at least"
    ),
    Claim("A", "III.A.b", "Batch normalization and dropout, 30 codes: accuracy").value(
        "fig03_classify_codes", paper.MLP_BATCH_NORM_DROPOUT, inputs="30 codes", batch_norm=True
    ),
    Claim("A", "Fig 3", "Its mistakes are those of an MLP: more like our MLP's than our CNN's").order(
        "fig04_cnn",
        _above("model", "MLP on 30 codes", "CNN", column="agreement_fig03"),
        unit="a difference of {} of rank correlations",
    ),
    Claim("A", "III.A.b", "Batch normalization and dropout raise it").order(
        "fig03_classify_codes",
        _above("batch_norm", True, False, inputs="30 codes"),
        paper.MLP_BATCH_NORM_DROPOUT - paper.TABLE_1[30],
    ),
    Claim("A", "III.A.c", "The MLP on the full image: accuracy").value(
        "fig03_classify_codes", paper.MLP_ON_PIXELS, inputs="784 pixels", batch_norm=False
    ),
    Claim("A", "III.A.b", "30 codes outperform the full image (the same MLP)", headline=True).order(
        "fig03_classify_codes",
        _above("inputs", "30 codes", "784 pixels", batch_norm=False),
        paper.TABLE_1[30] - paper.MLP_ON_PIXELS,
    ),
    Claim("A", "III.A.c", "The CNN: accuracy", headline=True).value("fig04_cnn", paper.CNN, model="CNN"),
    Claim("A", "Fig 4", "Its mistakes are those of a CNN: more like our CNN's than our MLP's").order(
        "fig04_cnn",
        _above("model", "CNN", "MLP on 30 codes", column="agreement_fig04"),
        unit="a difference of {} of rank correlations",
    ),
    Claim("A", "III.A.c", "The CNN outperforms the MLP on codes").order(
        "fig04_cnn", _above("model", "CNN", "MLP on 30 codes"), paper.CNN - paper.MLP_BATCH_NORM_DROPOUT
    ),
    Claim(
        "B", "III.B.a, Fig 5", "With a wide kernel the codes fail to come close to the roll", headline=True
    ).order(
        "fig05_kernel_size",
        _above("sigma", 1000, 1, column="distance_to_roll"),
        unit="{} further from it than with σ = 1",
    ),
    Claim("B", "III.B.a, Fig 5", "With a wide kernel the codes' shape is closer to a blob").order(
        "fig05_kernel_size",
        _above("sigma", 1, 1000, column="csd_to_blob"),
        unit="CSD to a blob {} lower",
    ),
    *(
        Claim("B", "Fig 6", f"With σ = {sigma} the CSD first stays high, for about {epochs} epochs").order(
            "fig05_kernel_size",
            _above("sigma", sigma, 1, column="plateau_epochs"),
            epochs,
            unit="{} epochs longer than with σ = 1",
            family="Fig 6: the plateaus",
        )
        for sigma, epochs in paper.FIG_6_PLATEAUS.items()
    ),
    Claim("B", "III.B.a", "With a wide kernel the reconstruction dominates: its error is lower").order(
        "fig05_kernel_size",
        _above("sigma", 1, 1000, column="reconstruction_error"),
        unit="{} lower",
    ),
    Claim("B", "III.B.b, Fig 7", "A higher lambda spreads the codes on the roll: λ = 10 over 0.01").order(
        "fig07_lambda",
        _above("lambda", 0.01, 10, column="distance_to_roll"),
        unit="{} closer to it than with λ = 0.01",
    ),
    Claim("B", "III.B.b", "A higher lambda removes the natural clustering: λ = 0.1 over 10").order(
        "fig07_lambda", _above("lambda", paper.BEST_LAMBDA, 10)
    ),
    Claim("B", "III.B.b", "Clustering is best at λ = 0.1", headline=True).best(
        "fig07_lambda", _above("lambda", paper.BEST_LAMBDA, *_OTHER_LAMBDAS)
    ),
    Claim("B", "III.B.b, Fig 8", "A walk over the roll is smooth, more than without a prior", True).order(
        "fig08_walk",
        _above("lambda", 0, paper.BEST_LAMBDA, column="long_steps", of=lambda shares: 100 * shares),
        unit="{} points fewer long steps",
    ),
    *(
        Claim("C", "Table 2", f"k-means, {_PRIORS.get(prior, 'no')} prior: accuracy")
        .value("table2_priors", accuracy, prior=prior)
        .on_both()
        for prior, accuracy in paper.TABLE_2.items()
    ),
    *(
        Claim("C", "III.C", f"A prior improves clustering: {name} over none", headline=prior == "gaussian")
        .order(
            "table2_priors",
            _above("prior", prior, "none"),
            paper.TABLE_2[prior] - paper.TABLE_2["none"],
            family="III.C: structure improves clustering",
        )
        .on_both()
        for prior, name in _PRIORS.items()
    ),
    # The paper itself calls its 0.95 points not significant, so the size is not compared.
    Claim("C", "III.C", "The mixture does not cluster better than the simple Gaussian", headline=True)
    .no_more(
        "table2_priors",
        _above("prior", "gaussian_mixture", "gaussian"),
        paper.TABLE_2["gaussian_mixture"] - paper.TABLE_2["gaussian"],
    )
    .on_both(),
    Claim("C", "III.C", "For the Gaussian σ = 100 and λ = 0.1 are optimal").best(
        "prior_grid", _above("setting", _BEST_OF_GRID, prior="gaussian")
    ),
    Claim("C", "Fig 9", "Under the Gaussian the codes span less than without a prior").order(
        "fig09_extents",
        _above("prior", "none", "gaussian", column="reach", of=np.log),
        _log_spans("none", "gaussian"),
        unit="times",
    ),
    Claim("C", "Fig 9", "Under the mixture they span more than under the Gaussian").order(
        "fig09_extents",
        _above("prior", "gaussian_mixture", "gaussian", column="reach", of=np.log),
        _log_spans("gaussian_mixture", "gaussian"),
        unit="times",
    ),
    Claim("D", "III.D", "The CSD involves extra computation", headline=True).order(
        "table3_step_seconds", _step_ratios("gaussian"), unit="times"
    ),
    Claim(
        "D",
        "III.D",
        "On a CPU the CSD is very slow: we read that as written it doubles a step",
        our_reading=True,
    ).order("table3_step_seconds", _step_ratios("gaussian, as written"), np.log(2), unit="times"),
    Claim("B", "III.B.a, Fig 6", "The wider the kernel, the smaller the CSD").untestable(
        "true of any codes: for the same points the CSD falls with the square of a wide sigma (notebook 05)"
    ),
    Claim("D", "Table 3", "83 s without and 61 s with the CSD").untestable(
        "the text says that the CSD costs extra; no epochs are given, and the device is another"
    ),
    Claim("C", "Fig 11", "The simple Gaussian's confusion matrix").untestable(
        "the picture printed is that of Fig 12, the mixture"
    ),
    Claim("B", "Fig 7", "The sixth panel").untestable("the caption names λ = 10 twice"),
    Claim("B", "II.D", "Without a prior, neighbours of a code decode to nothing meaningful").untestable(
        "the paper has no measure of what is meaningful; the walk above compares how smooth both are"
    ),
    Claim(
        "C", "III.C", "Similar characters lie close together, and to force them apart makes the codes worse"
    ).untestable("the paper calls it an interpretation, names no characters and shows no measure"),
    Claim("B", "II.D.a", "The more data points in a batch, the smaller the kernel size needed").untestable(
        "the paper shows no measurement; it trains with batches of 1,000 throughout"
    ),
]


def judge(tables, *, comparable):
    """Give the verdict on every claim.

    `judge(results.read_tables(folder), comparable=True)` gives figures/verdicts.csv again.

    Args:
        tables: maps a CSV's name to its DataFrame, as `results.read_tables` gives them. A claim is 'not
            measured' if its table is missing, or lacks the column or the rows that it needs.
        comparable: whether the tables are of the paper's data and of the paper profile.

    Returns:
        DataFrame of strings with a row for each claim, in the order of SECTIONS: section, where, claim,
        holds (a key of rules.VERDICTS, for what is not testable the reason after it), paper, ours (mean and
        standard deviation; of two readings the first's, as all numbers), interval (95%, of the mean),
        next_run (95%, of one more run or difference), p (with Holm's correction in its family), n (seeds, or
        sessions of a timing), needed (the seeds that would settle it; "-" where two readings disagree for
        good), words (the answer in words), notebook (its name).
    """
    both = [
        _with_p([_estimates(claim, getattr(claim, which), tables) for claim in CLAIMS])
        for which in ("measure", "other_measure")
    ]
    rows = [_row(*each, comparable) for each in zip(CLAIMS, *both, strict=True)]
    return pd.DataFrame(sorted(rows, key=lambda row: list(SECTIONS.values()).index(row["section"])))


def _estimates(claim, measure, tables):
    """The Estimates that a claim's verdict is on; [] where something is not measured."""
    try:
        with np.errstate(divide="ignore"):  # the log of the spread of codes that have collapsed
            pairs = measure(tables[claim.table]) if measure else []
    except (KeyError, AttributeError):
        return []
    finite = [[None if side is None else side[np.isfinite(side)] for side in pair] for pair in pairs]
    if not all(len(ours) and (others is None or len(others)) for ours, others in finite):
        return []
    return [
        rules.estimate(ours) if others is None else rules.difference(ours, others) for ours, others in finite
    ]


def _with_p(estimates):
    """(Estimates, p) of each claim; an order's p has Holm's correction in its family, others have None."""
    corrected = [None] * len(CLAIMS)
    for family in dict.fromkeys(claim.family for claim in CLAIMS if claim.family):
        members = [i for i, claim in enumerate(CLAIMS) if claim.family == family and estimates[i]]
        for i, p in zip(members, rules.holm([estimates[i][0].p for i in members]), strict=True):
            corrected[i] = p
    return list(zip(estimates, corrected, strict=True))


def _row(claim, one, other, comparable):
    (estimates, p), (other_estimates, other_p) = one, other
    cells = ("holds", "paper", "ours", "interval", "next_run", "p", "n", "needed", "words")
    row = {"section": SECTIONS[claim.section], "where": claim.where, "claim": claim.says}
    row |= dict.fromkeys(cells, "-")
    row["notebook"] = experiments.notebook_of(claim.table) if claim.table else "-"
    if claim.measure is None:
        return {**row, "holds": "not testable", "words": claim.why}
    if not np.isnan(claim.reported) and not claim.our_reading:
        row["paper"] = _text(claim.reported, claim.unit)
    if not estimates:
        return {**row, "holds": "not measured"}
    holds, found = claim.judged(estimates, p)
    row |= {"holds": holds if comparable else "not comparable", "n": str(found.seeds)}
    row["ours"] = _text(found.mean, claim.unit, found.deviation)
    if not found.known:
        return {**row, "words": _words(claim, holds, found, p, 0) if comparable else "-"}
    row["interval"] = _interval(found.low, found.high, claim.unit)
    row["next_run"] = _interval(found.run_low, found.run_high, claim.unit)
    if p is not None:
        row["p"] = f"{p:.2g}"
    if not comparable:
        return row
    needed = _needed(claim, holds, estimates, p)
    words = _words(claim, holds, found, p, needed)
    if claim.other_measure:
        if not other_estimates:
            return {**row, "holds": "not settled", "words": f"{words}; the other reading is not measured"}
        other_holds, other_found = claim.judged(other_estimates, other_p)
        row["holds"] = rules.agreed(holds, other_holds)
        other_needed = _needed(claim, other_holds, other_estimates, other_p)
        both = max(needed, other_needed)
        if other_holds == holds:
            words = _words(claim, holds, found, p, both)
        else:
            other_words = _words(claim, other_holds, other_found, other_p, other_needed)
            words = f"k-means fitted on training images: {words}; on test images: {other_words}"
        needed = both
    row["words"] = words
    if needed:
        row["needed"] = _seeds(needed)
    return row


def _needed(claim, holds, estimates, p):
    """About how many seeds would settle a claim, by `rules.seeds_needed`; 0 if it is settled or unknown."""
    if holds != "not settled" or not all(each.known for each in estimates):
        return 0
    more = 1 if p is None or not estimates[0].p else p / estimates[0].p  # what Holm's correction makes of p

    def judge(found):
        return claim.judged(found, None if p is None else min(1, more * found[0].p))[0]

    seeds = rules.seeds_needed(estimates, judge)
    return rules.MOST_SEEDS + 1 if seeds is None else max(seeds, min(each.seeds for each in estimates) + 1)


def _seeds(needed):
    if np.isinf(needed):
        return "no number"
    return f"more than {rules.MOST_SEEDS}" if needed > rules.MOST_SEEDS else f"{needed}"


def _words(claim, holds, found, p, needed):
    """The answer in a few words, from the numbers."""
    if not found.known:
        return "one seed decides nothing"
    seeds = ""
    if holds == "not settled":
        seeds = f"; it would take {'about ' if needed <= rules.MOST_SEEDS else ''}{_seeds(needed)} seeds"
        if np.isinf(needed):
            seeds = "; single runs differ by more, so no number of seeds would tell"
    if claim.kind == "value":
        if holds == "yes":
            return f"the same within {_margin(claim)}"
        far = found.mean - claim.reported
        return f"{abs(100 * far):.1f} points {'higher' if far > 0 else 'lower'}{seeds}"
    if claim.kind == "best":
        side = "ahead of the next" if found.mean > 0 else "behind the best"
        return f"{abs(100 * found.mean):.1f} points {side}{seeds}"
    if claim.kind == "no more":
        excluded = f"a gain of {_margin(claim)} is excluded"
        return {"yes": excluded, "no": "surely better"}.get(holds, f"too close to tell{seeds}")
    if holds in ("yes", "partly"):
        return f"sure{_size(claim, holds, found)}"
    if holds == "no" and rules.order(found, p=p) != "no":
        return f"{'a gain of ' if claim.unit == 'points' else ''}{_margin(claim)} is excluded"
    return "the opposite" if holds == "no" else f"too close to tell{seeds}"


def _size(claim, holds, found):
    """How large a sure effect is, beside the paper's where it gives a size."""
    if np.isnan(claim.reported):
        names = getattr(claim.measure, "names", None)
        if claim.unit == "points" or not names:
            return ""
        sides = zip(found.samples, names, strict=True)
        named = [f"{mean:.3g} {name}" for (mean, *_), name in sides]
        return f": {', '.join(named)}"
    if holds == "yes" and found.low <= claim.reported <= found.high:
        return "; the paper's size fits"
    size = "smaller" if found.mean < claim.reported else "larger"
    than = "what we read" if claim.our_reading else "in the paper"
    return f", {'but' if holds == 'partly' else 'perhaps'} {size} than {than}"


def _margin(claim):
    if claim.unit == "times":
        return f"a factor of {np.exp(claim.margin):.2f}"
    if claim.unit not in ("share", "points"):
        return "an effect half as large as the paper's"
    points = round(100 * claim.margin)
    return f"{points} point{'s' if points > 1 else ''}"


def rolls(tables, *, comparable):
    """Compare each swiss roll that we trained with Table 2's, whose kernel size and lambda the paper omits.

    Args:
        tables, comparable: as in `judge`.

    Returns:
        DataFrame of strings with a row for each kernel size and lambda in the tables: sigma, lambda, the
        cells of `statistics.comparison_cells`, and n, the number of seeds. "holds?" is for k-means fitted
        on the training and on the test images. Without rows if no roll was measured.
    """
    needed = {"prior", "sigma", "lambda", "accuracy", "accuracy_fitted_on_test", "run"}
    found = [table for name, table in tables.items() if needed <= set(table) and name != "audit_readings"]
    if not found:
        return pd.DataFrame(columns=["sigma", "lambda", "holds?", "n"])
    runs = pd.concat(found)
    runs = runs[(runs.prior == "swiss_roll") & runs.accuracy.notna()].drop_duplicates("run")
    rows = []
    for (sigma, weight), ours in runs.groupby(["sigma", "lambda"]):
        cells = statistics.comparison_cells(
            ours.accuracy,
            paper.TABLE_2["swiss_roll"],
            rules.CLUSTERS_MARGIN,
            comparable=comparable,
            others=ours.accuracy_fitted_on_test,
        )
        rows.append({"sigma": f"{sigma:g}", "lambda": f"{weight:g}", **cells, "n": str(len(ours))})
    return pd.DataFrame(rows)


def _text(number, unit, deviation=float("nan")):
    """A number in its unit: '92.09% ± 0.10', '+1.45 ± 0.62 points', '× 1.31 ± 0.02' or '2.0 ± 0.3 lower'."""
    if unit == "times":
        spread = "" if np.isnan(deviation) else f" ± {np.exp(number) * deviation:.2f}"
        return f"× {np.exp(number):.2f}{spread}"
    spread = "" if np.isnan(deviation) else f" ± {_number(deviation, unit, digits=2)}"
    if unit == "share":
        return f"{_number(number, unit)}%{spread}"
    if unit == "points":
        return f"{_number(number, unit, sign='+')}{spread} points"
    return unit.format(f"{_number(number, unit)}{spread}")


def _interval(low, high, unit):
    if low == high:
        return "all equal"
    if unit == "times":
        return f"{np.exp(low):.2f} to {np.exp(high):.2f}"
    sign = "+" if unit == "points" else ""
    return f"{_number(low, unit, sign)} to {_number(high, unit, sign)}"


def _number(number, unit, sign="", digits=3):
    return f"{100 * number:{sign}.2f}" if unit in ("share", "points") else f"{number:{sign}.{digits}g}"
