"""Runs as tables that people read: DataFrames of strings, for `results.table`.

Each function takes a DataFrame of runs, a row for each run, and the column `setting` in which they differ.
The attribute "seeds" of a table says how many seeds its settings have.
"""

import pandas as pd

from kmnist_itl.reproduction import rules


def percent(share):
    """A share as the paper writes it, 0.9254 as '92.54%'."""
    return f"{100 * share:.2f}%"


def named(value):
    """A setting's value as tables write it: 'swiss_roll' as 'swiss roll', 10.0 as '10'."""
    return value.replace("_", " ") if isinstance(value, str) else f"{value:g}"


def interval(low, high, form):
    """An interval as '1.23 to 4.56', or '-' where it is not known."""
    return "-" if low != low else f"{low:{form}} to {high:{form}}"


def points(low, high=None):
    """A difference of shares, or an interval of one, in points with their sign."""
    return f"{100 * low:+.2f}" if high is None else interval(100 * low, 100 * high, "+.2f")


def seeds(runs, setting):
    """How many seeds the settings have, as '3 to 5 seeds'; one seed beside more does not count."""
    counts = runs.groupby(setting).seed.nunique()
    counts = counts[counts > (counts.max() > 1)]
    low, high = counts.min(), counts.max()
    return f"{f'{low} to {high}' if low < high else high} seed{'s' if high > 1 else ''}"


def summary(runs, setting, columns, *, with_interval=None):
    """Mean ± standard deviation over seeds of some columns, a row for each setting.

    `columns` maps a column to (heading, format); that of `with_interval` shows its mean's 95% interval, too.
    """

    def cells(rows):
        for column, (heading, form) in columns.items():
            known = rows[column].dropna()
            yield heading, mean_and_deviation(known, form) if len(known) else "-"
        if with_interval:
            heading, form = columns[with_interval]
            effect = rules.effect(rows[with_interval].dropna())
            yield f"95% interval of the {heading}", interval(effect.low, effect.high, form)

    return _of_settings(runs, setting, cells)


def comparison(runs, setting, papers, *, means=None, comparable=True):
    """The paper's accuracy and ours for each setting, and whether one run of ours could have given it.

    `papers` maps a setting to the paper's accuracy, where it gives one; `means` maps further columns to
    (heading, format), of which the mean is shown; `comparable` says that the runs are of the paper's data.
    """

    def cells(rows):
        reported = papers.get(rows[setting].iloc[0], float("nan"))
        effect = rules.effect(rows.accuracy.dropna())
        yield "paper", "-" if reported != reported else percent(reported)
        yield "ours", mean_and_deviation(rows.accuracy.dropna(), ".2%")
        yield "95% interval of the mean", interval(effect.low, effect.high, ".2%")
        yield "one run could give the paper's", effect.could_be(reported) if comparable else "-"
        for column, (heading, form) in (means or {}).items():
            mean = rows[column].astype(float).mean()
            yield heading, "-" if mean != mean else f"{mean:{form}}"

    return _of_settings(runs, setting, cells)


def differences(runs, setting, reference, *, papers=None):
    """How far the mean accuracy of each setting lies above that of a reference, in points.

    The 95% intervals are Dunnett's: they hold for all rows together. `papers` as in `comparison`.
    """
    accuracy = {value: rows.accuracy.dropna() for value, rows in runs.groupby(setting, sort=False)}
    rows = []
    for value, effect in rules.effects(accuracy, reference).items():
        row = {f"{setting.replace('_', ' ')}, minus {named(reference)}": named(value)}
        if papers:
            known = value in papers and reference in papers
            row["paper (points)"] = points(papers[value] - papers[reference]) if known else "-"
        row |= {"ours (points)": points(effect.mean), "95% interval": points(effect.low, effect.high)}
        rows.append(row | {"n": f"{len(accuracy[value])}, {len(accuracy[reference])}"})
    return _with_seeds(pd.DataFrame(rows), runs, setting)


def mean_and_deviation(values, form):
    """'92.09% ± 0.10' of values by seed; one seed has no deviation."""
    mean = f"{values.mean():{form}}"
    return mean if len(values) < 2 else f"{mean} ± {f'{values.std():{form}}'.removesuffix('%')}"


def _of_settings(runs, setting, cells):
    """A row for each setting, with its number of seeds where the settings differ in it."""
    differ = runs.groupby(setting).size().nunique() > 1 if "seed" in runs else False
    rows = []
    for value, ours in runs.groupby(setting, sort=False):
        row = {setting.replace("_", " "): named(value), **dict(cells(ours))}
        rows.append(row | ({"seeds": str(len(ours))} if differ else {}))
    return _with_seeds(pd.DataFrame(rows), runs, setting)


def _with_seeds(table, runs, setting):
    if "seed" in runs and runs.seed.notna().any():
        table.attrs["seeds"] = seeds(runs, setting)
    return table
