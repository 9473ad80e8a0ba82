"""The command line: what the Makefile's targets call."""

import contextlib
import io
import os
import shutil
import signal
import subprocess

import nbformat
import pytest

from kmnist_itl import data, settings
from kmnist_itl.reproduction import claims, command, experiments, plan

SMOKE = ("--profile", "smoke", "--dataset", "digits")


def notebook(folder, name, *sources):
    """A stand-in for a notebook, with the parameters' cell."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    parameters = {"tags": ["parameters"]}
    cells.insert(0, nbformat.v4.new_code_cell("profile = dataset = seeds = None", metadata=parameters))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What `make figures` makes of three notebooks, two at a time: (folder, status, stdout, stderr)."""
    folder, out, err = tmp_path_factory.mktemp("figures"), io.StringIO(), io.StringIO()
    log = "print({!r}, file=open('log', 'a'))"
    slow = "import time\nfor word in (profile, dataset, seeds):\n    print(word, flush=True); time.sleep(0.2)"
    notebook(folder, "01_reads", log.format("reads"))
    notebook(folder, "02_good", log.format("good"), slow)
    notebook(folder, "03_bad", log.format("bad"), "raise ZeroDivisionError('on purpose')")
    tables = [experiments.Table("a", "01_reads", "x", reads=True), experiments.Table("b", "02_good", "x")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KMNIST_ITL_FIGURES", str(folder / "figures"))
        patch.setenv("KMNIST_ITL_CACHE", str(folder / "cache"))
        patch.setenv("TQDM_DISABLE", "1")
        patch.setattr(experiments, "TABLES", tables)
        patch.chdir(folder)  # each starts in its own folder, and is found by a relative path
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            names = ("01_reads.ipynb", "02_good.ipynb", "03_bad.ipynb")
            status = command.main(["figures", *SMOKE, "--seeds", "2", "--jobs", "2", *names])
    return folder, status, out.getvalue(), err.getvalue()


def test_notebooks_run_with_their_parameters_and_are_written_without_traces_of_the_run(made):
    folder = made[0]
    executed = nbformat.read(folder / "figures/digits-smoke/notebooks/02_good.ipynb", as_version=4)
    before = nbformat.read(folder / "02_good.ipynb", as_version=4)
    (output,) = executed.cells[-1].outputs
    assert output.text == "smoke\ndigits\n2\n"
    assert [cell.execution_count for cell in executed.cells] == [1, 2, 3]
    assert str(folder) not in nbformat.writes(executed)
    described = [[(cell.source, cell.metadata) for cell in copy.cells] for copy in (executed, before)]
    assert described[0] == described[1] and "papermill" not in executed.metadata


def test_a_notebook_that_fails_is_told_and_kept_and_the_others_run(made):
    folder, status, told, errors = made
    assert status == 1 and "FAILED: 03_bad.ipynb" in errors and "3 notebooks, 2 at a time" in told
    assert "FAILED: cell 3: ZeroDivisionError: on purpose" in told
    written = sorted(path.name for path in (folder / "figures/digits-smoke/notebooks").iterdir())
    assert written == ["01_reads.ipynb", "02_good.ipynb", "failed-03_bad.ipynb"]


def test_notebooks_that_read_tables_run_after_all_others_even_if_one_fails(made):
    ran = (made[0] / "log").read_text().split()
    assert sorted(ran[:2]) == ["bad", "good"] and ran[2:] == ["reads"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("figures", "--profile", "fast"), "profile must be one of 'smoke', 'quick', 'paper'; got 'fast'"),
        (("train", "--jobs", "0"), "jobs must be a whole number of at least 1; got 0"),
        (("train", *SMOKE, "--dask", "nowhere://1"), "dask: no scheduler answers at 'nowhere://1'"),
        (("plan", *SMOKE, "nowhere.ipynb"), "must name .ipynb files that are there; got 'nowhere.ipynb'"),
        (("plan", "KMNIST_ITL_GROW=yes"), "KMNIST_ITL_GROW must be one of '', '0', '1'; got 'yes'."),
        (("plan", "KMNIST_ITL_DETERMINISTIC=2"), "KMNIST_ITL_DETERMINISTIC must be one of"),
    ],
)
def test_bad_arguments_are_one_line_and_write_nothing(arguments, told, tmp_path, capsys, monkeypatch):
    if "--dask" in arguments:
        pytest.importorskip("dask.distributed")
    if "=" in arguments[-1]:  # as make has it, in a variable
        *arguments, variable = arguments
        monkeypatch.setenv(*variable.split("="))
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"make {arguments[0]}: ") and told in error and error.count("\n") == 1
    assert not (tmp_path / "figures").exists()


