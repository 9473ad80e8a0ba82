"""README.md's summary of the verdicts, written from verdicts.csv so that it cannot go stale."""

import pandas as pd

from kmnist_itl import files, settings
from kmnist_itl.reproduction import claims

BEGIN = "<!-- summary: written by `make figures` from figures/verdicts.csv -->"
END = "<!-- end of summary -->"


def summary(verdicts):
    """The headline claims as a Markdown table of at most ten rows.

    Args:
        verdicts: DataFrame of strings as `claims.judge` returns it.

    Raises:
        ValueError: a headline claim is missing, because an older version wrote the verdicts.
    """
    by_claim = verdicts.set_index("claim")
    lines = [
        "| holds? | the paper says | the paper's number | here: mean ± deviation | in words | notebook |",
        "|" + " --- |" * 6,
    ]
    for claim in claims.CLAIMS:
        if not claim.headline:
            continue
        if claim.says not in by_claim.index or "holds" not in verdicts:
            raise ValueError(f"verdicts has no row for {claim.says!r}. Run notebook 11 again.")
        row = by_claim.loc[claim.says]
        notebook = f"[{row.notebook[:2]}](notebooks/{row.notebook}.ipynb)"
        here = f"{row.ours} (n = {row.n})" if row.n != "-" else "-"
        cells = (f"**{row.holds}**", claim.says, row.paper, here, row.words, notebook)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written(readme, verdicts):
    """README.md's text with the table between BEGIN and END renewed.

    Args:
        readme: the text as it is.
        verdicts: as in `summary`.

    Raises:
        ValueError: the text lacks BEGIN or END, or `summary` raised it.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md must hold the lines {BEGIN!r} and {END!r}. Put them back.")
    return f"{before}{BEGIN}\n\n{summary(verdicts)}\n\n{END}{after}"


def read(path):
    """The DataFrame of a verdicts.csv as `claims.judge` returned it: strings, none of them missing."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def main():
    """Renew the summary in the checkout's README.md.

    The verdicts are those of the paper profile on KMNIST, in figures/ or in the folder that
    KMNIST_ITL_FIGURES names. If there are none, README.md stays as it is, and that is no error.

    Raises:
        ValueError: README.md has no place for the summary, or the verdicts are of an older version.
        OSError: a file cannot be read or written.
    """
    readme = settings.project_dir() / "README.md"
    path = settings.figures_dir("kmnist", "paper") / "verdicts.csv"
    if not path.exists():
        print("README.md keeps its summary, which notebook 11 makes with the paper profile on KMNIST.")
        return
    text = readme.read_text(encoding="utf-8")
    new = written(text, read(path))
    if new != text:
        files.write_whole(readme, lambda beside: beside.write_text(new, encoding="utf-8"))
        print("README.md: summary renewed.")
