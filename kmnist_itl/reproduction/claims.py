"""The twelve claims of the paper that can be tested, the effect that tests each, and its answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kmnist_itl import files, settings
from kmnist_itl.reproduction import experiments, measurements, paper, rules, tables

README_MARKS = (
    "<!-- claims: written by `make figures` from figures/verdicts.csv -->",
    "<!-- end of claims -->",
)


@dataclass(frozen=True)
class Claim:
    """What the paper says, in section, table or figure `where`, and the effect that tests it.

    `effect` is a function of the DataFrame of `table` that returns a rules.Effect; `named` is how many seeds
    the table was to have, named before they were run. `reported` is the paper's effect, NaN where it gives
    words only; `margin` the smallest that matters. `unit` is 'points' for a difference of shares, 'times' for
    one of natural logarithms, otherwise words with {} for the number. `is_absent`: the paper claims none.
    `fitted` is the effect with k-means fitted on the test images: the paper leaves open on which it was.
    """

    where: str
    says: str
    table: str
    named: int
    effect: Callable
    reported: float = float("nan")
    margin: float = 0.0
    unit: str = "points"
    is_absent: bool = False
    fitted: Callable | None = None

    def answer(self, effect):
        """'yes', 'no' or 'open' for an effect, by rules.py."""
        return effect.answer(self.margin, is_absent=self.is_absent)


def _values(runs, column="accuracy", **settings):
    """A column of the rows that have these settings, without those that were not measured."""
    for name, wanted in settings.items():
        runs = runs[runs[name] == wanted]
    return runs[column].dropna().to_numpy(float)


# Each of the following makes a function of a table, which gives an effect.


def _difference(setting, ours, reference, column="accuracy", of=lambda values: values, **settings):
    """How far a column lies higher with one value of a setting than with another."""
    return lambda runs: rules.effect(
        *(of(_values(runs, column, **settings, **{setting: value})) for value in (ours, reference))
    )


def _lead(setting, ours, rivals):
    """How far the accuracy lies above that of the closest of its rivals."""
    return lambda runs: rules.smallest_lead(*(_values(runs, **{setting: value}) for value in (ours, *rivals)))


def _gain_of_prior(column):
    """The Gaussian's gain over no prior in Table 2, tested together with the other priors'."""
    return lambda runs: rules.effects(
        {prior: _values(runs, column, prior=prior) for prior in paper.TABLE_2}, "none"
    )["gaussian"]


def _mixture_over_gaussian(column):
    """The mixture's gain over the Gaussian in Table 2, seed by seed.

    With a kernel as wide as sigma = 100 both priors train nearly the same codes: their accuracies correlate.
    """

    def effect(runs):
        by_seed = runs.pivot(index="seed", columns="prior", values=column)
        return rules.effect((by_seed.gaussian_mixture - by_seed.gaussian).dropna())

    return effect


def _step_ratio(steps):
    return rules.effect(np.log(steps[steps.prior == "gaussian"].groupby("session").ratio.median()))


_OTHER_LAMBDAS = [weight for weight in paper.FIG_7_LAMBDAS if weight != paper.BEST_LAMBDA]
_SPANS = {prior: np.log(np.mean(span)) for prior, span in paper.FIG_9_SPANS.items()}
_WIDER = _SPANS["gaussian_mixture"] - _SPANS["gaussian"]
CLAIMS = [
    Claim("Table 1", "A 30-dimensional code is optimal for the MLP, ahead of 35, 40 and 50",
        "table1_bottleneck_size", 10, _lead("latent_dim", 30, (35, 40, 50)),
        paper.TABLE_1[30] - paper.TABLE_1[35], rules.CLASSIFIER_MARGIN),
    Claim("III.A.b", "A 30-dimensional code outperforms the full image (the same MLP)",
        "fig03_classify_codes", 10, _difference("inputs", "30 codes", "784 pixels", batch_norm=False),
        paper.TABLE_1[30] - paper.MLP_ON_PIXELS, rules.CLASSIFIER_MARGIN),
    Claim("III.A.b", "Batch normalization and dropout raise the MLP's accuracy on codes",
        "fig03_classify_codes", 10, _difference("batch_norm", True, False, inputs="30 codes"),
        paper.MLP_BATCH_NORM_DROPOUT - paper.TABLE_1[30], rules.CLASSIFIER_MARGIN),
    Claim("III.A.c", "The CNN outperforms the MLP on codes",
        "fig04_cnn", 10, _difference("model", "CNN", "MLP on 30 codes"),
        paper.CNN - paper.MLP_BATCH_NORM_DROPOUT, rules.CLASSIFIER_MARGIN),
    Claim("III.B.a, Fig 5", "With a wide kernel (σ = 1000) the codes stay away from the roll",
        "fig05_kernel_size", 6, _difference("sigma", 1000, 1, "distance_to_roll"),
        unit="{} further from it than with σ = 1"),
    Claim("Fig 6", "With σ = 100 the CSD first stays high, for about 15 epochs",
        "fig05_kernel_size", 6, _difference("sigma", 100, 1, "plateau_epochs"),
        paper.FIG_6_PLATEAUS[100], paper.FIG_6_PLATEAUS[100] / 2, "{} epochs longer than with σ = 1"),
    Claim("III.B.b", "Among five lambdas, clustering is best at λ = 0.1",
        "fig07_lambda", 6, _lead("lambda", paper.BEST_LAMBDA, _OTHER_LAMBDAS),
        margin=rules.CLUSTERS_MARGIN),
    Claim("III.B.b, Fig 8", "A walk over the roll is smooth, more than without a prior",
        "fig08_walk", 6, _difference("lambda", 0, paper.BEST_LAMBDA, "long_steps", lambda share: 100 * share),
        unit="{} points fewer long steps"),
    Claim("III.C, Table 2", "A Gaussian prior improves clustering",
        "table2_priors", 20, _gain_of_prior("accuracy"),
        paper.TABLE_2["gaussian"] - paper.TABLE_2["none"], rules.CLUSTERS_MARGIN,
        fitted=_gain_of_prior("accuracy_fitted_on_test")),
    Claim("III.C, Table 2", "The mixture of ten does not cluster better than the Gaussian",
        "table2_priors", 20, _mixture_over_gaussian("accuracy"),
        paper.TABLE_2["gaussian_mixture"] - paper.TABLE_2["gaussian"], rules.CLUSTERS_MARGIN, is_absent=True,
        fitted=_mixture_over_gaussian("accuracy_fitted_on_test")),
    Claim("Fig 9", "Under the mixture the codes span more than under the Gaussian",
        "fig09_extents", 20, _difference("prior", "gaussian_mixture", "gaussian", "reach", np.log),
        _WIDER, _WIDER / 2, "times"),
    Claim("III.D", "The CSD costs extra computation", "table3_step_seconds", 6, _step_ratio, unit="times"),
]  # fmt: skip


def effects(frames):
    """The claims that can be tested, with their effects: a list of (Claim, rules.Effect).

    `frames` are those of `results.read_tables`. A claim whose table lacks what it needs is left out.
    """
    tested = []
    for claim in CLAIMS:
        try:
            tested.append((claim, claim.effect(frames[claim.table])))
        except (KeyError, AttributeError, ValueError):
            continue
    return tested


def verdicts(frames, *, comparable):
    """The answers to all claims that can be tested: a DataFrame of strings, a row for each claim.

    Of the tables in figures/ it gives figures/verdicts.csv. `could` says whether one run of ours could give
    the paper's effect; `n` counts seeds, of a timing sessions. Unless the `frames` (as in `effects`) are
    `comparable`, of the paper's data and profile, nothing is judged.
    """

    def row(claim, effect):
        fitted = comparable and claim.fitted and claim.answer(claim.fitted(frames[claim.table]))
        return {
            "where": claim.where,
            "claim": claim.says,
            "paper": text(claim.reported, claim.unit),
            "ours": text(effect.mean, claim.unit),
            "interval": interval(effect, claim.unit),
            "margin": text(claim.margin, claim.unit) if claim.margin else "-",
            "holds": claim.answer(effect) if comparable else "not comparable",
            "could": effect.could_be(claim.reported) if comparable else "-",
            "n": str(effect.runs),
            "named": str(claim.named),
            "other_choice": f"k-means fitted on the test images: {fitted}" if fitted else "-",
            "notebook": experiments.table(claim.table).notebook,
        }

    return pd.DataFrame([row(*tested) for tested in effects(frames)])


def text(number, unit):
    """An effect in its unit: '+1.45 points', '× 1.04' or '2.12 further from it'; '-' where it is NaN."""
    words = {"points": "{} points", "times": "× {}"}.get(unit, unit)
    return "-" if np.isnan(number) else words.format(_digits(number, unit))


def interval(effect, unit):
    """An effect's 95% interval in its unit; '-' where it is of one run."""
    low, high = (_digits(bound, unit) for bound in (effect.low, effect.high))
    return "-" if np.isnan(effect.low) else f"{low} to {high}"


