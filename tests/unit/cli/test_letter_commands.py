"""What the commands about dead letters do with a store that is open."""

import io
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from aiotracker import DeadLetter, DropReason, Kind
from aiotracker.cli.letter_commands import (
    export_letters,
    list_letters,
    opened,
    purge_letters,
    replay_file,
    replay_letters,
    show_letters,
)
from aiotracker.cli.letter_selection import PAGE, Selection
from aiotracker.cli.store_host import CommandHost
from aiotracker.clock import SystemClock
from aiotracker.stores.letter_lines import letter_line, record_of_line
from aiotracker.testing.records import make_record, name_of
from tests.fakes.place import Place, PlaceStore, Row

COMMAND = "aiotracker dead-letters"


def filled(count: int, reason: DropReason = DropReason.REJECTED, place: Place | None = None) -> Place:
    """Return a place with letters, a second after each other."""
    place = place or Place()
    for number in range(count):
        record = make_record(f"{place.last_letter + 1:04}")
        place.bury(Row(record, 0), reason, f"why {number}", number * 1_000)
    return place


@asynccontextmanager
async def store_at(place: Place) -> AsyncIterator[PlaceStore]:
    """Open a store as a command does."""
    store = PlaceStore(place)
    async with opened(store, CommandHost(COMMAND)) as given_up:
        yield store
    assert [] == given_up


def events(place: Place) -> list[str]:
    """Return the names of the events that are to be sent."""
    return [name_of(row.record) for row in place.rows.values()]


def letters(place: Place) -> list[str]:
    """Return the names of the events that are letters."""
    return [name_of(letter.record) for letter in place.letters.values()]


def lines(*names: str) -> list[bytes]:
    """Return lines of a file of dead letters."""
    return [letter_line(make_record(name), reason="rejected", detail="", dropped_ms=0) for name in names]


# -- looking ----------------------------------------------------------------------------------------------


async def test_the_oldest_letters_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """As many as are wanted, over several pages, and it is said how many there are."""
    async with store_at(filled(PAGE + 50)) as store:
        code = await list_letters(store, Selection(), limit=PAGE + 10)

    shown = capsys.readouterr()
    assert (0, 1 + PAGE + 10) == (code, len(shown.out.splitlines()))
    assert f"{PAGE + 10} of {PAGE + 50} dead letters\n" == shown.err
    assert shown.out.splitlines()[-1].startswith(f"{PAGE + 10:012}")


async def test_letters_are_listed_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the reason, wherever they stand."""
    place = filled(2, DropReason.EXPIRED, filled(PAGE + 2))

    async with store_at(place) as store:
        code = await list_letters(store, Selection(reason="expired"), limit=10)

    assert (0, 3) == (code, len(capsys.readouterr().out.splitlines()))


async def test_without_letters_there_is_nothing_to_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Which the exit code says, too, as grep has it."""
    async with store_at(filled(3)) as store:
        code = await list_letters(store, Selection(reason="evicted"), limit=10)

    shown = capsys.readouterr()
    assert (1, "", True) == (code, shown.out, "no dead letters" in shown.err)


