"""Files that are whole or not there: written beside their place and renamed; and room for them."""

import os
import shutil
import tempfile
from pathlib import Path

# By the variable that names the folder: what is written there, and how many megabytes it takes. A kept run
# takes 8, and as much again while it is written; the files of KMNIST take 21.
ROOM = {"KMNIST_ITL_CACHE": ("Trained runs and data", 50), "KMNIST_ITL_FIGURES": ("Figures", 10)}


def check_room(folder, variable):
    """Make a folder (a Path) and see that it can be written to, before hours of work end in an error.

    Raises an OSError, which says what to do, if it cannot or if it has not the room that ROOM names.
    """
    what, megabytes = ROOM[variable]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free / 1e6
        if free >= megabytes:
            return
        problem = f"need {megabytes} MB in {folder}, where {free:.0f} are free. Free more"
    except OSError as error:
        problem = f"cannot be written to {folder}: {error.strerror or error}. Make it writable"
    raise OSError(f"{what} {problem}, or name another folder in {variable}.")


def write_whole(path, write):
    """Write a file so that no half-written one ever stands at `path`, whatever interrupts it.

    `write` is called with a Path in the same folder, to which it writes; then that file replaces what stood
    at `path`. After an OSError (the disk is full), that is still there.
    """
    path = Path(path)
    beside = path.with_name(f".{os.getpid()}.{path.name}")  # with its ending, which tells the format
    try:
        write(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
