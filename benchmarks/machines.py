"""What another machine does to a training: the same run, trained twice, from the history of the store.

A row of figures/measurements.csv that is measured on another machine replaces the old one, so the history has
both. It prints a row for each autoencoder that stands there with two accuracies, the first commit of each,
and below it, as a comment, what one run deviates by. The machine of the first rows was not recorded.

    python benchmarks/machines.py > benchmarks/machines.csv
"""

import csv
import io
import subprocess
import sys

import numpy as np

STORE = "figures/measurements.csv"
COLUMNS = ("training", "first", "commit", "second", "second_commit")


def history():
    """Maps the key of each autoencoder's run to its title and {accuracy: the first commit that has it}."""
    commits = _git("log", "--reverse", "--format=%h", "--", STORE).split()
    found = {}
    for commit in commits:
        for row in csv.DictReader(io.StringIO(_git("show", f"{commit}:{STORE}"))):
            if row.get("training", "").startswith("autoencoder") and row.get("accuracy"):
                _, accuracies = found.setdefault(row["run"], (row["training"], {}))
                accuracies.setdefault(float(row["accuracy"]), commit)
    return found


def _git(*arguments):
    return subprocess.run(("git", *arguments), check=True, capture_output=True, text=True).stdout


def main():
    """Print the table and its summary."""
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    changes = []
    for title, accuracies in history().values():
        if len(accuracies) > 1:
            (first, commit), *_, (second, second_commit) = accuracies.items()
            table.writerow((title, first, commit, second, second_commit))
            changes.append(100 * (second - first))
    if not changes:
        sys.exit(f"The history of {STORE} has no autoencoder twice. Is this a whole clone?")
    deviation = np.sqrt(np.mean(np.square(changes)) / 2)
    print(
        f"# {len(changes)} pairs: they differ by {np.abs(changes).max():.2f} points at most, "
        f"{np.mean(changes):+.2f} on average; one run deviates by {deviation:.2f} points"
    )


if __name__ == "__main__":
    main()
