"""The cells of tables, and what two confusion matrices have in common."""

import numpy as np
import pandas as pd
import pytest

from kmnist_itl.reproduction import paper, rules, statistics


def runs_of(accuracies):
    """Runs with these accuracies by prior, a row for each seed."""
    return pd.DataFrame(
        [
            {"prior": prior, "seed": seed, "accuracy": accuracy}
            for prior, values in accuracies.items()
            for seed, accuracy in enumerate(values)
        ]
    )


def test_settings_are_compared_with_a_reference():
    runs = runs_of(
        {"none": [0.40, 0.41, 0.42], "gaussian": [0.45, 0.46, 0.47, 0.48], "swiss_roll": [0.405, 0.415, 0.42]}
    )
    table = statistics.difference_table(runs, "prior", "none", {"none": 0.4, "gaussian": 0.45})
    assert list(table["prior, minus none"]) == ["gaussian", "swiss roll"]
    assert list(table["paper (points)"]) == ["+5.00", "-"]
    assert list(table["ours (points)"]) == ["+5.50 ± 1.63", "+0.33 ± 1.26"]
    assert list(table["surely"]) == ["more", "not settled"] and list(table["n"]) == ["4, 3", "3"]
    assert len(table.columns) == 7
    alone = [
        rules.difference(runs[runs.prior == prior].accuracy, [0.40, 0.41, 0.42])
        for prior in table.iloc[:, 0].str.replace(" ", "_")
    ]
    assert table["p (Holm)"][0] == f"{2 * alone[0].p:.2g}" and table["p (Holm)"][1] == f"{alone[1].p:.2g}"
    assert table["95% interval"][0] == f"{100 * alone[0].low:+.2f} to {100 * alone[0].high:+.2f}"


def test_less_is_less_and_one_seed_is_nothing():
    runs = runs_of({"none": [0.40, 0.41], "gaussian": [0.2, 0.21], "swiss_roll": [0.3]})
    table = statistics.difference_table(runs, "prior", "none")
    assert "paper (points)" not in table and list(table["surely"]) == ["less", "-"]
    assert table.iloc[1].tolist() == ["swiss roll", "-10.50", "-", "-", "1, 2", "-"]


def test_a_family_of_settings_without_an_effect_is_called_different_in_one_of_twenty_cases(rng):
    wrong = 0
    for _ in range(500):
        runs = runs_of(
            {
                name: rng.normal(0.4, spread, size=4)
                for name, spread in zip("abcd", (0.01, 0.03, 0.002, 0.01), strict=True)
            }
        )
        wrong += (statistics.difference_table(runs, "prior", "a").surely != "not settled").any()
    assert wrong / 500 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 500)


def test_the_cells_of_a_comparison():
    cells = {
        "paper": "53.00%",
        "ours": "52.00% ± 2.00",
        "95% interval of the mean": "47.03% to 56.97%",  # 2.484 standard deviations
        "holds?": "not settled",
    }
    assert statistics.comparison_cells([0.50, 0.52, 0.54], 0.53, 0.01, comparable=True) == cells
    other = statistics.comparison_cells([0.50, 0.52, 0.54], 0.53, 0.01, comparable=False)
    assert other == {**cells, "holds?": "not comparable"}
    assert statistics.comparison_cells([0.50, 0.52, 0.54], 0.53, 0.06, comparable=True)["holds?"] == "yes"
    assert statistics.comparison_cells([0.50, 0.52, 0.54], 0.70, 0.01, comparable=True)["holds?"] == "no"
    alone = statistics.comparison_cells([0.5], 0.53, 0.01, comparable=True)
    assert tuple(alone.values()) == ("53.00%", "50.00%", "-", "not settled")
    ours = statistics.comparison_cells([0.5], float("nan"), 0.01, comparable=True)
    assert tuple(ours.values()) == ("-", "50.00%", "-", "not in the paper")


def test_a_value_is_summarized_with_its_spread():
    # t(0.975, 2) / sqrt(3) = 2.484 standard deviations
    assert statistics.summarized([0.1, 0.2, 0.3], ".2%") == ("20.00% ± 10.00", "-4.84% to 44.84%")
    assert statistics.summarized([12.345], ".1f") == ("12.3", "-")


def test_the_error_of_an_accuracy_is_binomial():
    assert statistics.accuracy_error(0.5, 100) == pytest.approx(0.05)
    assert statistics.accuracy_error(0.5) == pytest.approx(0.005)  # of the test set's 10,000 images


def test_the_confusions_of_both_are_named():
    ours, theirs = [[5, 1, 3], [0, 9, 2], [4, 0, 7]], [[5, 0, 3], [0, 9, 0], [0, 2, 7]]
    text = statistics.describe_confusions(ours, theirs, "abc", top=2).splitlines()
    assert text[0].endswith("first: c taken for a, a taken for c")
    assert text[1].endswith("first: a taken for c, c taken for b")
    assert text[2] == "1 of 2 are in both: a taken for c"


def test_the_most_confused_pairs_come_first():
    assert statistics.confused_pairs([[5, 1, 3], [0, 9, 2], [4, 0, 7]], top=3) == [(2, 0), (0, 2), (1, 2)]
    assert statistics.confused_pairs(paper.CONFUSION["fig03"], top=1) == [(2, 3)]


def test_the_agreement_of_confusions_is_a_rank_correlation_off_the_diagonal(rng):
    matrix = rng.integers(0, 50, size=(10, 10))
    other = 3 * matrix + 1
    np.fill_diagonal(other, 0)
    assert statistics.confusion_agreement(matrix, other) == pytest.approx(1)
    assert statistics.confusion_agreement(matrix, 50 - matrix) == pytest.approx(-1)
    assert abs(statistics.confusion_agreement(matrix, rng.integers(0, 50, size=(10, 10)))) < 0.4
    assert np.isnan(statistics.confusion_agreement(np.eye(10), matrix))
