import numpy as np
import pandas as pd
import pytest

from kmnist_itl import data, paper, results, settings


def test_table_1_is_the_papers():
    assert list(paper.TABLE_1) == [10, 20, 30, 35, 40, 50]
    text = " ".join(f"{100 * value:.2f}%" for value in paper.TABLE_1.values())
    assert text == "87.18% 90.97% 92.54% 92.41% 91.81% 91.81%"
    assert max(paper.TABLE_1, key=paper.TABLE_1.get) == 30


@pytest.mark.parametrize("figure", list(paper.CONFUSION))
def test_the_matrices_agree_with_what_the_paper_says(figure):
    matrix = paper.CONFUSION[figure]
    assert matrix.shape == (10, 10) and (matrix.sum(axis=1) == 1_000).all()
    accuracy = np.trace(matrix) / paper.TEST_IMAGES
    said = paper.CONFUSION_ACCURACY[figure]
    if figure == "fig11":  # Fig 12's picture under another caption
        assert accuracy == paper.CONFUSION_ACCURACY["fig12"] != said
    elif figure == "fig10":  # "40%", of 40.10%
        assert round(accuracy, 2) == said
    else:
        assert accuracy == said


def test_fig_11_is_fig_12():
    assert np.array_equal(paper.CONFUSION["fig11"], paper.CONFUSION["fig12"])
    assert paper.CONFUSION_ACCURACY["fig11"] == paper.TABLE_2["gaussian"] == 0.4519
    assert paper.CONFUSION_ACCURACY["fig12"] == paper.TABLE_2["gaussian_mixture"] == 0.4424
    assert not np.array_equal(paper.CONFUSION["fig10"], paper.CONFUSION["fig12"])


def test_the_other_reported_numbers_are_the_papers():
    assert paper.CONFUSION_ACCURACY["fig03"] == paper.MLP_BATCH_NORM_DROPOUT
    assert paper.CONFUSION_ACCURACY["fig04"] == paper.CNN and paper.MLP_ON_PIXELS == 0.915
    assert list(paper.TABLE_2.values()) == [0.40, 0.4519, 0.4424, 0.42]
    assert paper.TABLE_3 == {"without CSD": 83, "with CSD": 61}


def test_an_effect_is_held_against_zero_and_the_papers_size():
    assert paper.compare_order([0.05]).verdict == "undecided (one seed)"
    assert paper.compare_order([0.04, 0.05, 0.06], 0.05).verdict == "reproduced"
    assert paper.compare_order([0.04, 0.05, 0.06], 0.5).verdict == "direction reproduced"
    assert paper.compare_order([0.04, 0.05, 0.06]).verdict == "direction reproduced"
    assert paper.compare_order([-0.04, -0.05, -0.06], 0.05).verdict == "not reproduced"
    assert paper.compare_order([-0.05, 0.05, 0.06], 0.05).verdict == "undecided"
    # 0 is possible, the paper's effect is not: it is more than ours can be.
    assert paper.compare_order([-0.01, 0.0, 0.01], 0.05).verdict == "not reproduced"
    assert paper.compare_order([-0.01, 0.0, 0.01], 0.02).verdict == "undecided"
    assert paper.compare_order([-0.01, 0.0, 0.01]).verdict == "undecided"
    assert paper.compare_order([0.04, 0.05], 0.05, comparable=False).verdict == "not comparable"


def test_what_is_called_best_must_beat_each_rival():
    clear, less, none = [0.049, 0.05, 0.051], [0.029, 0.03, 0.031], [-0.05, 0.05, 0.06]
    worse = [-0.049, -0.05, -0.051]

    def verdict(*leads, reported=float("nan")):
        return paper.compare_best(np.transpose(leads), reported).verdict

    assert verdict(clear, less) == "direction reproduced"
    assert verdict(clear, less, reported=0.03) == "reproduced"
    assert verdict(clear, none) == "undecided"
    assert verdict(clear, none, worse) == "not reproduced"
    assert paper.compare_best(np.transpose([clear, less])).mean == pytest.approx(0.03)


@pytest.mark.parametrize("seeds", [3, 10, 100])
def test_a_single_run_like_ours_is_refused_in_one_of_twenty_cases_however_many_seeds_there_are(rng, seeds):
    runs = rng.normal(0.9, 0.01, size=(2_000, seeds + 1))
    verdicts = [paper.compare(ours, theirs).verdict for *ours, theirs in runs]
    assert 0.03 < verdicts.count("not reproduced") / len(verdicts) < 0.07
    assert verdicts.count("reproduced") > 0.75 * len(verdicts)


