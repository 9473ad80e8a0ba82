"""The one list of experiments: against itself, against the notebooks, and against what is committed."""

import ast
import subprocess
import sys

import nbformat
import pandas as pd
import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import experiments, measures, paper, store

NOTEBOOKS = sorted((settings.project_dir() / "notebooks").glob("[0-9]*.ipynb"))
FIGURES = settings.project_dir() / "figures"
SMOKE = settings.PROFILES["smoke"]


def calls(notebook):
    """(method, name of a table) of each call of a method of `out` in a notebook's code; None: no literal."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = isinstance(node.func.value, ast.Name) and node.func.value.id == "out"
                if named:
                    names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                    yield node.func.attr, names[0] if names else None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_list_and_the_notebooks_say_the_same(notebook):
    found = list(calls(notebook))
    declared = [table for table in experiments.TABLES if table.notebook == notebook.stem]
    measured, own = (
        {table.name for table in declared if bool(table.settings) == some} for some in (True, False)
    )
    assert {name for method, name in found if method == "measure"} == measured
    assert (
        {"verdicts", *own}
        >= {name for method, name in found if method == "save_rows" and name}
        >= own - {"verdicts"}
    )
    drawn = {table.name for table in declared if table.drawn or table.drawn_encoders}
    # Whether each label that is drawn is declared, `out.trained` sees to when the notebook runs.
    assert {name for method, name in found if method == "trained"} == drawn
    assert ("tables" in {method for method, _ in found}) == bool(experiments.reads(notebook.stem))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_of_a_notebook_has_a_caption(notebook):
    """That it says more than the title, `save_figure` sees to when the notebook runs."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "save_figure":
                    assert "caption" in [keyword.arg for keyword in node.keywords], cell.source


def test_names_and_labels_are_one_for_each_table():
    names = [table.name for table in experiments.TABLES]
    assert len(set(names)) == len(names)
    assert {table.notebook for table in experiments.TABLES} <= {path.stem for path in NOTEBOOKS}
    for table in experiments.TABLES:
        assert {*table.drawn, *table.drawn_encoders, *table.first_seed_only} <= set(table.settings)
        assert {*table.measures, *table.of_encoder} <= set(measures.MEASURES)
        for label in table.settings:
            parts = 1 if isinstance(table.label, str) else len(label)
            assert parts == len(table.labels)


def test_a_table_repeats_its_settings_with_every_seed(digits):
    def rows(name, seeds):
        return list(experiments.table(name).trainings(digits.fingerprint, SMOKE, range(seeds)))

    walks = [(label, seed) for label, seed, _ in rows("fig08_walk", 2)]
    assert walks == [*((label, 0) for label in (0, 0.01, 0.05, 0.1, 1, 10, 100)), (0, 1), (0.1, 1)]
    assert rows("audit_readings", 2) == []  # only the paper profile trains it
    readings = experiments.table("audit_readings")
    of_paper = list(readings.trainings(digits.fingerprint, settings.get_profile("paper"), range(2)))
    assert {seed for _, seed, _ in of_paper} == {0} and len(of_paper) == 10 * len(experiments.READINGS)
    of_30 = [seed for label, seed, _ in rows("table2_priors", 3) if label == "30 codes"]
    assert of_30 == [0] and len(rows("table2_priors", 3)) == 13
    check = rows("table1_classifier_check", 1)
    assert sorted({seed for _, seed, _ in check}) == [0, 1, 2]
    assert {training.encoder.seed for _, _, training in check} == {0}
    epochs = {label[1]: training.profile.epochs for label, _, training in rows("prior_gradients", 1)}
    assert epochs == {"start": 0, "middle": 1, "end": 2}


def test_the_grid_holds_the_papers_setting_and_shares_its_runs(digits):
    wide = experiments.setting_name("gaussian", paper.TABLE_2_SIGMA, paper.TABLE_2_LAMBDA)
    assert experiments.GRID[wide] == experiments.TABLE_2["gaussian"]
    assert set(experiments.WATCHED) <= set(experiments.GRID)

    def keys(name):
        trainings = experiments.table(name).trainings(digits.fingerprint, SMOKE, range(1))
        return {training.key for _, _, training in trainings}

    assert len(keys("prior_grid") & keys("table2_priors")) == 3
    assert keys("table3_cost") < keys("table2_priors")
    assert keys("fig08_walk") == keys("fig07_lambda") | (keys("fig08_walk") & keys("table3_cost"))


def test_an_unknown_table_is_told():
    with pytest.raises(ValueError, match=r"table must be one of 'table1_bottleneck_size', .*; got 'table9'"):
        experiments.table("table9")
    assert experiments.notebook_of("table3_step_seconds") == "09_computational_cost"
    assert experiments.notebook_of("table9") == "-"


def test_the_verdicts_read_what_all_others_measure():
    beyond = {"11_verdicts", "12_beyond_the_prior"}  # which is not the paper's
    assert experiments.reads("11_verdicts") == set(experiments.NOTEBOOKS) - beyond
    assert experiments.reads("01_kmnist") == set()


def test_the_list_needs_no_tensorflow():
    code = "import sys; from kmnist_itl.reproduction import claims; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_helper_module_never_imports_the_apparatus():
    for path in (settings.project_dir() / "kmnist_itl").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            )
            module = getattr(node, "module", None) or ""
            assert "reproduction" not in " ".join([*names, module]), path.name


def test_what_is_committed_has_one_value_for_each_run():
    """Each committed table is a selection of the committed store."""
    frame = store.read_table(FIGURES / store.MEASUREMENTS)
    assert len(frame) > 100 and frame["run"].is_unique
    assert frame[["processor", "threads", "tensorflow"]].notna().all(axis=None)
    rows = store.Measurements(FIGURES).rows()
    timings = ["epochs", "best_epoch", "seconds", "seconds_per_step"]
    tables = [table for table in experiments.TABLES if (FIGURES / f"{table.name}.csv").is_file()]
    assert len(tables) > 10
    for table in tables:
        for row in store.read_table(FIGURES / f"{table.name}.csv").to_dict("records"):
            for key, names, more in (("run", table.measures, timings), ("encoder", table.of_encoder, [])):
                for column in [*(c for name in names for c in measures.MEASURES[name][1]), *more]:
                    if key not in row or column in table.labels:
                        continue
                    value, expected = row[column], rows[row[key]].get(column, float("nan"))
                    same = value == expected or (pd.isna(value) and pd.isna(expected))
                    assert same, (table.name, row[key], column)
