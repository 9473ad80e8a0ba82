"""What the tests of the notebooks' sentences read off the committed tables."""

import functools

from kmnist_itl import settings
from kmnist_itl.reproduction import claims, results, rules

FOLDER = settings.project_dir()


@functools.cache
def tables():
    return results.read_tables(FOLDER / "figures")


@functools.cache
def verdicts():
    """The verdicts by claim."""
    return claims.verdicts(tables(), comparable=True).set_index("claim")


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
