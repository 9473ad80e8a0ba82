"""The rows of a table: measured, or found in it by the run that they were measured on."""

import numpy as np
import pandas as pd
import pytest

from kmnist_itl import results, settings


class Training:
    """What a table asks of an experiments.Measured; counts how often it is measured."""

    kept = False

    def __init__(self, key, measured, **named):
        self.key, self.named, self._measured, self.times = key, named, measured, 0

    @property
    def row(self):
        self.times += 1
        return self._measured


@pytest.fixture
def out(digits):
    return results.Results(digits, settings.parameters("smoke", "digits", 2))


@pytest.fixture
def growing(monkeypatch):
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")


def wanted(*keys, **named):
    return [
        Training(key, {"seed": i, "accuracy": 0.1 / (i + 3), "epochs": i}, **named)
        for i, key in enumerate(keys)
    ]


def text(out, name):
    return (out.folder / f"{name}.csv").read_text()


def test_each_row_names_its_run_and_is_measured_anew(out):
    for _ in range(2):
        of = wanted("a", "b", prior="none")
        frame = out.measure("runs", of, more=[{"prior": "pixels", "accuracy": 0.3}])
        assert [each.times for each in of] == [1, 1]
    assert frame.run.tolist()[:2] == ["a", "b"] and frame.prior.tolist() == ["none", "none", "pixels"]
    assert text(out, "runs").splitlines()[0] == "prior,seed,accuracy,epochs,dataset,profile,run"
    assert text(out, "runs").splitlines()[3] == "pixels,,0.3,,digits,smoke,"


def test_growing_takes_what_stands_there_and_measures_what_does_not(out, growing):
    out.measure("runs", wanted("a", "b"))
    before = text(out, "runs")
    of = wanted("a", "b", "c")
    frame = out.measure("runs", of)
    assert [each.times for each in of] == [0, 0, 1]
    assert frame.accuracy.tolist() == [each._measured["accuracy"] for each in of]
    assert text(out, "runs").startswith(before)  # to the last digit, whole numbers as such
    grown = text(out, "runs")
    out.measure("runs", wanted("a", "b", "c"))
    assert text(out, "runs") == grown


def test_what_a_figure_shows_is_measured_again_so_that_its_row_is_of_the_same_model(out, growing):
    out.measure("runs", [Training("a", {"accuracy": 0.4}), Training("b", {"accuracy": 0.5})])
    of = [Training("a", {"accuracy": 0.6}), Training("b", None)]
    assert out.measure("runs", of, drawn=of[:1]).accuracy.tolist() == [0.6, 0.5]
    assert [each.times for each in of] == [1, 0]


def test_what_is_kept_is_measured_rather_than_taken(out, growing):
    out.measure("runs", [Training("a", {"accuracy": 0.4}), Training("b", {"accuracy": 0.5})])
    of = [Training("a", None), Training("b", {"accuracy": 0.6})]
    of[1].kept = True
    assert out.measure("runs", of).accuracy.tolist() == [0.4, 0.6]


def test_a_run_of_other_settings_or_code_is_measured_again(out, growing):
    out.measure("runs", wanted("a", "old"))
    of = wanted("a", "new")
    assert out.measure("runs", of).run.tolist() == ["a", "new"]
    assert [each.times for each in of] == [0, 1]


def test_tables_of_an_older_version_are_measured_again(out, growing):
    out.save_runs([{"seed": 0, "accuracy": 0.5}], "runs")
    of = wanted("a")
    assert out.measure("runs", of).run.tolist() == ["a"] and of[0].times == 1


def test_gaps_stay_gaps_and_settings_are_those_of_the_table(out, growing):
    measured = {"sigma": np.nan, "collapsed": False, "epochs": 88, "lambda": 0}
    out.measure("table2", [Training("a", measured), Training("b", {**measured, "sigma": 100, "lambda": 0.5})])
    of = [Training("a", None, setting="none"), Training("b", None, setting="gaussian")]
    frame = out.measure("grid", of, also=("table2", "absent"))
    assert frame.setting.tolist() == ["none", "gaussian"] and frame.columns[0] == "setting"
    assert np.isnan(frame.sigma[0]) and frame.sigma[1] == 100 and frame.epochs.tolist() == [88, 88]
    assert text(out, "grid").splitlines()[1:] == [
        "none,,False,88,0.0,digits,smoke,a",
        "gaussian,100,False,88,0.5,digits,smoke,b",
    ]
    assert pd.read_csv(out.folder / "grid.csv").collapsed.tolist() == [False, False]


def test_several_rows_of_one_training_stay_together(out, growing):
    stages = [{"stage": "start", "ratio": 0.1}, {"stage": "end", "ratio": 0.2}]
    first = out.measure("gradients", [Training("a", stages, setting="x")])
    of = Training("a", None, setting="x")
    pd.testing.assert_frame_equal(out.measure("gradients", [of]), first, check_dtype=False)
    assert of.times == 0


def test_what_was_measured_before_an_error_is_kept(out, growing):
    out.measure("runs", wanted("z"))

    class Broken(Training):
        @property
        def row(self):
            raise ValueError("The loss became NaN")

    of = [*wanted("a"), Broken("b", None), *wanted("z")]
    with pytest.raises(ValueError, match="NaN"):
        out.measure("runs", of)
    assert pd.read_csv(out.folder / "runs.csv").run.tolist() == ["a", "z"]
    assert results.measured_keys(out.folder) == {"runs": {"a", "z"}}


def test_a_value_is_summarized_with_its_spread():
    # t(0.975, 2) / sqrt(3) = 2.484 standard deviations
    assert results.summarized([0.1, 0.2, 0.3], ".2%") == ("20.00% ± 10.00%", "-4.84% to 44.84%")
    assert results.summarized([12.345], ".1f") == ("12.3", "-")
