"""The command line: what the Makefile's targets call."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import nbformat
import pytest

from kmnist_itl import data, settings
from kmnist_itl.reproduction import command, experiments

SMOKE = ("--profile", "smoke", "--dataset", "digits")
MODULE = (sys.executable, "-m", "kmnist_itl.reproduction")


def notebook(folder, name, *sources):
    """A stand-in for a notebook, with the parameters' cell."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    parameters = {"tags": ["parameters"]}
    cells.insert(0, nbformat.v4.new_code_cell("profile = dataset = seeds = None", metadata=parameters))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def figures(*arguments):
    return command.main(["figures", *map(str, arguments)])


def test_notebooks_run_with_their_parameters(tmp_path, capsys):
    good = notebook(
        tmp_path,
        "02_good",
        "from kmnist_itl import settings",
        "folder = settings.figures_dir(dataset, profile)",
        "(folder / 'table.md').write_text(f'{profile} {dataset} {seeds}')",
        "import time\nfor word in ('one', 'two'):\n    print(word, flush=True)\n    time.sleep(0.3)",
    )
    assert figures(*SMOKE, "--seeds", 2, good) == 0
    folder = tmp_path / "figures" / "digits-smoke"
    assert (folder / "table.md").read_text() == "smoke digits 2"
    told = capsys.readouterr().out
    assert "1 tables and figures" in told and "table.md" in told and "STAND-IN" not in told
    executed = nbformat.read(folder / "notebooks" / "02_good.ipynb", as_version=4)
    assert "papermill" not in executed.metadata and str(tmp_path) not in nbformat.writes(executed)
    assert [cell.execution_count for cell in executed.cells] == [1, 2, 3, 4, 5]
    assert [output.text for output in executed.cells[-1].outputs] == ["one\ntwo\n"]
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in executed.cells)


def test_a_notebook_that_fails_is_told_and_kept_and_the_others_run(tmp_path, capsys):
    bad = notebook(tmp_path, "01_bad", "raise ZeroDivisionError('on purpose')")
    assert figures(*SMOKE, bad, notebook(tmp_path, "02_good")) == 1
    told = capsys.readouterr()
    assert "FAILED: cell 2: ZeroDivisionError: on purpose" in told.out and "01_bad.ipynb" in told.err
    folder = tmp_path / "figures" / "digits-smoke" / "notebooks"
    assert sorted(path.name for path in folder.iterdir()) == ["02_good.ipynb", "failed-01_bad.ipynb"]
    assert figures(*SMOKE, notebook(tmp_path, "01_bad", "'mended'")) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["01_bad.ipynb", "02_good.ipynb"]


def test_notebooks_are_given_the_data_set_that_auto_came_to(tmp_path, capsys, monkeypatch):
    load = data.load
    monkeypatch.setattr(  # there is no network when it starts
        data, "load", lambda name, **options: load({"auto": "digits"}[name], **options)
    )
    asked = notebook(tmp_path, "01_asked", "from pathlib import Path", "Path('given').write_text(dataset)")
    assert figures("--profile", "smoke", asked) == 0
    assert (tmp_path / "given").read_text() == "digits"
    assert "going on with the STAND-IN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("figures", "--profile", "fast"), "profile must be one of 'smoke', 'quick', 'paper'; got 'fast'"),
        (("figures", "--dataset", "mnist"), "dataset must be one of"),
        (("figures", "--seeds", "0"), "seeds must be a whole number"),
        (("figures", "--jobs", "none"), "jobs must be a whole number of at least 1; got 'none'"),
        (("train", "--jobs", "0"), "jobs must be a whole number of at least 1; got 0"),
        (("train", *SMOKE, "--dask", "nowhere://1"), "dask: no scheduler answers at 'nowhere://1'"),
        (("figures", *SMOKE, "nowhere.ipynb"), "There is no notebook nowhere.ipynb"),
        (("plan", *SMOKE, "06"), "NOTEBOOKS must name .ipynb files; got 06"),
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


