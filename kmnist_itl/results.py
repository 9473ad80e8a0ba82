"""Tables and figures as files, with captions that say what they show."""

import pandas as pd

from kmnist_itl import data, files, paper, settings

PNG_DPI = 150
MEGABYTES = 10  # what all tables and figures take, and some more


class Results:
    """Where one notebook's tables and figures go, and what their captions say of data, profile and seeds.

    `comparable` says whether what is measured can be held against the paper: KMNIST, paper profile.

    Args:
        dataset: the data.Dataset in use, or None where no images are: then only the folder is that of
            the data set that the parameters name.
        parameters: settings.Parameters.

    Raises:
        OSError: the folder cannot be made or written, or is full; before anything is trained.
    """

    def __init__(self, dataset, parameters):
        name = dataset.name if dataset else data.resolve(parameters.dataset)
        self.folder = settings.figures_dir(name, parameters.profile)
        self.settings = {"dataset": name, "profile": parameters.profile.name}
        self.comparable = settings.is_the_papers(name, parameters.profile)
        self.stand_in = bool(dataset) and name != "kmnist"
        self.collapsed = 0
        self.seeds = len(parameters.seeds)
        self.caption = "points drawn from known densities, no images"
        if dataset:
            plural = "s" if self.seeds > 1 else ""
            self.caption = f"{dataset.title}, {parameters.profile.name} profile, {self.seeds} seed{plural}"
        check_room(self.folder)

    def save_figure(self, figure, name, *, first=False):
        """Write a matplotlib figure: <name>.png, <name>.pdf for papers and slides, a caption as <name>.txt.

        The caption is the figure's title, and the data, profile and seeds, which also stand below the figure;
        `first` says that of several seeds it shows the first. Hands the figure back.
        """
        caption = f"{self.caption}, the first of them shown" if first and self.seeds > 1 else self.caption
        look = (
            {"fontsize": 11, "color": "#D55E00", "weight": "bold"}
            if self.stand_in
            else {"fontsize": 8, "color": "0.35"}
        )
        figure.text(0.5, -0.02, caption, ha="center", va="top", **look)
        for kind, nameless in (
            ("png", {"Software": None}),
            ("pdf", {"CreationDate": None, "Producer": None}),
        ):
            how = {"format": kind, "dpi": PNG_DPI, "bbox_inches": "tight", "metadata": nameless}
            self._write(f"{name}.{kind}", lambda path, how=how: figure.savefig(path, **how))
        said = [text for text in (_title(figure), caption[0].upper() + caption[1:]) if text]
        text = "".join(f"{sentence}.\n" for sentence in said)
        self._write(f"{name}.txt", lambda path: path.write_text(text, encoding="utf-8"))
        return figure

    def measure(self, name, wanted, row=None, *, also=(), more=(), drawn=()):
        """Write what is measured of each of the trainings that are wanted to <name>.csv, a row for each.

        Each row ends with the key of the run that it was measured on. With GROW=1 (`settings.growing`) a row
        that stands in the table with that key is taken as it is, and nothing is trained for it. If its run is
        kept here, that is measured instead, at little cost: the row may be of another machine. The table
        is written anew after each row that is measured, so that nothing is lost.

        Args:
            name: of the table.
            wanted: list of experiments.Measured; they train when they are measured.
            row: function of one of them: a dict of what was measured, or a list of several; None is their
                own `row`.
            also: names of other tables whose rows are measured by the same `row`, and taken as well.
            more: rows (dicts) that belong to no training, put at the end.
            drawn: those of them whose model a figure shows, which are trained in any case, and measured.

        Returns:
            DataFrame as of `save_runs`.
        """
        from kmnist_itl import progress  # not above: where nothing is trained, TensorFlow is not needed

        rows = self._measured_before(wanted, (name, *also)) if settings.growing() else {}
        drawn = {of.key for of in drawn}
        for of in progress.numbered(wanted):
            if of.key in rows and not (of.kept or of.key in drawn):
                continue
            found = row(of) if row else of.row
            found = found if isinstance(found, list) else [found]
            rows[of.key] = [{**of.named, **values, "run": of.key} for values in found]
            if settings.growing():
                self._write_runs(self._frame(_in_order(rows, wanted)), name)
        return self.save_runs([*_in_order(rows, wanted), *more], name)

    def _measured_before(self, wanted, names):
        """The rows of those wanted that stand in the tables of these names, as lists by their run's key."""
        named = {of.key: of.named for of in wanted}
        rows = {}
        for name in reversed(names):  # so that those of the first count
            path = self.folder / f"{name}.csv"
            frame = _read(path) if path.is_file() else pd.DataFrame()
            if "run" not in frame:
                continue
            for key, of_key in frame[frame.run.isin(list(named))].groupby("run", sort=False):
                values = of_key.drop(columns=list(self.settings)).to_dict("records")
                # Named twice: its settings come first, and are this table's where another has the same.
                rows[key] = [{**named[key], **row, **named[key]} for row in values]
        return rows

    def save_runs(self, rows, name):
        """Write one row for each run to <name>.csv, data set and profile added; returns the DataFrame.

        Runs that are marked as `collapsed` are counted, and told below each table that follows.
        """
        frame = self._frame(rows)
        if "collapsed" in frame:
            self.collapsed += int(frame["collapsed"].fillna(False).astype(bool).sum())
        self._write_runs(frame, name)
        return frame

    def _frame(self, rows):
        frame = pd.DataFrame(rows).assign(**self.settings)
        if "run" in frame:
            frame["run"] = frame.pop("run")
        return frame

    def _write_runs(self, frame, name):
        # Whole numbers as such, also in columns that have gaps.
        self._write(f"{name}.csv", lambda path: frame.convert_dtypes().to_csv(path, index=False))

    def save_table(self, frame, name, title):
        """Write a DataFrame of strings as a Markdown table to <name>.md; returns the Markdown."""
        lines = [f"**{title}** ({self.caption})", "", _markdown_row(frame.columns)]
        lines.append(_markdown_row(["---"] * len(frame.columns)))
        lines += [_markdown_row(row) for row in frame.itertuples(index=False)]
        if self.collapsed:
            lines += ["", f"**Trainings that collapsed to one image, counted in above: {self.collapsed}.**"]
        text = "\n".join(lines) + "\n"
        self._write(f"{name}.md", lambda path: path.write_text(text, encoding="utf-8"))
        return text

    def tables(self):
        """All tables of runs that stand in the folder, as a dict of DataFrames by name."""
        return {path.stem: pd.read_csv(path) for path in sorted(self.folder.glob("*.csv"))}

    def _write(self, name, write):
        files.write_whole(self.folder / name, write)


