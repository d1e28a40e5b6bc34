"""The one task that goes to Redis: whoever waits for it goes on, whatever of ours is defective."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import anyio
import pytest

from aiotracker import Kind
from aiotracker.runtime import current_loop
from aiotracker.stores.redis.courier import BASE_DELAY, Courier, Orders
from aiotracker.stores.redis.errand import Errand
from aiotracker.stores.redis.link import Link
from aiotracker.stores.redis.streams import Command, Look, Streams
from aiotracker.stores.redis.trouble import RedisTrouble
from aiotracker.testing import RecordingHost

PATIENCE = 10.0

LOOKS: Final = [[0, 0, 0, b"0-0", None, None, b"", 0]] * len(Kind)


class Defect(Exception):  # noqa: N818 - it is one of ours
    """What should not happen, and does."""


class FakeLink:
    """A way to a Redis that does everything, and says what."""

    address = "redis://host"

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self.refused: set[str] = set()
        self.defects: list[Exception | int] = []
        """Of the next rounds: what is raised, or how many replies are missing."""

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Reply with the names of the commands."""
        names = [str(command[0]) for command in commands[:-1]]
        self.rounds.append(names)
        replies = [RedisTrouble("read_only", "no") if each in self.refused else each for each in names]
        defect = self.defects.pop(0) if self.defects else 0
        if isinstance(defect, Exception):
            raise defect
        return [*replies, LOOKS][defect:]

    async def aclose(self) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


class Diary:
    """Errands, and what became of them."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.refused: list[str] = []

    def errand(self, name: str, *defective: str, is_lasting: bool = False) -> Errand:
        """Return an errand whose `receive` or `refuse` may be defective."""

        def receive(reply: object) -> None:
            assert name == reply
            self.received.append(name)
            if "receive" in defective:
                raise Defect(name)

        def refuse() -> None:
            self.refused.append(name)
            if "refuse" in defective:
                raise Defect(name)

        return Errand((name,), receive, refuse=None if is_lasting else refuse, is_lasting=is_lasting)


class Office:
    """A courier, those it works for, and its fake Redis."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self.host = RecordingHost()
        self.diary = Diary()
        self.prepared: list[Callable[[], Iterable[Errand]]] = []
        """What the next rounds are asked to do."""
        self.look_defects: list[Exception] = []
        self.courier = Courier(
            cast("Link", self.link),
            Streams("shop", "me", lease_seconds=60, max_dead_letters=10),
            Orders(self.prepare, list, self.receive_looks, lambda: True, lambda: None),
            self.host,
            current_loop(),
            timeout=PATIENCE,
            poll=PATIENCE,
            patience=PATIENCE,
        )

    def prepare(self) -> Iterator[Errand]:
        """Yield what one round is asked to do."""
        if self.prepared:
            yield from self.prepared.pop(0)()

    def receive_looks(self, looks: Mapping[Kind, Look]) -> None:
        """Look at nothing."""
        if self.look_defects:
            raise self.look_defects.pop()

    async def do(self, *errands: Errand) -> None:
        """Have errands done in one round, and wait for each of them, which must not take for ever."""
        with anyio.fail_after(PATIENCE):
            await self.courier.do(*errands)

    async def come_back(self) -> None:
        """Wait until Redis is there, and nothing is left to be done."""
        with anyio.fail_after(PATIENCE):
            while not self.courier.is_reachable or self.courier.lasting or self.prepared:  # noqa: ASYNC110
                await anyio.sleep(0.005)  # nobody tells of it

    @property
    def crashes(self) -> list[BaseException | None]:
        """The defects that were told."""
        return [line.error for line in self.host.lines if line.reason == "crash"]

    @property
    def busy_rounds(self) -> list[list[str]]:
        """What was done in each round in which something was."""
        return [each for each in self.link.rounds if each]


@asynccontextmanager
async def at_work() -> AsyncIterator[Office]:
    """Have a courier that goes until the end of the block, with nothing of its first rounds left to do."""
    office = Office()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(office.courier.run)
        await office.courier.has_tried.wait()
        await office.do(Errand(()))
        yield office
        office.courier.close(office.host.clock.now())


async def test_each_errand_gets_its_reply() -> None:
    """In one round, what was prepared before what has gathered."""
    async with at_work() as office:
        office.prepared.append(lambda: [office.diary.errand("a")])
        await office.do(office.diary.errand("b"), office.diary.errand("c", is_lasting=True))

        assert [*"abc"] == office.diary.received
        assert [[*"abc"]] == office.busy_rounds


