"""Runs as the cells of tables over seeds; how two confusions agree; how well clusters find the classes."""

import numpy as np
import pandas as pd
from scipy import stats

from kmnist_itl import clustering
from kmnist_itl.reproduction import rules
from kmnist_itl.reproduction.paper import TEST_IMAGES


def accuracy_error(accuracy, images=TEST_IMAGES):
    """Standard error of an accuracy that was measured once on that many images (binomial), as a float."""
    return float(np.sqrt(accuracy * (1 - accuracy) / images))


def percent(value):
    """A share as the paper writes it, 0.9254 as '92.54%'."""
    return f"{100 * value:.2f}%"


def markdown_row(cells):
    """A row of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def named(value):
    """A setting's value as tables write it: 'swiss_roll' as 'swiss roll', 10.0 as '10'."""
    return value.replace("_", " ") if isinstance(value, str) else f"{value:g}"


def summarized(values, form):
    """Mean ± standard deviation over seeds, and the 95% interval of the mean, as two strings.

    `values` holds one number for each seed; `form` is a format, '.2f' or '.2%'. One seed has no spread and no
    interval ('-'). Raises ValueError as `rules.estimate` does.
    """
    found = rules.estimate(values)
    if not found.known:
        return f"{found.mean:{form}}", "-"
    deviation = f"{found.deviation:{form}}".removesuffix("%")
    return f"{found.mean:{form}} ± {deviation}", f"{found.low:{form}} to {found.high:{form}}"


def comparison_cells(accuracies, paper, margin, *, comparable, others=None):
    """Accuracies beside the paper's, as the cells of a table's row: a dict of strings by column.

    Args:
        accuracies: a share for each seed.
        paper: the paper's share, NaN if it has none.
        margin: as in `rules.value`.
        comparable: whether they were measured on the paper's data in the paper profile.
        others: None, or the accuracies under another reading of the paper; "holds?" is then of both.

    Raises ValueError as `rules.estimate` does.
    """
    ours, interval = summarized(accuracies, ".2%")
    if np.isnan(paper):
        holds = "not in the paper"
    elif not comparable:
        holds = "not comparable"
    else:
        holds = rules.value(rules.estimate(accuracies), paper, margin)
        if others is not None:
            known = pd.Series(others, dtype=float).dropna()
            other = rules.value(rules.estimate(known), paper, margin) if len(known) else "not settled"
            holds = rules.agreed(holds, other)
    reported = "-" if np.isnan(paper) else percent(paper)
    return {"paper": reported, "ours": ours, "95% interval of the mean": interval, "holds?": holds}


def difference_table(runs, setting, reference, papers=None):
    """How far the mean accuracy of each setting lies above that of a reference setting.

    Each is tested by Welch's test; the p-values have Holm's correction over all rows, so that the chance that
    any "more" or "less" is false is 5%. The interval is that of its row alone, 95%.

    Args:
        runs: DataFrame with a row for each run and the columns `accuracy` and the one that `setting` names.
        reference: the value of `setting` that the others are compared with.
        papers: the paper's accuracies by value of `setting`, so that its difference is shown as well.

    Returns:
        DataFrame of strings with a row for each other setting.

    Raises ValueError as `rules.apart`. Sources: as in rules.py.
    """
    accuracies = {value: rows.accuracy.to_numpy() for value, rows in runs.groupby(setting, sort=False)}
    rows = []
    for value, found in rules.apart(accuracies, reference).items():
        row = {f"{setting}, minus {named(reference)}": named(value)}
        if papers:
            both = value in papers and reference in papers
            row["paper (points)"] = f"{100 * (papers[value] - papers[reference]):+.2f}" if both else "-"
        rows.append(row | _difference_cells(*found))
    return pd.DataFrame(rows)


def gains_table(pairs):
    """How far one mean accuracy lies above another in each of several pairs, tested as `difference_table`.

    `pairs` maps a gain's name to two arrays of accuracies. Returns a DataFrame of strings, a row for each.
    """
    rows = [
        {"gain": name, **_difference_cells(*found)} for name, found in rules.apart_in_pairs(pairs).items()
    ]
    return pd.DataFrame(rows)


def _difference_cells(found, p, side):
    spread = f" ± {100 * found.deviation:.2f}" if found.known else ""
    return {
        "ours (points)": f"{100 * found.mean:+.2f}{spread}",
        "95% interval": f"{100 * found.low:+.2f} to {100 * found.high:+.2f}" if found.known else "-",
        "p (Holm)": f"{p:.2g}" if found.known else "-",
        "n": ", ".join(str(n) for n in dict.fromkeys(n for _, _, n in found.samples)),
        "surely": side if found.known else "-",
    }


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


def scores(data, predicted):
    """How well clusters find the classes, once they are found.

    Args:
        data: data.Dataset.
        predicted: the clusters of the training, validation and test images, ints.

    Returns:
        dict: accuracy, nmi and ari of the test images, train_accuracy, and all_accuracy of all images, each
        with the matching of clusters and classes that suits these images best.
    """
    labels = [split.labels for split in (data.train, data.validation, data.test)]
    return {
        **clustering.scores(labels[-1], predicted[-1]),
        "train_accuracy": clustering.clustering_accuracy(labels[0], predicted[0]),
        "all_accuracy": clustering.clustering_accuracy(np.concatenate(labels), np.concatenate(predicted)),
    }