def test_several_effects_at_once_need_wider_intervals():
    alone, among = paper.compare_order([1, 2, 3]), paper.compare_order([1, 2, 3], family=5)
    # t(0.995, 2) = 9.924843 by any table.
    assert among.mean - among.low == pytest.approx(9.924843 / np.sqrt(3), rel=1e-6)
    assert (alone.verdict, among.verdict) == ("undecided", "undecided")
    assert alone.low > among.low


def test_differences_are_taken_seed_by_seed():
    runs = pd.DataFrame(
        [
            {"prior": prior, "seed": seed, "accuracy": 0.4 + 0.1 * seed + gain + 0.001 * seed * bool(gain)}
            for prior, gain in (("none", 0.0), ("gaussian", 0.05), ("swiss_roll", -0.1))
            for seed in range(3)
        ]
    )
    table = results.difference_table(runs, "prior", "none", {"none": 0.4, "gaussian": 0.45})
    assert list(table["prior, minus none"]) == ["gaussian", "swiss roll"]
    assert list(table["ours (points)"]) == ["+5.10 ± 0.10", "-9.90 ± 0.10"]
    assert list(table["paper (points)"]) == ["+5.00", "-"]
    assert list(table["ours is"]) == ["more", "less"] and list(table["n"]) == ["3", "3"]
    alone = results.difference_table(runs[runs.seed == 0], "prior", "none")
    assert list(alone["ours is"]) == ["-", "-"] and list(alone["interval"]) == ["-", "-"]


def runs_of_three_settings(seeds):
    rng = np.random.default_rng(3)
    means = {"none": 0.4, "gaussian": 0.41, "swiss_roll": 0.2}
    return pd.DataFrame(
        [
            {"prior": prior, "seed": seed, "accuracy": mean + rng.normal(scale=0.01)}
            for prior, mean in means.items()
            for seed in range(seeds)
        ]
    )


def test_settings_are_held_against_a_control_by_dunnetts_test():
    runs = runs_of_three_settings(5)
    table = results.control_table(runs, "prior", "none")
    assert list(table["prior, minus none"]) == ["gaussian", "swiss roll"]
    assert list(table["ours is"]) == ["cannot be told", "less"] and list(table["n"]) == ["5, 5"] * 2
    # Two-sided 5% point for 2 settings and 12 degrees of freedom: 2.50 in Dunnett's tables.
    spread = np.sqrt(runs.groupby("prior").accuracy.var().mean())
    for text in table["interval"]:
        low, high = map(float, text.split(" to "))
        assert high - low == pytest.approx(200 * 2.50 * spread * np.sqrt(2 / 5), abs=0.02)
    assert results.control_table(runs, "prior", "none").equals(table)


def test_a_control_needs_some_setting_with_two_runs():
    runs = runs_of_three_settings(2)
    alone = results.control_table(runs[runs.seed == 0], "prior", "none")
    assert list(alone["interval"]) == ["-", "-"] and list(alone["ours is"]) == ["-", "-"]
    uneven = results.control_table(runs.drop(index=[1, 3]), "prior", "none")
    assert list(uneven["n"]) == ["1, 1", "2, 1"] and uneven["ours is"][1] == "less"


def test_what_the_paper_does_not_report_is_said():
    found = paper.compare([0.5, 0.6], float("nan"))
    assert found.verdict == "not in the paper" and np.isfinite(found.low)
    row = results.comparison_row(found)
    assert (row["paper"], row["difference (points)"], row["ours"]) == ("-", "-", "55.00% ± 7.07")


def test_the_confusions_of_both_are_named():
    ours, theirs = [[5, 1, 3], [0, 9, 2], [4, 0, 7]], [[5, 0, 3], [0, 9, 0], [0, 2, 7]]
    text = paper.describe_confusions(ours, theirs, "abc", top=2).splitlines()
    assert text[0].endswith("first: c taken for a, a taken for c")
    assert text[1].endswith("first: a taken for c, c taken for b")
    assert text[2] == "1 of 2 are in both: a taken for c"


