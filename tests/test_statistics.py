"""Intervals and verdicts, and the tables made of them."""

import numpy as np
import pandas as pd
import pytest

from kmnist_itl.reproduction import paper, statistics


def test_an_effect_is_compared_with_zero_and_the_papers_size():
    assert statistics.compare_order([0.05]).verdict == "undecided (one seed)"
    assert statistics.compare_order([0.04, 0.05, 0.06], 0.05).verdict == "reproduced"
    assert statistics.compare_order([0.04, 0.05, 0.06], 0.5).verdict == "direction reproduced"
    assert statistics.compare_order([0.04, 0.05, 0.06]).verdict == "direction reproduced"
    assert statistics.compare_order([-0.04, -0.05, -0.06], 0.05).verdict == "not reproduced"
    assert statistics.compare_order([-0.05, 0.05, 0.06], 0.05).verdict == "undecided"
    # Our mean may be 0 here, but the paper's effect lies above the interval.
    assert statistics.compare_order([-0.01, 0.0, 0.01], 0.05).verdict == "not reproduced"
    assert statistics.compare_order([-0.01, 0.0, 0.01], 0.02).verdict == "undecided"
    assert statistics.compare_order([-0.01, 0.0, 0.01]).verdict == "undecided"
    assert statistics.compare_order([0.04, 0.05], 0.05, comparable=False).verdict == "not comparable"


def test_what_is_called_best_must_beat_each_rival():
    clear, less, none = [0.049, 0.05, 0.051], [0.029, 0.03, 0.031], [-0.05, 0.05, 0.06]
    worse = [-0.049, -0.05, -0.051]

    def verdict(*leads, reported=float("nan")):
        return statistics.compare_best(np.transpose(leads), reported).verdict

    assert verdict(clear, less) == "direction reproduced"
    assert verdict(clear, less, reported=0.03) == "reproduced"
    assert verdict(clear, none) == "undecided"
    assert verdict(clear, none, worse) == "not reproduced"
    assert statistics.compare_best(np.transpose([clear, less])).mean == pytest.approx(0.03)


@pytest.mark.parametrize("seeds", [3, 10, 100])
def test_a_single_run_like_ours_is_refused_in_one_of_twenty_cases_however_many_seeds_there_are(rng, seeds):
    runs = rng.normal(0.9, 0.01, size=(2_000, seeds + 1))
    verdicts = [statistics.compare(ours, theirs).verdict for *ours, theirs in runs]
    assert 0.03 < verdicts.count("not reproduced") / len(verdicts) < 0.07
    assert verdicts.count("reproduced") > 0.75 * len(verdicts)


def test_several_effects_at_once_need_wider_intervals():
    alone, among = statistics.compare_order([1, 2, 3]), statistics.compare_order([1, 2, 3], family=5)
    # t(0.995, 2) = 9.924843 by any table.
    assert among.mean - among.low == pytest.approx(9.924843 / np.sqrt(3), rel=1e-6)
    assert (alone.verdict, among.verdict) == ("undecided", "undecided")
    assert alone.low > among.low


def test_differences_are_taken_seed_by_seed():
    runs = pd.DataFrame(
        [
            {"prior": prior, "seed": seed, "accuracy": 0.4 + 0.1 * seed + gain + 0.001 * seed * bool(gain)}
            for prior, gain in (("none", 0.0), ("gaussian", 0.05), ("swiss_roll", -0.1))
            for seed in range(3)
        ]
    )
    table = statistics.difference_table(runs, "prior", "none", {"none": 0.4, "gaussian": 0.45})
    assert list(table["prior, minus none"]) == ["gaussian", "swiss roll"]
    assert list(table["ours (points)"]) == ["+5.10 ± 0.10", "-9.90 ± 0.10"]
    assert list(table["paper (points)"]) == ["+5.00", "-"]
    assert list(table["ours is"]) == ["more", "less"] and list(table["n"]) == ["3", "3"]
    alone = statistics.difference_table(runs[runs.seed == 0], "prior", "none")
    assert list(alone["ours is"]) == ["-", "-"] and list(alone["interval"]) == ["-", "-"]


def runs_of_three_settings(seeds):
    rng = np.random.default_rng(3)
    means = {"none": 0.4, "gaussian": 0.41, "swiss_roll": 0.2}
    return pd.DataFrame(
        [
            {"prior": prior, "seed": seed, "accuracy": mean + rng.normal(scale=0.01)}
            for prior, mean in means.items()
            for seed in range(seeds)
        ]
    )


