"""What notebooks call: measured tables, and tables and figures that are shown as they are written."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from kmnist_itl import settings, training
from kmnist_itl.reproduction import experiments, measurements, results, runs

NAME = "fig05_kernel_size"


@pytest.fixture(autouse=True)
def trained(monkeypatch):
    """The titles of the runs that are asked for, in their order; nothing is really trained or kept."""
    titles = []

    def run(self, _):
        titles.append(self.title)
        return training.Run(self.build(), {}, 1, 1, 0.5, 0.1)

    monkeypatch.setattr(runs.Training, "run", run)
    return titles


@pytest.fixture
def study(few, tmp_path):
    return results.Study(few, settings.PROFILES["smoke"], range(1), tmp_path)


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


def change(study, key, **columns):
    """Change columns in the row of a run of the measurements."""
    rows = measurements.read(study.folder)
    rows[key] |= columns
    measurements.write(study.folder, rows)


def test_a_study_begins_with_the_data_the_seeds_and_a_folder(tmp_path, capsys):
    study = results.begin("smoke", "digits", 2)
    assert study.folder == tmp_path / "figures" / "digits-smoke" and study.folder.is_dir()
    assert list(study.seeds) == [0, 1] and len(study.dataset.train) == 1_000 and not study.comparable
    told = capsys.readouterr().out
    assert told.startswith("STAND-IN: scikit-learn digits, not KMNIST, smoke profile; 1,000 training images")
    assert "2 seeds trained here" in told


def test_a_table_has_a_row_for_each_training_and_names_its_run(study, two_kernels, trained):
    frame = results.measure(study, NAME)
    assert frame.sigma.tolist() == [1, 1000] and len(trained) == 2 and frame.attrs["seeds"] == "1 seed"
    assert frame.prior.tolist() == ["swiss_roll"] * 2 and (frame["lambda"] == 10).all()
    assert list(frame) == [
        *("prior", "sigma", "lambda", "seed", "reconstruction_error"),
        *("epochs", "best_epoch", "seconds", "seconds_per_step", "dataset", "profile", "run"),
    ]
    assert results.read_tables(study.folder)[NAME].equals(frame)
    rows = measurements.read(study.folder)
    assert [rows[key]["reconstruction_error"] for key in frame.run] == frame.reconstruction_error.tolist()
    # Without growing all is measured anew, and the rows are replaced.
    change(study, frame.run[0], reconstruction_error=0.5)
    assert results.measure(study, NAME).equals(frame) and len(trained) == 4


def test_growing_measures_only_what_has_no_row(study, two_kernels, trained, grow):
    results.measure(study, NAME)
    path = study.folder / f"{NAME}.csv"
    before = path.read_text()
    for _ in range(2):  # the second time nothing is missing
        results.measure(replace(study, seeds=range(2)), NAME)
        assert len(trained) == 4 and path.read_text().startswith(before)  # to the last digit


def test_growing_measures_what_a_row_does_not_hold(study, two_kernels, trained, grow):
    frame = results.measure(study, NAME)
    change(study, frame.run[0], remark="by hand")
    change(study, frame.run[1], measures="walk")
    again = results.measure(study, NAME)
    assert again.drop(columns="remark").equals(frame) and again.remark[0] == "by hand"
    assert trained[2:] == [trained[1]]


def test_further_seeds_that_were_measured_are_rows_too(study, two_kernels, trained, grow):
    results.measure(replace(study, seeds=range(3)), NAME)
    rows = measurements.read(study.folder)
    gone = next(key for key, row in rows.items() if row["seed"] == 2 and "sigma 1000," in row["training"])
    measurements.write(study.folder, {key: row for key, row in rows.items() if key != gone})
    frame = results.measure(study, NAME)  # asks for one seed
    assert frame.sigma.tolist() == [1, 1000, 1, 1000, 1] and frame.seed.tolist() == [0, 0, 1, 1, 2]
    assert len(trained) == 6 and frame.attrs["seeds"] == "2 to 3 seeds"


def test_what_was_measured_before_an_error_is_kept(study, two_kernels, trained, grow, monkeypatch):
    run = runs.Training.run
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(runs.Training, "run", lambda self, data: run(self, data) if self.sigma == 1 else 1 / 0)
        results.measure(study, NAME)
    results.measure(study, NAME)
    assert [title.split(", ")[3] for title in trained] == ["sigma 1", "sigma 1000"]


def test_tables_are_refreshed_from_the_rows_and_keep_what_these_do_not_hold(study, two_kernels):
    frame = results.measure(study, NAME)
    change(study, frame.run[0], reconstruction_error=0.25)
    change(study, frame.run[1], reconstruction_error=float("nan"))
    results.refresh(study.folder)
    again = results.read_tables(study.folder)[NAME]
    expected = frame.assign(reconstruction_error=[0.25, frame.reconstruction_error[1]])
    pd.testing.assert_frame_equal(again, expected, check_dtype=False)


def test_an_encoder_has_its_columns_and_its_model(study, monkeypatch):
    table = experiments.table("table1_bottleneck_size")
    table = replace(table, settings={10: table.settings[10]}, drawn=(10,))
    monkeypatch.setattr(experiments, "TABLES", (table,))
    frame = results.measure(study, table.name)
    change(study, frame.encoder[0], reconstruction_error=0.25)
    results.refresh(study.folder)
    again = results.read_tables(study.folder)[table.name]
    assert again.reconstruction_error[0] == 0.25 and again.accuracy.tolist() == frame.accuracy.tolist()
    assert results.trained(study, table.name, 10).encoder is not None


def test_a_figures_model_must_be_declared(study, two_kernels):
    assert results.trained(study, NAME, 1).training.sigma == 1
    with pytest.raises(ValueError, match=f"label must be one that '{NAME}' declares as drawn; got 1000"):
        results.trained(study, NAME, 1000)


def test_saved_rows_name_data_and_profile_and_are_made_again_only_without_growing(study, monkeypatch):
    rows = [{"run": "1e5", "accuracy": 0.123456789012345}]
    results.saved(study, "rows", lambda: rows)
    (row,) = results.read_tables(study.folder)["rows"].to_dict("records")
    described = {"dataset": "digits", "profile": "smoke", "run": "1e5"}
    assert list(row.items()) == [("accuracy", 0.123456789012345), *described.items()]
    assert results.saved(study, "rows", lambda: [{"dataset": "others"}]).dataset.tolist() == ["others"]
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")
    assert results.saved(study, "rows", list).dataset.tolist() == ["others"]
    assert results.saved(study, "new", lambda: rows).accuracy.tolist() == [0.123456789012345]


def test_a_table_is_shown_as_it_is_written(study):
    frame = pd.DataFrame({"k": ["1"], "ours": ["12%"]})
    frame.attrs["seeds"] = "3 seeds"
    text = results.table(study, frame, "table", "A title").data
    head = f"**A title** ({study.caption}, 3 seeds)"
    assert text == f"{head}\n\n| k | ours |\n| --- | --- |\n| 1 | 12% |\n"
    assert (study.folder / "table.md").read_text(encoding="utf-8") == text
    assert results.table(study, frame, "table", "T", caption="of all").data.startswith("**T** (of all")


@pytest.mark.parametrize(
    ("name", "seeds", "more"), [("digits", (), ")"), ("kmnist", [5], ", seed 5, trained")]
)
def test_a_figure_is_shown_with_its_caption_and_alt_text(name, seeds, more, study, monkeypatch):
    shown, runs, drawn = [], pd.DataFrame(), plt.figure()
    runs.attrs["seeds"] = "3 to 5 seeds"
    study = replace(study, dataset=replace(study.dataset, name=name))
    monkeypatch.setattr(results, "display", lambda what, **options: shown.append((what, options)))
    results.figure(study, drawn, "drawn", "A dot is one run.", runs=runs, seeds=seeds)
    (image, with_alt), (caption, _) = shown
    assert image.data.startswith(b"\x89PNG")
    assert with_alt == {"metadata": {"image/png": {"alt": "A dot is one run."}}}
    assert caption.data.startswith(f"*A dot is one run.* ({study.caption}, 3 to 5 seeds{more}")
    assert (study.folder / "drawn.png").is_file() and not plt.fignum_exists(drawn.number)
    (line,) = drawn.texts  # of the stand-in in bold
    assert line.get_text().startswith(study.caption) and ("STAND-IN" in study.caption) == (name == "digits")
    assert (line.get_weight() == "bold") == (name == "digits")
