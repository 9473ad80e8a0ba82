"""What the tests of the notebooks' sentences read off the committed tables."""

import functools
import json

from kmnist_itl import settings
from kmnist_itl.reproduction import claims, results, rules

PROJECT = settings.project_dir()


@functools.cache
def cells(number):
    """The cells of the notebook of that number, a list of dicts."""
    (path,) = (PROJECT / "notebooks").glob(f"{number}_*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@functools.cache
def tables():
    return results.read_tables(PROJECT / "figures")


@functools.cache
def verdicts():
    """The verdicts by claim."""
    return claims.verdicts(tables(), comparable=True).set_index("claim")


def answers(*beginnings):
    """The answers to the claims that begin so."""
    claims = verdicts().holds
    return [claims[claims.index.str.startswith(beginning)].item() for beginning in beginnings]


def values(table, setting, column="accuracy", **only):
    """The values of a column for each setting; `only` are values of other columns."""
    runs = tables()[table]
    for name, wanted in only.items():
        runs = runs[runs[name] == wanted]
    return {value: rows[column].dropna().to_numpy() for value, rows in runs.groupby(setting, sort=False)}


def means(table, setting, column="accuracy", **only):
    return {value: numbers.mean() for value, numbers in values(table, setting, column, **only).items()}


@functools.cache
def effects(table, setting, reference, column="accuracy"):
    """How far each other setting lies above a reference, with Dunnett's intervals."""
    return rules.effects(values(table, setting, column), reference)


@functools.cache
def gain_over_splits(setting):
    """How far a setting of prior_grid lies above no prior, split by split."""
    rows = results.read_table(PROJECT / "benchmarks" / "splits.csv")
    by_split = rows.pivot(index="split", columns="setting", values="accuracy")
    return rules.effect((by_split[setting] - by_split["none"]).dropna())


def welch(table, setting, left, right, column="accuracy"):
    """How far one setting lies above another, with Welch's interval."""
    groups = values(table, setting, column)
    return rules.effect(groups[left], groups[right])


def side(effect):
    """'more' or 'less' if the 95% interval excludes 0, else 'open'."""
    return "more" if effect.low > 0 else "less" if effect.high < 0 else "open"


def sides(*arguments):
    """The side of each of the `effects` of these arguments."""
    return {name: side(effect) for name, effect in effects(*arguments).items()}


def points(effect):
    """An effect and the ends of its interval, in points."""
    return [100 * number for number in (effect.mean, effect.low, effect.high)]
