"""The twelve claims: what they measure, and their answers on made-up and on the committed tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import claims, figures, measurements, paper, results

FIGURES = settings.project_dir() / "figures"
GAIN = "A Gaussian prior improves clustering"
ALIKE = "The mixture of ten does not cluster better than the Gaussian"


def table_2(gain=0.0, seeds=20):
    """Accuracies by prior whose Gaussian and mixture lie `gain` above no prior."""
    rng = np.random.default_rng(0)
    priors = {"none": 0.43, "gaussian": 0.43 + gain, "gaussian_mixture": 0.43 + gain, "swiss_roll": 0.3}
    rows = [
        {"prior": prior, "seed": seed, "accuracy": mean + rng.normal(0, 0.01)}
        for seed in range(seeds)
        for prior, mean in priors.items()
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(accuracy_fitted_on_test=frame.accuracy)


def answers(frame):
    rows = claims.verdicts({"table2_priors": frame}, comparable=True).set_index("claim")
    return rows.loc[[GAIN, ALIKE]]


@pytest.mark.parametrize(("gain", "helps"), [(0.05, "yes"), (0.0, "no")])
def test_a_gain_is_seen_and_its_absence_too(gain, helps):
    frame = table_2(gain)
    frame.loc[frame.prior == "gaussian", "accuracy_fitted_on_test"] += 0.05  # the other choice
    rows = answers(frame)
    assert rows.holds.tolist() == [helps, "yes"]
    assert rows.other_choice[GAIN] == "k-means fitted on the test images: yes"


def test_the_mixture_is_paired_with_the_gaussian_seed_by_seed():
    frame = table_2(0.0, seeds=6)
    gaussian = frame.accuracy[frame.prior == "gaussian"].to_numpy()
    frame.loc[frame.prior == "gaussian_mixture", "accuracy"] = gaussian + 0.03 + 0.0001 * np.arange(6)
    assert answers(frame.sample(frac=1, random_state=0)).holds[ALIKE] == "no"


def test_a_claim_whose_table_lacks_what_it_needs_is_left_out():
    few = {"table1_bottleneck_size": pd.DataFrame({"latent_dim": [30], "accuracy": [0.92]})}
    assert claims.effects({}) == claims.effects(few) == []
    assert len(claims.effects({"table2_priors": table_2()})) == 2


def test_one_seed_answers_nothing_and_other_data_are_not_judged():
    assert set(answers(table_2(seeds=1)).holds) == {"open"}
    rows = claims.verdicts({"table2_priors": table_2()}, comparable=False)
    assert set(rows.holds) == {"not comparable"} and set(rows.could) == {"-"} == set(rows.other_choice)


def test_there_are_twelve_claims_and_the_papers_effects_are_those_of_its_numbers():
    reported = {claim.says: claim.reported for claim in claims.CLAIMS}
    assert len(claims.CLAIMS) == 12 == len(reported)
    for claim in claims.CLAIMS:
        assert claim.named >= 6 and (claim.margin > 0 or np.isnan(claim.reported))
    assert reported[GAIN] == pytest.approx(0.0519)
    assert reported["The CNN outperforms the MLP on codes"] == pytest.approx(0.0325)
    ratio = reported["Under the mixture the codes span more than under the Gaussian"]
    assert np.exp(ratio) == pytest.approx(8.75 / 4) and paper.FIG_9_SPANS["gaussian"] == (4, 4)


def test_an_effect_is_written_in_its_unit():
    numbers = (0.0145, "points"), (np.log(1.04), "times"), (2.119, "{} further"), (np.nan, "points")
    texts = [claims.text(*number) for number in numbers]
    assert texts == ["+1.45 points", "× 1.04", "2.12 further", "-"]


def test_the_committed_verdicts_are_those_of_the_committed_tables():
    rows = claims.verdicts(results.read_tables(FIGURES), comparable=True)
    committed = measurements.read_table(FIGURES / "verdicts.csv").astype(str)
    pd.testing.assert_frame_equal(rows, committed[list(rows)])


def test_the_forest_has_an_axis_for_each_claim():
    tested = claims.effects(results.read_tables(FIGURES))
    figure = figures.forest(tested, title="a title")
    assert len(figure.axes) == len(tested) == 12
    assert all(claim.says in axis.get_ylabel() for (claim, _), axis in zip(tested, figure.axes, strict=True))
    plt.close(figure)


def test_readmes_table_is_that_of_the_committed_verdicts():
    table = claims.readme_table(measurements.read_table(FIGURES / "verdicts.csv"))
    assert table in (settings.project_dir() / "README.md").read_text(encoding="utf-8")
    assert 4 < len(table.splitlines()) <= 10
