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


def markdown(table):
    """A DataFrame of strings as a Markdown table, without a line break at its end."""
    lines = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def seeds(runs, setting):
    """How many seeds the settings have, as '3 to 5 seeds'; one seed beside more does not count."""
    counts = runs.groupby(setting).seed.nunique()
    counts = counts[counts > (counts.max() > 1)]
    low, high = counts.min(), counts.max()
    return f"{f'{low} to {high}' if low < high else high} seed{'s' if high > 1 else ''}"


def mean_and_deviation(values, form):
    """'92.09% ± 0.10' of values by seed; one seed has no deviation, none is '-'."""
    values = values.dropna()
    if not len(values):
        return "-"
    deviation = f" ± {f'{values.std():{form}}'.removesuffix('%')}" if len(values) > 1 else ""
    return f"{values.mean():{form}}{deviation}"


def summary(runs, setting, columns):
    """Mean ± standard deviation over seeds of some columns, a row for each setting.

    `columns` maps a column to (heading, format).
    """

    def cells(rows):
        return {head: mean_and_deviation(rows[name], form) for name, (head, form) in columns.items()}

    return _of_settings(runs, setting, cells)


def comparison(runs, setting, papers, *, means=None, comparable=True):
    """The paper's accuracy and ours for each setting, and whether one run of ours could have given it.

    `papers` maps a setting to the paper's accuracy, where it gives one; `means` maps further columns to
    (heading, format), of which the mean is shown; `comparable` says that the runs are of the paper's data.
    """

    def cells(rows):
        reported = papers.get(rows[setting].iloc[0], float("nan"))
        effect = rules.effect(rows.accuracy.dropna())
        return {
            "paper": "-" if reported != reported else percent(reported),
            "ours": mean_and_deviation(rows.accuracy, ".2%"),
            "95% interval of the mean": interval(effect.low, effect.high, ".2%"),
            "one run could give the paper's": effect.could_be(reported) if comparable else "-",
            **{head: f"{rows[name].mean():{form}}" for name, (head, form) in (means or {}).items()},
        }

    return _of_settings(runs, setting, cells)


def _of_settings(runs, setting, cells):
    """The table of the `cells` of each setting's rows, with their numbers of seeds if these differ."""
    groups = runs.groupby(setting, sort=False)
    rows = [{setting.replace("_", " "): named(value), **cells(members)} for value, members in groups]
    table, counts = pd.DataFrame(rows), groups.size()
    if counts.nunique() > 1:
        table["seeds"] = counts.astype(str).to_numpy()
    table.attrs["seeds"] = seeds(runs, setting)
    return table


def differences(runs, setting, reference):
    """How far the mean accuracy of each setting lies above that of a reference, in points.

    The 95% intervals are Dunnett's: they hold for all rows together.
    """
    accuracy = {value: rows.accuracy.dropna() for value, rows in runs.groupby(setting, sort=False)}
    rows = [
        {
            f"{setting.replace('_', ' ')}, minus {named(reference)}": named(value),
            "ours (points)": points(effect.mean),
            "95% interval": points(effect.low, effect.high),
            "n": f"{len(accuracy[value])}, {len(accuracy[reference])}",
        }
        for value, effect in rules.effects(accuracy, reference).items()
    ]
    table = pd.DataFrame(rows)
    table.attrs["seeds"] = seeds(runs, setting)
    return table
