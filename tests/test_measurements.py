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
def autoencoder(few):
    return Autoencoder(fingerprint=few.fingerprint, profile=SHORT, seed=0, latent_dim=3)


def test_a_row_says_where_a_run_was_made_and_that_of_another_machine_is_replaced(few, tmp_path, autoencoder):
    first = measurements.measure(tmp_path, autoencoder, ["reconstruction"], few)
    assert (first["run"], first["training"]) == (autoencoder.key, "autoencoder, 3 units, seed 0")
    assert {name: first[name] for name in runs.machine()} == {k: str(v) for k, v in runs.machine().items()}
    assert first["package"] == kmnist_itl.__version__ and (first["seed"], first["most_epochs"]) == (0, 3)
    row = measurements.measure(tmp_path, autoencoder, ["walk"], few)
    assert row["measures"] == "reconstruction walk" and row["mean_step"] > 0
    assert row["reconstruction_error"] == first["reconstruction_error"] > 0
    elsewhere = {**row, "processor": "another", "remark": "by hand", "mean_step": 9.5}
    measurements.write(tmp_path, {autoencoder.key: elsewhere})
    # With mean_step, too, which nobody asks for.
    assert measurements.measure(tmp_path, autoencoder, ["reconstruction"], few) == row


def test_a_run_of_an_unknown_machine_is_never_mixed_with_a_row(few, tmp_path, autoencoder):
    autoencoder.run(few)
    file = runs.runs_dir() / autoencoder.key / "run.json"
    record = json.loads(file.read_text())
    del record["machine"], record["package"]  # as before they were recorded
    file.write_text(json.dumps(record))
    row = measurements.measure(tmp_path, autoencoder, ["walk"], few)
    assert (row["processor"], row["package"]) == (measurements.UNKNOWN, "0.1.0")
    measurements.write(tmp_path, {autoencoder.key: {**row, "mean_step": 9.5}})
    again = measurements.measure(tmp_path, autoencoder, ["reconstruction"], few)
    assert again["mean_step"] == row["mean_step"]


def test_rows_come_back_to_the_last_digit_with_their_gaps(tmp_path):
    values = {"epochs": 88, "csd": 0.1 + 0.2, "collapsed": False, "seconds": 1e-17}
    row = {"run": "123e45", "training": "a", "seed": 0, "most_epochs": 3, **values}  # a key is no number
    gaps = {**row, "run": "b", "epochs": math.nan, "csd": math.nan}
    measurements.write(tmp_path, {"123e45": row, "b": gaps})
    rows, before = measurements.read(tmp_path), (tmp_path / measurements.FILE).read_text()
    assert rows["123e45"] == row and rows["b"]["collapsed"] is False and math.isnan(rows["b"]["epochs"])
    measurements.write(tmp_path, rows)
    assert (tmp_path / measurements.FILE).read_text() == before and ",88," in before  # no 88.0


@pytest.mark.parametrize("path", sorted(FIGURES.glob("*.csv")), ids=lambda path: path.stem)
def test_a_committed_table_is_written_as_it_was_read(path, tmp_path):
    measurements.write_table(measurements.read_table(path), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("text", ["", "run;seed\na;0\n"])
def test_a_file_that_is_no_csv_of_ours_is_named(text, tmp_path):
    (tmp_path / measurements.FILE).write_text(text)
    with pytest.raises(ValueError, match=r"measurements\.csv must .*Take it from git again"):
        measurements.read(tmp_path)


def test_a_committed_row_has_the_columns_of_the_measures_that_it_holds():
    for row in measurements.read(FIGURES).values():
        assert row["package"] and all(isinstance(row[name], str) for name in measurements.WHERE)
        columns = [measures.MEASURES[name][1] for name in str(row["measures"]).split()]
        assert columns and all(any(row[column] == row[column] for column in some) for some in columns)


def test_two_at_once_train_a_model_once_and_write_all_their_rows(
    few, tmp_path, autoencoder, monkeypatch, capsys
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
            described = dataclasses.replace(autoencoder, latent_dim=latent_dim)
            measurements.measure(tmp_path, described, ["reconstruction"], few)

    monkeypatch.setattr(Autoencoder, "train", train)
    with ThreadPoolExecutor() as pool:
        list(pool.map(measure, [(2, 3), (2, 4)]))
    assert sorted(trained) == [2, 3, 4]
    assert "2 units, seed 0: waiting for another process" in capsys.readouterr().out
    titles = [f"autoencoder, {latent_dim} units, seed 0" for latent_dim in (2, 3, 4)]
    assert sorted(row["training"] for row in measurements.read(tmp_path).values()) == titles
