"""Records for tests of stores: small, of a known size, and with a name that one recognises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from aiotracker import Kind, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiotracker import Lease

__all__ = ["LARGE", "SIZE", "make_record", "name_of", "names", "names_of_all"]

SIZE: Final = 150
"""Bytes that a record adds to a body, unless a test says otherwise."""

LARGE: Final = 10**6
"""Events or bytes: more than any test needs."""

MAX_NAME: Final = 16  # bytes of a UUID


def make_record(name: str, kind: Kind = Kind.ORDINARY, size: int = SIZE) -> Record:
    """Return a record of a size in a body, whose event id spells its name.

    Args:
        name: up to 16 ASCII characters.
        kind: of the record.
        size: bytes in a body; at least 120.
    """
    event_id = UUID(bytes=name.encode("ascii").ljust(MAX_NAME, b"\0"))
    head = f'{{"eid":"{event_id}","e":"pv","page":"'
    around = Record(kind, b"").size_bytes
    return Record(kind, head.encode().ljust(size - around - 1, b"x") + b'"')


def name_of(record: Record) -> str:
    """Return the name that an event id spells."""
    return UUID(record.event_id).bytes.rstrip(b"\0").decode("ascii")


def names(lease: Lease | None) -> list[str]:
    """Return the names of leased records, in their order."""
    return [] if lease is None else [name_of(record) for record in lease.records]


def names_of_all(leases: Iterable[Lease]) -> list[list[str]]:
    """Return the names of the records of each lease."""
    return [names(lease) for lease in leases]
