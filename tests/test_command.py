import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from kmnist_itl import data, settings
from kmnist_itl.reproduction import command, experiments

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


def figures(*arguments):
    return command.main(["figures", *map(str, arguments)])


def test_notebooks_run_with_their_parameters_and_one_that_fails_is_told(tmp_path, capsys):
    bad = notebook(tmp_path, "01_bad", "raise ZeroDivisionError('on purpose')")
    good = notebook(
        tmp_path,
        "02_good",
        "from kmnist_itl import settings",
        "folder = settings.figures_dir(dataset, profile)",
        "(folder / 'table.md').write_text(f'{profile} {dataset} {seeds}')",
        "import time\nfor word in ('one', 'two'):\n    print(word, flush=True)\n    time.sleep(0.3)",
    )
    assert figures(*SMOKE, "--seeds", 2, bad, good) == 1
    told = capsys.readouterr()
    assert "FAILED" in told.out and "ZeroDivisionError: on purpose" in told.out and "01_bad.ipynb" in told.err
    folder = tmp_path / "figures" / "digits-smoke"
    assert (folder / "table.md").read_text() == "smoke digits 2"
    assert "1 tables and figures" in told.out and "table.md" in told.out and "STAND-IN" not in told.out
    kept = sorted(path.name for path in (folder / "notebooks").iterdir())
    assert kept == ["02_good.ipynb", "failed-01_bad.ipynb"]
    executed = nbformat.read(folder / "notebooks" / "02_good.ipynb", as_version=4)
    assert "papermill" not in executed.metadata and str(tmp_path) not in nbformat.writes(executed)
    assert [cell.execution_count for cell in executed.cells] == [1, 2, 3, 4, 5]
    assert [output.text for output in executed.cells[-1].outputs] == ["one\ntwo\n"]
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in executed.cells)


def test_notebooks_are_given_the_data_set_that_auto_came_to(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(data, "resolve", {"auto": "digits"}.get)  # there is no network when it starts
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
        (("figures", "--jobs", "none"), "jobs must be a whole number"),
        (("figures", *SMOKE, "nowhere.ipynb"), "There is no notebook nowhere.ipynb"),
        (("figures", *SMOKE, "README.md"), "NOTEBOOKS must name .ipynb files; got README.md"),
        (("plan", "--profile", "fast"), "profile must be one of"),
        (("train", "--jobs", "0"), "jobs must be a whole number of at least 1; got '0'"),
        (("plan", *SMOKE, "06"), "NOTEBOOKS must name .ipynb files; got 06"),
        (("report", "--dataset", "mnist"), "dataset must be one of"),
    ],
)
def test_bad_arguments_are_one_line_and_write_nothing(arguments, told, tmp_path, capsys):
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"make {arguments[0]}: ") and told in error and error.count("\n") == 1
    assert not (tmp_path / "figures").exists()


def test_data_that_are_not_there_and_a_full_disk_are_one_line(tmp_path, capsys, monkeypatch):
    def unavailable(name):
        raise data.DataUnavailableError(f"{name}\nis not there.")

    (tmp_path / "file").touch()
    monkeypatch.setenv("KMNIST_ITL_FIGURES", str(tmp_path / "file"))
    assert figures(*SMOKE, notebook(tmp_path, "01_any")) == 2
    assert "make figures: Figures cannot be written to" in capsys.readouterr().err
    monkeypatch.setattr(data, "resolve", unavailable)
    assert command.main(["plan", "--dataset", "kmnist"]) == 2
    assert capsys.readouterr().err == "make plan: kmnist is not there.\n"


