"""Files that are whole or not there: written beside their place and renamed."""

import os
from pathlib import Path


def write_whole(path, write):
    """Write a file so that no half-written one ever stands at `path`, whatever interrupts it.

    Args:
        path: where the file goes; its folder must be there. What stands there is replaced at the end.
        write: called with a Path in the same folder, to which it writes.

    Raises:
        OSError: the folder cannot be written to, the disk is full; what stood at `path` is still there.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
