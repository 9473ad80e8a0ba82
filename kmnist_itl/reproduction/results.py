"""What a notebook works with: the data, the measurements it asks for, and tables and figures as files."""

from collections import Counter
from pathlib import Path

import pandas as pd

from kmnist_itl import data, files, settings
from kmnist_itl.reproduction import experiments, paper, rules, statistics

PNG_DPI = 150
MEGABYTES = 10  # what all tables and figures take, and some more


def start(profile=None, dataset=None, seeds=None):
    """What every notebook begins with: load the data and see that results can be written.

    Args:
        profile, dataset, seeds: the notebook's parameters, as in `settings.parameters`.

    Returns:
        (data.Dataset, Results).

    Raises: as `data.load`, `settings.parameters` and Results.
    """
    from kmnist_itl import _tensorflow

    parameters = settings.parameters(profile, dataset, seeds)
    _tensorflow.start_xla()  # silently: what it writes would end up in the executed notebook
    loaded = data.load(parameters.dataset, limit=parameters.profile.train_images)
    out = Results(loaded, parameters)
    print(f"{out.caption}; {len(loaded.train):,} training images; {loaded.source}")
    out.begin()
    return loaded, out


def without_images(profile=None, dataset=None, seeds=None):
    """The Results of a notebook that needs no images; only the folder is that of the data set."""
    out = Results(None, settings.parameters(profile, dataset, seeds))
    out.begin()
    return out


