"""Tables and figures as files: measured, or found in the store by the run that they were measured on."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from kmnist_itl import data, settings
from kmnist_itl.reproduction import experiments, results, store

NAME = "fig05_kernel_size"


@pytest.fixture
def out(digits):
    return results.Results(digits, settings.parameters("smoke", "digits", 1))


@pytest.fixture
def measured(monkeypatch):
    """The trainings that are run, by their titles, in their order."""
    done, run = [], store.Training.run
    monkeypatch.setattr(store.Training, "run", lambda self, data: done.append(self.title) or run(self, data))
    return done


@pytest.fixture
def growing(monkeypatch):
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")


@pytest.fixture
def one_kernel(monkeypatch):
    """A short list: one table of two settings."""
    table = experiments.table(NAME)
    few = {sigma: table.settings[sigma] for sigma in (1, 1000)}
    short = experiments.Table(NAME, table.notebook, "sigma", few, ("reconstruction",), drawn=(1,))
    monkeypatch.setattr(experiments, "TABLES", (short,))


def text(out, name=NAME):
    return (out.folder / f"{name}.csv").read_text()


def test_a_table_has_a_row_for_each_training_and_names_its_run(out, one_kernel, measured):
    frame = out.measure(NAME)
    assert frame.sigma.tolist() == [1, 1000] and frame.prior.tolist() == ["swiss_roll"] * 2
    assert (frame["lambda"] == 10).all() and (frame.reconstruction_error > 0).all() and len(measured) == 2
    head = "prior,sigma,lambda,seed,reconstruction_error,epochs,best_epoch,seconds,seconds_per_step"
    assert text(out).splitlines()[0] == f"{head},dataset,profile,run"
    rows = store.Measurements(out.folder).rows()
    assert set(rows) == set(frame.run)
    assert [rows[key]["reconstruction_error"] for key in frame.run] == frame.reconstruction_error.tolist()


def test_growing_measures_only_what_has_no_row(digits, out, one_kernel, measured, growing):
    out.measure(NAME)
    before = text(out)
    more = results.Results(digits, settings.parameters("smoke", "digits", 2))
    more.measure(NAME)
    assert len(measured) == 4 and text(more).startswith(before)  # to the last digit, whole numbers as such
    grown = text(more)
    more.measure(NAME)
    assert len(measured) == 4 and text(more) == grown


def test_further_seeds_of_a_setting_in_the_store_are_rows_too(digits, out, one_kernel, measured, growing):
    three = results.Results(digits, settings.parameters("smoke", "digits", 3))
    three.measure(NAME)
    rows = store.Measurements(out.folder).rows()
    gone = next(key for key, row in rows.items() if row["seed"] == 2 and "sigma 1000," in row["training"])
    store.Measurements(out.folder).write({key: row for key, row in rows.items() if key != gone})
    frame = out.measure(NAME)  # asks for one seed
    assert list(zip(frame.sigma, frame.seed, strict=True)) == [(1, 0), (1000, 0), (1, 1), (1000, 1), (1, 2)]
    assert len(measured) == 6 and out.caption.endswith("2 to 3 seeds")
    shown = {"reconstruction_error": ("error", ".2f")}
    table = out.summarize(frame, "sigma", shown, NAME, "Errors").data
    assert "| sigma | error | seeds |" in table and table.rstrip().endswith("| 2 |")


def test_a_table_with_a_number_of_seeds_of_its_own_keeps_to_it(out, one_kernel, measured, monkeypatch):
    (table,) = experiments.TABLES
    monkeypatch.setattr(experiments, "TABLES", (replace(table, seeds=2),))
    assert out.measure(NAME).seed.tolist() == [0, 0, 1, 1]
    monkeypatch.setenv("KMNIST_ITL_GROW", "1")
    assert out.measure(NAME).seed.tolist() == [0, 0, 1, 1] and len(measured) == 4


def test_a_table_counts_the_seeds_of_its_own_runs(out):
    runs = pd.DataFrame({"prior": list("aaabbc"), "seed": [0, 1, 2, 0, 1, 0], "accuracy": 0.5})
    shown = {"accuracy": ("accuracy", ".1f")}
    assert "profile, 2 to 3 seeds)" in out.summarize(runs, "prior", shown, NAME, "Runs").data
    assert "profile, 1 seed)" in out.summarize(runs[runs.seed == 0], "prior", shown, NAME, "Runs").data


def test_two_readings_of_a_number_are_compared_together(out):
    runs = pd.DataFrame({"prior": "a", "seed": [0, 1, 2], "accuracy": [0.50, 0.501, 0.502]})
    out.comparable = True

    def holds(other):
        how = {"margin": 0.02, "other_reading": "other"}
        text = out.compare(runs.assign(**other), "prior", {"a": 0.5}, NAME, "Runs", **how).data
        return text.splitlines()[-1].split(" | ")[-1].removesuffix(" |")

    assert holds({"other": runs.accuracy}) == "yes"
    assert holds({"other": runs.accuracy - 0.3}) == "not settled"
    assert holds({"other": float("nan")}) == holds({}) == "not settled"


def test_without_growing_all_is_measured_anew_and_the_rows_are_replaced(out, one_kernel, measured):
    frame = out.measure(NAME)
    rows = store.Measurements(out.folder).rows()
    for row in rows.values():
        row["reconstruction_error"] = 0.5
    store.Measurements(out.folder).write(rows)
    assert out.measure(NAME).equals(frame) and len(measured) == 4


def test_a_row_without_what_the_table_measures_is_measured(out, one_kernel, measured, growing):
    frame = out.measure(NAME)
    rows = store.Measurements(out.folder).rows()
    rows[frame.run[1]].pop("reconstruction_error")
    store.Measurements(out.folder).write(rows)
    assert out.measure(NAME).equals(frame) and len(measured) == 3


def test_what_was_measured_before_an_error_is_kept(out, one_kernel, measured, growing, monkeypatch):
    measure = store.Measurements.measure

    def breaks(self, described, *rest, **how):
        if described.arguments["sigma"] == 1000:
            raise ValueError("The loss became NaN")
        return measure(self, described, *rest, **how)

    monkeypatch.setattr(store.Measurements, "measure", breaks)
    with pytest.raises(ValueError, match="NaN"):
        out.measure(NAME)
    monkeypatch.setattr(store.Measurements, "measure", measure)
    out.measure(NAME)
    assert len(measured) == 2


def test_tables_follow_the_store(out, one_kernel):
    frame = out.measure(NAME)
    before = pd.read_csv(out.folder / f"{NAME}.csv")
    rows = store.Measurements(out.folder).rows()
    rows[frame.run[0]]["reconstruction_error"] = 0.25
    store.Measurements(out.folder).write(rows)
    again = out.tables()[NAME]
    assert again.reconstruction_error.tolist() == [0.25, frame.reconstruction_error[1]]
    same = ["run", "sigma", "seed", "epochs"]
    assert list(again) == list(before) and again[same].equals(before[same])


def test_a_table_keeps_what_the_store_does_not_have(out, one_kernel):
    frame = out.measure(NAME)
    rows = store.Measurements(out.folder).rows()
    del rows[frame.run[0]]
    del rows[frame.run[1]]["reconstruction_error"]
    store.Measurements(out.folder).write(rows)
    assert out.tables()[NAME].reconstruction_error.tolist() == frame.reconstruction_error.tolist()


def test_an_encoders_columns_follow_its_row(out, monkeypatch):
    table = experiments.table("table1_bottleneck_size")
    few = {10: table.settings[10]}
    short = experiments.Table(table.name, "02", "latent_dim", few, ("classes",), ("reconstruction",))
    monkeypatch.setattr(experiments, "TABLES", (short,))
    frame = out.measure(table.name)
    rows = store.Measurements(out.folder).rows()
    rows[frame.encoder[0]]["reconstruction_error"] = 0.25
    store.Measurements(out.folder).write(rows)
    again = out.tables()[table.name]
    assert again.reconstruction_error.tolist() == [0.25] and again.accuracy.equals(frame.accuracy)


def test_a_remark_of_the_store_stands_in_the_table(out, one_kernel, growing):
    frame = out.measure(NAME)
    assert "remark" not in frame
    rows = store.Measurements(out.folder).rows()
    rows[frame.run[0]]["remark"] = "of a second training"
    store.Measurements(out.folder).write(rows)
    assert out.measure(NAME).remark.tolist()[0] == "of a second training"


def test_a_figures_model_must_be_declared(out, one_kernel):
    model = out.trained(NAME, 1)
    assert model.training.title == "autoencoder, 3 units, SwissRoll, sigma 1, lambda 10, seed 0"
    assert model.prior.dim == 3
    with pytest.raises(ValueError, match="label must be one that 'fig05_kernel_size' declares as drawn"):
        out.trained(NAME, 1000)


def test_what_is_kept_is_found_and_nothing_is_trained(digits, out, one_kernel, measured):
    assert out.kept(NAME, 1) == {} and measured == []
    out.measure(NAME)
    more = results.Results(digits, settings.parameters("smoke", "digits", 2))
    kept = more.kept(NAME, 1)
    assert list(kept) == [0] and len(kept[0].history["csd"]) == kept[0].epochs
    assert list(more.kept(NAME, 1000)) == [0] and len(measured) == 4


def test_collapsed_trainings_are_told_below_the_tables(out, one_kernel, monkeypatch):
    table = pd.DataFrame({"a": ["1"]})
    assert "collapsed" not in out.save_table(table, "table", "Healthy").data
    out.collapsed = {"a", "b"}
    told = out.save_table(table, "table", "Collapsed").data
    assert "collapsed to one image, counted in above: 2." in told
    assert (out.folder / "table.md").read_text() == told


def test_a_comparison_shows_the_papers_value_where_there_is_one(out):
    runs = pd.DataFrame(
        {
            "prior": ["none", "none", "raw_pixels"],
            "accuracy": [0.4, 0.5, 0.3],
            "nmi": [0.1, 0.3, np.nan],
        }
    )
    shown = out.compare(runs, "prior", {"none": 0.4}, "t", "T", means={"nmi": ("NMI", ".2f")}).data
    none, pixels = shown.splitlines()[4:6]
    assert none.startswith("| none | 40.00% | 45.00% ± 7.07 |") and none.endswith(
        "| not comparable | 0.20 | 2 |"
    )
    assert pixels.startswith("| raw pixels | - | 30.00% |") and pixels.endswith(
        "| not in the paper | - | 1 |"
    )


def test_a_summary_shows_means_and_an_interval(out):
    runs = pd.DataFrame({"sigma": [1, 1, 1, 10], "csd": [0.1, 0.2, 0.3, np.nan]})
    shown = out.summarize(runs, "sigma", {"csd": ("CSD", ".2f")}, "t", "T").data.splitlines()[4:]
    assert shown == ["| 1 | 0.20 ± 0.10 | 3 |", "| 10 | - | 1 |"]  # settings differ in seeds
    first = runs[runs.sigma == 1]
    shown = out.summarize(first, "sigma", {"csd": ("CSD", ".2f")}, "t", "T", interval="csd").data
    assert "95% interval of the CSD" in shown and "-0.05 to 0.45" in shown


def test_a_figure_is_saved_with_its_caption(out):
    figure, axis = plt.subplots()
    axis.set_title("The finding")
    out.save_figure(figure, "drawn", caption="A dot is one run.", models=range(1))
    assert {path.name for path in out.folder.glob("drawn.*")} == {"drawn.png", "drawn.pdf", "drawn.txt"}
    caption = (out.folder / "drawn.txt").read_text()
    assert caption.startswith(
        "The finding.\nA dot is one run.\nSTAND-IN: scikit-learn digits, not KMNIST, smoke profile, seed 0"
    )
    plt.close(figure)


@pytest.mark.parametrize("caption", ["", ".", "A dot is one run", "The finding.", "finding."])
def test_a_caption_says_more_than_the_title(out, caption):
    figure, axis = plt.subplots()
    axis.set_title("The finding")
    with pytest.raises(ValueError, match="caption must be a sentence that says more than 'The finding'"):
        out.save_figure(figure, "drawn", caption=caption)
    assert not list(out.folder.glob("drawn.*"))
    plt.close(figure)


def test_a_caption_names_the_seeds_of_the_models_that_are_drawn(out):
    def line(**how):
        figure = plt.figure()
        out.save_figure(figure, "drawn", caption="A dot is one run.", **how)
        plt.close(figure)
        return (out.folder / "drawn.txt").read_text().splitlines()[-1].split("smoke profile")[1]

    assert line() == ", 1 seed." and line(models=()) == "."
    assert line(models=[0, 5]) == ", seeds 0, 5, trained where this was drawn."


def test_a_confusion_matrix_says_why_the_papers_is_missing(out, monkeypatch):
    from kmnist_itl import plots

    drawn, draw = [], plots.confusion
    monkeypatch.setattr(
        plots, "confusion", lambda ours, papers, *a, **k: drawn.append(papers) or draw(ours, papers, *a, **k)
    )
    matrix = 100 * np.eye(10, dtype=int)
    matrix[2, 3] = 17
    out.show_confusion(matrix, "fig03", "confused", "MLP")
    out.dataset = replace(out.dataset, name="kmnist")
    out.show_confusion(matrix, "fig11", "confused", "MLP")
    assert "not of these data" in drawn[0] and "Never published" in drawn[1] and "45.19%" in drawn[1]
    caption = (out.folder / "confused.txt").read_text()
    assert "Most often confused in ours: 2 taken for 3, 17 images." in caption
    plt.close("all")


def test_results_name_the_data_and_are_whole(digits, tmp_path):
    import matplotlib.pyplot as plt

    out = results.Results(digits, settings.parameters("smoke", "digits", 2))
    assert (
        not out.comparable
        and "STAND-IN" in out.caption
        and "smoke" in out.caption
        and "2 seeds" in out.caption
    )
    frame = out.save_rows([{"k": 1, "accuracy": 0.123456789012345}], "runs")
    assert list(frame.dataset) == ["digits"] and list(frame.profile) == ["smoke"]
    assert list(out.save_rows([{"dataset": "others"}], "others").dataset) == ["others"]
    (tmp_path / "figures" / "digits-smoke" / "others.csv").unlink()
    out.save_table(pd.DataFrame({"k": ["1"], "ours": ["12.35%"]}), "table", "A title")
    figure = plt.figure()
    figure.suptitle("What it\nshows")
    out.save_figure(figure, "figure", caption="x is one axis.")
    folder = tmp_path / "figures" / "digits-smoke"
    assert sorted(path.name for path in folder.iterdir()) == [
        "figure.pdf",
        "figure.png",
        "figure.txt",
        "runs.csv",
        "table.md",
    ]
    caption = (folder / "figure.txt").read_text()
    assert (
        caption.startswith("What it shows.\nx is one axis.\n")
        and "STAND-IN" in caption
        and "2 seeds" in caption
    )
    back = pd.read_csv(folder / "runs.csv")
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert set(back.columns) == {"k", "accuracy", "dataset", "profile"}
    assert "STAND-IN" in (folder / "table.md").read_text()


def test_a_write_that_fails_leaves_the_last_good_file(digits, tmp_path):
    out = results.Results(digits, settings.parameters("smoke", "digits", 1))
    out.save_rows([{"k": 1}], "runs")

    def breaks(path, **_):
        path.write_bytes(b"half")
        raise OSError("disk full")

    figure = plt.figure()
    figure.savefig = breaks
    (out.folder / "runs.png").write_bytes(b"good")
    with pytest.raises(OSError, match="disk full"):
        out.save_figure(figure, "runs", caption="x is one axis.")
    assert (out.folder / "runs.png").read_bytes() == b"good"
    assert sorted(path.name for path in out.folder.iterdir()) == ["runs.csv", "runs.png"]


def test_a_figures_folder_that_cannot_be_made_is_said_at_the_start(digits, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("KMNIST_ITL_FIGURES", str(file))
    with pytest.raises(OSError, match="Figures cannot be written to"):
        results.Results(digits, settings.parameters("smoke", "digits", 1))


def test_the_class_names_are_in_the_font():
    from matplotlib.ft2font import FT2Font
    from matplotlib_fontja import get_font_ttf_path

    font = FT2Font(get_font_ttf_path())
    assert all(font.get_char_index(ord(glyph)) for glyph in data.HIRAGANA)


def test_results_without_images_have_the_folder_of_the_data_set_and_no_stand_in_warning(digits):
    wanted = settings.parameters("smoke", "digits")
    out, with_images = results.Results(None, wanted), results.Results(digits, wanted)
    assert out.folder == with_images.folder and out.folder.name == "digits-smoke"
    assert with_images.stand_in and not out.stand_in and "no images" in out.caption
    assert out.tables() == {}
    out.save_rows([{"sigma": 1, "csd": 0.5}], "found")
    assert out.tables()["found"].csd.tolist() == [0.5]
