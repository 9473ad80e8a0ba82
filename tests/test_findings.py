"""The sentences under the notebooks' titles: what the committed tables say, and true when tables change."""

import nbformat
import pandas as pd
import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import experiments, findings, paper, results

FOLDER = settings.project_dir() / "figures"


@pytest.fixture(scope="module")
def tables():
    return results.read_tables(FOLDER)


@pytest.mark.parametrize("name", findings.FINDINGS)
def test_the_committed_notebook_says_what_the_committed_tables_say(tables, name):
    notebook = nbformat.read(settings.project_dir() / "notebooks" / f"{name}.ipynb", as_version=4)
    shown = [
        output.data["text/markdown"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "**Result**" in output.get("data", {}).get("text/markdown", "")
    ]
    assert len(shown) == 1
    assert shown[0].endswith(f" {findings.FINDINGS[name](tables)}"), f"run notebook {name} again"


def test_every_notebook_with_a_table_of_trainings_has_a_finding():
    assert set(findings.FINDINGS) == set(experiments.NOTEBOOKS)


def accuracies(column, groups, **more):
    rows = [
        {column: name, "seed": seed, "accuracy": value, **more}
        for name, values in groups.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def table_1(best):
    groups = {k: [0.80, 0.801, 0.802] for k in paper.TABLE_1} | {30: [best, best + 0.001, best + 0.002]}
    frame = accuracies("latent_dim", groups)
    return {"table1_bottleneck_size": frame.assign(reconstruction_error=1 / frame.latent_dim)}


def test_a_peak_is_said_only_where_there_is_one():
    peak = findings.bottleneck_size(table_1(0.9))
    assert "surely worse: k = 10, k = 20, k = 35, k = 40, k = 50." in peak and "there is a peak at 30" in peak
    assert "The reconstruction error falls with every step from 10 to 50 codes." in peak
    flat = findings.bottleneck_size(table_1(0.80))
    assert "not settled: k = 10" in flat and "a peak at 30 is not shown" in flat
    low = findings.bottleneck_size(table_1(0.7))
    assert "surely better: k = 10" in low and "a peak at 30 is not shown" in low
    frame = table_1(0.9)["table1_bottleneck_size"]
    one = findings.bottleneck_size({"table1_bottleneck_size": frame[frame.seed == 0]})
    assert "One seed: nothing of this is sure." in one and "peak" not in one and "±" not in one


def test_a_prior_that_helps_is_said_to_help():
    groups = {prior: [0.40, 0.402, 0.404] for prior in paper.TABLE_2}
    runs = accuracies("prior", groups)
    spread = 0.40 + 2 * (runs.accuracy - 0.40)
    none = findings.priors_and_clustering({"table2_priors": runs.assign(accuracy_fitted_on_test=spread)})
    assert none.endswith(
        "No prior helps by 2 points: the 95% intervals of all gains end below 0.5 points, and below 1.0 with "
        "k-means fitted on the test images."
    )
    groups["gaussian"] = [0.50, 0.502, 0.504]
    better = accuracies("prior", groups)
    both = better.assign(accuracy_fitted_on_test=better.accuracy)
    helped = findings.priors_and_clustering({"table2_priors": both})
    assert "the Gaussian +10.0 points (surely more)" in helped and helped.endswith("So the Gaussian helped.")
    one = better.assign(accuracy_fitted_on_test=runs.accuracy)  # the other reading disagrees
    disagree = findings.priors_and_clustering({"table2_priors": one})
    assert (
        "the Gaussian +10.0 points (direction not settled)" in disagree
        and "No prior is shown to help" in disagree
    )


def test_the_claims_that_hold_are_counted():
    verdicts = pd.DataFrame({"holds": ["yes", "yes", "no", "not testable", "not settled"]})
    text = findings.verdicts({"verdicts": verdicts})
    assert text == "Of 4 claims that can be tested: 2 yes, 1 no, 1 not settled."


def test_the_early_stop_is_counted():
    steps = pd.DataFrame({"prior": ["gaussian"] * 4, "session": [0, 0, 1, 1], "ratio": [1.0, 1.2, 1.1, 1.3]})
    epochs = accuracies("autoencoder", {"with CSD": [50, 80], "without CSD": [60, 80]})
    epochs["epochs"] = [50, 80, 60, 80]
    text = findings.computational_cost({"table3_step_seconds": steps, "table3_cost": epochs})
    assert "takes 1.150 times the step without it (95% interval 0.515 to 1.785)" in text
    assert "With the CSD at least 1 of 2 trainings stop so early" in text