def test_the_most_confused_pairs_come_first():
    assert paper.confused_pairs([[5, 1, 3], [0, 9, 2], [4, 0, 7]], top=3) == [(2, 0), (0, 2), (1, 2)]
    assert paper.confused_pairs(paper.CONFUSION["fig03"], top=1) == [(2, 3)]


def test_one_seed_decides_nothing():
    found = paper.compare([0.5], 0.5)
    assert found.verdict.startswith("undecided") and np.isnan(found.deviation)


def test_the_interval_is_students_and_decides():
    values = [0.50, 0.52, 0.54]
    found = paper.compare(values, 0.53)
    # t(0.975, 2) = 4.302653 by any table.
    half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)
    assert (found.high - found.mean, found.mean - found.low) == pytest.approx((half, half), rel=1e-6)
    of_run = 4.302653 * np.std(values, ddof=1) * np.sqrt(4 / 3)
    assert (found.run_low, found.run_high) == pytest.approx((0.52 - of_run, 0.52 + of_run), rel=1e-6)
    assert found.verdict == "reproduced" and found.difference == pytest.approx(-0.01)
    assert [paper.compare(values, 0.52 + 0.02 * far).verdict for far in (1.99, 2.01, 4.9, 5)] == [
        "reproduced",  # within two deviations
        "undecided",
        "undecided",  # t * sqrt(4 / 3) is 4.97
        "not reproduced",
    ]
    assert paper.compare(values, 0.6, comparable=False).verdict == "not comparable"


@pytest.mark.parametrize("bad", [[], [0.5, float("nan")], [float("inf")]])
def test_values_that_are_none_or_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="values"):
        paper.compare(bad, 0.5)


def test_results_name_the_data_and_are_whole(digits, tmp_path):
    import matplotlib.pyplot as plt

    out = results.Results(digits, settings.parameters("smoke", "digits", 2))
    assert (
        not out.comparable
        and "STAND-IN" in out.caption
        and "smoke" in out.caption
        and "2 seeds" in out.caption
    )
    frame = out.save_runs([{"k": 1, "accuracy": 0.123456789012345}], "runs")
    out.save_table(pd.DataFrame({"k": ["1"], "ours": ["12.35%"]}), "table", "A title")
    figure = plt.figure()
    figure.suptitle("What it\nshows")
    out.save_figure(figure, "figure")
    folder = tmp_path / "figures" / "digits-smoke"
    assert sorted(path.name for path in folder.iterdir()) == [
        "figure.pdf",
        "figure.png",
        "figure.txt",
        "runs.csv",
        "table.md",
    ]
    caption = (folder / "figure.txt").read_text()
    assert caption.startswith("What it shows.\n") and "STAND-IN" in caption and "2 seeds" in caption
    out.save_figure(plt.figure(), "one", first=True)
    assert (folder / "one.txt").read_text().endswith("2 seeds, the first of them shown.\n")
    back = pd.read_csv(folder / "runs.csv")
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert set(back.columns) == {"k", "accuracy", "dataset", "profile"}
    assert "STAND-IN" in (folder / "table.md").read_text()


def test_a_write_that_fails_leaves_the_last_good_file(digits, tmp_path):
    out = results.Results(digits, settings.parameters("smoke", "digits", 1))
    out.save_runs([{"k": 1}], "runs")

    class Broken:
        def savefig(self, path, **_):
            path.write_bytes(b"half")
            raise OSError("disk full")

        def text(self, *args, **kwargs):
            pass

    (out.folder / "runs.png").write_bytes(b"good")
    with pytest.raises(OSError, match="disk full"):
        out.save_figure(Broken(), "runs")
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
    out.save_runs([{"sigma": 1, "csd": 0.5}], "found")
    assert out.tables()["found"].csd.tolist() == [0.5]


def test_the_agreement_of_confusions_is_a_rank_correlation_off_the_diagonal(rng):
    matrix = rng.integers(0, 50, size=(10, 10))
    other = 3 * matrix + 1
    np.fill_diagonal(other, 0)
    assert paper.confusion_agreement(matrix, other) == pytest.approx(1)
    assert paper.confusion_agreement(matrix, 50 - matrix) == pytest.approx(-1)
    assert abs(paper.confusion_agreement(matrix, rng.integers(0, 50, size=(10, 10)))) < 0.4
    assert np.isnan(paper.confusion_agreement(np.eye(10), matrix))