async def test_errands_outlive_what_cannot_be_prepared() -> None:
    """Whoever waits goes on, what lasts is done in the next attempt, and the others hear of it."""

    def prepare() -> Iterator[Errand]:
        yield office.diary.errand("prepared")
        raise Defect

    async with at_work() as office:
        office.prepared.append(prepare)
        await office.do(office.diary.errand("passing"), office.diary.errand("lasting", is_lasting=True))
        await office.come_back()

        assert ["prepared", "passing"] == office.diary.refused
        assert ["lasting"] == office.diary.received
        assert [["lasting"]] == office.busy_rounds
        assert [Defect] == [type(each) for each in office.crashes]


@pytest.mark.parametrize("is_lasting", [False, True])
async def test_a_reply_that_cannot_be_received_costs_nobody_else_theirs(*, is_lasting: bool) -> None:
    """Those before and after it get theirs in the same round; it has had its own, and is not done again."""
    async with at_work() as office:
        bad = office.diary.errand("bad", "receive", is_lasting=is_lasting)
        around = [office.diary.errand(name, is_lasting=name in "bd") for name in "abcd"]
        await office.do(*around[:2], bad, *around[2:])
        await office.come_back()
        await office.do(office.diary.errand("e"))

        assert ["a", "b", "bad", "c", "d", "e"] == office.diary.received
        assert [] == office.diary.refused
        assert [["a", "b", "bad", "c", "d"], ["e"]] == office.busy_rounds
        assert [Defect] == [type(each) for each in office.crashes]


async def test_what_redis_refuses_stays_when_nobody_can_hear_of_it() -> None:
    """A defective `refuse` costs neither a lasting errand nor those behind it."""
    async with at_work() as office:
        office.link.refused = {"bad", "lasting"}
        await office.do(
            office.diary.errand("bad", "refuse"),
            office.diary.errand("lasting", is_lasting=True),
            office.diary.errand("fine"),
        )
        office.link.refused.clear()
        await office.come_back()

        assert ["bad"] == office.diary.refused
        assert ["fine", "lasting"] == office.diary.received
        assert [Defect] == [type(each) for each in office.crashes]


async def test_looks_that_cannot_be_received_hold_nobody_up() -> None:
    """The replies were handed over before."""
    async with at_work() as office:
        office.look_defects.append(Defect())
        await office.do(office.diary.errand("a"), Errand(()), office.diary.errand("b", is_lasting=True))
        await office.come_back()

        assert [*"ab"] == office.diary.received
        assert [[*"ab"]] == office.busy_rounds


@pytest.mark.parametrize("defect", [Defect(), RedisTrouble("unreachable", "is away"), 1])
async def test_a_round_without_its_replies_is_done_again(defect: Exception | int) -> None:
    """As far as it lasts: the others hear that nobody knows, a defective one among them or not."""
    async with at_work() as office:
        office.link.defects.append(defect)
        await office.do(
            office.diary.errand("a", "refuse"),
            office.diary.errand("b", is_lasting=True),
            office.diary.errand("c"),
        )
        await office.come_back()

        assert [*"ac"] == office.diary.refused
        assert ["b"] == office.diary.received
        assert [[*"abc"], ["b"]] == office.busy_rounds


async def test_a_line_that_cannot_be_written_ends_nothing() -> None:
    """The handlers of a log are the user's."""

    class SilentHost(RecordingHost):
        def say(self, *args: Any, **settings: Any) -> None:
            if settings.get("error"):
                raise Defect

    async with at_work() as office:
        office.courier._host = SilentHost()
        office.look_defects.append(Defect())
        await office.do(office.diary.errand("a"))
        await office.come_back()
        await office.do(office.diary.errand("b"))

        assert [*"ab"] == office.diary.received


async def test_a_defect_that_stays_does_not_hammer() -> None:
    """Every second round goes well; the pauses grow all the same."""

    def prepare() -> Iterator[Errand]:
        raise Defect
        yield

    async with at_work() as office:
        office.prepared += [prepare] * 3
        began = office.host.clock.now()
        await office.do(office.diary.errand("a"))
        await office.come_back()

        assert 3 == len(office.crashes)
        assert office.host.clock.now() - began > (2 + 4 + 8) * BASE_DELAY / 2
