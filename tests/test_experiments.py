"""The one list of experiments: against itself, against the notebooks, and against what is committed."""

import ast
import pickle

import nbformat
import numpy as np
import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import experiments, measurements, measures, results

NOTEBOOKS = sorted((settings.project_dir() / "notebooks").glob("[0-9]*.ipynb"))
FIGURES = settings.project_dir() / "figures"
SMOKE = settings.PROFILES["smoke"]


def calls(notebook):
    """(function of results, name of a table) of each call in a notebook; None: no name is written there."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        tree = ast.parse(cell.source if cell.cell_type == "code" else "")
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "results":
                constants = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
                yield call.func.attr, constants[0] if constants else None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_list_and_the_notebooks_say_the_same(notebook):
    """Whether a label that is drawn is declared, `results.trained` sees to when the notebook runs."""
    called = list(calls(notebook))
    declared = [table for table in experiments.TABLES if table.notebook == notebook.stem]

    def named(*functions):
        return {name for function, name in called if function in functions}

    assert named("measure") == {table.name for table in declared if table.settings}
    assert named("save", "saved") == {table.name for table in declared if not table.settings}
    assert named("trained") == {table.name for table in declared if table.drawn}
    assert ("read_tables" in dict(called)) == any(table.reads for table in declared)


def test_names_and_labels_are_one_for_each_table():
    assert len({table.name for table in experiments.TABLES}) == len(experiments.TABLES)
    assert {table.notebook for table in experiments.TABLES} <= {path.stem for path in NOTEBOOKS}
    for table in experiments.TABLES:
        assert {*table.drawn, *table.first_seed_only} <= set(table.settings)
        assert {*table.measures, *table.of_encoder} <= set(measures.MEASURES)
        parts = [1 if isinstance(table.label, str) else len(label) for label in table.settings]
        assert set(parts) <= {len(table.labels)}


@pytest.mark.parametrize(
    ("name", "seeds", "rows"),
    [
        ("table2_priors", 1, [(prior, 0) for prior in experiments.TABLE_2]),
        ("fig08_walk", 2, [*((weight, 0) for weight in (0, 0.01, 0.05, 0.1, 1, 10, 100)), (0, 1), (0.1, 1)]),
        ("audit_readings", 2, []),  # only the paper profile trains them
        ("table1_classifier_check", 2, [(name, seed) for seed in range(3) for name in experiments.CHECKS]),
    ],
)
def test_a_table_repeats_its_settings_with_every_seed(name, seeds, rows):
    trainings = list(experiments.table(name).trainings("", SMOKE, range(seeds)))
    assert [(label, seed) for label, seed, _ in trainings] == rows
    assert all(training.seed == seed and training.profile == SMOKE for _, seed, training in trainings)


def test_the_stages_of_a_training_are_shares_of_its_epochs():
    stages = experiments.table("prior_gradients").trainings("", SMOKE, range(1))
    assert {label[1]: training.epochs for label, _, training in stages} == {"start": 0, "middle": 1, "end": 2}


def test_an_unknown_table_is_told():
    with pytest.raises(ValueError, match=r"table must be one of 'table1_bottleneck_size', .*; got 'table9'"):
        experiments.table("table9")


def test_the_helper_module_never_imports_the_apparatus():
    package = settings.project_dir() / "kmnist_itl"
    for path in set(package.rglob("*.py")) - set((package / "reproduction").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "reproduction" not in ast.unparse(node), path.name


def test_each_committed_table_is_a_selection_of_the_committed_rows():
    rows, checked = measurements.read(FIGURES), 0
    for name, frame in results.read_tables(FIGURES).items():
        table = next((table for table in experiments.TABLES if table.name == name and table.settings), None)
        for row in frame.to_dict("records") if table else ():
            for key, columns in results.columns(table).items():
                for column in set(columns) - set(table.labels):
                    np.testing.assert_equal(row[column], rows[row[key]].get(column, np.nan))
                    checked += 1
    assert checked > 1_000


def test_every_training_can_be_sent_to_another_process_once_its_key_is_known():
    for table in experiments.TABLES:
        for _, _, training in table.trainings("fingerprint", SMOKE, [0]):
            assert pickle.loads(pickle.dumps((training.key, training)))[1].key == training.key