def test_settings_are_compared_with_a_control_by_dunnetts_test():
    runs = runs_of_three_settings(5)
    table = statistics.control_table(runs, "prior", "none")
    assert list(table["prior, minus none"]) == ["gaussian", "swiss roll"]
    assert list(table["ours is"]) == ["undecided", "less"] and list(table["n"]) == ["5, 5"] * 2
    # Two-sided 5% point for 2 settings and 12 degrees of freedom: 2.50 in Dunnett's tables.
    spread = np.sqrt(runs.groupby("prior").accuracy.var().mean())
    for text in table["interval"]:
        low, high = map(float, text.split(" to "))
        assert high - low == pytest.approx(200 * 2.50 * spread * np.sqrt(2 / 5), abs=0.02)
    assert statistics.control_table(runs, "prior", "none").equals(table)


def test_a_control_needs_some_setting_with_two_runs():
    runs = runs_of_three_settings(2)
    alone = statistics.control_table(runs[runs.seed == 0], "prior", "none")
    assert list(alone["interval"]) == ["-", "-"] and list(alone["ours is"]) == ["-", "-"]
    uneven = statistics.control_table(runs.drop(index=[1, 3]), "prior", "none")
    assert list(uneven["n"]) == ["1, 1", "2, 1"] and uneven["ours is"][1] == "less"


def test_without_a_value_of_the_paper_only_ours_is_shown():
    found = statistics.compare([0.5, 0.6], float("nan"))
    assert found.verdict == "not in the paper" and np.isfinite(found.low)
    row = statistics.comparison_cells(found)
    assert (row["paper"], row["difference (points)"], row["ours"]) == ("-", "-", "55.00% ± 7.07")


def test_the_cells_of_a_comparison():
    assert statistics.comparison_cells(statistics.compare([0.50, 0.52, 0.54], 0.53)) == {
        "paper": "53.00%",
        "ours": "52.00% ± 2.00",
        "95% interval of the mean": "47.03% to 56.97%",  # 2.484 standard deviations
        "of one more run": "42.06% to 61.94%",  # 4.968 standard deviations
        "difference (points)": "-1.00",
        "verdict": "reproduced",
    }
    alone = statistics.comparison_cells(statistics.compare([0.5], 0.53))
    assert (alone["ours"], alone["of one more run"]) == ("50.00%", "-")


def test_a_value_is_summarized_with_its_spread():
    # t(0.975, 2) / sqrt(3) = 2.484 standard deviations
    assert statistics.summarized([0.1, 0.2, 0.3], ".2%") == ("20.00% ± 10.00%", "-4.84% to 44.84%")
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


def test_one_seed_decides_nothing():
    found = statistics.compare([0.5], 0.5)
    assert found.verdict == "undecided (one seed)" and found.verdict in statistics.VERDICTS
    assert np.isnan(found.deviation) and not found.near


def test_the_interval_is_students_and_decides():
    values = [0.50, 0.52, 0.54]
    found = statistics.compare(values, 0.53)
    # t(0.975, 2) = 4.302653 by any table.
    half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)
    assert (found.high - found.mean, found.mean - found.low) == pytest.approx((half, half), rel=1e-6)
    run_margin = 4.302653 * np.std(values, ddof=1) * np.sqrt(4 / 3)
    assert (found.run_low, found.run_high) == pytest.approx((0.52 - run_margin, 0.52 + run_margin), rel=1e-6)
    assert found.verdict == "reproduced" and found.difference == pytest.approx(-0.01)
    assert [statistics.compare(values, 0.52 + 0.02 * far).verdict for far in (1.99, 2.01, 4.9, 5)] == [
        "reproduced",  # within two deviations
        "undecided",
        "undecided",  # t * sqrt(4 / 3) is 4.97
        "not reproduced",
    ]
    assert statistics.compare(values, 0.6, comparable=False).verdict == "not comparable"


@pytest.mark.parametrize("bad", [[], [0.5, float("nan")], [float("inf")]])
def test_values_that_are_none_or_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="values"):
        statistics.compare(bad, 0.5)
    with pytest.raises(ValueError, match="values"):
        statistics.compare_order(bad)


def test_a_best_setting_needs_a_rival():
    with pytest.raises(ValueError, match="leads must hold a number for at least one seed and one rival"):
        statistics.compare_best(np.empty((3, 0)))


def test_the_agreement_of_confusions_is_a_rank_correlation_off_the_diagonal(rng):
    matrix = rng.integers(0, 50, size=(10, 10))
    other = 3 * matrix + 1
    np.fill_diagonal(other, 0)
    assert statistics.confusion_agreement(matrix, other) == pytest.approx(1)
    assert statistics.confusion_agreement(matrix, 50 - matrix) == pytest.approx(-1)
    assert abs(statistics.confusion_agreement(matrix, rng.integers(0, 50, size=(10, 10)))) < 0.4
    assert np.isnan(statistics.confusion_agreement(np.eye(10), matrix))
