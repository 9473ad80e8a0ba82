"""What the notebooks say in "Result" and "What it means", beside what the committed tables must then have.

Each tuple of SAID: the notebook's number; a phrase of its Markdown, with a format in the place of a number;
and a function that gives these numbers, or is true (else False) where the tables have what the phrase says.
"""

import pytest
import said
import said_01_06
import said_07_12

SAID = [*said_01_06.SAID, *said_07_12.SAID]


@pytest.mark.parametrize(("number", "phrase", "look"), SAID, ids=[f"{n}: {s[:60]}" for n, s, _ in SAID])
def test_what_a_notebook_says_is_what_the_tables_have(number, phrase, look):
    text = "\n".join(
        "".join(cell["source"]) for cell in said.cells(number) if cell["cell_type"] == "markdown"
    )
    numbers = look()
    assert numbers, "the tables have changed: mend the notebook"
    sentence = phrase.format(*numbers) if isinstance(numbers, list) else phrase
    assert sentence in text.partition("## What to try")[0], "the notebook says something else"