def test_relative_folders_are_those_of_the_command_and_not_of_a_notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in settings.FOLDERS:
        monkeypatch.setenv(name, "here")
    assert command.main(["plan", "--profile", "fast"]) == 2
    assert [os.environ[name] for name in settings.FOLDERS] == [str(tmp_path / "here")] * 4


def test_what_is_not_there_and_what_is_in_the_way_are_one_line(tmp_path, capsys, monkeypatch):
    def unavailable(name, **options):
        raise data.DataUnavailableError(f"{name}\nis not there.")

    any_notebook = str(notebook(tmp_path, "01_any"))
    monkeypatch.setattr(settings, "project_dir", lambda: tmp_path)  # as from a wheel, outside of a checkout
    assert command.main(["plan", *SMOKE]) == 2
    assert "make plan: There are no notebooks in" in capsys.readouterr().err
    assert command.main(["plan", *SMOKE, any_notebook]) == 2
    assert "No training is listed for 01_any. There are some for 02_" in capsys.readouterr().err
    (tmp_path / "file").touch()
    monkeypatch.setenv("KMNIST_ITL_FIGURES", str(tmp_path / "file"))
    assert command.main(["figures", *SMOKE, any_notebook]) == 2
    assert "make figures: Figures cannot be written to" in capsys.readouterr().err
    monkeypatch.setattr(data, "load", unavailable)
    assert command.main(["plan", "--dataset", "kmnist", any_notebook]) == 2
    assert capsys.readouterr().err == "make plan: kmnist is not there.\n"


def test_what_is_planned_is_trained_and_then_kept(few, capsys, monkeypatch):
    monkeypatch.setattr(data, "load", lambda *_, **__: few)  # there is no network
    arguments = ["--profile", "smoke", str(settings.project_dir() / "notebooks/08_computational_cost.ipynb")]
    assert command.main(["plan", *arguments]) == 0
    told = capsys.readouterr().out
    assert told.startswith("smoke profile, digits, 1 seed(s)\n") and "2 trainings to do" in told
    monkeypatch.setattr(plan, "_loaded", lambda *_, **__: few)
    assert command.main(["train", *arguments]) == 0
    assert "[2/2] autoencoder" in capsys.readouterr().out
    assert command.main(["plan", *arguments]) == 0
    assert "Nothing to train: of 2 trainings 2 are kept" in capsys.readouterr().out


def test_a_run_that_is_stopped_says_that_it_continues(capsys, monkeypatch):
    """Also if make alone is told to end: it hands the signal on."""
    monkeypatch.setattr(data, "load", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    assert command.main(["figures", *SMOKE]) == 130
    assert "make figures: stopped. The same command continues where it was." in capsys.readouterr().err


def test_the_claims_of_the_readme_are_renewed_between_their_marks(tmp_path, monkeypatch):
    verdicts = settings.project_dir() / "figures" / "verdicts.csv"
    readme, (begin, end) = tmp_path / "README.md", claims.README_MARKS
    monkeypatch.setattr(settings, "project_dir", lambda: tmp_path)
    claims.renew_readme(tmp_path)  # without verdicts there is nothing to write
    shutil.copy(verdicts, tmp_path)
    readme.write_text(f"Before.\n{begin}\nold\n{end}\nAfter.\n")
    for _ in range(2):
        claims.renew_readme(tmp_path)
        renewed = readme.read_text()
        assert renewed.startswith(f"Before.\n{begin}\n\n| holds?") and "\nold\n" not in renewed
        assert renewed.endswith(f"|\n\n{end}\nAfter.\n")
    readme.write_text(f"{end}\n{begin}")
    with pytest.raises(ValueError, match=r"README\.md must hold the lines"):
        claims.renew_readme(tmp_path)


def test_make_deletes_the_kept_runs_of_a_home_folder(tmp_path):
    runs = tmp_path / "kc" / "runs"
    runs.mkdir(parents=True)
    environment = {**os.environ, "HOME": str(tmp_path), "KMNIST_ITL_CACHE": "~/kc"}
    arguments = ["make", "-C", str(settings.project_dir()), "clean-runs"]
    subprocess.run(arguments, env=environment, check=True, capture_output=True)
    assert not runs.exists() and runs.parent.exists()
