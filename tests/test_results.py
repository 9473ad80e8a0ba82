"""What notebooks call: measured tables, and tables and figures that are shown as they are written."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from kmnist_itl import settings, training
from kmnist_itl.reproduction import experiments, results, runs, trainings
from kmnist_itl.reproduction.measurements import Measurements

NAME = "fig05_kernel_size"


@pytest.fixture(autouse=True)
def trained(monkeypatch):
    """The titles of the runs that are trained or loaded, in their order; nothing really trains."""
    titles, run = [], runs.Training.run

    def train(self, _, **options):
        return training.Run(self.build(), {}, 1, 1, 0.5, 0.1)

    for kind in (trainings.Autoencoder, trainings.Classifier):
        monkeypatch.setattr(kind, "train", train)
    monkeypatch.setattr(runs.Training, "run", lambda self, data: titles.append(self.title) or run(self, data))
    return titles


@pytest.fixture
def study(digits):
    smoke = settings.PROFILES["smoke"]
    folder = settings.figures_dir("digits", smoke)
    folder.mkdir(parents=True)
    return results.Study(digits, smoke, range(1), folder)


@pytest.fixture
def grow(monkeypatch):
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")


@pytest.fixture
def two_kernels(monkeypatch):
    """A short list of experiments: one table of two settings."""
    table = experiments.table(NAME)
    both = {sigma: table.settings[sigma] for sigma in (1, 1000)}
    short = replace(table, settings=both, measures=("reconstruction",), drawn=(1,))
    monkeypatch.setattr(experiments, "TABLES", (short,))
    return short


def change(study, key, column, value):
    """Change a column in the row of a run of the measurements."""
    rows = Measurements(study.folder).rows()
    rows[key][column] = value
    Measurements(study.folder).write(rows)


def test_a_study_begins_with_the_data_the_seeds_and_a_folder(tmp_path, capsys):
    study = results.begin("smoke", "digits", 2)
    assert study.folder == tmp_path / "figures" / "digits-smoke" and study.folder.is_dir()
    assert list(study.seeds) == [0, 1] and len(study.dataset.train) == 1_000 and not study.comparable
    told = capsys.readouterr().out
    assert told.startswith("STAND-IN: scikit-learn digits, not KMNIST, smoke profile; 1,000 training images")
    assert "2 seeds trained here" in told


@pytest.mark.parametrize("is_full", [True, False])
def test_a_folder_that_is_full_or_cannot_be_made_is_told_at_the_start(is_full, tmp_path, monkeypatch):
    if is_full:
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0}))
    else:
        (tmp_path / "figures").write_text("a file in the way")
    told = "Figures need 10 MB in" if is_full else "Figures cannot be written to"
    with pytest.raises(OSError, match=rf"{told} .*figures.*KMNIST_ITL_FIGURES"):
        results.begin("smoke", "digits")


def test_a_table_has_a_row_for_each_training_and_names_its_run(study, two_kernels, trained):
    frame = results.measure(study, NAME)
    assert frame.sigma.tolist() == [1, 1000] and len(trained) == 2 and frame.attrs["seeds"] == "1 seed"
    assert frame.prior.tolist() == ["swiss_roll"] * 2 and (frame["lambda"] == 10).all()
    assert list(frame) == [
        *("prior", "sigma", "lambda", "seed", "reconstruction_error"),
        *("epochs", "best_epoch", "seconds", "seconds_per_step", "dataset", "profile", "run"),
    ]
    assert results.read_tables(study.folder)[NAME].equals(frame)
    rows = Measurements(study.folder).rows()
    assert [rows[key]["reconstruction_error"] for key in frame.run] == frame.reconstruction_error.tolist()


def test_without_growing_all_is_measured_anew_and_the_rows_are_replaced(study, two_kernels, trained):
    frame = results.measure(study, NAME)
    change(study, frame.run[0], "reconstruction_error", 0.5)
    assert results.measure(study, NAME).equals(frame) and len(trained) == 4


def test_growing_measures_only_what_has_no_row(study, two_kernels, trained, grow):
    results.measure(study, NAME)
    path = study.folder / f"{NAME}.csv"
    before, more = path.read_text(), replace(study, seeds=range(2))
    results.measure(more, NAME)
    grown = path.read_text()
    assert len(trained) == 4 and grown.startswith(before)  # to the last digit, whole numbers as such
    results.measure(more, NAME)
    assert len(trained) == 4 and path.read_text() == grown


def test_growing_measures_what_a_row_does_not_hold(study, two_kernels, trained, grow):
    frame = results.measure(study, NAME)
    change(study, frame.run[0], "remark", "by hand")
    change(study, frame.run[1], "measures", "walk")
    again = results.measure(study, NAME)
    assert again.drop(columns="remark").equals(frame) and again.remark[0] == "by hand"
    assert trained[2:] == [trained[1]]


def test_further_seeds_that_were_measured_are_rows_too(study, two_kernels, trained, grow):
    results.measure(replace(study, seeds=range(3)), NAME)
    rows = Measurements(study.folder).rows()
    gone = next(key for key, row in rows.items() if row["seed"] == 2 and "sigma 1000," in row["training"])
    Measurements(study.folder).write({key: row for key, row in rows.items() if key != gone})
    frame = results.measure(study, NAME)  # asks for one seed
    assert frame.sigma.tolist() == [1, 1000, 1, 1000, 1] and frame.seed.tolist() == [0, 0, 1, 1, 2]
    assert len(trained) == 6 and frame.attrs["seeds"] == "2 to 3 seeds"


def test_a_table_with_a_number_of_seeds_of_its_own_keeps_to_it(study, two_kernels, grow, monkeypatch):
    results.measure(replace(study, seeds=range(3)), NAME)
    monkeypatch.setattr(experiments, "TABLES", (replace(two_kernels, seeds=2),))
    assert results.measure(study, NAME).seed.tolist() == [0, 0, 1, 1]


def test_what_was_measured_before_an_error_is_kept(study, two_kernels, trained, grow, monkeypatch):
    train = trainings.Autoencoder.train
    with monkeypatch.context() as broken, pytest.raises(AttributeError):  # the second gives no run
        broken.setattr(trainings.Autoencoder, "train", lambda *a, **_: train(*a) if a[0].sigma == 1 else None)
        results.measure(study, NAME)
    results.measure(study, NAME)
    assert [title.split(", ")[3] for title in trained] == ["sigma 1", "sigma 1000", "sigma 1000"]


def test_tables_are_refreshed_from_the_rows_and_keep_what_these_do_not_hold(study, two_kernels):
    frame = results.measure(study, NAME)
    change(study, frame.run[0], "reconstruction_error", 0.25)
    change(study, frame.run[1], "reconstruction_error", float("nan"))
    results.refresh(study.folder)
    again = results.read_tables(study.folder)[NAME]
    expected = frame.assign(reconstruction_error=[0.25, frame.reconstruction_error[1]])
    pd.testing.assert_frame_equal(again, expected, check_dtype=False)


def test_an_encoder_has_its_columns_and_its_model(study, monkeypatch):
    table = experiments.table("table1_bottleneck_size")
    table = replace(table, settings={10: table.settings[10]}, drawn=(10,))
    monkeypatch.setattr(experiments, "TABLES", (table,))
    frame = results.measure(study, table.name)
    change(study, frame.encoder[0], "reconstruction_error", 0.25)
    results.refresh(study.folder)
    again = results.read_tables(study.folder)[table.name]
    assert again.reconstruction_error[0] == 0.25 and again.accuracy.tolist() == frame.accuracy.tolist()
    assert results.trained(study, table.name, 10).encoder is not None


def test_a_figures_model_must_be_declared(study, two_kernels):
    model = results.trained(study, NAME, 1)
    assert model.training.title == "autoencoder, 3 units, SwissRoll, sigma 1, lambda 10, seed 0"
    with pytest.raises(ValueError, match=f"label must be one that '{NAME}' declares as drawn; got 1000"):
        results.trained(study, NAME, 1000)


def test_saved_rows_name_data_and_profile_and_come_back(study):
    frame = results.save(study, [{"run": "1e5", "accuracy": 0.123456789012345}], "rows")
    assert list(frame) == ["accuracy", "dataset", "profile", "run"]
    again = results.read_tables(study.folder)["rows"]
    assert again.iloc[0].tolist() == [0.123456789012345, "digits", "smoke", "1e5"]
    assert results.save(study, [{"dataset": "others"}], "rows").dataset.tolist() == ["others"]


def test_saved_rows_that_take_long_are_made_again_only_without_growing(study, monkeypatch):
    made = iter(range(3))

    def saved(name):
        return results.saved(study, name, lambda: [{"k": next(made)}]).k.tolist()

    assert saved("rows") == [0] and saved("rows") == [1]
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")
    assert saved("rows") == [1] and saved("new") == [2]


def test_a_table_is_shown_as_it_is_written(study):
    frame = pd.DataFrame({"k": ["1"], "ours": ["12%"]})
    frame.attrs["seeds"] = "3 seeds"
    text = results.table(study, frame, "table", "A title").data
    head = f"**A title** ({study.caption}, 3 seeds)"
    assert text == f"{head}\n\n| k | ours |\n| --- | --- |\n| 1 | 12% |\n"
    assert (study.folder / "table.md").read_text(encoding="utf-8") == text
    assert results.table(study, frame, "table", "T", caption="of all").data.startswith("**T** (of all")


MEASURED = pd.DataFrame({"sigma": [1]})
MEASURED.attrs["seeds"] = "3 to 5 seeds"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, ")"),
        ({"runs": MEASURED}, ", 3 to 5 seeds)"),
        ({"seeds": range(1)}, ", seed 0, trained where this was drawn)"),
        ({"runs": MEASURED, "seeds": [0, 5]}, ", 3 to 5 seeds, seeds 0, 5, trained where this was drawn)"),
    ],
)
def test_a_figure_is_shown_with_its_caption_and_alt_text(options, line, study, monkeypatch):
    shown = []
    monkeypatch.setattr(results, "display", lambda what, **options: shown.append((what, options)))
    results.figure(study, plt.figure(), "drawn", "A dot is one run.", **options)
    (image, with_alt), (caption, _) = shown
    assert image.data.startswith(b"\x89PNG")
    assert with_alt == {"metadata": {"image/png": {"alt": "A dot is one run."}}}
    assert caption.data == f"*A dot is one run.* ({study.caption}{line}"
    assert [path.name for path in study.folder.iterdir()] == ["drawn.png"] and not plt.get_fignums()


@pytest.mark.parametrize(("name", "is_bold"), [("digits", True), ("kmnist", False)])
def test_a_figure_of_the_stand_in_says_so_in_bold(name, is_bold, study):
    drawn, study = plt.figure(), replace(study, dataset=replace(study.dataset, name=name))
    results.figure(study, drawn, "drawn", "A dot is one run.")
    (line,) = drawn.texts
    assert line.get_text() == study.caption and (line.get_weight() == "bold") == is_bold
    assert ("STAND-IN" in line.get_text()) == is_bold


def test_a_caption_is_a_sentence(study):
    with pytest.raises(ValueError, match="caption must be a sentence; got 'A dot is one run'"):
        results.figure(study, plt.figure(), "drawn", "A dot is one run")
    assert not list(study.folder.iterdir())
