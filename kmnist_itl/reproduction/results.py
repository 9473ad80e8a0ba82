"""What a notebook calls: begin, measure, and write tables and figures, shown as they are written."""

import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image, Markdown, display

from kmnist_itl import data, files, settings
from kmnist_itl._tensorflow import start_xla
from kmnist_itl.reproduction import experiments, measurements, tables
from kmnist_itl.reproduction.measurements import TIMINGS, holds, read_table, write_table
from kmnist_itl.reproduction.measures import MEASURES, Trained


@dataclass(frozen=True, eq=False)
class Study:
    """What a notebook works with: a data.Dataset, a settings.Profile, the seeds, and its Path for results."""

    dataset: data.Dataset
    profile: settings.Profile
    seeds: range
    folder: Path

    @property
    def comparable(self):
        """Whether the numbers can be compared with the paper's: KMNIST, paper profile."""
        return settings.is_the_papers(self.dataset.name, self.profile)

    @property
    def caption(self):
        """What a caption says of data and profile."""
        return f"{self.dataset.title}, {self.profile.name} profile"


def begin(profile=None, dataset=None, seeds=None):
    """Load the data, see that results can be written, and say with what the notebook works: a Study.

    The arguments and errors are those of `settings.parameters`; others are of `data.load` and
    `files.check_room`.
    """
    profile, dataset, seeds = settings.parameters(profile, dataset, seeds)
    start_xla()  # silently: what it writes would end up in the executed notebook
    loaded = data.load(dataset, limit=profile.train_images)
    study = Study(loaded, profile, seeds, settings.figures_dir(loaded.name, profile))
    files.check_room(study.folder, "KMNIST_ITL_FIGURES")
    trained = f"{len(seeds)} seed{'s' * (len(seeds) > 1)} trained here"
    print(f"{study.caption}; {len(loaded.train):,} training images; {trained}; {loaded.source}")
    return study


def measure(study, name):
    """Train and measure what a table of experiments.TABLES is made of, and write it to <name>.csv.

    With GROW=1 a training whose row in measurements.csv holds these measures is not even looked for, and
    further seeds that were measured before have their rows, too. Returns a DataFrame with a row for each
    training: the label's columns, seed, what was measured, dataset, profile and the run's key. Its attribute
    "seeds" counts the settings' seeds.
    """
    table, known = experiments.table(name), measurements.known(study.folder)
    seeds = range(1 + max([*study.seeds, *(int(row["seed"]) for row in known.values())]))
    rows = []
    for label, seed, training in table.trainings(study.dataset.fingerprint, study.profile, seeds):
        parts = list(table.parts(training))
        if not (table.seeds or seed in study.seeds or holds(known, parts)):
            continue
        values = (label,) if isinstance(table.label, str) else label
        row = {**training.columns, **dict(zip(table.labels, values, strict=True)), "seed": seed}
        for key, part, names in parts:
            if not holds(known, [(key, part, names)]):
                known[part.key] = measurements.measure(study.folder, part, names, study.dataset)
            measured = known[part.key]
            row |= {column: measured.get(column, float("nan")) for column in columns(table)[key]}
            row[key] = part.key
        if isinstance(known[training.key].get("remark"), str):
            row["remark"] = known[training.key]["remark"]
        rows.append(row)
    frame = save(study, pd.DataFrame(rows, dtype=object).infer_objects(), name)
    frame.attrs["seeds"] = tables.seeds(frame, list(table.labels))
    return frame


def columns(table):
    """The columns that a table takes from measurements.csv, by the column of the key."""
    of_run, of_encoder = (
        [column for name in names for column in MEASURES[name][1]]
        for names in (table.measures, table.of_encoder)
    )
    return {"run": [*of_run, *TIMINGS], "encoder": of_encoder}


def trained(study, name, label):
    """The measures.Trained of a table's label with the first seed, for a figure that draws it."""
    table = experiments.table(name)
    if label not in table.drawn:
        raise ValueError(f"label must be one that {name!r} declares as drawn; got {label!r}.")
    trainings = table.trainings(study.dataset.fingerprint, study.profile, study.seeds)
    training = next(training for asked, _, training in trainings if asked == label)
    return Trained.of(training, study.dataset)


def save(study, rows, name):
    """Write rows (a DataFrame or dicts) to <name>.csv, with data set and profile if they lack them."""
    frame = pd.DataFrame(rows)
    for column, value in (("dataset", study.dataset.name), ("profile", study.profile.name)):
        frame[column] = frame.get(column, value)
    for column in [name for name in ("remark", "run") if name in frame]:  # last
        frame[column] = frame.pop(column)
    write_table(frame, study.folder / f"{name}.csv")
    return frame


def saved(study, name, make):
    """The rows of <name>.csv if GROW=1 and they stand there, else `save` of what `make()` returns."""
    path = study.folder / f"{name}.csv"
    return read_table(path) if settings.is_on("GROW") and path.is_file() else save(study, make(), name)


def table(study, frame, name, title, *, caption=None):
    """Write a DataFrame of strings as a Markdown table to <name>.md; returns it to be displayed.

    `caption` stands beside the title; None stands for data, profile and the seeds of the table (tables.py).
    """
    caption = caption or f"{study.caption}, {frame.attrs['seeds']}"
    text = f"**{title}** ({caption})\n\n{tables.markdown(frame)}\n"
    files.write_whole(study.folder / f"{name}.md", lambda path: path.write_text(text, encoding="utf-8"))
    return Markdown(text)


def figure(study, drawn, name, caption, *, runs=None, seeds=()):
    """Write a matplotlib figure to <name>.png, and show it with its caption below.

    The caption says what the axes are, what a dot is, and what to notice. It counts the seeds of `runs`, a
    DataFrame from `measure`, and names the first of `seeds`, that of the models that are drawn.
    """
    line = study.caption + (f", {runs.attrs['seeds']}" if runs is not None else "")
    if seeds:
        line += f", seed {seeds[0]}, trained where this was drawn"
    size = drawn.get_figwidth()  # as large in all figures, which are shown at one width
    stand_in = {"fontsize": 1.3 * size, "color": "#D55E00", "weight": "bold"}
    look = {"fontsize": size, "color": "0.35"} if study.dataset.name == "kmnist" else stand_in
    drawn.text(0.5, -0.02, line, ha="center", va="top", **look)
    options = {"format": "png", "bbox_inches": "tight", "metadata": {"Software": None}}
    files.write_whole(study.folder / f"{name}.png", lambda path: drawn.savefig(path, dpi=150, **options))
    shown = io.BytesIO()
    drawn.savefig(shown, dpi=72, **options)
    plt.close(drawn)
    display(Image(shown.getvalue()), metadata={"image/png": {"alt": caption}})
    display(Markdown(f"*{caption}* ({line})"))


def read_tables(folder):
    """All tables in a folder of figures (a Path or a string), as a dict of DataFrames by name."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"folder must be one with tables, such as figures; {folder} is not there.")
    return {path.stem: read_table(path) for path in sorted(Path(folder).glob("*.csv"))}


def refresh(folder):
    """Write every table of runs anew, after rows of measurements.csv were replaced; labels stay."""
    with measurements.lock(folder):
        rows = pd.DataFrame.from_dict(measurements.read(folder), orient="index", dtype=object)
        for entry in experiments.TABLES:
            path = folder / f"{entry.name}.csv"
            if entry.settings and path.is_file():
                frame = read_table(path)
                for key, names in columns(entry).items():
                    for name in set(names) & set(frame) & set(rows) - set(entry.labels):
                        frame[name] = frame[key].map(rows[name]).combine_first(frame[name])
                write_table(frame, path)
