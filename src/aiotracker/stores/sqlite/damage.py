"""Sets a damaged file aside: for a person to look at, and out of the way of new events."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Final

__all__ = ["clear", "inode_of", "set_aside", "was_set_aside"]

KEPT: Final = 3  # damaged files; more would fill the disk of a machine whose memory is broken
COMPANIONS: Final = ("-wal", "-shm")  # what SQLite keeps beside a file


def set_aside(path: Path, inode: tuple[int, int] | None, now_ms: int) -> Path | None:
    """Rename a damaged file and what belongs to it; remove the oldest ones.

    Args:
        path: of the file.
        inode: device and number of the file that is damaged; None for whatever is there.
        now_ms: milliseconds since 1970, which become part of the name.
    Returns:
        The new path; None when another process was faster.
    Raises:
        OSError: it cannot be renamed.
    """
    if inode_of(path) is None or inode not in (None, inode_of(path)):
        return None
    target = path.with_name(f"{path.name}.corrupt-{now_ms:014d}")
    while target.exists():
        now_ms += 1
        target = path.with_name(f"{path.name}.corrupt-{now_ms:014d}")
    path.rename(target)
    if inode not in (None, inode_of(target)):
        # Another process was faster by a hair, and this is its new file.
        with suppress(OSError):
            os.link(target, path)
            target.unlink()
        return None
    for companion in COMPANIONS:
        with suppress(FileNotFoundError):
            Path(f"{path}{companion}").rename(f"{target}{companion}")
    for old in _all(path)[:-KEPT]:
        for name in (str(old), *(f"{old}{companion}" for companion in COMPANIONS)):
            with suppress(OSError):
                Path(name).unlink()
    return target


def clear(path: Path) -> None:
    """Remove the companions of a file that is gone: SQLite would take them for those of the next one.

    Whoever has the file that is gone open still has them, too.
    """
    for companion in COMPANIONS:
        beside = Path(f"{path}{companion}")
        aside = Path(f"{path}.gone-{os.getpid()}-{get_ident()}{companion}")
        if inode_of(path) is not None:
            return
        with suppress(OSError):
            beside.rename(aside)
            if inode_of(path) is None:
                aside.unlink()
            else:  # another process began the next one at this moment, and this is its companion
                aside.rename(beside)


def was_set_aside(path: Path, inode: tuple[int, int] | None) -> bool:
    """Tell whether a file is among those that were set aside, by whichever process."""
    return inode is not None and any(inode_of(each) == inode for each in _all(path))


def _all(path: Path) -> list[Path]:
    """Return all files that were set aside, oldest first."""
    start = f"{path.name}.corrupt-"
    try:
        beside = list(path.parent.iterdir())
    except OSError:
        return []
    return sorted(
        each for each in beside if each.name.startswith(start) and each.name[len(start) :].isdigit()
    )


def inode_of(path: Path) -> tuple[int, int] | None:
    """Return device and number of a file, which tell it from all others; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
