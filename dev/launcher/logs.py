"""The logs of the processes: each has a limit, and keeps what was last said before it was reached."""

import os
from pathlib import Path
from typing import BinaryIO

LIMIT = 2 * 1024 * 1024  # bytes of a log, and of the older part beside it


def open_log(file: Path) -> BinaryIO:
    """Open a log for a process to write to. It must write at the end (O_APPEND), or `trim` would leave a hole."""
    file.parent.mkdir(exist_ok=True)
    trim(file)
    return file.open("ab")


def trim(file: Path) -> None:
    """Move what a full log holds to NAME.old, its last LIMIT bytes at most, and empty it.

    The process goes on writing to the same file. What it writes between the copy and the emptying is lost.
    """
    if not file.exists() or file.stat().st_size <= LIMIT:
        return
    with file.open("rb") as full:
        full.seek(-LIMIT, os.SEEK_END)
        file.with_name(f"{file.name}.old").write_bytes(full.read(LIMIT))
    os.truncate(file, 0)