class Results:
    """Where one notebook's tables and figures go, and what their captions say of data, profile and seeds.

    `profile` and `seeds` are the notebook's parameters. `comparable` says whether its numbers can be compared
    with the paper's: KMNIST, paper profile.

    Args:
        dataset: the data.Dataset in use, or None where no images are.
        parameters: settings.Parameters.

    Raises:
        OSError: the folder cannot be made or written, or is full; before anything is trained.
    """

    def __init__(self, dataset, parameters):
        name = dataset.name if dataset else data.resolve(parameters.dataset)
        self.dataset, self.profile, self.seeds = dataset, parameters.profile, parameters.seeds
        self.folder = settings.figures_dir(name, parameters.profile)
        self.settings = {"dataset": name, "profile": parameters.profile.name}
        self.comparable = settings.is_the_papers(name, parameters.profile)
        self.stand_in = bool(dataset) and name != "kmnist"
        self.collapsed, self._place, self._seeds = set(), None, set()
        self.caption = self.data_caption
        if dataset:
            self.caption = self._with_seeds([len(self.seeds)])
        check_room(self.folder)

    @property
    def data_caption(self):
        """What a caption says of data and profile."""
        if not self.dataset:
            return "points drawn from known densities, no images"
        return f"{self.dataset.title}, {self.profile.name} profile"

    def begin(self):
        """Make the place, below the notebook's first cell, where `found` writes the result."""
        from IPython import get_ipython
        from IPython.display import Markdown, display

        if get_ipython():
            waiting = Markdown("*The result stands here once the notebook has run to its end.*")
            self._place = display(waiting, display_id=True)

    def found(self, finding):
        """Write the notebook's result below its first cell.

        `finding` is a few sentences of Markdown, or a function in findings.py of the tables in the folder.
        """
        from IPython.display import Markdown

        measured = callable(finding)
        text = finding(read_tables(self.folder)) if measured else finding
        if self._place:
            caption = self.caption if measured else self.data_caption  # where nothing is trained, no seeds
            self._place.update(Markdown(f"**Result** ({caption}). {text}"))

    def measure(self, name):
        """Train and measure what a table is made of, and write it to <name>.csv, a row for each training.

        A run that is kept is found, not trained. With GROW=1 (`settings.growing`) a training that has these
        measurements in the store is not even looked for, and further seeds that the store has measured of a
        setting, for another notebook say, have their rows, too.

        Args:
            name: of one of experiments.TABLES.

        Returns:
            DataFrame: the label's columns, seed, what was measured, dataset, profile and the run's key.
        """
        from kmnist_itl.reproduction import progress, store  # not above: verdicts need no TensorFlow

        table = experiments.table(name)
        stored = store.Measurements(self.folder)
        known = stored.rows() if settings.growing() else {}
        rows = []
        trainings = list(self._trainings(table))
        trainings += self._further(table, stored, known, {(label, seed) for label, seed, _ in trainings})
        for label, seed, training in progress.numbered(trainings):
            values = self._measured(stored, known, training, table.measures)
            labels = dict(zip(table.labels, (label,) if isinstance(table.label, str) else label, strict=True))
            row = {**training.setting, **labels, "seed": seed}
            row |= {column: values.get(column, float("nan")) for column in _columns(table.measures)}
            if table.of_encoder:
                of_encoder = self._measured(stored, known, training.encoder, table.of_encoder)
                row |= {column: of_encoder[column] for column in _columns(table.of_encoder, timings=False)}
                row["encoder"] = training.encoder.key
            if isinstance(values.get("remark"), str):
                row["remark"] = values["remark"]
            rows.append(row | {**self.settings, "run": training.key})
        frame = pd.DataFrame(rows, dtype=object).infer_objects()
        self._count_seeds(each[0] for each in trainings if each[0] not in table.first_seed_only)
        if "collapsed" in frame:
            self.collapsed |= {row["run"] for row in rows if row["collapsed"] is True}
        self.save_rows(frame, name)
        return frame

    def _further(self, table, stored, known, had):
        """The trainings of a table with other seeds whose measurements are known: the store's rows by key."""
        if table.seeds or not known:
            return []
        most = max(int(row["seed"]) for row in known.values())
        asked = table.trainings(self.dataset.fingerprint, self.profile, range(most + 1))
        return [
            (label, seed, training)
            for label, seed, training in asked
            if (label, seed) not in had
            and stored.find(training, table.measures, known)
            and (not table.of_encoder or stored.find(training.encoder, table.of_encoder, known))
        ]

    def _count_seeds(self, labels):
        """Say in the caption how many seeds a table's settings have; `labels` has one for each training."""
        self._seeds |= set(Counter(labels).values())
        if max(self._seeds) > len(self.seeds):
            self.caption = self._with_seeds(self._seeds)

    def _with_seeds(self, counts):
        """The caption of settings with these numbers of seeds."""
        low, high = min(counts), max(counts)
        number = f"{low} to {high}" if low < high else f"{high}"
        return f"{self.data_caption}, {number} seed{'s' if high > 1 else ''}"

    def _of_runs(self, runs, setting):
        """The caption of a table of runs; settings with the first seed only have a column that says so."""
        counts = runs.groupby(setting).seed.nunique() if "seed" in runs else pd.Series(dtype=int)
        known = counts[counts > (counts.max() > 1)]
        return self._with_seeds(known) if len(known) else self.caption

    def _trainings(self, table):
        return table.trainings(self.dataset.fingerprint, self.profile, self.seeds)

    def _measured(self, stored, known, training, names):
        row = stored.find(training, names, known)
        if not row and settings.growing():
            row = stored.find(training, names)  # another process may have measured it meanwhile
        if not row:
            row = known[training.key] = stored.measure(training, names, self.dataset)
        return row

    def trained(self, name, label):
        """The trained model of a table's label with the first seed, for a figure, as measures.Trained.

        Raises ValueError unless experiments.TABLES says that a figure shows it: by that the plan knows.
        """
        from kmnist_itl.reproduction import measures

        table = experiments.table(name)
        if label not in (*table.drawn, *table.drawn_encoders):
            raise ValueError(f"label must be one that {name!r} declares as drawn; got {label!r}.")
        for each, _, training in self._trainings(table):
            if each == label:
                encoder = training.encoder and training.encoder.run(self.dataset)
                if label in table.drawn_encoders:
                    return measures.Trained(training.encoder, encoder, self.dataset)
                return measures.Trained(training, training.run(self.dataset), self.dataset, encoder)
        raise ValueError(f"label {label!r} has no training in {name!r}.")

    def kept(self, name, label):
        """The trainings of a table's label that are kept, as a dict of training.Run by seed; trains none."""
        found = self._trainings(experiments.table(name))
        return {
            seed: training.run(self.dataset)
            for each, seed, training in found
            if each == label and training.kept
        }

    def save_figure(self, figure, name, *, caption, models=None):
        """Write a matplotlib figure: <name>.png, <name>.pdf for papers and slides, and words as <name>.txt.

        The text is the figure's title, its caption, and the line on data, profile and seeds that also stands
        below the figure. With GROW=1 a model's row in the table may be of another machine, with other last
        digits than the model that is drawn. Hands the figure back.

        Args:
            figure: matplotlib Figure.
            name: str, of the files.
            caption: one or two sentences: what the axes are, what a dot is, what to notice.
            models: seeds of the models that are drawn; () where nothing is trained; None: it shows
                measurements with all seeds.

        Raises:
            ValueError: the caption is no sentence, or says nothing that the title does not say.
        """
        title = _title(figure)
        if not caption.endswith(".") or caption.rstrip(".") in title:
            raise ValueError(f"caption must be a sentence that says more than {title!r}; got {caption!r}.")
        line, size = self._of_models(models), figure.get_figwidth()  # as large in all, shown at one width
        look = (
            {"fontsize": 1.3 * size, "color": "#D55E00", "weight": "bold"}
            if self.stand_in
            else {"fontsize": size, "color": "0.35"}
        )
        figure.text(0.5, -0.02, line, ha="center", va="top", **look)
        for kind, nameless in (
            ("png", {"Software": None}),
            ("pdf", {"CreationDate": None, "Producer": None}),
        ):
            how = {"format": kind, "dpi": PNG_DPI, "bbox_inches": "tight", "metadata": nameless}
            self._write(f"{name}.{kind}", lambda path, how=how: figure.savefig(path, **how))
        said = [f"{title}."] * bool(title) + [caption, f"{line[0].upper()}{line[1:]}."]
        text = "".join(f"{each}\n" for each in said)
        self._write(f"{name}.txt", lambda path: path.write_text(text, encoding="utf-8"))
        return figure

    def _of_models(self, models):
        """The line below a figure; `models` as in `save_figure`."""
        if models is None:
            return self.caption
        if not models:
            return self.data_caption
        seeds = f"seed{'s' if len(models) > 1 else ''} {', '.join(map(str, models))}"
        return f"{self.data_caption}, {seeds}, trained where this was drawn"

    def save_rows(self, rows, name):
        """Write rows (a DataFrame or a list of dicts) to <name>.csv, data set and profile with them.

        Rows that name their own `dataset` keep it.
        """
        from kmnist_itl.reproduction.store import write_table

        frame = pd.DataFrame(rows)
        frame = frame.assign(**{name: each for name, each in self.settings.items() if name not in frame})
        if "run" in frame:
            frame["run"] = frame.pop("run")
        write_table(frame, self.folder / f"{name}.csv")
        return frame

    def save_table(self, frame, name, title, *, caption=None):
        """Write a DataFrame of strings as a Markdown table to <name>.md; returns it to be displayed.

        `caption` stands beside the title; None is what all figures say of data, profile and seeds.

        Runs that collapsed are counted, and told below each table that follows them.
        """
        from IPython.display import Markdown

        lines = [f"**{title}** ({caption or self.caption})", "", statistics.markdown_row(frame.columns)]
        lines.append(statistics.markdown_row(["---"] * len(frame.columns)))
        lines += [statistics.markdown_row(row) for row in frame.itertuples(index=False)]
        if self.collapsed:
            lines += [
                "",
                f"**Trainings that collapsed to one image, counted in above: {len(self.collapsed)}.**",
            ]
        text = "\n".join(lines) + "\n"
        self._write(f"{name}.md", lambda path: path.write_text(text, encoding="utf-8"))
        return Markdown(text)

    def compare(
        self,
        runs,
        setting,
        papers,
        name,
        title,
        *,
        margin=rules.SUPERVISED_MARGIN,
        means=None,
        other_reading=None,
    ):
        """A saved table of the paper's accuracy and ours for each setting, and whether they agree.

        Args:
            runs: DataFrame with a row for each run, with the column named by `setting`, and accuracy.
            papers: maps a setting to the paper's accuracy, where it gives one.
            margin: how far off is still the same, as in `rules.value`.
            means: maps further columns to (heading, format); their means over seeds are shown, too.
            other_reading: None, or the column of the accuracies under another reading of the paper, as
                `others` in `statistics.comparison_cells`.
        """
        rows = []
        for value, ours in runs.groupby(setting, sort=False):
            reported = papers.get(value, float("nan"))
            row = {setting.replace("_", " "): statistics.named(value)}
            others = ours.get(other_reading, []) if other_reading else None
            row |= statistics.comparison_cells(
                ours.accuracy, reported, margin, comparable=self.comparable, others=others
            )
            for column, (heading, form) in (means or {}).items():
                mean = ours[column].astype(float).mean()
                row[heading] = "-" if mean != mean else f"{mean:{form}}"
            rows.append(row | _count(runs, setting, ours))
        return self.save_table(pd.DataFrame(rows), name, title, caption=self._of_runs(runs, setting))

    def summarize(self, runs, setting, columns, name, title, *, interval=None, caption=None):
        """A saved table of means and standard deviations over seeds for each setting.

        Args:
            runs: DataFrame with a row for each run, with the column named by `setting`.
            columns: maps a column to (heading, format).
            interval: None, or the column of which the mean's 95% interval is shown, too.
            caption: as in `save_table`; None is what it says of data and profile, and these runs' seeds.
        """
        rows = []
        for value, ours in runs.groupby(setting, sort=False):
            row = {setting.replace("_", " "): statistics.named(value)}
            for column, (heading, form) in columns.items():
                known = ours[column].dropna()
                row[heading] = statistics.summarized(known, form)[0] if len(known) else "-"
            if interval:
                heading, form = columns[interval]
                known = ours[interval].dropna()
                row[f"95% interval of the {heading}"] = statistics.summarized(known, form)[1]
            rows.append(row | _count(runs, setting, ours))
        caption = caption or self._of_runs(runs, setting)
        return self.save_table(pd.DataFrame(rows), name, title, caption=caption)

    def differences(self, runs, setting, reference, name, title, *, papers=None):
        """A saved table of how far each setting's mean accuracy lies above a reference setting's."""
        table = statistics.difference_table(runs, setting, reference, papers)
        return self.save_table(table, name, title, caption=self._of_runs(runs, setting))

    def show_confusion(self, matrix, figure, name, title, *, predicted="predicted class"):
        """A saved figure of a confusion matrix [10, 10] beside that of the paper's `figure`.

        `matrix` is that of the first seed's model, `figure` a key of paper.CONFUSION. Where the data are
        others, and for Fig 11, which shows Fig 12's picture, words stand in the place of the paper's matrix.
        """
        from kmnist_itl import plots

        papers = paper.CONFUSION[figure]
        if self.dataset.name != "kmnist":
            papers = "The paper's matrix is of KMNIST,\nnot of these data."
        elif figure == "fig11":
            papers = (
                "Never published.\n\nThe picture printed as Fig 11\nis that of Fig 12, the mixture's.\n\n"
                f"The caption gives {statistics.percent(paper.CONFUSION_ACCURACY[figure])}."
            )
        names = self.dataset.class_names
        drawn = plots.confusion(
            matrix,
            papers,
            names,
            ours_title=f"ours, {statistics.percent(matrix.trace() / matrix.sum())}",
            paper_title=f"the paper's, {statistics.percent(paper.CONFUSION_ACCURACY[figure])}",
            predicted=predicted,
            title=f"{title}: {self.dataset.title}",
        )
        ((actual, taken),) = statistics.confused_pairs(matrix, 1)
        caption = (
            f"Rows: actual class; columns: {predicted}; a number counts test images, and below {plots.BLANK} "
            f"the cell is blank. Most often confused in ours: {names[actual]} taken for {names[taken]}, "
            f"{matrix[actual, taken]:,} images."
        )
        return self.save_figure(drawn, name, caption=caption, models=self.seeds[:1])

    def tables(self):
        """All tables that stand in the folder, with what the store has now: a dict of DataFrames by name."""
        refresh(self.folder)
        return read_tables(self.folder)

    def _write(self, name, write):
        files.write_whole(self.folder / name, write)