async def test_a_letter_is_shown_by_its_id_or_that_of_its_event(capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever a person has at hand; what there is not is said."""
    place = filled(3)
    third = list(place.letters.values())[2]

    async with store_at(place) as store:
        names = frozenset({"000000000001", third.record.event_id, "nobody"})
        code = await show_letters(store, Selection(names=names))

    shown = capsys.readouterr()
    found = [json.loads(f"{{{text}") for text in shown.out.split("\n{")[1:]]
    assert (1, "no dead letter nobody\n") == (code, shown.err)
    assert ["000000000003"] == [letter["id"] for letter in found]
    assert '"id": "000000000001"' in shown.out


async def test_all_letters_of_an_event_are_found() -> None:
    """It may have been replayed and refused again."""
    place = filled(1)
    row = Row(make_record("0001"), 0)
    place.bury(row, DropReason.EXPIRED, "", 0)

    async with store_at(place) as store:
        code = await purge_letters(store, Selection(names=frozenset({row.record.event_id})))

    assert (0, []) == (code, letters(place))


async def test_exported_letters_stay_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, which can be replayed."""
    place = filled(PAGE + 1)
    output = io.BytesIO()

    async with store_at(place) as store:
        code = await export_letters(store, Selection(), output)

    names = [name_of(record_of_line(line)) for line in output.getvalue().splitlines()]
    assert (0, letters(place), PAGE + 1) == (code, names, len(names))
    assert f"{PAGE + 1} dead letters exported\n" == capsys.readouterr().err


# -- deciding ---------------------------------------------------------------------------------------------


async def test_replayed_letters_are_events_again(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, over several pages."""
    place = filled(PAGE + 1)
    names = letters(place)

    async with store_at(place) as store:
        code = await replay_letters(store, Selection())

    assert (0, names, []) == (code, events(place), letters(place))
    assert f"{PAGE + 1} dead letters will be sent again\n" == capsys.readouterr().err


async def test_letters_are_replayed_by_reason_and_by_id() -> None:
    """The others stay letters."""
    place = filled(2, DropReason.EXPIRED, filled(2))

    async with store_at(place) as store:
        codes = [
            await replay_letters(store, Selection(reason="expired")),
            await replay_letters(store, Selection(names=frozenset({"000000000002"}))),
        ]

    assert ([0, 0], ["0003", "0004", "0002"], ["0001"]) == (codes, events(place), letters(place))


class RefusedAgain(PlaceStore):
    """A store whose events are refused again as soon as they are replayed."""

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Replay, and refuse."""
        count = await super().replay(letters)
        for number in list(self._place.rows):
            self._place.bury(self._place.rows.pop(number), DropReason.REJECTED, "again", 0)
        return count


async def test_letters_that_come_back_do_not_make_it_endless() -> None:
    """Each is replayed once."""
    place = filled(PAGE + 5)

    store = RefusedAgain(place)
    async with opened(store, CommandHost(COMMAND)):
        code = await replay_letters(store, Selection())

    assert (0, PAGE + 5) == (code, len(place.letters))


class Shared(PlaceStore):
    """A store at which somebody else was faster with every second letter."""

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Replay what is left."""
        await super().purge(letters[::2])
        return await super().replay(letters)


async def test_what_somebody_else_did_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A letter is replayed once, whoever does it."""
    store = Shared(filled(4))

    async with opened(store, CommandHost(COMMAND)):
        code = await replay_letters(store, Selection())

    assert 0 == code
    assert [
        "2 dead letters will be sent again",
        "2 were gone already: somebody else was faster",
    ] == capsys.readouterr().err.splitlines()


async def test_purged_letters_are_gone_by_age(capsys: pytest.CaptureFixture[str]) -> None:
    """Those that were dropped before a moment; the others stay."""
    place = filled(5)

    async with store_at(place) as store:
        code = await purge_letters(store, Selection(before_ms=2_000))

    assert (0, ["0003", "0004", "0005"], []) == (code, letters(place), events(place))
    assert "2 dead letters are gone for good\n" == capsys.readouterr().err


async def test_a_store_that_fails_half_way_says_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    """Those pages are done, and the error is the caller's to show."""
    place = filled(2 * PAGE)

    class Failing(PlaceStore):
        async def purge(self, letters: Sequence[DeadLetter]) -> int:
            if len(self._place.letters) <= PAGE:
                raise OSError("no space left on device")
            return await super().purge(letters)

    store = Failing(place)
    with pytest.raises(OSError, match="no space left"):
        async with opened(store, CommandHost(COMMAND)):
            await purge_letters(store, Selection())

    assert f"{PAGE} dead letters are gone for good\n" == capsys.readouterr().err
    assert PAGE == len(place.letters)


# -- files ------------------------------------------------------------------------------------------------


async def test_the_events_of_a_file_are_stored(capsys: pytest.CaptureFixture[str]) -> None:
    """In their order, more than a page of them; empty lines are nothing."""
    place = Place()
    names = [f"{number}" for number in range(PAGE + 1)]
    anonymous = letter_line(make_record("z", Kind.ANONYMOUS), reason="expired", detail="", dropped_ms=0)
    given = [*lines(*names), b"\n", anonymous]

    code = await replay_file(PlaceStore(place), CommandHost(COMMAND), given, name="letters.jsonl")

    assert (0, [*names, "z"]) == (code, events(place))
    assert Kind.ANONYMOUS is place.rows[PAGE + 2].record.kind
    assert f"{PAGE + 2} events of letters.jsonl will be sent\n" == capsys.readouterr().err


async def test_lines_that_are_none_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are stored; of many broken lines the first ones are shown."""
    place = Place()
    given = [b"{\n", *lines("a"), *[b"[]\n"] * 20, *lines("b")]

    code = await replay_file(PlaceStore(place), CommandHost(COMMAND), given, name="letters.jsonl")

    said = capsys.readouterr().err.splitlines()
    assert (1, ["a", "b"]) == (code, events(place))
    assert said[0].startswith("letters.jsonl:1: line = b'{\\n': is not JSON")
    assert said[1].startswith("letters.jsonl:3: ")
    assert [
        "2 events of letters.jsonl will be sent",
        "21 lines of letters.jsonl are no dead letters",
    ] == said[10:]


async def test_an_event_that_the_store_never_takes_is_a_broken_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It stops nobody else."""
    place = Place()
    large = letter_line(make_record("a", size=5_000), reason="rejected", detail="", dropped_ms=0)

    store = PlaceStore(place, max_bytes=1_000)
    code = await replay_file(store, CommandHost(COMMAND), [large, *lines("b")], name="letters.jsonl")

    assert (1, ["b"]) == (code, events(place))
    assert "letters.jsonl:1: event = " in capsys.readouterr().err


async def test_a_full_store_stops_at_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said where, so that one can go on from there."""
    place = Place()

    store = PlaceStore(place, max_events=3)
    code = await replay_file(store, CommandHost(COMMAND), lines(*"abcde"), name="letters.jsonl")

    assert (1, ["a", "b", "c"]) == (code, events(place))
    assert [
        "stopped at letters.jsonl:4: the store is full",
        "3 events of letters.jsonl will be sent",
    ] == capsys.readouterr().err.splitlines()


class FastClock(SystemClock):
    """A clock that runs a hundred times as fast."""

    def now(self) -> float:
        """Return hundredths of seconds."""
        return 100 * time.monotonic()

    def move_on_at(self, moment: float, *, shield: bool = False) -> anyio.CancelScope:
        """End a block at a moment."""
        return anyio.move_on_after((moment - self.now()) / 100, shield=shield)


async def test_a_store_that_is_away_stores_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What was put and is not safe is not counted."""
    host = CommandHost(COMMAND, clock=FastClock())
    place = Place()
    place.is_away = True
    names = [f"{number}" for number in range(PAGE + 1)]

    code = await replay_file(PlaceStore(place), host, lines(*names), name="letters.jsonl")

    assert (1, []) == (code, events(place))
    assert [
        f"stopped at letters.jsonl:{PAGE + 1}: the store cannot be written now",
        "0 events of letters.jsonl will be sent",
        f"{PAGE} more could not be stored",
    ] == capsys.readouterr().err.splitlines()


async def test_an_empty_file_has_nothing_to_send() -> None:
    """Which is a failure, as nothing was found."""
    code = await replay_file(PlaceStore(Place()), CommandHost(COMMAND), [], name="letters.jsonl")

    assert 1 == code