@pytest.mark.parametrize("target", ["figures", "plan", "train"])
def test_an_empty_selection_of_notebooks_is_no_success(target, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(settings, "project_dir", lambda: tmp_path)  # as from a wheel, outside of a checkout
    assert command.main([target, *SMOKE]) == 2
    told = f"make {target}: There are no notebooks in {tmp_path / 'notebooks'}. Run this in a checkout"
    assert capsys.readouterr().err.startswith(told)


def test_data_that_are_not_there_and_a_folder_in_the_way_are_one_line(tmp_path, capsys, monkeypatch):
    def unavailable(name, **options):
        raise data.DataUnavailableError(f"{name}\nis not there.")

    (tmp_path / "file").touch()
    monkeypatch.setenv("KMNIST_ITL_FIGURES", str(tmp_path / "file"))
    assert figures(*SMOKE, notebook(tmp_path, "01_any")) == 2
    assert "make figures: Figures cannot be written to" in capsys.readouterr().err
    monkeypatch.setattr(data, "load", unavailable)
    assert command.main(["plan", "--dataset", "kmnist"]) == 2
    assert capsys.readouterr().err == "make plan: kmnist is not there.\n"


def test_bad_arguments_are_told_without_tensorflow_and_without_docstrings():
    code = (
        "import sys; from kmnist_itl.reproduction import command; "
        "sys.exit(command.main(['figures', '--profile', 'fast']) + ('tensorflow' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True).returncode == 2


def test_the_subcommands_run_as_a_module():
    told = subprocess.run([*MODULE, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"\n    {target} " in told for target in ("figures", "plan", "train", "colab"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_notebooks_that_read_tables_run_after_all_others_even_if_one_fails(
    jobs, tmp_path, capsys, monkeypatch
):
    tables = [experiments.Table(name, f"0{name}", "x", reads=name == "1") for name in "123"]
    monkeypatch.setattr(experiments, "TABLES", tables)
    monkeypatch.chdir(tmp_path)  # each starts in its own folder, and is found by a relative path
    source = "from pathlib import Path; log = Path('log').open('a'); print({!r}, file=log, flush=True)"
    for name in "123":
        notebook(tmp_path, f"0{name}", source.format(name), *["raise ValueError"] * (name == "2"))
    assert figures(*SMOKE, "--jobs", jobs, *(f"0{name}.ipynb" for name in "123")) == 1
    ran = (tmp_path / "log").read_text().split()
    assert sorted(ran[:2]) == ["2", "3"] and ran[2:] == ["1"]
    assert f"3 notebooks, {jobs} at a time" in capsys.readouterr().out


@pytest.mark.parametrize("jobs", [1, 2])
def test_make_plan_and_make_train(jobs, capsys):
    kernels = settings.project_dir() / "notebooks" / "06_swiss_roll_kernel_size.ipynb"
    arguments = [*SMOKE, str(kernels)]
    assert command.main(["plan", *arguments]) == 0
    told = capsys.readouterr().out
    assert told.startswith("smoke profile, digits, 1 seed(s)\n") and "4 trainings to do" in told
    assert command.main(["train", *arguments, "--jobs", str(jobs)]) == 0
    assert "[4/4] autoencoder" in capsys.readouterr().out
    assert command.main(["plan", *arguments]) == 0
    assert "Nothing to train: of 4 trainings 4 are kept" in capsys.readouterr().out


@pytest.mark.parametrize("jobs", [1, 2])
def test_notebooks_run_in_this_environment_whatever_else_is_installed(jobs, tmp_path, monkeypatch):
    """Also where the path of the temporary folder is longer than that of a local socket may be."""
    (tmp_path / "old" / "kernels" / "python3").mkdir(parents=True)
    broken = '{"argv": ["/nowhere/python", "-f", "{connection_file}"], "display_name": "", "language": ""}'
    (tmp_path / "old" / "kernels" / "python3" / "kernel.json").write_text(broken)
    (tmp_path / ("x" * 100)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 100)))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "old"))
    code = "import os, pathlib, sys; pathlib.Path('ran').write_text(sys.prefix + os.environ['TQDM_DISABLE'])"
    assert figures(*SMOKE, "--jobs", jobs, notebook(tmp_path, "01", code), notebook(tmp_path, "02")) == 0
    assert (tmp_path / "ran").read_text() == f"{sys.prefix}1"
    assert os.environ["JUPYTER_PATH"] == str(tmp_path / "old") and "TQDM_DISABLE" not in os.environ


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_a_run_that_is_stopped_says_that_it_continues(number, jobs, tmp_path):
    """Also if make alone is told to end: it hands the signal on."""
    code = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(60)"
    arguments = [*MODULE, "figures", *SMOKE, "--jobs", str(jobs), str(notebook(tmp_path, "01_waits", code))]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None and not (tmp_path / "begun").exists():
        time.sleep(0.1)
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in told
    assert "make figures: stopped. The same command continues where it was." in told


def test_the_claims_of_the_readme_are_renewed_between_their_marks():
    readme = f"Before.\n{command.README_BEGIN}\nold\n{command.README_END}\nAfter.\n"
    expected = f"Before.\n{command.README_BEGIN}\n\n| new |\n\n{command.README_END}\nAfter.\n"
    assert command.with_claims(readme, "| new |") == command.with_claims(expected, "| new |") == expected
    with pytest.raises(ValueError, match=r"README\.md must hold the lines"):
        command.with_claims(readme.replace(command.README_END, ""), "| new |")


def test_make_deletes_the_kept_runs_of_a_home_folder(tmp_path):
    runs = tmp_path / "kc" / "runs"
    runs.mkdir(parents=True)
    environment = {**os.environ, "HOME": str(tmp_path), "KMNIST_ITL_CACHE": "~/kc"}
    arguments = ["make", "-C", str(settings.project_dir()), "clean-runs"]
    subprocess.run(arguments, env=environment, check=True, capture_output=True)
    assert not runs.exists() and runs.parent.exists()