def read_tables(folder):
    """All tables that stand in a folder of figures (a Path or a string), as a dict of DataFrames by name."""
    as_text = {"run": str, "encoder": str}
    return {path.stem: pd.read_csv(path, dtype=as_text) for path in sorted(Path(folder).glob("*.csv"))}


def check_room(folder):
    """Raise an OSError, which says what to do, unless a folder of figures can be written and has room."""
    files.check_room(folder, "Figures", megabytes=MEGABYTES, variable="KMNIST_ITL_FIGURES")


def refresh(folder):
    """Write every table of runs in a folder anew from the store, after some of its rows were replaced.

    A row keeps its place and label, and takes what the store has measured of its run.
    """
    from kmnist_itl.reproduction import store

    stored = store.Measurements(folder)
    if not stored.file.is_file():
        return
    with stored.alone():
        rows = stored.rows()
        for table in experiments.TABLES:
            path = folder / f"{table.name}.csv"
            if not (table.settings and path.is_file()):
                continue
            frame = store.read_table(path)
            for names, keys in ((table.measures, "run"), (table.of_encoder, "encoder")):
                for column in _columns(names, timings=keys == "run"):
                    if {column, keys} <= set(frame) and column not in table.labels:
                        found = [rows.get(key, {}).get(column) for key in frame[keys]]
                        pairs = zip(found, frame[column], strict=True)
                        frame[column] = [old if pd.isna(new) else new for new, old in pairs]
            store.write_table(frame, path)


def _count(runs, setting, ours):
    """A cell with a setting's number of runs, where settings differ in it."""
    differ = runs.groupby(setting).size().nunique() > 1
    return {"seeds": str(len(ours))} if differ else {}


def _columns(names, *, timings=True):
    """The columns of measures, and how long the training took."""
    from kmnist_itl.reproduction.measures import MEASURES

    columns = [column for name in names for column in MEASURES[name][1]]
    return columns + ["epochs", "best_epoch", "seconds", "seconds_per_step"] * timings


def _title(figure):
    """A figure's title, or those of its axes, as one line."""
    axes = [axis.get_title() for axis in figure.axes]
    titles = [figure.get_suptitle()] if figure.get_suptitle() else axes
    return "; ".join(" ".join(title.split()) for title in titles if title)
