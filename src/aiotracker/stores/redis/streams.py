"""What a `RedisStore` keeps in Redis: keys, commands, and how records become entries and come back. Pure.

One stream per kind, one entry per record, one consumer group; a stream of dead letters beside them. Each
command is a script, so that it happens whole or not at all, and a batch travels as two strings, heads and
data, whatever the number of its records: to parse a reply costs the client more than all else.

Invariants: an entry is in exactly one of these states: not read yet, pending for a consumer, or gone. Ids
grow over both streams together, so that they tell which record is the oldest.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiotracker.policy.reasons import DropReason
from aiotracker.protocol.record import ENCODING_VERSION, Kind, Record
from aiotracker.stores.dead_letters import DeadLetter
from aiotracker.stores.redis import scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "GROUP",
    "NOBODY",
    "Burial",
    "Command",
    "Entry",
    "Kept",
    "Look",
    "Reply",
    "Streams",
    "entry_id",
    "sequence",
]

Command = tuple[str | int | bytes, ...]

Reply = Any  # bytes, numbers, and lists of these

GROUP: Final = "relay"

NOBODY: Final = "nobody"
"""A consumer that nobody is: what is pending for it was given back, and is for everyone to take."""

KINDS: Final = (Kind.ORDINARY, Kind.ANONYMOUS)

_SEQUENCE_BITS: Final = 32
_LETTER_DIGITS: Final = (15, 10)  # of an id's two halves: letters' names sort as their ids do


class Entry(NamedTuple):
    """One record as it is in a stream.

    Attributes:
        sequence: the number of its id.
        put_ms: when it was tracked, in milliseconds since 1970.
        data: its bytes.
        version: of their encoding; 0 for an entry that this store did not write.
        deliveries: how often it was handed out before.
    """

    sequence: int
    put_ms: int
    data: bytes
    version: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Look:
    """One stream at a glance.

    Attributes:
        length: entries.
        pending: entries that are pending for a consumer.
        claimable: those of them whose consumers are dead or nobody.
        latest: number of the latest entry that there ever was.
        first: number of the oldest entry; None without any.
        oldest: number of the oldest entry that is not read, or claimable; None without any.
        oldest_put_ms: when that was tracked, in milliseconds since 1970.
        is_new: whether the stream, or its consumer group, was not there and had to be made.
    """

    length: int
    pending: int
    claimable: int
    latest: int
    first: int | None
    oldest: int | None
    oldest_put_ms: int
    is_new: bool

    @property
    def available(self) -> int:
        """Entries that wait to be read or claimed."""
        if self.oldest is None:
            return 0
        # A stream that was cut by a stranger has fewer entries than are pending.
        return max(1, self.length - self.pending + self.claimable)


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the entries that a consumer holds.

    Attributes:
        found: entries that were held without being known.
        taken: numbers of those that another consumer holds, or that are as if they never had been read.
        gone: numbers of those that are in the stream no more.
    """

    found: Sequence[Entry]
    taken: Sequence[int]
    gone: Sequence[int]


@dataclass(frozen=True, slots=True)
class Burial:
    """A record that becomes a dead letter.

    Attributes:
        kind: of the record.
        sequence: its number in the stream; None when it is in none.
        put_ms: when it was tracked, in milliseconds since 1970.
        data: its bytes.
        version: of their encoding.
    """

    kind: Kind
    sequence: int | None
    put_ms: int
    data: bytes
    version: int = ENCODING_VERSION


