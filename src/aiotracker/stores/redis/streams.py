"""What a `RedisStore` keeps in Redis: keys, scripts, and how records become entries and come back. Pure.

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

from aiotracker.protocol.record import ENCODING_VERSION, Kind, Record

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

_COMMON: Final = """
local function named(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end
local function is_before(one, other)
  local ms, seq = one:match('(%d+)-(%d+)')
  local its_ms, its_seq = other:match('(%d+)-(%d+)')
  ms, seq, its_ms, its_seq = tonumber(ms), tonumber(seq), tonumber(its_ms), tonumber(its_seq)
  return ms < its_ms or (ms == its_ms and seq < its_seq)
end
"""

_PACKED: Final = """
local function whole(text) return (text or ''):match('^%d+$') or '0' end
local function packed(entries, deliveries)
  local heads, data = {}, {}
  for i, entry in ipairs(entries) do
    local fields = named(entry[2])
    local text = fields.data or ''
    local head = {entry[1], whole(fields.put), whole(fields.version), #text, deliveries[i] or 0}
    heads[i] = table.concat(head, ' ')
    data[i] = text
  end
  return table.concat(heads, ' '), table.concat(data)
end
"""

_IDS: Final = """
local ms, seq = 0, 0
for i = 1, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    local id = named(redis.call('XINFO', 'STREAM', KEYS[i]))['last-generated-id']
    if is_before(string.format('%.0f-%.0f', ms, seq), id) then
      ms, seq = id:match('(%d+)-(%d+)')
      ms, seq = tonumber(ms), tonumber(seq)
    end
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > ms then ms, seq = now, -1 end
local function add(key, version, put, data)
  seq = seq + 1
  redis.call('XADD', key, string.format('%.0f-%.0f', ms, seq), 'version', version, 'put', put, 'data', data)
end
"""

# ARGV: version, heads, data.
_PUT: Final = (
    _COMMON
    + _IDS
    + """
local at = 1
for kind, put, size in ARGV[2]:gmatch('(%d+) (%d+) (%d+)') do
  add(KEYS[tonumber(kind)], ARGV[1], put, ARGV[3]:sub(at, at + size - 1))
  at = at + size
end
return 1
"""
)

# ARGV: group, me, nobody, milliseconds of a lease, whether others are given time to come back.
# Acknowledges what is not there, because a replica refuses even that. A consumer that lives is made again.
_LOOK: Final = (
    _COMMON
    + """
local function group_of(key)
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = named(flat)
    if group.name == ARGV[1] then return group end
  end
end
local reply = {}
for _, key in ipairs(KEYS) do
  redis.call('XACK', key, ARGV[1], '0-1')
  local group = redis.call('EXISTS', key) == 1 and group_of(key)
  local is_new = not group
  if is_new then
    redis.call('XGROUP', 'CREATE', key, ARGV[1], '0', 'MKSTREAM')
    group = group_of(key)
  end
  local stream = named(redis.call('XINFO', 'STREAM', key))
  local first = stream['first-entry']
  local next = redis.call('XRANGE', key, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  local next_id = next and next[1]
  local claimable = 0
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', key, ARGV[1])) do
    local one = named(flat)
    local is_free = one.name == ARGV[3]
    local is_dead = one.name ~= ARGV[2] and ARGV[5] == '0' and one.idle >= tonumber(ARGV[4])
    if is_dead and one.pending == 0 and not is_free then
      redis.call('XGROUP', 'DELCONSUMER', key, ARGV[1], one.name)
    elseif is_dead or is_free then
      claimable = claimable + one.pending
      local oldest = one.pending > 0 and redis.call('XPENDING', key, ARGV[1], '-', '+', 1, one.name)[1]
      if oldest and (not next_id or is_before(oldest[1], next_id)) then
        next_id = oldest[1]
        next = redis.call('XRANGE', key, next_id, next_id)[1]
      end
    end
  end
  table.insert(reply, {
    stream.length, group.pending, claimable, stream['last-generated-id'], first and first[1] or '',
    next_id or '', next and named(next[2]).put or '', is_new and 1 or 0,
  })
end
return reply
"""
)

# ARGV: group, me, count.
_READ: Final = (
    _COMMON
    + _PACKED
    + """
local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], '>')
return {packed(found and found[1][2] or {}, {})}
"""
)

# ARGV: group, me, nobody, milliseconds of a lease, whether others are given time to come back, count.
_CLAIM: Final = (
    _COMMON
    + _PACKED
    + """
local entries, deliveries, room = {}, {}, tonumber(ARGV[6])
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local one = named(flat)
  local is_free = one.name == ARGV[3]
  if is_free or (one.name ~= ARGV[2] and ARGV[5] == '0' and one.idle >= tonumber(ARGV[4])) then
    local left, idle = one.pending, is_free and 0 or tonumber(ARGV[4])
    if left > 0 and room > 0 then
      for _, item in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', room, one.name)) do
        if item[3] >= idle then
          local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], idle, item[1])[1]
          if entry then
            table.insert(entries, entry)
            table.insert(deliveries, item[4])
            room = room - 1
          else
            redis.call('XACK', KEYS[1], ARGV[1], item[1])
          end
          left = left - 1
        end
      end
    end
    if left == 0 and not is_free then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], one.name) end
  end
