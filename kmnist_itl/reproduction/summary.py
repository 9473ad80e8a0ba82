"""README.md's summary of the verdicts, written from verdicts.csv so that it cannot go stale."""

import pandas as pd

from kmnist_itl import files, settings
from kmnist_itl.reproduction import claims, findings, statistics

BEGIN = "<!-- summary: written by `make figures` from figures/verdicts.csv and clustering_methods.csv -->"
END = "<!-- end of summary -->"


def summary(verdicts, methods=None):
    """The headline claims as a Markdown table of at most ten rows, and a last one of what is ours.

    Args:
        verdicts: DataFrame of strings as `claims.judge` returns it.
        methods: None, or the table clustering_methods of notebook 12.

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
        lines.append(statistics.markdown_row(cells))
    if methods is not None and (found := findings.ahead_of_peers(methods)):
        lines.append(_ours(methods, *found))
    return "\n".join(lines)


def _ours(methods, verdict, closest, lead):
    """The row of the clusters that are not the paper's."""
    accuracy = methods[methods.method == "cs_qmi"].accuracy
    cells = (
        f"**{verdict}**",
        "*not in the paper:* clusters by the information of neighbours are ahead of k-means, UMAP, N2D "
        "and IIC",
        "-",
        f"{statistics.summarized(accuracy, '.2%')[0]} (n = {len(accuracy)})",
        f"{100 * lead.mean:+.1f} points over the next, {findings.METHODS[closest]} "
        f"(95% interval {100 * lead.low:+.1f} to {100 * lead.high:+.1f})",
        "[12](notebooks/12_beyond_the_prior.ipynb)",
    )
    return statistics.markdown_row(cells)


def written(readme, verdicts, methods=None):
    """README.md's text with the table between BEGIN and END renewed.

    Args:
        readme: the text as it is.
        verdicts, methods: as in `summary`.

    Raises:
        ValueError: the text lacks BEGIN or END, or `summary` raised it.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md must hold the lines {BEGIN!r} and {END!r}. Put them back.")
    return f"{before}{BEGIN}\n\n{summary(verdicts, methods)}\n\n{END}{after}"


def read(path):
    """The DataFrame of a verdicts.csv as `claims.judge` returned it: strings, none of them missing."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def read_methods(folder):
    """The table clustering_methods in a folder of figures, or None."""
    path = folder / "clustering_methods.csv"
    return pd.read_csv(path) if path.is_file() else None


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
    new = written(text, read(path), read_methods(path.parent))
    if new != text:
        files.write_whole(readme, lambda beside: beside.write_text(new, encoding="utf-8"))
        print("README.md: summary renewed.")
