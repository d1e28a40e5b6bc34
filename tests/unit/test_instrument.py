"""Errors and durations of blocks and functions: tracked, and otherwise as if nothing stood around them."""

import inspect
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, assert_type

import anyio
import anyio.lowlevel
import pytest

from aiotracker import (
    ApplicationError,
    Event,
    SelfDescribingJson,
    Subject,
    Timing,
    TrackerNotOpenError,
    capture_errors,
    scope,
    timed,
)
from aiotracker.instrument import LOG
from tests.fakes.bench import TrackWith

JOB = SelfDescribingJson("iglu:com.acme/job/jsonschema/1-0-0", {"id": 7})


class Events(list[Event]):
    """Takes events."""

    def track_nowait(self, event: Event) -> None:
        """Keep it."""
        self.append(event)

    @property
    def errors(self) -> list[str]:
        """The messages of the errors."""
        return [event.message for event in self if isinstance(event, ApplicationError)]

    @property
    def timings(self) -> list[float]:
        """The durations in milliseconds."""
        return [event.timing for event in self if isinstance(event, Timing)]


class Broken:
    """Takes no event."""

    def track_nowait(self, event: Event) -> None:
        """Refuse."""
        raise TrackerNotOpenError("broken")


class Ticks:
    """A timer that goes on by a quarter of a second with every look."""

    def __init__(self) -> None:
        self._now = 100.0

    def __call__(self) -> float:
        """Look at it."""
        self._now += 0.25
        return self._now


@pytest.fixture
def events() -> Events:
    """Take events."""
    return Events()


@pytest.fixture
def timer() -> Ticks:
    """Count without waiting."""
    return Ticks()


def timing(events: Events, timer: Ticks) -> timed:
    """Return the `timed()` of the tests."""
    return timed(events, category="db", variable="query", label="orders", timer=timer)


# -- blocks -------------------------------------------------------------------------------------------


def test_an_error_that_leaves_a_block_is_tracked_and_goes_on(events: Events) -> None:
    """It is the same exception, and it is described."""
    error = ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose") as caught, capture_errors(events, context=[JOB]):
        raise error

    assert error is caught.value
    event = events[0]
    assert isinstance(event, ApplicationError)
    assert ("on purpose", "ValueError", None, (JOB,)) == (
        event.message,
        event.exception_name,
        event.is_fatal,
        event.context,
    )


def test_a_block_without_an_error_tracks_none(events: Events) -> None:
    """What is caught inside is none, either."""
    with capture_errors(events), pytest.raises(ValueError, match="inside"):
        raise ValueError("inside")

    assert [] == events


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_the_end_of_a_program_is_no_error(events: Events, ending: type[BaseException]) -> None:
    """What is not an `Exception` ends things in order."""
    with pytest.raises(ending), capture_errors(events):
        raise ending

    assert [] == events


async def test_a_cancellation_is_no_error(events: Events) -> None:
    """Neither in a block nor in a function, on any loop."""

    @capture_errors(events)
    async def wait() -> None:
        await anyio.sleep_forever()

    with anyio.move_on_after(0), capture_errors(events):
        await wait()

    assert [] == events


def test_of_a_group_what_is_an_error_is_tracked(events: Events) -> None:
    """The group goes on as it is."""
    group = BaseExceptionGroup("several", [ValueError("a"), KeyboardInterrupt()])

    with pytest.raises(BaseExceptionGroup) as caught, capture_errors(events):
        raise group

    assert group is caught.value
    assert ["several (1 sub-exception)"] == events.errors


@pytest.mark.parametrize("is_fatal", [True, False])
def test_the_caller_knows_whether_an_error_is_fatal(events: Events, *, is_fatal: bool) -> None:
    """It is written as it was said."""
    with pytest.raises(ValueError, match="x"), capture_errors(events, is_fatal=is_fatal):
        raise ValueError("x")

    assert [is_fatal] == [event.is_fatal for event in events if isinstance(event, ApplicationError)]


def test_a_block_is_timed(events: Events, timer: Ticks) -> None:
    """In milliseconds, with what it was."""
    with timing(events, timer):
        pass

    event = events[0]
    assert isinstance(event, Timing)
    assert ("db", "query", 250.0, "orders") == (event.category, event.variable, event.timing, event.label)


