"""The one row that each run has in measurements.csv, and how tables are read and written."""

import dataclasses
import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import kmnist_itl
from kmnist_itl import settings, training
from kmnist_itl.reproduction import measurements, measures, runs
from kmnist_itl.reproduction.trainings import Autoencoder

FIGURES = settings.project_dir() / "figures"
SHORT = settings.Profile("short", train_images=None, epochs=3)


@pytest.fixture
def table(tmp_path):
    return measurements.Measurements(tmp_path)


@pytest.fixture
def autoencoder(few):
    return Autoencoder(fingerprint=few.fingerprint, profile=SHORT, seed=0, latent_dim=3)


def test_a_row_says_where_a_run_was_made_and_holds_what_was_measured_of_it(few, table, autoencoder):
    first = table.measure(autoencoder, ["reconstruction"], few)
    table.measure(autoencoder, ["walk"], few)
    (row,) = table.rows().values()
    assert (row["run"], row["training"]) == (autoencoder.key, "autoencoder, 3 units, seed 0")
    assert {name: row[name] for name in runs.machine()} == {k: str(v) for k, v in runs.machine().items()}
    assert row["package"] == kmnist_itl.__version__ and (row["seed"], row["most_epochs"]) == (0, 3)
    assert row["measures"] == "reconstruction walk" and row["mean_step"] > 0
    assert row["reconstruction_error"] == first["reconstruction_error"] > 0


def test_a_row_of_another_machine_is_replaced(few, table, autoencoder):
    first = table.measure(autoencoder, ["reconstruction", "walk"], few)
    for processor in ("another", measurements.UNKNOWN):
        row = {**first, "processor": processor, "remark": "by hand", "mean_step": 9.5}
        table.write({autoencoder.key: row})
        # With mean_step, too, which nobody asks for.
        assert table.measure(autoencoder, ["reconstruction"], few) == first


def test_a_run_of_an_unknown_machine_is_never_mixed_with_a_row(few, table, autoencoder):
    autoencoder.run(few)
    file = runs.runs_dir() / autoencoder.key / "run.json"
    record = json.loads(file.read_text())
    del record["machine"], record["package"]  # as before they were recorded
    file.write_text(json.dumps(record))
    row = table.measure(autoencoder, ["walk"], few)
    assert (row["processor"], row["package"]) == (measurements.UNKNOWN, "0.1.0")
    table.write({autoencoder.key: {**row, "mean_step": 9.5}})
    assert table.measure(autoencoder, ["reconstruction"], few)["mean_step"] == row["mean_step"]


def test_rows_come_back_to_the_last_digit_with_their_gaps(table):
    values = {"epochs": 88, "csd": 0.1 + 0.2, "collapsed": False, "seconds": 1e-17}
    row = {"run": "123e45", "training": "a", "seed": 0, "most_epochs": 3, **values}  # a key is no number
    table.write({"123e45": row, "b": {**row, "run": "b", "epochs": math.nan, "csd": math.nan}})
    rows, before = table.rows(), table.file.read_text()
    assert rows["123e45"] == row and rows["b"]["collapsed"] is False and math.isnan(rows["b"]["epochs"])
    table.write(rows)
    assert table.file.read_text() == before and ",88," in before  # no 88.0


@pytest.mark.parametrize("path", sorted(FIGURES.glob("*.csv")), ids=lambda path: path.stem)
def test_a_committed_table_is_written_as_it_was_read(path, tmp_path):
    measurements.write_table(measurements.read_table(path), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("text", ["", "run;seed\na;0\n"])
def test_a_file_that_is_no_csv_of_ours_is_named(text, table):
    table.file.parent.mkdir(parents=True, exist_ok=True)
    table.file.write_text(text)
    with pytest.raises(ValueError, match=r"measurements\.csv must .*Take it from git again"):
        table.rows()


def test_a_committed_row_has_the_columns_of_the_measures_that_it_holds():
    for row in measurements.Measurements(FIGURES).rows().values():
        assert row["package"] and all(isinstance(row[name], str) for name in measurements.WHERE)
        columns = [measures.MEASURES[name][1] for name in str(row["measures"]).split()]
        assert columns and all(any(row[column] == row[column] for column in some) for some in columns)


def test_two_at_once_train_a_model_once_and_write_all_their_rows(
    few, table, autoencoder, monkeypatch, capsys
):
    """Locks are between open files, so threads stand for processes."""
    trained, both_begin = [], threading.Barrier(2)

    def train(self, data, **_):
        trained.append(self.latent_dim)
        time.sleep(0.3)  # the other one comes
        return training.Run(self.build(), {}, 1, 1, 0.5, 0.1)

    def measure(latent_dims):
        both_begin.wait()
        for latent_dim in latent_dims:
            table.measure(dataclasses.replace(autoencoder, latent_dim=latent_dim), ["reconstruction"], few)

    monkeypatch.setattr(Autoencoder, "train", train)
    with ThreadPoolExecutor() as pool:
        list(pool.map(measure, [(2, 3), (2, 4)]))
    assert sorted(trained) == [2, 3, 4]
    assert "2 units, seed 0: waiting for another process" in capsys.readouterr().out
    titles = [f"autoencoder, {latent_dim} units, seed 0" for latent_dim in (2, 3, 4)]
    assert sorted(row["training"] for row in table.rows().values()) == titles
