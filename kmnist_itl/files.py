"""Files that are whole or not there: written beside their place and renamed; and room for them."""

import os
import shutil
import tempfile
from pathlib import Path


def check_room(folder, what, *, megabytes, variable):
    """Make a folder (a Path) and see that it can be written to, before hours of work end in an error.

    Raises an OSError if it cannot, or if fewer `megabytes` are free. Its message says what to do: `what`
    ("Figures") needs the room, and the environment variable `variable` names another folder.
    """
    advice = f"or name another folder in {variable}."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free / 1e6
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            f"{what} cannot be written to {folder}: {reason}. Make it writable, {advice}"
        ) from error
    if free < megabytes:
        raise OSError(
            f"{what} need {megabytes} MB in {folder}, where {free:.0f} are free. Free more, {advice}"
        )


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
