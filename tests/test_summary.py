"""README.md's summary: it is what figures/verdicts.csv says."""

import re

import pandas as pd
import pytest

from kmnist_itl import settings
from kmnist_itl.reproduction import claims, summary

README = settings.project_dir() / "README.md"
VERDICTS = settings.project_dir() / "figures" / "verdicts.csv"


def test_the_readme_says_what_the_verdicts_say():
    text = README.read_text(encoding="utf-8")
    methods = summary.read_methods(VERDICTS.parent)
    assert summary.written(text, summary.read(VERDICTS), methods) == text, "run `make figures`"


def test_the_summary_is_at_most_ten_claims_with_a_notebook_each():
    lines = summary.summary(claims.judge({}, comparable=True)).splitlines()[2:]
    assert 5 <= len(lines) <= 10
    for line in lines:
        assert "**not measured**" in line
        notebook = re.search(r"\((notebooks/.*\.ipynb)\)", line).group(1)
        assert (settings.project_dir() / notebook).is_file()


def test_a_changed_verdict_changes_the_readme_and_nothing_else():
    text = README.read_text(encoding="utf-8")
    verdicts = summary.read(VERDICTS)
    methods = summary.read_methods(VERDICTS.parent)
    changed = summary.written(text, verdicts.assign(holds="changed"), methods)
    assert changed.count("**changed**") == sum(claim.headline for claim in claims.CLAIMS)
    assert summary.written(changed, verdicts, methods) == text


def test_our_row_says_whether_the_lead_over_the_next_method_is_sure():
    ours, umap = [0.60, 0.61, 0.62], [0.50, 0.51, 0.52]
    rows = [
        {"method": name, "accuracy": each}
        for name, both in (("cs_qmi", ours), ("umap", umap))
        for each in both
    ]
    judged = claims.judge({}, comparable=True)
    last = summary.summary(judged, pd.DataFrame(rows)).splitlines()[-1]
    assert last.startswith("| **yes** | *not in the paper:*")
    assert "61.00% ± 1.00 (n = 3) | +10.0 points over the next, UMAP with k-means" in last
    better = [{"method": "n2d", "accuracy": each} for each in (0.58, 0.60, 0.64)]
    last = summary.summary(judged, pd.DataFrame(rows + better)).splitlines()[-1]
    assert last.startswith("| **not settled** |") and "over the next, N2D" in last
    parts = [{"method": "umap_of_features", "accuracy": each} for each in (0.58, 0.60, 0.64)]
    part_of_ours = summary.summary(judged, pd.DataFrame(rows + parts))
    assert part_of_ours == summary.summary(judged, pd.DataFrame(rows))
    swapped = [{**row, "method": "umap" if row["method"] == "cs_qmi" else "cs_qmi"} for row in rows]
    assert summary.summary(judged, pd.DataFrame(swapped)).splitlines()[-1].startswith("| **no** |")
    none = pd.DataFrame(rows[:3])  # UMAP was not installed
    assert summary.summary(judged, none) == summary.summary(judged)


def test_old_verdicts_and_a_readme_without_a_place_are_refused():
    with pytest.raises(
        ValueError, match=r"no row for '30 codes: accuracy of the MLP'.*Run notebook 11 again"
    ):
        summary.summary(pd.DataFrame({"claim": ["another"]}))
    with pytest.raises(ValueError, match=r"README\.md must hold the lines"):
        summary.written("nothing", claims.judge({}, comparable=True))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A project folder with a README.md; returns the path of its README.md."""
    monkeypatch.setattr(settings, "project_dir", lambda: tmp_path / "project")
    readme = tmp_path / "project" / "README.md"
    readme.parent.mkdir()
    readme.write_text(f"Above.\n\n{summary.BEGIN}\n{summary.END}\n\nBelow: 30 ± 1.\n", encoding="utf-8")
    return readme


def write_verdicts(folder):
    folder.mkdir()
    claims.judge({}, comparable=True).to_csv(folder / "verdicts.csv", index=False)


def test_main_reads_the_verdicts_in_the_folder_that_the_variable_names(checkout, tmp_path, capsys):
    write_verdicts(tmp_path / "figures")  # where KMNIST_ITL_FIGURES points in tests
    summary.main()
    assert "renewed" in capsys.readouterr().out
    text = checkout.read_text(encoding="utf-8")
    assert text.startswith("Above.\n") and text.endswith("Below: 30 ± 1.\n")
    assert "30 codes are optimal for the MLP" in text
    summary.main()
    assert capsys.readouterr().out == ""
    assert checkout.read_text(encoding="utf-8") == text


def test_main_reads_the_projects_figures_without_the_variable(checkout, monkeypatch):
    monkeypatch.delenv("KMNIST_ITL_FIGURES")
    write_verdicts(checkout.parent / "figures")
    summary.main()
    assert "30 codes are optimal for the MLP" in checkout.read_text(encoding="utf-8")


def test_main_without_verdicts_leaves_the_readme(checkout, capsys):
    before = checkout.read_text(encoding="utf-8")
    summary.main()
    assert "keeps its summary" in capsys.readouterr().out
    assert checkout.read_text(encoding="utf-8") == before


def test_main_says_what_is_wrong_with_the_readme(checkout, tmp_path):
    write_verdicts(tmp_path / "figures")
    checkout.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match=r"README\.md must hold the lines"):
        summary.main()
    assert checkout.read_text(encoding="utf-8") == "nothing"