end
return {packed(entries, deliveries)}
"""
)

_CLAIM_ALL: Final = """
local function claim(key, consumer, ids, ...)
  for start = 1, #ids, 1000 do
    local command = {'XCLAIM', key, ARGV[1], consumer, 0}
    for i = start, math.min(start + 999, #ids) do table.insert(command, ids[i]) end
    for _, option in ipairs({...}) do table.insert(command, option) end
    redis.call(unpack(command))
  end
end
"""

# ARGV: group, me, the ids that this consumer knows it holds.
# Returns entries that are pending here without being known, the answer to a reading that was lost; and of
# the known ones those that are not: taken by another, or gone.
_KEEP: Final = (
    _COMMON
    + _PACKED
    + _CLAIM_ALL
    + """
local known, kept, entries, taken, gone = {}, {}, {}, {}, {}
for id in ARGV[3]:gmatch('%S+') do known[id] = true end
for _, item in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000000, ARGV[2])) do
  local id = item[1]
  if known[id] then
    known[id] = nil
    table.insert(kept, id)
  else
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id)[1]
    if entry then table.insert(entries, entry) else redis.call('XACK', KEYS[1], ARGV[1], id) end
  end
end
claim(KEYS[1], ARGV[2], kept, 'JUSTID')
for id in pairs(known) do
  table.insert(redis.call('XRANGE', KEYS[1], id, id)[1] and taken or gone, id)
end
local heads, data = packed(entries, {})
return {heads, data, table.concat(taken, ' '), table.concat(gone, ' ')}
"""
)

# ARGV: group, me, nobody. A holder that lives to give an entry back was not killed by it.
_GIVE: Final = (
    _COMMON
    + _CLAIM_ALL
    + """