def _digits(number, unit):
    if unit == "points":
        return tables.points(number)
    return f"{np.exp(number):.2f}" if unit == "times" else f"{number:.3g}"


def readme_table(rows):
    """The verdicts as README.md shows them: a Markdown table of the claims with a number in the paper."""
    rows = rows[rows.paper != "-"].astype(str)
    columns = {
        "holds?": "**" + rows.holds + "**",
        "the paper says": rows.claim,
        "the paper's effect": rows.paper,
        "ours, 95% interval": rows.ours + " (" + rows.interval + ")",
        "n": rows.n + " of " + rows.named,
        "notebook": "[" + rows.notebook.str[:2] + "](notebooks/" + rows.notebook + ".ipynb)",
    }
    return tables.markdown(pd.DataFrame(columns))


def renew_readme(folder):
    """Write the table of a folder's verdicts.csv between README.md's marks; ValueError without these."""
    readme, verdicts = settings.project_dir() / "README.md", folder / "verdicts.csv"
    if not (verdicts.is_file() and readme.is_file()):
        return
    table = readme_table(measurements.read_table(verdicts))
    between = "(?<={})\n(?s:.*)(?={})".format(*map(re.escape, README_MARKS))
    text, count = re.subn(between, lambda _: f"\n\n{table}\n\n", readme.read_text(encoding="utf-8"))
    if not count:
        raise ValueError("README.md must hold the lines {!r} and {!r}. Put them back.".format(*README_MARKS))
    files.write_whole(readme, lambda beside: beside.write_text(text, encoding="utf-8"))
