import pytest

from kmnist_itl.files import write_whole


def test_a_write_that_breaks_off_leaves_what_stood_there_and_nothing_else(tmp_path):
    file = tmp_path / "table.csv"
    write_whole(file, lambda path: path.write_text("first"))

    def breaks_off(path):
        path.write_text("sec")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(file, breaks_off)
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]
    write_whole(file, lambda path: path.write_text("second"))
    assert file.read_text() == "second"