def check_room(folder):
    """Raise an OSError, which says what to do, unless a folder of figures can be written and has room."""
    files.check_room(folder, "Figures", megabytes=MEGABYTES, variable="KMNIST_ITL_FIGURES")


def measured_keys(folder):
    """The keys of the runs that the tables of a folder hold rows of, as a dict of sets by table's name."""
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    return {name: set(table.run.dropna()) for name, table in tables.items() if "run" in table}


def _in_order(rows, wanted):
    return [row for of in wanted for row in rows.get(of.key, ())]


def _read(path):
    """A table of runs, whole numbers as such also in columns that have gaps, which are NaN."""
    frame = pd.read_csv(path).convert_dtypes()
    return frame.astype(object).where(frame.notna(), float("nan"))


def _title(figure):
    """A figure's title, or those of its axes, as one line."""
    titles = [figure.get_suptitle()] if figure.get_suptitle() else [of.get_title() for of in figure.axes]
    return "; ".join(" ".join(title.split()) for title in titles if title)


def _markdown_row(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def percent(value):
    """A share as the paper writes it, 0.9254 as '92.54%'."""
    return f"{100 * value:.2f}%"


def summarized(values, form):
    """Mean ± standard deviation of a value for each seed, and the mean's interval, as two texts.

    `form` is a format, '.2f' or '.2%'. The interval is Student's, 95%; of one seed there is neither.
    """
    found = paper.compare(values, float("nan"))
    if found.seeds == 1:
        return f"{found.mean:{form}}", "-"
    return f"{found.mean:{form}} ± {found.deviation:{form}}", f"{found.low:{form}} to {found.high:{form}}"


def comparison_row(comparison):
    """A paper.Comparison of shares as the cells that every table of ours has."""
    spread, of_mean, of_run = "", "-", "-"
    if comparison.seeds > 1:
        spread = f" ± {100 * comparison.deviation:.2f}"
        of_mean = f"{percent(comparison.low)} to {percent(comparison.high)}"
        of_run = f"{percent(comparison.run_low)} to {percent(comparison.run_high)}"
    reported = comparison.paper == comparison.paper  # NaN where the paper has no such value
    return {
        "paper": percent(comparison.paper) if reported else "-",
        "ours": percent(comparison.mean) + spread,
        "95% interval of the mean": of_mean,
        "of one more run": of_run,
        "difference (points)": f"{100 * comparison.difference:+.2f}" if reported else "-",
        "verdict": comparison.verdict,
    }


def difference_table(runs, setting, reference, papers=None, *, column="accuracy", comparable=True):
    """How far each setting lies above a reference setting, seed by seed, held against 0.

    Args:
        runs: DataFrame with a row for each run, with `seed`, the column named by `setting`, and `column`,
            a share.
        reference: the value of `setting` that the others are compared with.
        papers: maps a setting to the paper's share, so that the paper's difference can be shown, too.
        comparable: as in `paper.compare`.

    Returns:
        DataFrame of strings with a row for each other setting. The intervals hold all differences at once
        with 95% (Student's t, Bonferroni).
    """
    of = runs.pivot(index="seed", columns=setting, values=column)
    others = [value for value in dict.fromkeys(runs[setting]) if value != reference]
    rows = []
    for value in others:
        claimed = float("nan")
        if papers and value in papers and reference in papers:
            claimed = papers[value] - papers[reference]
        gains = (of[value] - of[reference]).dropna()
        found = paper.compare_order(gains, claimed, comparable=comparable, family=len(others))
        spread = f" ± {100 * found.deviation:.2f}" if found.seeds > 1 else ""
        rows.append(
            {
                f"{setting}, minus {reference}": str(value).replace("_", " "),
                "paper (points)": f"{100 * claimed:+.2f}" if claimed == claimed else "-",
                "ours (points)": f"{100 * found.mean:+.2f}{spread}",
                **_held_against_zero(found.low, found.high, str(found.seeds)),
            }
        )
    return pd.DataFrame(rows)


def control_table(runs, setting, control, *, column="accuracy"):
    """How far the mean of each setting lies above that of a control, held against 0 by Dunnett's test.

    For many settings and few seeds, where runs of one seed are no more alike than any two: the spread is
    taken from all settings, as one that they share, and the intervals hold all differences at once with 95%.

    Args:
        runs: DataFrame with a row for each run, with the column named by `setting`, and `column`, a share.
        control: the value of `setting` that the others are compared with.

    Returns:
        DataFrame of strings with a row for each other setting; no intervals if no setting has two runs.

    Reference: Dunnett, "A multiple comparison procedure for comparing several treatments with a control",
    J. Am. Stat. Assoc. 50 (1955).
    """
    from scipy import stats

    of = {value: group[column].to_numpy() for value, group in runs.groupby(setting, sort=False)}
    beside = of.pop(control)
    low = high = [float("nan")] * len(of)
    if len(runs) > len(of) + 1:
        low, high = stats.dunnett(*of.values(), control=beside, rng=0).confidence_interval()
    return pd.DataFrame(
        {
            f"{setting}, minus {control}": str(value).replace("_", " "),
            "ours (points)": f"{100 * (values.mean() - beside.mean()):+.2f}",
            **_held_against_zero(of_low, of_high, f"{len(values)}, {len(beside)}"),
        }
        for (value, values), of_low, of_high in zip(of.items(), low, high, strict=True)
    )


def _held_against_zero(low, high, n):
    """The last cells of a difference's row: its interval, NaN for none, n, and what can be said for sure."""
    if low != low:
        return {"interval": "-", "n": n, "ours is": "-"}
    surely = "more" if low > 0 else "less" if high < 0 else "cannot be told"
    return {"interval": f"{100 * low:+.2f} to {100 * high:+.2f}", "n": n, "ours is": surely}
