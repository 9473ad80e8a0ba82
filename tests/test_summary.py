"""README.md's summary: it is what figures/verdicts.csv says."""

import re

import pandas as pd
import pytest

from kmnist_itl import claims, settings, summary

README = settings.project_dir() / "README.md"
VERDICTS = settings.project_dir() / "figures" / "verdicts.csv"


def test_the_readme_says_what_the_verdicts_say():
    text = README.read_text(encoding="utf-8")
    assert summary.written(text, summary.read(VERDICTS)) == text, "run python -m kmnist_itl.summary"


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
    changed = summary.written(text, verdicts.assign(verdict="changed"))
    assert changed.count("**changed**") == sum(claim.headline for claim in claims.CLAIMS)
    assert summary.written(changed, verdicts) == text


def test_old_verdicts_and_a_readme_without_a_place_are_refused():
    with pytest.raises(ValueError, match=r"No verdict on '30 codes are optimal.*run notebook 10 again"):
        summary.summary(pd.DataFrame({"claim": ["another"]}))
    with pytest.raises(ValueError, match=r"README\.md must hold the lines"):
        summary.written("nothing", claims.judge({}, comparable=True))


def test_every_table_of_a_claim_has_a_notebook():
    for claim in claims.CLAIMS:
        if claim.table:
            name = claims.NOTEBOOKS[claim.table]
            source = (settings.project_dir() / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
            assert f'\\"{claim.table}\\"' in source, claim.table
