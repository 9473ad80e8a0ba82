"""What was measured of the trained runs: one row for each in measurements.csv, which all tables select from.

The same seed on another machine is another training, so a row says where it was made, by which version of
this package, and which measures it holds. `folder` is the Path of the file, and of the tables.
"""

import json

import pandas as pd

import kmnist_itl
from kmnist_itl import files, settings
from kmnist_itl.reproduction import runs
from kmnist_itl.reproduction.measures import MEASURES, Trained

FILE = "measurements.csv"
WHERE = ("processor", "threads", "tensorflow")
UNKNOWN = "not recorded"
TIMINGS = ("epochs", "best_epoch", "seconds", "seconds_per_step")  # columns that every row has
_FIRST = ("run", "training", "seed", "most_epochs", *WHERE, "package", "measures", "remark")
# A key may look like a number.
_TEXT = dict.fromkeys(("encoder", *set(_FIRST) - {"seed", "most_epochs"}), str)


def read(folder):
    """The rows as a dict of dicts by the run's key; what was not measured is NaN."""
    file = folder / FILE
    if not file.is_file():
        return {}
    table = read_table(file)
    if "run" not in table:
        raise ValueError(f"{file} must have commas and a column run. Take it from git again.")
    return {row["run"]: row for row in table.to_dict("records")}


def known(folder):
    """The rows, as `read`, with GROW=1; else an empty dict: all is measured anew."""
    return read(folder) if settings.is_on("GROW") else {}


def write(folder, rows):
    """Write all rows (dicts by key), sorted by what they are."""
    frame = pd.DataFrame(rows.values())
    columns = [name for name in _FIRST if name in frame] + sorted(set(frame) - set(_FIRST))
    write_table(frame[columns].sort_values(["training", "most_epochs", "run"]), folder / FILE)


def lock(folder):
    """A context in which no other process writes to the file or refreshes the tables beside it."""
    return runs.lock(folder / f".{FILE}.lock", folder / FILE)


def measure(folder, training, names, data):
    """Train or load a run, take the measures of these names, and put them into its row, a dict; returns it.

    A row of another machine is of another training: it is replaced, and what it held is measured anew.
    `training` is a runs.Training, `data` the data.Dataset.
    """
    run = training.run(data)
    trained, made = Trained(training, run, data), _made(training)
    before = read(folder).get(training.key, {})
    names = {*names, *(() if _is_of(before, made) else _held(before))}
    values = {"epochs": run.epochs, "best_epoch": run.best_epoch, "seconds": round(run.seconds, 1)}
    values["seconds_per_step"] = round(run.seconds_per_step, 4)
    for name in names:
        values |= MEASURES[name][0](trained)
    with lock(folder):
        rows = read(folder)
        before = rows.get(training.key, {})  # another process may have measured more of this run meanwhile
        before = before if _is_of(before, made) else {}
        described = {"run": training.key, "training": training.title, "seed": training.seed, **made}
        described |= {"most_epochs": training.epochs, "measures": " ".join(sorted(names | _held(before)))}
        rows[training.key] = {**before, **described, **values}
        write(folder, rows)
    return rows[training.key]


def holds(rows, parts):
    """Whether rows, as `read`, hold what is measured of all `parts`, as of an experiments.Table."""
    return all(part.key in rows and set(names) <= _held(rows[part.key]) for _, part, names in parts)


def _held(row):
    names = row.get("measures")
    return set(names.split()) if isinstance(names, str) else set()


def _made(training):
    """Where a run was made, and by which version of this package; the first did not record it."""
    file = runs.runs_dir() / training.key / "run.json"
    here = {"machine": runs.machine(), "package": kmnist_itl.__version__}  # of the untrained model
    record = json.loads(file.read_text()) if file.is_file() else here
    where = record.get("machine", dict.fromkeys(WHERE, UNKNOWN))
    return {**{name: str(value) for name, value in where.items()}, "package": record.get("package", "0.1.0")}


def _is_of(row, made):
    """Whether a row is of a training on this machine; of an unknown machine nobody can say so."""
    return UNKNOWN not in made.values() and all(row.get(name) == made[name] for name in WHERE)


def read_table(path):
    """A CSV of ours as a DataFrame, to the last digit; ValueError, with the file's name, if it is none."""
    try:
        # The Python engine reads floats as Python does; the C engine of pandas 2 is off in the last digit.
        return pd.read_csv(path, dtype=_TEXT, engine="python")
    except ValueError as error:
        raise ValueError(f"{path} must be a CSV: {error} Take it from git again.") from error


def write_table(frame, path):
    """Write a DataFrame as CSV, whole numbers as such also in columns that have gaps."""
    files.write_whole(path, lambda beside: frame.convert_dtypes().to_csv(beside, index=False))