def test_a_block_that_fails_is_timed(events: Events, timer: Ticks) -> None:
    """However it ends."""
    with pytest.raises(KeyboardInterrupt), timing(events, timer):
        raise KeyboardInterrupt

    assert [250.0] == events.timings


# -- what goes wrong ----------------------------------------------------------------------------------


@pytest.fixture
def fresh_log() -> Iterator[None]:
    """Forget what was said within the last minute."""
    LOG._said.clear()
    yield
    LOG._said.clear()


@pytest.mark.usefixtures("fresh_log")
def test_a_failure_of_tracking_hides_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """The program's own exception comes through; one line a minute says what failed."""
    with caplog.at_level(logging.WARNING, logger="aiotracker"):
        for _ in range(3):
            with pytest.raises(ValueError, match="the program's own"), capture_errors(Broken()):
                raise ValueError("the program's own")

    assert ["instrument: capture_errors() could not track: TrackerNotOpenError"] == caplog.messages


@pytest.mark.usefixtures("fresh_log")
def test_a_failure_of_tracking_changes_no_result() -> None:
    """A function returns what it returns."""

    @timed(Broken(), category="db", variable="query")
    def answer() -> int:
        return 42

    assert 42 == answer()


@pytest.mark.usefixtures("fresh_log")
def test_an_event_that_cannot_be_built_hides_no_error(events: Events) -> None:
    """Wrong arguments are no reason to lose an exception."""
    wrong: Any = "no list"

    with pytest.raises(ValueError, match="own"), capture_errors(events, context=wrong):
        raise ValueError("own")

    assert [] == events


# -- functions ----------------------------------------------------------------------------------------


def test_a_function_is_what_it_was(events: Events, timer: Ticks) -> None:
    """Its name, its signature, its result, and a block of its own for each call."""

    @timing(events, timer)
    def double(number: int, *, again: bool = False) -> int:
        """Double it."""
        return double(2 * number) if again else 2 * number

    assert_type(double(1), int)
    result = double(3, again=True)

    assert (12, "double", "Double it.") == (result, double.__name__, double.__doc__)
    assert ["number", "again"] == list(inspect.signature(double).parameters)
    assert [250.0, 250.0, 750.0] == events.timings  # the inner call took two looks at the timer


async def test_a_coroutine_function_is_covered_to_its_end(events: Events, timer: Ticks) -> None:
    """What is awaited, not what is called; it stays a coroutine function."""

    @timing(events, timer)
    @capture_errors(events)
    async def fetch(name: str) -> str:
        await anyio.lowlevel.checkpoint()
        if not name:
            raise ValueError("no name")
        return name

    checked: Callable[[str], Coroutine[Any, Any, str]] = fetch
    assert "a" == await checked("a")
    with pytest.raises(ValueError, match="no name"):
        await fetch("")

    assert inspect.iscoroutinefunction(fetch)
    assert (["no name"], [250.0, 250.0]) == (events.errors, events.timings)


async def test_calls_at_the_same_time_are_timed_each(events: Events, timer: Ticks) -> None:
    """None takes the beginning of another."""
    go = anyio.Event()

    @timing(events, timer)
    async def wait() -> None:
        await go.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        go.set()

    assert (2, 1_000.0) == (len(events.timings), sum(events.timings))  # begun at 1 and 2, ended at 3 and 4


async def test_an_object_that_is_called_is_covered(events: Events) -> None:
    """Also one whose call is a coroutine."""

    class Worker:
        async def __call__(self) -> None:
            raise ValueError("in the object")

    work = capture_errors(events)(Worker())

    with pytest.raises(ValueError, match="in the object"):
        await work()
    assert ["in the object"] == events.errors


def test_a_class_is_covered_where_it_is_built(events: Events) -> None:
    """Even when its objects can be awaited on."""

    class Worker:
        def __init__(self) -> None:
            raise ValueError("while building")

        async def __call__(self) -> None: ...

    with pytest.raises(ValueError, match="while building"):
        capture_errors(events)(Worker)()
    assert ["while building"] == events.errors