for _, key in ipairs(KEYS) do
  local start, items = '-', {}
  repeat
    items = redis.pcall('XPENDING', key, ARGV[1], start, '+', 1000, ARGV[2])
    if items.err then break end
    local ids = {}
    for i, item in ipairs(items) do ids[i] = item[1] end
    claim(key, ARGV[3], ids, 'RETRYCOUNT', '0', 'JUSTID')
    start = '(' .. (ids[#ids] or '')
  until #items < 1000
  redis.pcall('XGROUP', 'DELCONSUMER', key, ARGV[1], ARGV[2])
end
return 1
"""
)

# ARGV: group, ids.
_ACK: Final = """
local count = 0
for id in ARGV[2]:gmatch('%S+') do
  redis.call('XACK', KEYS[1], ARGV[1], id)
  count = count + redis.call('XDEL', KEYS[1], id)
end
return count
"""

# ARGV: group, count. Takes what nobody has read.
_EVICT: Final = (
    _COMMON
    + _PACKED
    + """
local found = {{}, {}}
for _ = 1, ARGV[2] do
  local oldest
  for i, key in ipairs(KEYS) do
    for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      local group = named(flat)
      if group.name == ARGV[1] then
        local entry = redis.call('XRANGE', key, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
        if entry and (not oldest or is_before(entry[1], oldest.entry[1])) then
          oldest = {i = i, entry = entry}
        end
      end
    end
  end
  if not oldest then break end
  redis.call('XDEL', KEYS[oldest.i], oldest.entry[1])
  table.insert(found[oldest.i], oldest.entry)
end
local reply = {}
for i = 1, 2 do
  local heads, data = packed(found[i], {})
  table.insert(reply, {heads, data})
end
return reply
"""
)

# ARGV: group, bound of the letters, dropped at, reason, detail, heads, data.
# An id of `-` is that of a record that is in no stream.
_BURY: Final = """
local count, before, at = 0, redis.call('XLEN', KEYS[3]), 1
for kind, id, put, version, size in ARGV[6]:gmatch('(%d+) (%S+) (%d+) (%d+) (%d+)') do
  local key = KEYS[tonumber(kind)]
  if id == '-' or redis.call('XRANGE', key, id, id)[1] then
    redis.call('XADD', KEYS[3], 'MAXLEN', '=', ARGV[2], '*', 'kind', kind, 'version', version, 'put', put,
      'dropped', ARGV[3], 'reason', ARGV[4], 'detail', ARGV[5], 'data', ARGV[7]:sub(at, at + size - 1))
    count = count + 1
  end
  if id ~= '-' then
    redis.call('XACK', key, ARGV[1], id)
    redis.call('XDEL', key, id)
  end
  at = at + size
end
return {count, before + count - redis.call('XLEN', KEYS[3])}
"""

# ARGV: put at, ids of letters.
_REPLAY: Final = (
    _COMMON
    + _IDS
    + """
local count = 0
for id in ARGV[2]:gmatch('%S+') do
  local letter = redis.call('XRANGE', KEYS[3], id, id)[1]
  if letter then
    local fields = named(letter[2])
    add(KEYS[tonumber(fields.kind)], fields.version, ARGV[1], fields.data)
    redis.call('XDEL', KEYS[3], id)
    count = count + 1
  end
end
return count
"""
)

# ARGV: ids.
_PURGE: Final = """
local count = 0
for id in ARGV[1]:gmatch('%S+') do count = count + redis.call('XDEL', KEYS[1], id) end
return count
"""

# ARGV: where to begin, count. In a script, so that every release of the client leaves the reply as it is.
_LETTERS: Final = "return redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])"

_COUNT: Final = "return redis.call('XLEN', KEYS[1])"


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


@dataclass(frozen=True, slots=True)
class Letter:
    """An entry of the stream of dead letters, as it is; times in milliseconds since 1970."""

    letter_id: str
    record: Record
    reason: str
    detail: str
    put_ms: int
    dropped_ms: int


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
        return _command(_PUT, self._keys.values(), ENCODING_VERSION, " ".join(heads), b"".join(data))

    def look(self, *, is_patient: bool) -> Command:
        """Return the command that looks at both streams, and makes them if they are not there.

        Args:
            is_patient: whether silent consumers are given time to come back.
        """
        return _command(_LOOK, self._keys.values(), *self._who(is_patient))

    def read(self, kind: Kind, count: int) -> Command:
        """Return the command that reads the oldest entries that nobody has read."""
        return _command(_READ, [self._keys[kind]], GROUP, self._consumer, count)

    def claim(self, kind: Kind, count: int, *, is_patient: bool) -> Command:
        """Return the command that takes over entries of dead consumers and of nobody."""
        return _command(_CLAIM, [self._keys[kind]], *self._who(is_patient), count)

    def keep(self, kind: Kind, sequences: Iterable[int]) -> Command:
        """Return the command that says that this consumer lives, and holds these entries."""
        return _command(_KEEP, [self._keys[kind]], GROUP, self._consumer, _ids(sequences))

    def give(self) -> Command:
        """Return the command that gives back all that this consumer holds, and forgets the consumer."""
        return _command(_GIVE, self._keys.values(), GROUP, self._consumer, NOBODY)

    def ack(self, kind: Kind, sequences: Iterable[int]) -> Command:
        """Return the command that removes entries; it counts those that were there."""
        return _command(_ACK, [self._keys[kind]], GROUP, _ids(sequences))

    def evict(self, count: int) -> Command:
        """Return the command that removes the oldest entries that nobody has read."""
        return _command(_EVICT, self._keys.values(), GROUP, count)

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
        return _command(_BURY, keys, *arguments, " ".join(heads), b"".join(data))

    def count(self) -> Command:
        """Return the command that counts the dead letters."""
        return _command(_COUNT, [self._dead])

    def letters(self, after: str, limit: int) -> Command:
        """Return the command that reads the oldest letters after one; from the first for no name."""
        start = f"({_id_of_letter(after)}" if after else "-"
        return _command(_LETTERS, [self._dead], start, limit)

    def replay(self, letter_ids: Iterable[str], put_ms: int) -> Command:
        """Return the command that makes records of letters again; it counts those that were there."""
        keys = [*self._keys.values(), self._dead]
        return _command(_REPLAY, keys, put_ms, " ".join(map(_id_of_letter, letter_ids)))

    def purge(self, letter_ids: Iterable[str]) -> Command:
        """Return the command that removes letters; it counts those that were there."""
        return _command(_PURGE, [self._dead], " ".join(map(_id_of_letter, letter_ids)))


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


def letters(reply: Reply) -> list[Letter]:
    """Return the dead letters of a reply to `letters`."""
    found = []
    for name, flat in reply:
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        version = int(fields[b"version"])
        found.append(
            Letter(
                _name_of_letter(name.decode()),
                Record(KINDS[int(fields[b"kind"]) - 1], fields[b"data"], version),
                fields[b"reason"].decode(),
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
