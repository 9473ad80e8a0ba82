"""Runs as tables that people read: their cells, seeds and notes."""

import numpy as np
import pandas as pd
import pytest

from kmnist_itl.reproduction import rules, tables

NONE, GAUSSIAN = [0.40, 0.41, 0.42], [0.45, 0.46, 0.47, 0.48]


def runs_of(**accuracies):
    """Runs with these accuracies by prior, a row for each seed."""
    return pd.DataFrame(
        [
            {"prior": prior, "seed": seed, "accuracy": accuracy}
            for prior, values in accuracies.items()
            for seed, accuracy in enumerate(values)
        ]
    )


def test_a_summary_shows_mean_and_deviation_of_what_was_measured():
    runs = pd.DataFrame({"sigma": [1, 1, 10, 100], "seed": [0, 1, 0, 0], "csd": [0.1, 0.3, 0.2, np.nan]})
    table = tables.summary(runs.assign(nmi=0.4), "sigma", {"csd": ("CSD", ".2f"), "nmi": ("NMI", ".1%")})
    assert table.CSD.tolist() == ["0.20 ± 0.14", "0.20", "-"]
    assert table.NMI.tolist() == ["40.0% ± 0.0", "40.0%", "40.0%"]
    assert table.seeds.tolist() == ["2", "1", "1"]  # a column, because the settings differ in it


def test_a_comparison_says_whether_one_run_could_give_the_papers_accuracy():
    runs = runs_of(none=NONE, gaussian=NONE, raw_pixels=NONE)
    papers = {"none": 0.43, "gaussian": 0.52}
    table = tables.comparison(runs, "prior", papers, means={"seed": ("mean seed", ".1f")})
    assert table.prior.tolist() == ["none", "gaussian", "raw pixels"]
    assert table.paper.tolist() == ["43.00%", "52.00%", "-"]
    assert table.ours.tolist() == ["41.00% ± 1.00"] * 3
    assert table["95% interval of the mean"].tolist() == ["38.52% to 43.48%"] * 3
    assert table["one run could give the paper's"].tolist() == ["yes", "no", "-"]
    assert table["mean seed"].tolist() == ["1.0"] * 3 and "seeds" not in table
    table = tables.comparison(runs, "prior", papers, comparable=False)  # of other data
    assert table["one run could give the paper's"].tolist() == ["-"] * 3


def test_differences_have_dunnetts_intervals():
    runs = runs_of(none=NONE, gaussian=GAUSSIAN, swiss_roll=[0.405, 0.415, 0.42])
    table = tables.differences(runs, "prior", "none")
    assert table["prior, minus none"].tolist() == ["gaussian", "swiss roll"]
    assert table["ours (points)"].tolist() == ["+5.50", "+0.33"]
    assert table.n.tolist() == ["4, 3", "3, 3"]
    effects = rules.effects({name: rows.accuracy for name, rows in runs.groupby("prior")}, "none")
    intervals = [f"{100 * effect.low:+.2f} to {100 * effect.high:+.2f}" for effect in effects.values()]
    assert table["95% interval"].tolist() == intervals
    one_seed = tables.differences(runs_of(none=[0.4], gaussian=[0.3]), "prior", "none")
    assert one_seed.iloc[0].tolist() == ["gaussian", "-10.00", "-", "1, 1"]


@pytest.mark.parametrize(
    ("counts", "seeds"),
    [((3, 3), "3 seeds"), ((3, 5), "3 to 5 seeds"), ((1, 1), "1 seed"), ((3, 1), "3 seeds")],
)
def test_a_table_counts_the_seeds_of_its_settings(counts, seeds):
    """Without those that are shown once, for reference."""
    runs = runs_of(none=[0.5] * counts[0], gaussian=[0.5] * counts[1])
    shown = tables.summary(runs, "prior", {"accuracy": ("accuracy", ".1f")})
    assert shown.attrs["seeds"] == tables.seeds(runs, "prior") == seeds
