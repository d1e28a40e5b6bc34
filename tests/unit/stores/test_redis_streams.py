"""What is kept in Redis, as far as it takes no Redis to know it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker import Kind
from aiotracker.stores.redis import streams
from aiotracker.stores.redis.streams import Burial, Entry, Look, Streams, entry_id, sequence

STREAMS = Streams("shop", "me", lease_seconds=60, max_dead_letters=10)


def words(command: streams.Command) -> list[str | int | bytes]:
    """Return keys and arguments of a command."""
    name, _, keys, *rest = command
    assert "EVAL" == name
    assert isinstance(keys, int)
    return rest


def test_the_keys_of_a_store_are_in_one_slot() -> None:
    """What stands in braces decides where a cluster keeps a key."""
    assert ["aiotracker:{shop}:ordinary", "aiotracker:{shop}:anonymous"] == words(STREAMS.give())[:2]
    assert "aiotracker:{shop}:dead" == words(STREAMS.count())[0]


@given(st.integers(0, 2**45), st.integers(0, 2**32 - 1))
def test_an_id_and_its_number_are_the_same(ms: int, seq: int) -> None:
    """A number leads back to its id."""
    text = f"{ms}-{seq}"

    assert text == entry_id(sequence(text.encode()))


@given(st.lists(st.tuples(st.integers(0, 2**45), st.integers(0, 2**32 - 1)), min_size=2, max_size=2))
def test_numbers_grow_as_ids_do(ids: list[tuple[int, int]]) -> None:
    """The order of ids is that of the two numbers in them."""
    one, other = (sequence(f"{ms}-{seq}".encode()) for ms, seq in ids)

    assert (ids[0] < ids[1]) == (one < other)


def test_a_batch_travels_as_two_strings() -> None:
    """Heads and data, whatever the number of records."""
    command = STREAMS.put([(Kind.ORDINARY, 17, b"abc"), (Kind.ANONYMOUS, 18, b"")])

    assert [1, "1 17 3 2 18 0", b"abc"] == words(command)[2:]


def test_entries_come_back_as_they_were() -> None:
    """Each head says how much of the data belongs to it."""
    reply = [b"5-0 17 1 3 0 5-1 18 0 0 2 6-0 19 1 2 0", b"abcde"]

    assert [
        Entry(5 << 32, 17, b"abc", 1, 0),
        Entry((5 << 32) + 1, 18, b"", 0, 2),
        Entry(6 << 32, 19, b"de", 1, 0),
    ] == streams.entries(reply)
    assert [] == streams.entries([b"", b""])


def test_a_record_that_is_in_no_stream_can_be_buried() -> None:
    """A dash stands where the id would."""
    burials = [Burial(Kind.ORDINARY, 5 << 32, 17, b"a"), Burial(Kind.ANONYMOUS, None, 18, b"bc")]

    assert "1 5-0 17 1 1 2 - 18 1 2" == words(STREAMS.bury(burials, 20, "rejected", "why"))[-2]


def test_the_names_of_letters_sort_as_they_were_dropped() -> None:
    """Ids do not: 9 comes before 10, and a text says otherwise."""
    flat = [b"kind", b"2", b"version", b"1", b"put", b"7", b"dropped", b"8"]
    flat += [b"reason", b"rejected", b"detail", b"why", b"data", b"x"]

    letters = streams.letters([[b"5-9", flat], [b"5-10", flat], [b"17-0", flat]])

    names = [letter.letter_id for letter in letters]
    assert sorted(names) == names
    assert "(5-10" == words(STREAMS.letters(names[1], 3))[1]
    assert Kind.ANONYMOUS == letters[0].record.kind


def test_what_is_not_the_name_of_a_letter_is_refused() -> None:
    """It is the caller's mistake, and none of Redis."""
    with pytest.raises(ValueError, match="is not the id of a dead letter"):
        STREAMS.letters("nonsense", 1)


@pytest.mark.parametrize(
    ("length", "pending", "claimable", "oldest", "available"),
    [(0, 0, 0, None, 0), (5, 2, 0, 1, 3), (5, 2, 1, 1, 4), (5, 9, 0, 1, 1), (5, 5, 0, None, 0)],
)
def test_what_is_not_pending_is_available(
    length: int, pending: int, claimable: int, oldest: int | None, available: int
) -> None:
    """Where a stranger has cut a stream, more is pending than there is; what is seen waits all the same."""
    look = Look(length, pending, claimable, 9, None, oldest, 0, is_new=False)

    assert available == look.available
