"""What can happen to the file where a durable store keeps its events, to its folder, to its disk."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["Disk", "corrupt", "delete", "forbidden", "limited", "locked", "small_disk"]

COMPANIONS: Final = ("", "-wal", "-shm")
BALLAST_BYTES: Final = 9 * 1024 * 1024


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a write transaction open, as another program may."""
    with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def corrupt(path: Path, chances: random.Random, *, spots: int) -> None:
    """Overwrite spots of a file with noise, past everybody who has it open."""
    size = path.stat().st_size
    file = os.open(path, os.O_WRONLY)
    try:
        for _ in range(spots):
            noise = chances.randbytes(chances.choice([16, 512, 8192]))
            os.pwrite(file, noise, chances.randrange(max(1, size - len(noise))))
    finally:
        os.close(file)


def delete(path: Path, *, companions: bool) -> None:
    """Remove a file, with or without what SQLite keeps beside it."""
    for name in COMPANIONS if companions else COMPANIONS[:1]:
        with suppress(FileNotFoundError):
            Path(f"{path}{name}").unlink()


@contextmanager
def forbidden(folder: Path) -> Iterator[None]:
    """Take away the permission to write into a folder and what is in it."""
    everything = [folder, *folder.iterdir()]
    modes = {each: each.stat().st_mode for each in everything}
    for each in everything:
        each.chmod(0o555 if each.is_dir() else 0o444)
    try:
        yield
    finally:
        for each, mode in modes.items():
            with suppress(FileNotFoundError):
                each.chmod(mode)


@contextmanager
def limited(pid: int, size_bytes: int) -> Iterator[None]:
    """Let a process write no file beyond a size."""
    import resource  # not on Windows, where all of these tests are skipped

    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


class Disk:
    """A file system of a few megabytes, most of which is taken up by something that can be removed.

    Attributes:
        folder: where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        """Put the ballast on it."""
        self.folder = folder
        self._ballast = folder / "ballast"
        self._ballast.write_bytes(bytes(BALLAST_BYTES))

    def relieve(self) -> None:
        """Make room."""
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Disk | None]:
    """Mount a small file system; None where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
