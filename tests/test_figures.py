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
        (["--dataset", "digits", "nowhere.ipynb"], "no notebook nowhere.ipynb"),
    ],
)
def test_bad_arguments_are_one_line_and_write_nothing(arguments, named, tmp_path, capsys):
    assert figures.main(arguments) == 2
    told = capsys.readouterr().err
    assert named in told and told.count("\n") == 1
    assert not (tmp_path / "figures").exists()
