"""What the tests of sentences read off the committed tables and notebooks."""

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
def text(page):
    """The Markdown of a page; of a notebook, by its number, without "What to try"."""
    if page.endswith(".md"):
        return (PROJECT / page).read_text(encoding="utf-8")
    sources = ["".join(cell["source"]) for cell in cells(page) if cell["cell_type"] == "markdown"]
    return "\n".join(sources).partition("## What to try")[0]


def printed(number, beginning):
    """The lines of a notebook's stored output that begin so, without the beginning."""
    texts = ["".join(output.get("text", "")) for cell in cells(number) for output in cell.get("outputs", [])]
    lines = [line for text in texts for line in text.splitlines()]
    return [line.removeprefix(beginning) for line in lines if line.startswith(beginning)]


@functools.cache
def tables():
    return results.read_tables(PROJECT / "figures")


@functools.cache
def verdicts():
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


def means(*group, **only):
    """The mean of `values` for each setting."""
    return {setting: numbers.mean() for setting, numbers in values(*group, **only).items()}


def lead(group, ours, reference, **only):
    """How many points one mean lies above another."""
    mean = means(*group, **only)
    return 100 * (mean[ours] - mean[reference])


def welch(group, ours, reference):
    """How far one setting lies above another, with Welch's interval."""
    groups = values(*group)
    return rules.effect(groups[ours], groups[reference])


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


def by_labels(method, protocol, rank):
    """Means over the five networks of clustering_labels, with the fewest labels (rank 0) or the most (2)."""
    runs = tables()["clustering_labels"]
    runs = runs[(runs.method == method) & (runs.protocol == protocol)]
    assert runs.seed.nunique() == 5
    columns = ["labels", "accuracy", "train_accuracy", "all_accuracy"]
    return runs.groupby(runs.groupby("seed").labels.rank())[columns].mean().iloc[rank]


def side(effect):
    """'more' or 'less' if the 95% interval excludes 0, else 'open'."""
    return "more" if effect.low > 0 else "less" if effect.high < 0 else "open"


def sides(*arguments):
    """The side of each of the `effects` of these arguments."""
    return {name: side(effect) for name, effect in effects(*arguments).items()}


def points(effect):
    """An effect and the ends of its interval, in points."""
    return [100 * number for number in (effect.mean, effect.low, effect.high)]
