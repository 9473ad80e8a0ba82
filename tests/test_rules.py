"""The rules of the verdicts: their intervals against tables, and how often they are wrong, by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kmnist_itl import settings
from kmnist_itl.reproduction import rules

NAN = float("nan")
TRIALS = 3_000


def order(found):
    """The verdict on the one effect in a list."""
    return rules.order(found[0])


def test_intervals_are_students():
    values = [0.50, 0.52, 0.54]
    found = rules.estimate(values)
    # t(0.975, 2) = 4.302653 by any table.
    half = 4.302653 * 0.02 / np.sqrt(3)
    assert (found.mean, found.deviation, found.seeds) == (pytest.approx(0.52), pytest.approx(0.02), 3)
    assert (found.low, found.high) == pytest.approx((0.52 - half, 0.52 + half), rel=1e-6)
    run_half = 4.302653 * 0.02 * np.sqrt(4 / 3)
    assert (found.run_low, found.run_high) == pytest.approx((0.52 - run_half, 0.52 + run_half), rel=1e-6)


def test_a_difference_is_welchs(rng):
    ours, others = [3.0, 4.0, 5.0], [1.0, 1.0, 2.0, 2.0]
    found = rules.difference(ours, others)
    # Variances of the means 1/3 and 1/12, so 3 degrees of freedom: t(0.975, 3) = 3.182446 by any table.
    assert found.mean == pytest.approx(2.5) and found.deviation == pytest.approx(np.sqrt(1 + 1 / 3))
    assert found.high - found.mean == pytest.approx(3.182446 * np.sqrt(5 / 12), rel=1e-6)
    ours, others = rng.normal(1, 1, size=4), rng.normal(0, 3, size=9)
    found, reference = rules.difference(ours, others), stats.ttest_ind(ours, others, equal_var=False)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval(0.95)), rel=1e-9)
    assert rules.difference(others, ours).p == pytest.approx(found.p)


def test_one_run_settles_nothing():
    for found in (rules.estimate([0.5]), rules.difference([0.5], [0.1, 0.2]), rules.difference([0.5], [0.1])):
        assert not found.known and np.isnan([found.low, found.run_high, found.p]).all()
        assert rules.order(found, 0.1, 0.01) == rules.value(found, 0.5, 0.1) == "not settled"
        assert rules.best([found])[0] == "not settled" and rules.seeds_needed([found], order) is None


def test_equal_values_have_no_spread_and_are_sure():
    assert rules.order(rules.difference([0.5, 0.5], [0.4, 0.4])) == "yes"
    same = rules.difference([0.5, 0.5], [0.5, 0.5])
    assert same.p == 1 and rules.order(same) == "not settled"
    assert rules.value(rules.estimate([0.5, 0.5]), 0.505, 0.01) == "yes"
    assert rules.value(rules.estimate([0.5, 0.5]), 0.6, 0.01) == "no"
    assert rules.order(rules.difference([0.3, 0.3], [0.1 + 0.2, 0.1 + 0.2])) == "not settled"


@pytest.mark.parametrize("bad", [[], [0.5, NAN], [float("inf")]])
def test_values_that_are_none_or_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="values must hold"):
        rules.estimate(bad)
    with pytest.raises(ValueError, match="ours must hold"):
        rules.difference(bad, [1.0])
    with pytest.raises(ValueError, match="others must hold"):
        rules.difference([1.0], bad)
    with pytest.raises(ValueError, match=r"reference must be one of \['a'\]; got 'none'"):
        rules.apart({"a": [1.0, 2.0]}, "none")
    with pytest.raises(ValueError, match="leads must hold at least one rival"):
        rules.best([])


def test_a_value_is_the_same_within_the_margin_and_differs_outside_the_next_run():
    values = [0.518, 0.520, 0.522]  # mean ± 0.005, one more run ± 0.0099
    found = rules.estimate(values)
    verdicts = {
        far: rules.value(found, 0.52 + far, 0.01) for far in (0, 0.0045, 0.0055, 0.0098, 0.011, -0.011)
    }
    assert list(verdicts.values()) == ["yes", "yes", "not settled", "not settled", "no", "no"]
    # Within the margin comes first, however sure it is that the two differ.
    assert rules.value(rules.estimate([0.52, 0.5201, 0.5202]), 0.525, 0.01) == "yes"


def test_an_order_asks_for_direction_then_size_then_the_margin():
    def order(effects, *how, **more):
        return rules.order(rules.estimate(effects), *how, **more)

    assert order([0.04, 0.05, 0.06]) == "yes"
    assert order([0.04, 0.05, 0.06], 0.06) == "yes"
    assert order([0.04, 0.05, 0.06], 0.5) == "partly"
    assert order([-0.04, -0.05, -0.06], 0.05) == "no"
    assert order([-0.01, 0.0, 0.01]) == "not settled"
    # High is 0.0248: an effect of 0.03 is excluded, one of 0.02 is not.
    assert order([-0.01, 0.0, 0.01], 0.05, 0.03) == "no"
    assert order([-0.01, 0.0, 0.01], 0.05, 0.02) == "not settled"
    # The margin counts only where the paper claims as much.
    assert order([-0.01, 0.0, 0.01], 0.01, 0.03) == order([-0.01, 0.0, 0.01], NAN, 0.03) == "not settled"
    # A sure effect that is smaller than the paper's is partly there, however small it is.
    assert order([0.009, 0.01, 0.011], 0.05, 0.02) == "partly"
    assert order([0.012, 0.018, 0.024], 0.03, 0.02) == "partly"
    # A claim of exactly the margin is of the margin: 0.42 - 0.40 is 0.01999... in floating point.
    assert order([-0.01, 0.0, 0.01], 0.42 - 0.40, 0.02) == "not settled"
    assert order([-0.004, 0.0, 0.004], 0.42 - 0.40, 0.02) == "no"
    # A correction can take the sureness away.
    assert order([0.04, 0.05, 0.06], p=0.06) == "not settled"


def test_no_more_is_the_order_turned_round():
    assert rules.no_more(rules.estimate([0.04, 0.05, 0.06]), 0.02) == "no"
    assert rules.no_more(rules.estimate([-0.04, -0.05, -0.06]), 0.02) == "yes"
    assert rules.no_more(rules.estimate([-0.001, 0.0, 0.001]), 0.02) == "yes"
    assert rules.no_more(rules.estimate([0.009, 0.01, 0.011]), 0.02) == "yes"  # sure, but below the margin
    assert rules.no_more(rules.estimate([-0.01, 0.0, 0.01]), 0.02) == "not settled"
    assert rules.no_more(rules.estimate([0.04, 0.05, 0.06]), 0.02, p=0.06) == "not settled"


def test_the_best_must_be_ahead_of_each():
    def lead(mean):
        return rules.estimate([mean - 0.001, mean, mean + 0.001])

    assert rules.best([lead(0.05), lead(0.03)])[0] == "yes"
    assert rules.best([lead(0.05), lead(0.03)], 0.03)[0] == "yes"
    assert rules.best([lead(0.05), lead(0.03)], 0.5)[0] == "partly"
    verdict, closest = rules.best([lead(0.05), rules.estimate([-0.05, 0.0, 0.06])])
    assert verdict == "not settled" and closest.mean == pytest.approx(0.01 / 3)
    assert rules.best([lead(0.05), lead(-0.05)])[0] == "no"
    # The paper's lead of five points over one of them is excluded.
    assert rules.best([lead(0.05), lead(0.0)], 0.05, 0.02)[0] == "no"


def test_holms_correction():
    # Holm (1979): the smallest times three, the next times two, and never falling.
    assert rules.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert rules.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    corrected = rules.holm([0.02, NAN, 0.01])
    assert np.isnan(corrected[1]) and corrected[0] == pytest.approx(0.02) == corrected[2]


def test_settings_tested_together():
    groups = {
        "none": [1.0, 1.1, 1.2],
        "up": [2.0, 2.1, 2.2],
        "down": [0.0, 0.1, 0.2],
        "like": [1.1, 1.2, 1.3],
    }
    found = rules.apart(groups, "none")
    assert {name: side for name, (*_, side) in found.items()} == {
        "up": "more",
        "down": "less",
        "like": "not settled",
    }
    alone = rules.difference(groups["like"], groups["none"])
    assert found["like"][0] == alone and found["like"][1] == alone.p  # the largest of three p-values
    assert found["up"][1] == pytest.approx(3 * rules.difference(groups["up"], groups["none"]).p)


def test_the_seeds_needed_settle_it():
    wide = rules.estimate([-1.0, 0.1, 1.3])
    assert rules.seeds_needed([wide], order) is None
    sure = rules.estimate([0.04, 0.05, 0.06])
    assert rules.seeds_needed([sure], order) == 3
    # Mean 1, deviation 1: t(0.975, 6) / sqrt(7) = 0.925 < 1 < t(0.975, 5) / sqrt(6) = 1.05.
    assert rules.seeds_needed([rules.estimate([0.0, 1.0, 2.0])], order) == 7
    # 2 points off, within what single runs differ by, and not within the margin of 1: no number settles it.
    between = rules.estimate([0.0, 0.02, 0.04])
    assert rules.seeds_needed([between], lambda found: rules.value(found[0], 0.04, 0.01)) == float("inf")
    leads = [rules.estimate([0.0, 1.0, 2.0]), rules.estimate([-0.5, 1.0, 2.5])]
    assert rules.seeds_needed(leads, lambda found: rules.best(found)[0]) == 12


# How often the rules are wrong. The seed is fixed, and the bounds are three standard errors wide.
FIVE_PERCENT = 3 * np.sqrt(0.05 * 0.95 / TRIALS)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_intervals_hold_what_they_promise(rng, seeds):
    means, runs, differences, next_differences = 0, 0, 0, 0
    for _ in range(TRIALS):
        ours, others = rng.normal(1.0, 1.0, size=seeds + 1), rng.normal(0.0, 0.3, size=seeds + 1)
        found, apart = rules.estimate(ours[:-1]), rules.difference(ours[:-1], others[:-1])
        means += found.low <= 1 <= found.high
        runs += found.run_low <= ours[-1] <= found.run_high
        differences += apart.low <= 1 <= apart.high
        next_differences += apart.run_low <= ours[-1] - others[-1] <= apart.run_high
    for covered in (means, runs, differences, next_differences):
        assert covered / TRIALS > 0.95 - FIVE_PERCENT


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_false_verdicts_are_at_most_five_percent_when_the_paper_ran_what_we_ran(rng, seeds):
    wrong_value = wrong_sign = wrong_size = wrong_best = wrong_family = 0
    for _ in range(TRIALS):
        runs = rng.normal(
            0.9, 0.01, size=(4, seeds + 1)
        )  # four settings that do not differ; the last is the paper's
        wrong_value += rules.value(rules.estimate(runs[0, :-1]), runs[0, -1], 0.01) == "no"
        leads = [rules.difference(runs[0, :-1], other[:-1]) for other in runs[1:]]
        wrong_sign += rules.order(leads[0]) != "not settled"
        wrong_best += rules.best(leads)[0] in ("yes", "partly")
        corrected = rules.holm([lead.p for lead in leads])
        wrong_family += any(
            rules.order(lead, p=p) != "not settled" for lead, p in zip(leads, corrected, strict=True)
        )
        # An effect of five points that is there: no verdict may deny it, nor its size more often than 5%.
        ours = rules.difference(runs[0, :-1] + 0.05, runs[1, :-1])
        wrong_size += rules.order(ours, runs[0, -1] + 0.05 - runs[1, -1], 0.02) in ("no", "partly")
    for wrong in (wrong_value, wrong_sign, wrong_best, wrong_family, wrong_size):
        assert wrong / TRIALS < 0.05 + FIVE_PERCENT


@pytest.mark.parametrize(
    ("table", "column", "ours", "others", "effect", "margin", "seeds"),
    [
        ("table2_priors", "prior", "gaussian", "none", 0.0519, 0.02, 20),
        ("table2_priors", "prior", "gaussian_mixture", "none", 0.0424, 0.02, 20),
        ("table1_bottleneck_size", "latent_dim", 30, 50, 0.0073, 0.01, 10),
        ("fig04_cnn", "model", "CNN", "MLP on 30 codes", 0.0325, 0.01, 10),
    ],
)
def test_the_papers_effects_would_be_found_if_they_were_there_and_denied_if_not(
    rng, table, column, ours, others, effect, margin, seeds
):
    """With the spreads of our tables and the numbers of seeds that they are to have."""
    runs = pd.read_csv(settings.project_dir() / "figures" / f"{table}.csv")
    measured = runs.groupby(column).accuracy.std()
    found = denied = missed = 0
    for _ in range(500):
        one, other = (rng.normal(0, measured[setting], size=seeds) for setting in (ours, others))
        missed += rules.order(rules.difference(one + effect, other), effect, margin) == "no"
        found += rules.order(rules.difference(one + effect, other), effect, margin) in ("yes", "partly")
        denied += rules.order(rules.difference(one, other), effect, margin) == "no"
    assert found > 0.8 * 500 and missed <= 0.05 * 500
    # Without an effect one of the margin's size is mostly excluded, where the paper's is as large.
    assert denied > 0.5 * 500 if effect >= margin else denied <= 0.05 * 500


@pytest.mark.parametrize("seeds", [5, 10])
def test_a_value_at_the_margin_is_hardly_ever_called_the_same_and_an_equal_one_mostly_is(rng, seeds):
    same_at_margin = same = 0
    for _ in range(TRIALS):
        found = rules.estimate(rng.normal(0.9, 0.004, size=seeds))
        same_at_margin += rules.value(found, 0.91, 0.01) == "yes"
        same += rules.value(found, 0.9, 0.01) == "yes"
    assert same_at_margin / TRIALS < 0.05 + FIVE_PERCENT and same / TRIALS > 0.8


@pytest.mark.parametrize("seeds", [3, 10])
def test_no_more_is_hardly_ever_wrong(rng, seeds):
    excluded = said_more = 0
    for _ in range(TRIALS):
        ours, others = rng.normal(0, 0.02, size=(2, seeds))
        excluded += rules.no_more(rules.difference(ours + 0.02, others), 0.02) == "yes"  # the margin is there
        said_more += rules.no_more(rules.difference(ours, others), 0.02) == "no"  # nothing is there
    assert excluded / TRIALS < 0.05 + FIVE_PERCENT and said_more / TRIALS < 0.05 + FIVE_PERCENT


@pytest.mark.parametrize(("lead", "seeds", "most"), [(0.02, 3, 0.88), (0.02, 10, 0.999), (0.01, 10, 0.95)])
def test_the_best_that_is_ahead_is_found_and_hardly_ever_denied(rng, lead, seeds, most):
    found = denied = 0
    for _ in range(1_000):
        ours, *rivals = rng.normal(0, 0.004, size=(6, seeds))
        verdict, _ = rules.best([rules.difference(ours + lead, rival) for rival in rivals], lead, 0.01)
        found += verdict in ("yes", "partly")
        denied += verdict == "no"
    assert found >= most * 1_000 and denied <= 5


@pytest.mark.parametrize(
    ("mean", "deviation", "judge"),
    [
        (0.0, 0.022, lambda found: rules.order(found[0], 0.05, 0.02)),
        (0.01, 0.022, lambda found: rules.order(found[0])),
        (0.005, 0.01, lambda found: rules.value(found[0], 0.0, 0.01)),
    ],
)
def test_with_the_seeds_needed_about_half_of_all_trials_settle_it(rng, mean, deviation, judge):
    three = rules.estimate(mean + deviation * np.array([-1.0, 0.0, 1.0]))
    seeds = rules.seeds_needed([three], judge)
    assert 3 < seeds < 40
    settled = np.mean(
        [
            judge([rules.estimate(rng.normal(mean, deviation, size=seeds))]) != "not settled"
            for _ in range(2_000)
        ]
    )
    assert 0.48 < settled < 0.7


def test_with_the_seeds_needed_the_best_of_six_is_found_less_often(rng):
    equal = rules.difference([0.01, 0.03, 0.05], [-0.02, 0.0, 0.02])
    seeds = rules.seeds_needed([equal] * 5, lambda found: rules.best(found)[0])
    settled = 0
    for _ in range(500):
        ours, *rivals = rng.normal(0, 0.02, size=(6, seeds))
        settled += rules.best([rules.difference(ours + 0.03, rival) for rival in rivals])[0] == "yes"
    assert 0.1 < settled / 500 < 0.4


def test_a_bootstrap_of_six_sessions_covers_less_than_it_says(rng):
    """Why timings have Student's interval."""
    sessions = rng.normal(size=(1_000, 6))
    picked = rng.integers(0, 6, size=(1_000, 400, 6))
    means = np.take_along_axis(sessions[:, None], picked, axis=2).mean(axis=2)
    low, high = np.quantile(means, (0.025, 0.975), axis=1)
    assert np.mean((low <= 0) & (high >= 0)) < 0.92


def test_with_few_seeds_beside_many_intervals_cover_somewhat_less(rng):
    covered = next_covered = 0
    for _ in range(TRIALS):
        ours, others = rng.normal(1.0, 3.0, size=4), rng.normal(0.0, 1.0, size=21)
        found = rules.difference(ours[:-1], others[:-1])
        covered += found.low <= 1 <= found.high
        next_covered += found.run_low <= ours[-1] - others[-1] <= found.run_high
    assert covered / TRIALS > 0.91 and next_covered / TRIALS > 0.89  # rules.py says 92%


def test_who_stops_as_soon_as_a_verdict_appears_is_wrong_more_often(rng):
    """Why each table has a number of seeds that was named before."""

    def ever(ours, others):
        return any(rules.order(rules.difference(ours[:n], others[:n])) != "not settled" for n in range(7, 21))

    wrong = np.mean([ever(*rng.normal(size=(2, 20))) for _ in range(500)])
    assert 0.10 < wrong < 0.20  # rules.py says 15%
