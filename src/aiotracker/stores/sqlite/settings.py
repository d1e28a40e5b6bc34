"""How a file is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Bounds", "Settings"]

POLL_SECONDS: Final = 0.25
BUSY_SECONDS: Final = 0.5  # other processes write for milliseconds


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the file may hold.

    Attributes:
        used_bytes: of the file.
        letters: dead letters.
        letters_bytes: bytes of dead letters.
    """

    used_bytes: int
    letters: int
    letters_bytes: int


@dataclass(frozen=True, slots=True)
class Settings:
    """How a file is used.

    Attributes:
        path: of the file.
        synchronous: of SQLite.
        lease_seconds: how long a lease lasts when it is not renewed.
        bounds: how much the file may hold.
        busy_seconds: how long to wait while another process writes; nothing else is done meanwhile.
        poll_seconds: between two looks at what other processes did.
    """

    path: Path
    synchronous: str
    lease_seconds: float
    bounds: Bounds
    busy_seconds: float = BUSY_SECONDS
    poll_seconds: float = POLL_SECONDS