def test_bad_arguments_are_told_without_loading_tensorflow():
    code = (
        "import sys; from kmnist_itl.reproduction import command; "
        "sys.exit(command.main(['figures', '--profile', 'fast']) + ('tensorflow' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 2


def test_the_subcommands_run_as_a_module():
    asked = [sys.executable, "-m", "kmnist_itl.reproduction", "--help"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    for target in ("figures", "plan", "train", "report", "summary", "colab"):
        assert f"\n    {target} " in told


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_notebook_waits_for_those_that_it_reads_even_if_one_fails(jobs, tmp_path, capsys, monkeypatch):
    reads = {"02_reader": {"03_read", "09_not_run"}, "04_judge": {"01_alone", "02_reader", "03_read"}}
    monkeypatch.setattr(experiments, "reads", lambda name: reads.get(name, set()))
    monkeypatch.chdir(tmp_path)  # each starts in its own folder, and is found by a relative path
    source = "from pathlib import Path; log = Path('log').open('a'); print({!r}, file=log, flush=True)"
    names = ("04_judge", "03_read", "02_reader", "01_alone")
    for name in names:
        fails = ["raise ValueError('on purpose')"] if name == "03_read" else []
        notebook(tmp_path, name, source.format(name), *fails)
    assert figures(*SMOKE, "--jobs", jobs, *(f"{name}.ipynb" for name in names)) == 1
    assert Path.cwd() == tmp_path
    ran = (tmp_path / "log").read_text().split()
    assert sorted(ran[:2]) == ["01_alone", "03_read"] and ran[2:] == ["02_reader", "04_judge"]
    assert f"4 notebooks, {jobs} at a time" in capsys.readouterr().out


def test_one_at_a_time_the_order_is_that_of_the_numbers_but_for_what_is_read():
    reads = {1: [], 2: [5], 3: [], 4: [2], 5: [], 6: [1, 2, 3, 4, 5]}
    assert list(command._in_order(lambda item: item, reads, jobs=1)) == [1, 3, 5, 2, 4, 6]


def test_several_at_a_time_begin_with_what_trains_longest():
    planned = [
        SimpleNamespace(notebook="02", seconds=9, missing=False),
        SimpleNamespace(notebook="03", seconds=2, missing=True),
        SimpleNamespace(notebook="04", seconds=1, missing=True),
        SimpleNamespace(notebook="04", seconds=3, missing=True),
    ]
    paths = [Path(f"0{number}.ipynb") for number in range(1, 5)]
    begun = command._longest_first(paths, planned)
    assert [path.stem for path in begun] == ["04", "03", "01", "02"]


def test_items_that_wait_for_nothing_run_together_and_not_more_than_jobs():
    running, most = [], []
    both = threading.Barrier(2, timeout=20)

    def work(item):
        running.append(item)
        most.append(len(running))
        if item in (1, 2):
            both.wait()
        time.sleep(0.02)
        running.remove(item)
        return item

    reads = {1: [], 2: [], 3: [], 4: [1], 5: [4]}
    assert sorted(command._in_order(work, reads, jobs=2)) == [1, 2, 3, 4, 5] and max(most) == 2


def test_an_unexpected_error_in_a_worker_is_raised_and_a_circle_is_an_error():
    def inverse(number):
        return 1 / number

    assert sorted(command._in_order(inverse, {1: [], 2: [], 4: []}, jobs=2)) == [0.25, 0.5, 1]
    with pytest.raises(ZeroDivisionError):
        list(command._in_order(inverse, {1: [], 0: [], 2: [], 4: []}, jobs=2))
    with pytest.raises(ValueError, match="cycle"):
        list(command._in_order(inverse, {1: [2], 2: [1]}, jobs=2))


def test_make_plan_and_make_train(capsys):
    kernels = settings.project_dir() / "notebooks" / "06_swiss_roll_kernel_size.ipynb"
    arguments = [*SMOKE, str(kernels)]
    assert command.main(["plan", *arguments]) == 0
    told = capsys.readouterr().out
    assert told.startswith("smoke profile, digits, 1 seed(s)\n") and "4 trainings to do" in told
    assert command.main(["train", *arguments]) == 0
    assert "[4/4] autoencoder" in capsys.readouterr().out
    assert command.main(["plan", *arguments]) == 0
    assert "Nothing to train" in capsys.readouterr().out


def test_the_notebooks_folder_is_taken_in_the_order_of_the_numbers():
    found = [path.name for path in command._notebooks([])]
    assert found == sorted(found) and found[0].startswith("01_")
    assert {path.parent for path in command._notebooks([])} == {settings.project_dir() / "notebooks"}


def test_notebooks_run_in_this_environment_whatever_kernel_is_installed_elsewhere(tmp_path, monkeypatch):
    foreign = tmp_path / "old" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    broken = (
        '{"argv": ["/nowhere/python", "-f", "{connection_file}"], "display_name": "x", "language": "python"}'
    )
    (foreign / "kernel.json").write_text(broken)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "old"))
    says = notebook(
        tmp_path, "01_says", "import pathlib, sys; pathlib.Path('python').write_text(sys.executable)"
    )
    assert figures(*SMOKE, says) == 0
    assert (tmp_path / "python").read_text() == sys.executable
    assert os.environ["JUPYTER_PATH"] == str(tmp_path / "old")


def test_a_long_temporary_folder_does(tmp_path, monkeypatch):
    """The path of a local socket has at most about 100 characters."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert figures(*SMOKE, notebook(tmp_path, "01_done", "'done'")) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_that_it_goes_on(number, tmp_path):
    """Also if make alone is told to end: it hands the signal on."""
    waits = notebook(
        tmp_path, "01_waits", "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(60)"
    )
    arguments = [sys.executable, "-m", "kmnist_itl.reproduction", "figures", *SMOKE, str(waits)]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None and not (tmp_path / "begun").exists():
        time.sleep(0.1)
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "make figures: stopped. The same command goes on where it was." in told
    assert "Traceback" not in told


@pytest.mark.parametrize("variable", ["KMNIST_ITL_GROW", "KMNIST_ITL_DETERMINISTIC"])
def test_a_switch_that_is_neither_0_nor_1_is_told_at_once(variable, monkeypatch, capsys):
    monkeypatch.setenv(variable, "yes")
    assert figures(*SMOKE) == 2
    assert f"make figures: {variable} must be one of '', '0', '1'; got 'yes'." in capsys.readouterr().err


def test_it_runs_without_docstrings():
    arguments = [sys.executable, "-OO", "-m", "kmnist_itl.reproduction", "figures", "--profile", "fast"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "profile must be one of" in done.stderr


def test_make_deletes_the_kept_runs_of_a_home_folder(tmp_path):
    runs = tmp_path / "kc" / "runs"
    runs.mkdir(parents=True)
    environment = {**os.environ, "HOME": str(tmp_path), "KMNIST_ITL_CACHE": "~/kc"}
    arguments = ["make", "-C", str(settings.project_dir()), "clean-runs"]
    subprocess.run(arguments, env=environment, check=True, capture_output=True)
    assert not runs.exists() and runs.parent.exists()
