import pytest

from kmnist_itl import files


def test_a_write_that_breaks_off_leaves_what_stood_there_and_nothing_else(tmp_path):
    file = tmp_path / "table.csv"
    files.write_whole(file, lambda path: path.write_text("first"))

    def breaks_off(path):
        path.write_text("sec")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        files.write_whole(file, breaks_off)
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]
    files.write_whole(file, lambda path: path.write_text("second"))
    assert file.read_text() == "second"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("new/folder", r"Figures need 1000000000 MB in .*, where \d+ are free\. Free more"),
        ("taken/below", "Figures cannot be written to .*: Not a directory. Make it writable"),
    ],
)
def test_a_folder_without_room_is_told_with_what_to_do(tmp_path, monkeypatch, name, message):
    (tmp_path / "taken").touch()
    monkeypatch.setitem(files.ROOM, "KMNIST_ITL_FIGURES", ("Figures", 10**9))
    with pytest.raises(OSError, match=f"{message}, or name .* KMNIST_ITL_FIGURES"):
        files.check_room(tmp_path / name, "KMNIST_ITL_FIGURES")