def test_methods_are_covered(events: Events) -> None:
    """A decorated method is bound as any other."""

    class Shop:
        def __init__(self) -> None:
            self.name = "tea"

        @capture_errors(events)
        def sell(self, count: int) -> str:
            if not count:
                raise ValueError("nothing to sell")
            return f"{count} {self.name}"

    assert "2 tea" == Shop().sell(2)
    with pytest.raises(ValueError, match="nothing to sell"):
        Shop().sell(0)
    assert ["nothing to sell"] == events.errors


# -- generators ---------------------------------------------------------------------------------------


def test_a_generator_is_covered_from_first_to_last_step(events: Events, timer: Ticks) -> None:
    """What is sent, thrown and returned passes; closing it is no error."""

    @timing(events, timer)
    @capture_errors(events)
    def talk() -> Generator[str, str, int]:
        heard = yield "hello"
        try:
            heard += yield heard
        except KeyError:
            heard += "!"
        yield heard
        return len(heard)

    def whole() -> Generator[str, str, int]:
        return (yield from talk())

    conversation = whole()
    said = [next(conversation), conversation.send("a"), conversation.throw(KeyError("b"))]
    with pytest.raises(StopIteration) as end:
        next(conversation)
    left = talk()
    next(left)
    left.close()

    assert (["hello", "a", "a!"], 2) == (said, end.value.value)
    assert inspect.isgeneratorfunction(talk)
    assert ([], [250.0, 250.0]) == (events.errors, events.timings)


def test_an_error_of_a_generator_is_tracked(events: Events) -> None:
    """Its own, and what its consumer throws into it and it does not handle."""

    @contextmanager
    @capture_errors(events)
    def resource() -> Iterator[int]:
        yield 1

    with pytest.raises(ValueError, match="of the block"), resource():
        raise ValueError("of the block")

    assert ["of the block"] == events.errors


async def test_an_async_generator_is_covered_from_first_to_last_step(events: Events, timer: Ticks) -> None:
    """What is sent and thrown passes; one that is left early is closed, and that is no error."""
    closed: list[str] = []

    @timing(events, timer)
    @capture_errors(events)
    async def talk() -> AsyncGenerator[str, str]:
        try:
            heard = yield "hello"
            try:
                heard += yield heard
            except KeyError:
                heard += "!"
            yield heard
        finally:
            await anyio.lowlevel.checkpoint()
            closed.append("talk")

    conversation = talk()
    said = [
        await anext(conversation),
        await conversation.asend("a"),
        await conversation.athrow(KeyError("b")),
    ]
    rest = [part async for part in conversation]
    left = talk()
    await anext(left)
    await left.aclose()

    assert (["hello", "a", "a!"], []) == (said, rest)
    assert inspect.isasyncgenfunction(talk)
    assert (["talk", "talk"], [], [250.0, 250.0]) == (closed, events.errors, events.timings)


async def test_an_error_of_an_async_generator_is_tracked(events: Events) -> None:
    """As in a context manager, or a dependency of FastAPI."""

    @asynccontextmanager
    @capture_errors(events)
    async def resource() -> AsyncIterator[int]:
        await anyio.lowlevel.checkpoint()
        yield 1

    with pytest.raises(ValueError, match="of the block"):
        async with resource():
            raise ValueError("of the block")

    assert ["of the block"] == events.errors


# -- with a tracker -----------------------------------------------------------------------------------


async def test_a_tracker_takes_the_events(track_with: TrackWith) -> None:
    """They are in the scope in which they happen."""
    bench = await track_with()

    @capture_errors(bench.tracker)
    @timed(bench.tracker, category="db", variable="query")
    async def query() -> None:
        await anyio.lowlevel.checkpoint()
        raise ValueError("on purpose")

    with scope(subject=Subject(user_id="u-1")), pytest.raises(ValueError, match="on purpose"):
        await query()
    await bench.flush()

    events = bench.transport.sent[0].events
    schemas = [json.loads(event["ue_pr"])["data"]["schema"].split("/")[1] for event in events]
    assert (["timing", "application_error"], ["u-1", "u-1"]) == (schemas, [event["uid"] for event in events])
