"""The data folder: made at the first start, used by one process at a time, stamped with its format.

What does not belong here: what is in it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FORMAT: Final = 4
_UPGRADED: Final = frozenset({"1", "2", "3"})
"""The older formats that this release brings to its own: each cell's files, when they are opened."""
STAMP: Final = "format"
_LOCK: Final = "lock"


class FolderProblem(Exception):  # noqa: N818 - one sentence for people
    """One sentence that tells why the data folder cannot be used."""


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """*folder*, made if it was not there, for this process alone until the end of the block.

    Raises:
        FolderProblem: another process uses it, a later release wrote it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderProblem(f"The data folder {folder} cannot be used: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderProblem(f"The data folder {folder} is in use by another process.") from None
        _check_format(folder)
        yield folder
    finally:
        os.close(descriptor)


def is_claimed(folder: Path) -> bool:
    """Whether a process uses *folder* now."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _check_format(folder: Path) -> None:
    stamp = folder / STAMP
    written = stamp.read_text(encoding="ascii").strip() if stamp.exists() else None
    if written is None or written in _UPGRADED:
        stamp.write_text(f"{FORMAT}\n", encoding="ascii")
    elif written != str(FORMAT):
        raise FolderProblem(
            f"The data folder {folder} has format {written}; this release of Alveary reads and writes {FORMAT}."
        )
