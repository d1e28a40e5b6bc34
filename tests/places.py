"""Durable stores where tests try them: how one is built in any process, and what is really there.

What is there is read past the store, by SQLite and Redis themselves, so that a store that deceives itself is
found out.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from aiotracker.stores.base import EventStore

__all__ = ["KINDS", "Place", "Remains"]

KINDS: Final = ("sqlite", "redis")
RECORD_TABLES: Final = ("ordinary", "anonymous")
STREAM_GROUP: Final = "relay"


@dataclass(frozen=True)
class Remains:
    """What is in a place, as it says itself.

    Attributes:
        records: that wait, or are leased.
        leased: of them, by whomever, as far as the place tells.
        letters: dead ones.
        complaints: what is wrong with it.
    """

    records: int
    leased: int
    letters: int
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a durable store keeps its records.

    Attributes:
        kind: `sqlite` or `redis`.
        address: path of the file, or URL of the server.
        name: of the store, where an address may have several.
        lease_seconds: of all stores on it.
    """

    kind: str
    address: str
    name: str = "default"
    lease_seconds: float = 60.0

    def __str__(self) -> str:
        return self.kind

    def store(self, **settings: Any) -> EventStore:
        """Return a new store on it."""
        settings = {"lease_seconds": self.lease_seconds, **settings}
        if self.kind == "sqlite":
            from aiotracker import SQLiteStore

            return SQLiteStore(self.address, **settings)
        from aiotracker import RedisStore

        return RedisStore(self.address, self.name, **settings)

    @property
    def url(self) -> str:
        """What the command of relays calls it."""
        if self.kind == "sqlite":
            return f"sqlite:///{self.address}?lease_seconds={self.lease_seconds:g}"
        return f"{self.address}?name={self.name}&lease_seconds={self.lease_seconds:g}"

    def with_lease(self, seconds: float) -> Place:
        """Return the same place, with another time for leases."""
        return replace(self, lease_seconds=seconds)

    def remains(self) -> Remains:
        """Look at what is there; nobody may write meanwhile."""
        return _in_file(Path(self.address)) if self.kind == "sqlite" else _in_redis(self.address, self.name)

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the place that was described."""
        return cls(**data)


def _in_file(path: Path) -> Remains:
    if not path.exists():
        return Remains(0, 0, 0)
    complaints = [f"{each.name} was set aside" for each in path.parent.glob(f"{path.name}.corrupt-*")]
    with TemporaryDirectory() as folder:
        # A copy: to open the file itself would be to recover it after a crash, which is the store's to do.
        for name in (path.name, f"{path.name}-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(name), Path(folder, name))
        return _in_copy(Path(folder, path.name), complaints)


def _in_copy(path: Path, complaints: list[str]) -> Remains:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        health = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        if health != ["ok"]:
            complaints += health
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if not tables:  # whoever created it did not come further
            return Remains(0, 0, 0, tuple(complaints))
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables
        }
        (accounts,) = connection.execute("SELECT * FROM state").fetchall()
    for table in RECORD_TABLES:
        if counts[table] != accounts[f"{table}_events"]:
            complaints.append(
                f"{counts[table]} rows in {table}, {accounts[f'{table}_events']} in the accounts"
            )
        if not counts[table] and accounts[f"{table}_bytes"]:
            complaints.append(f"no rows in {table}, and {accounts[f'{table}_bytes']} bytes in the accounts")
        if not counts[table] and accounts[f"{table}_leases"] not in ("[]", b"[]"):
            complaints.append(f"no rows in {table}, and leases: {accounts[f'{table}_leases']!r}")
    if counts["dead_letters"] != accounts["letters"]:
        complaints.append(f"{counts['dead_letters']} dead letters, {accounts['letters']} in the accounts")
    return Remains(
        sum(counts[table] for table in RECORD_TABLES), 0, counts["dead_letters"], tuple(complaints)
    )


def _in_redis(url: str, name: str) -> Remains:
    import redis

    complaints: list[str] = []
    records = leased = letters = 0
    with closing(redis.Redis.from_url(url, decode_responses=True)) as client:
        for key in sorted(map(str, client.keys(f"aiotracker:{{{name}}}*"))):
            length = client.xlen(key)
            if key.endswith(":dead"):
                letters += length
                continue
            pending = sum(group["pending"] for group in client.xinfo_groups(key))
            records, leased = records + length, leased + pending
            if pending > length:
                complaints.append(f"{pending} pending of {length} in {key}")
    return Remains(records, leased, letters, tuple(complaints))
