from pathlib import Path

import nbformat
import pytest

from kmnist_itl import figures


def notebook(tmp_path, name, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells.insert(
        0, nbformat.v4.new_code_cell("profile = dataset = seeds = None", metadata={"tags": ["parameters"]})
    )
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = tmp_path / name
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def run(*paths, profile="smoke", dataset="digits"):
    return figures.main(["--profile", profile, "--dataset", dataset, "--seeds", "2", *map(str, paths)])


def test_notebooks_run_with_their_parameters_and_one_that_fails_is_told(tmp_path, capsys):
    bad = notebook(tmp_path, "01_bad.ipynb", "raise ZeroDivisionError('on purpose')")
    good = notebook(
        tmp_path,
        "02_good.ipynb",
        "from pathlib import Path",
        "from kmnist_itl import settings",
        "folder = settings.figures_dir(dataset, profile)",
        "(folder / 'table.md').write_text(f'{profile} {dataset} {seeds}')",
    )
    assert run(bad, good) == 1
    told = capsys.readouterr()
    assert "FAILED" in told.out and "ZeroDivisionError: on purpose" in told.out and "01_bad.ipynb" in told.err
    folder = tmp_path / "figures" / "digits-smoke"
    assert (folder / "table.md").read_text() == "smoke digits 2"
    assert "1 tables and figures" in told.out and "table.md" in told.out
    kept = sorted(path.name for path in (folder / "notebooks").iterdir())
    assert kept == ["02_good.ipynb", "failed-01_bad.ipynb"]
    executed = nbformat.read(folder / "notebooks" / "02_good.ipynb", as_version=4)
    assert "papermill" not in executed.metadata and str(tmp_path) not in nbformat.writes(executed)
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in executed.cells)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--profile", "fast"], "profile must be one of 'smoke', 'quick', 'paper'; got 'fast'"),
        (["--dataset", "mnist"], "dataset must be one of"),
        (["--seeds", "0"], "seeds must be a whole number"),
        (["--jobs", "none"], "jobs must be a whole number"),
        (["--dataset", "digits", "nowhere.ipynb"], "no notebook nowhere.ipynb"),
    ],
)
def test_bad_arguments_are_one_line_and_write_nothing(arguments, named, tmp_path, capsys):
    assert figures.main(arguments) == 2
    told = capsys.readouterr().err
    assert named in told and told.count("\n") == 1
    assert not (tmp_path / "figures").exists()


def test_two_at_a_time_the_verdicts_wait_for_the_others(tmp_path, capsys, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.chdir(tmp_path)
    # Each starts in its own folder, and is found by a relative path.
    says = "from pathlib import Path; import time; log = Path('log').open('a'); {}; print({!r}, file=log)"
    names = ("01_slow.ipynb", "02_quick.ipynb", "10_verdicts.ipynb")
    slow, quick, verdicts = (
        notebook(tmp_path, name, says.format("time.sleep(8)" if "slow" in name else "0", name))
        for name in names
    )
    arguments = ["--profile", "smoke", "--dataset", "digits", "--jobs", "2"]
    assert figures.main([*arguments, verdicts.name, slow.name, quick.name]) == 0
    assert Path.cwd() == tmp_path
    assert log.read_text().split() == ["02_quick.ipynb", "01_slow.ipynb", "10_verdicts.ipynb"]
    assert "3 notebooks, 2 at a time" in capsys.readouterr().out


def test_an_unexpected_error_in_a_worker_is_raised():
    def half(number):
        return 1 / number

    assert sorted(figures._at_a_time(half, [1, 2, 4], 2)) == [0.25, 0.5, 1]
    with pytest.raises(ZeroDivisionError):
        list(figures._at_a_time(half, [1, 0, 2, 4], 2))