class Streams:
    """The commands of one store, for one consumer."""

    def __init__(self, name: str, consumer: str, *, lease_seconds: float, max_dead_letters: int) -> None:
        """Name the keys; braces keep them in one slot of a cluster.

        Args:
            name: of the store.
            consumer: unique to one opening of it.
            lease_seconds: a consumer that is silent for so long is dead.
            max_dead_letters: bound of the dead letters.
        """
        self._keys = {kind: f"aiotracker:{{{name}}}:{kind}" for kind in KINDS}
        self._dead = f"aiotracker:{{{name}}}:dead"
        self._consumer = consumer
        self._lease_ms = max(1, round(lease_seconds * 1000))
        self._max_dead_letters = max_dead_letters

    # -- records --------------------------------------------------------------------------------------

    def put(self, records: Iterable[tuple[Kind, int, bytes]]) -> Command:
        """Return the command that stores records, each its kind, milliseconds since 1970, and bytes."""
        heads, data = [], []
        for kind, put_ms, text in records:
            heads.append(f"{_number(kind)} {put_ms} {len(text)}")
            data.append(text)
        return _command(scripts.PUT, self._keys.values(), ENCODING_VERSION, " ".join(heads), b"".join(data))

    def look(self, *, is_patient: bool) -> Command:
        """Return the command that looks at both streams, and makes them if they are not there.

        Args:
            is_patient: whether silent consumers are given time to come back.
        """
        return _command(scripts.LOOK, self._keys.values(), *self._who(is_patient))

    def read(self, kind: Kind, count: int) -> Command:
        """Return the command that reads the oldest entries that nobody has read."""
        return _command(scripts.READ, [self._keys[kind]], GROUP, self._consumer, count)

    def claim(self, kind: Kind, count: int, *, is_patient: bool) -> Command:
        """Return the command that takes over entries of dead consumers and of nobody."""
        return _command(scripts.CLAIM, [self._keys[kind]], *self._who(is_patient), count)

    def keep(self, kind: Kind, sequences: Iterable[int]) -> Command:
        """Return the command that says that this consumer lives, and holds these entries."""
        return _command(scripts.KEEP, [self._keys[kind]], GROUP, self._consumer, _ids(sequences))

    def give(self) -> Command:
        """Return the command that gives back all that this consumer holds, and forgets the consumer."""
        return _command(scripts.GIVE, self._keys.values(), GROUP, self._consumer, NOBODY)

    def ack(self, kind: Kind, sequences: Iterable[int]) -> Command:
        """Return the command that removes entries; it counts those that were there."""
        return _command(scripts.ACK, [self._keys[kind]], GROUP, _ids(sequences))

    def evict(self, count: int) -> Command:
        """Return the command that removes the oldest entries that nobody has read."""
        return _command(scripts.EVICT, self._keys.values(), GROUP, count)

    def _who(self, is_patient: bool) -> Command:  # noqa: FBT001 - of our own calls alone
        return (GROUP, self._consumer, NOBODY, self._lease_ms, int(is_patient))

    # -- dead letters ---------------------------------------------------------------------------------

    def bury(self, burials: Iterable[Burial], dropped_ms: int, reason: str, detail: str) -> Command:
        """Return the command that makes dead letters of records; it counts them, and those that were cut."""
        heads, data = [], []
        for each in burials:
            where = "-" if each.sequence is None else entry_id(each.sequence)
            heads.append(f"{_number(each.kind)} {where} {each.put_ms} {each.version} {len(each.data)}")
            data.append(each.data)
        keys = [*self._keys.values(), self._dead]
        arguments = (GROUP, self._max_dead_letters, dropped_ms, reason, detail)
        return _command(scripts.BURY, keys, *arguments, " ".join(heads), b"".join(data))

    def count(self) -> Command:
        """Return the command that counts the dead letters."""
        return _command(scripts.COUNT, [self._dead])

    def letters(self, after: str, limit: int) -> Command:
        """Return the command that reads the oldest letters after one; from the first for no name."""
        start = f"({_id_of_letter(after)}" if after else "-"
        return _command(scripts.LETTERS, [self._dead], start, limit)

    def replay(self, letter_ids: Iterable[str], put_ms: int) -> Command:
        """Return the command that makes records of letters again; it counts those that were there."""
        keys = [*self._keys.values(), self._dead]
        return _command(scripts.REPLAY, keys, put_ms, " ".join(map(_id_of_letter, letter_ids)))

    def purge(self, letter_ids: Iterable[str]) -> Command:
        """Return the command that removes letters; it counts those that were there."""
        return _command(scripts.PURGE, [self._dead], " ".join(map(_id_of_letter, letter_ids)))


# -- replies ----------------------------------------------------------------------------------------------


def entries(reply: Reply) -> list[Entry]:
    """Return the entries of a reply to `read` or `claim`."""
    heads, data = reply[0].split(), reply[1]
    columns = [heads[i::5] for i in range(5)]
    numbers = [[int(text) for text in column] for column in columns[1:]]
    puts, versions, sizes, deliveries = numbers
    texts = [data[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]
    ids = map(sequence, columns[0])
    return [Entry(*row) for row in zip(ids, puts, texts, versions, deliveries, strict=True)]


def evicted(reply: Reply) -> dict[Kind, list[Entry]]:
    """Return the entries of a reply to `evict`."""
    return {kind: entries(part) for kind, part in zip(KINDS, reply, strict=True)}


def kept(reply: Reply) -> Kept:
    """Return what a reply to `keep` says."""
    return Kept(entries(reply), *([sequence(text) for text in part.split()] for part in reply[2:]))


def looks(reply: Reply) -> dict[Kind, Look]:
    """Return what a reply to `look` says of each stream."""
    found = {}
    for kind, (length, pending, claimable, latest, first, oldest, put, is_new) in zip(
        KINDS, reply, strict=True
    ):
        found[kind] = Look(
            length=length,
            pending=pending,
            claimable=claimable,
            latest=sequence(latest),
            first=sequence(first) if first else None,
            oldest=sequence(oldest) if oldest else None,
            oldest_put_ms=int(put) if put.isdigit() else 0,
            is_new=bool(is_new),
        )
    return found


def letters(reply: Reply) -> list[DeadLetter]:
    """Return the dead letters of a reply to `letters`."""
    found = []
    for name, flat in reply:
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        version = int(fields[b"version"])
        found.append(
            DeadLetter(
                _name_of_letter(name.decode()),
                Record(KINDS[int(fields[b"kind"]) - 1], fields[b"data"], version),
                DropReason(fields[b"reason"].decode()),
                fields[b"detail"].decode(errors="replace"),
                int(fields[b"put"]),
                int(fields[b"dropped"]),
            )
        )
    return found


# -- ids --------------------------------------------------------------------------------------------------


def sequence(text: bytes) -> int:
    """Return the number of an id: it grows as ids do."""
    ms, _, seq = text.partition(b"-")
    return int(ms) << _SEQUENCE_BITS | int(seq)


def entry_id(number: int) -> str:
    """Return the id of a number."""
    return f"{number >> _SEQUENCE_BITS}-{number & (1 << _SEQUENCE_BITS) - 1}"


def _ids(sequences: Iterable[int]) -> str:
    return " ".join(map(entry_id, sequences))


def _name_of_letter(text: str) -> str:
    return "-".join(part.zfill(digits) for part, digits in zip(text.split("-"), _LETTER_DIGITS, strict=True))


def _id_of_letter(name: str) -> str:
    ms, _, seq = name.partition("-")
    if not ms.isdecimal() or not seq.isdecimal():
        raise ValueError(f"{name!r} is not the id of a dead letter")
    return f"{int(ms)}-{int(seq)}"


def _number(kind: Kind) -> int:
    return KINDS.index(kind) + 1  # as Lua counts


def _command(script: str, keys: Iterable[str], *arguments: str | int | bytes) -> Command:
    keys = tuple(keys)
    return ("EVAL", script, len(keys), *keys, *arguments)
