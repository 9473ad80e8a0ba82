import shutil
import subprocess

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


@pytest.fixture
def disk(tmp_path):
    """Mounts a small file system of its own, with the given options; needs root, as in CI's containers."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("file systems cannot be mounted here")
        return place

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True)


def room(folder):
    files.check_room(folder, "Figures", megabytes=2, variable="KMNIST_ITL_FIGURES")


def test_a_disk_that_is_full_or_read_only_is_told_with_what_to_do(disk):
    folder = disk("size=4m")
    room(folder)
    (folder / "filler").write_bytes(bytes(3_000_000))
    with pytest.raises(OSError, match=r"Figures need 2 MB in .*, where 1 are free.*KMNIST_ITL_FIGURES"):
        room(folder)
    disk("remount,ro")
    message = r"Figures cannot be written to .*: Read-only.* Make it writable, or .* KMNIST_ITL_FIGURES"
    with pytest.raises(OSError, match=message):
        room(folder / "below")


def test_a_file_in_the_folders_place_is_told(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(OSError, match="Figures cannot be written to"):
        room(tmp_path / "taken")
