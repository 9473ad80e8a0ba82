"""The rules of the answers: their intervals against tables and SciPy, and how often they are wrong."""

import numpy as np
import pytest
from scipy import stats

from kmnist_itl.reproduction import rules

TRIALS = 400
TOLERANCE = 3 * np.sqrt(0.05 * 0.95 / TRIALS)  # three standard errors of a share of 5%


def bounds(effect):
    return effect.low, effect.high


def test_the_interval_of_a_mean_is_students_and_that_of_one_more_run_wider():
    effect = rules.effect([0.50, 0.52, 0.54])
    half = 4.302653 * 0.02 / np.sqrt(3)  # t(0.975, 2) by any table
    assert (effect.mean, effect.runs) == (pytest.approx(0.52), 3)
    assert bounds(effect) == pytest.approx((0.52 - half, 0.52 + half), rel=1e-6)
    assert (effect.run_low, effect.run_high) == pytest.approx((0.52 - 2 * half, 0.52 + 2 * half), rel=1e-6)
    answers = [effect.could_be(0.52 + far * half) for far in (1.99, -1.99, 2.01, np.nan)]
    assert answers == ["yes", "yes", "no", "-"]


def test_a_difference_is_welchs():
    effect = rules.effect([3.0, 4.0, 5.0], [1.0, 1.0, 2.0, 2.0])
    # Variances of the means 1/3 and 1/12, so 3 degrees of freedom: t(0.975, 3) = 3.182446 by any table.
    assert effect.mean == pytest.approx(2.5) and effect.runs == 3
    assert effect.high - effect.mean == pytest.approx(3.182446 * np.sqrt(5 / 12), rel=1e-6)


def test_several_settings_are_compared_together(rng):
    groups = {name: rng.normal(size=5) for name in "abc"}
    effects = rules.effects(groups, "a")
    assert list(effects) == ["b", "c"]
    for name, effect in effects.items():
        alone = rules.effect(groups[name], groups["a"])
        assert effect.mean == alone.mean and effect.run_high == alone.run_high
    interval = stats.dunnett(groups["b"], groups["c"], control=groups["a"]).confidence_interval(0.95)
    assert [effect.low for effect in effects.values()] == pytest.approx(interval.low, abs=0.01)
    lead = rules.smallest_lead(*groups.values())
    interval = stats.tukey_hsd(*groups.values()).confidence_interval(0.95)
    closest = 1 + int(groups["b"].mean() < groups["c"].mean())
    assert bounds(lead) == pytest.approx((interval.low[0, closest], interval.high[0, closest]))


@pytest.mark.parametrize(
    ("low", "high", "answer", "answer_if_absent"),
    [
        (0.001, 0.01, "yes", "no"),  # above 0 comes first, however small
        (-0.03, -0.01, "no", "yes"),
        (-0.01, 0.019, "no", "yes"),  # an effect of the margin is excluded
        (-0.01, 0.03, "open", "open"),
        (np.nan, np.nan, "open", "open"),
    ],
)
def test_the_answers(low, high, answer, answer_if_absent):
    effect = rules.Effect(0.0, low, high, np.nan, np.nan, 3)
    answers = effect.answer(0.02), effect.answer(0.02, is_absent=True)
    assert answers == (answer, answer_if_absent)


def test_one_run_leaves_all_open():
    groups = {"a": [0.5], "b": [0.1, 0.2]}
    for effect in (
        rules.effect([0.5]),
        rules.effect([0.5], [0.1, 0.2]),
        rules.effects(groups, "a")["b"],
        rules.smallest_lead(*groups.values()),
    ):
        assert np.isnan([effect.low, effect.run_high]).all() and effect.answer(0.01) == "open"
        assert effect.could_be(0.5) == "-"


def test_equal_values_have_an_interval_of_no_width():
    assert bounds(rules.effect([0.5, 0.5], [0.25, 0.25])) == (0.25, 0.25)
    assert bounds(rules.effect([0.5, 0.5])) == (0.5, 0.5)


@pytest.mark.parametrize("bad", [[], [0.5, np.nan], [np.inf]])
@pytest.mark.parametrize(("name", "before"), [("values", []), ("reference", [[1.0]])])
def test_values_that_are_missing_or_not_finite_are_refused(name, before, bad):
    with pytest.raises(ValueError, match=f"{name} must hold at least one number and only finite ones"):
        rules.effect(*before, bad)


@pytest.mark.parametrize(("counts", "deviations"), [((18, 18), (1, 2)), ((7, 3), (1, 1))])
def test_simulated_intervals_cover_95_percent(rng, counts, deviations):
    mean_missed = run_missed = 0
    for _ in range(TRIALS):
        effect = rules.effect(*map(rng.normal, (0, 0), deviations, counts))
        one_more = rng.normal(0, deviations[0]) - rng.normal(0, deviations[1])
        mean_missed += not effect.low <= 0 <= effect.high
        run_missed += effect.could_be(one_more) == "no"
    # Welch's degrees of freedom are an approximation: 1.5 points more are allowed for.
    assert max(mean_missed, run_missed) / TRIALS < 0.05 + TOLERANCE + 0.015


def test_simulated_answers_of_no_effect_and_of_the_margin_are_seldom_false(rng):
    false_yes = false_no = 0
    for _ in range(TRIALS):
        samples = rng.normal(0, 0.02, size=(2, 10))
        false_yes += rules.effect(*samples).answer(0.02) == "yes"
        false_no += rules.effect(samples[0] + 0.02, samples[1]).answer(0.02) == "no"
    assert false_yes / TRIALS < 0.025 + TOLERANCE and false_no / TRIALS < 0.025 + TOLERANCE
