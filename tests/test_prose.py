"""What the notebooks say in "Result" and "What it means", beside what the committed tables must then have."""

import json

import pytest
import said_01_06
import said_07_12

from kmnist_itl import settings

SAID = [*said_01_06.SAID, *said_07_12.SAID]


@pytest.mark.parametrize(("number", "sentence", "is_true"), SAID, ids=[f"{n}: {s[:60]}" for n, s, _ in SAID])
def test_what_a_notebook_says_is_what_the_tables_have(number, sentence, is_true):
    (path,) = (settings.project_dir() / "notebooks").glob(f"{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert sentence in text.partition("## What to try")[0], "the notebook says something else now: mend SAID"
    assert is_true(), "the tables have changed: mend the notebook"
