"""Which reading of the paper explains the paper? Its words leave some open; each meets all that it reports.

Sums or means in the information potentials make no difference: the CSD is a ratio, and the counts cancel.
Whether k-means saw training or test images does not change the training, so a cell has both accuracies.
"""

import numpy as np
import pandas as pd

from kmnist_itl.reproduction import experiments, paper

# A run of ours and one of the paper's are alike within so many deviations of a difference of two runs.
ALIKE = 2
# Numbers read off a picture are alike within this factor.
FACTOR = 1.5


def readings_table(tables):
    """Every fact that the paper reports of priors, beside what each reading gives.

    Args:
        tables: as `results.read_tables` gives them, with audit_readings and table2_priors.

    Returns:
        DataFrame of strings with a row for each fact, a column for each of experiments.READINGS, and the
        count of facts explained as the last row. A cell ends in "yes" where the fact is explained. It is
        "the same" where a reading gives what the first one gives.
    """
    rows = tables["audit_readings"]
    rows = rows.set_index(["reading", "what"])
    apart = tolerance(tables)
    facts = {}
    for prior, accuracy in paper.TABLE_2.items():
        facts[f"Table 2, {prior.replace('_', ' ')}: {accuracy:.2%}"] = _accuracy(prior, accuracy, apart)
    facts["Fig 5: distance to the roll, small at σ = 1, larger at 10, large at 100 and 1000"] = _distances
    facts["Fig 5: a blob at 100 and 1000, a roll at 1"] = _shapes
    for sigma, epochs in paper.FIG_6_PLATEAUS.items():
        facts[f"Fig 6: the CSD stays high for about {epochs} epochs at σ = {sigma}"] = _plateau(sigma, epochs)
    facts["Fig 7: closer to the roll at λ = 10 than at 0.01"] = _lambdas
    for prior, spans in paper.FIG_9_SPANS.items():
        facts[f"Fig 9, {prior.replace('_', ' ')}: the codes span {2 * np.mean(spans):.3g}"] = _reach(
            prior, np.mean(spans)
        )
    cells = {
        reading: [fact(rows.loc[reading]) for fact in facts.values()] for reading in experiments.READINGS
    }
    ours = next(iter(cells.values()))
    table, counts = {"the paper": list(facts)}, {"the paper": "facts explained"}
    for reading, found in cells.items():
        counts[reading] = f"{sum(fits for _, fits in found)} of {len(found)}"
        same = [found is not ours and cell == our for cell, our in zip(found, ours, strict=True)]
        if found is not ours:
            differ = [fits for (_, fits), shared in zip(found, same, strict=True) if not shared]
            counts[reading] += f", {sum(differ)} of the {len(differ)} that differ"
        table[reading] = [
            f"{'the same' if shared else text}{', yes' if fits else ''}"
            for (text, fits), shared in zip(found, same, strict=True)
        ]
    return pd.concat([pd.DataFrame(table), pd.DataFrame([counts])])


def tolerance(tables):
    """How far apart two runs' k-means accuracies may be to be alike: a share. `tables` as above."""
    return ALIKE * np.sqrt(2) * _deviation(tables["table2_priors"])


def conclusion(table):
    """What a table of `readings_table` says, in two sentences."""
    *facts, counts = table.to_dict("records")
    explained = ", ".join(f"{name} {counts[name].split(',')[0]}" for name in table if name != "the paper")
    open_facts = [
        row["the paper"] for row in facts if not any(cell.endswith("yes") for cell in list(row.values())[1:])
    ]
    return f"Facts explained: {explained}. No reading explains: {'; '.join(open_facts) or 'none'}."


def _deviation(runs):
    """The deviation of one run's k-means accuracy, pooled over the priors of Table 2; 0 for one seed."""
    of_three_codes = runs[runs.prior.isin(list(paper.TABLE_2))]
    variances = of_three_codes.groupby("prior").accuracy.var().dropna()
    return float(np.sqrt(variances.mean())) if len(variances) else 0.0


def _accuracy(prior, accuracy, apart):
    def fact(rows):
        row = rows.loc[f"Table 2, {prior}"]
        ours = (row.accuracy, row.accuracy_fitted_on_test)
        return " / ".join(f"{share:.1%}" for share in ours), any(abs(s - accuracy) <= apart for s in ours)

    return fact


def _distances(rows):
    found = [rows.loc[f"Fig 5, {sigma}"].distance_to_roll for sigma in paper.FIG_5_SIGMAS]
    grows = found[0] < found[1] < min(found[2:])
    return ", ".join(f"{distance:.2f}" for distance in found), grows and found[0] * FACTOR < found[1]


def _shapes(rows):
    found = [rows.loc[f"Fig 5, {sigma}"].csd_to_blob for sigma in paper.FIG_5_SIGMAS]
    return ", ".join(f"{csd:.2f}" for csd in found), max(found[2:]) < found[0]


def _plateau(sigma, epochs):
    def fact(rows):
        found = rows.loc[f"Fig 5, {sigma}"].plateau_epochs
        return f"{found:.0f}", epochs / FACTOR <= found <= epochs * FACTOR

    return fact


def _lambdas(rows):
    little, much = (rows.loc[f"Fig 7, {weight}"].distance_to_roll for weight in ("0.01", "10"))
    return f"{little:.2f}, {much:.2f}", much < little


def _reach(prior, reported):
    def fact(rows):
        found = rows.loc[f"Table 2, {prior}"].reach
        return f"{2 * found:.1f}", reported / FACTOR <= found <= reported * FACTOR

    return fact
