"""README.md's summary of the verdicts, written from figures/verdicts.csv so that it cannot go stale.

python -m kmnist_itl.summary        (`make figures` runs it at its end)
"""

import sys
from pathlib import Path

import pandas as pd

from kmnist_itl import claims, files, settings

BEGIN = "<!-- summary: written by kmnist_itl/summary.py from figures/verdicts.csv -->"
END = "<!-- end of summary -->"


def summary(verdicts):
    """The headline claims as a Markdown table of at most ten rows.

    Args:
        verdicts: DataFrame of strings as `claims.judge` returns it.

    Raises:
        ValueError: a headline claim is not among the verdicts, which an older version has written.
    """
    by_claim = verdicts.set_index("claim")
    lines = [
        "| the paper says | its value | ours | 95% interval | n | verdict | notebook |",
        "|" + " --- |" * 7,
    ]
    for claim in claims.CLAIMS:
        if not claim.headline:
            continue
        if claim.says not in by_claim.index:
            raise ValueError(f"No verdict on {claim.says!r}: run notebook 10 again.")
        row = by_claim.loc[claim.says]
        notebook = f"[{row.notebook[:2]}](notebooks/{row.notebook}.ipynb)"
        cells = (claim.says, row.paper, row.ours, row.interval, row.n, f"**{row.verdict}**", notebook)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written(readme, verdicts):
    """README.md's text with the table between BEGIN and END renewed; ValueError if it lacks these lines."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md must hold the lines {BEGIN!r} and {END!r}.")
    return f"{before}{BEGIN}\n\n{summary(verdicts)}\n\n{END}{after}"


def main():
    """Renew README.md of the checkout; returns the exit status."""
    readme = settings.project_dir() / "README.md"
    table = settings.project_dir() / "figures" / "verdicts.csv"
    try:
        text = readme.read_text(encoding="utf-8")
        new = written(text, read(table))
    except (OSError, ValueError) as error:
        print(f"summary: {error}", file=sys.stderr)
        return 2
    if new != text:
        files.write_whole(readme, lambda path: path.write_text(new, encoding="utf-8"))
        print(f"README.md: summary renewed from {table.relative_to(settings.project_dir())}")
    return 0


def read(table):
    """verdicts.csv as `claims.judge` returned it: strings, none of them missing."""
    return pd.read_csv(Path(table), dtype=str, keep_default_na=False)


if __name__ == "__main__":
    sys.exit(main())
