"""What is true of everything that is tracked in a context."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Generator
from typing import Any

import anyio
import pytest

from aiotracker import AiotrackerWarning, SelfDescribingJson, Subject, current_scope, scope
from tests.fakes.bench import Bench, TrackWith, view
from tests.fakes.visits import user


def entity(name: str) -> SelfDescribingJson:
    """Return an entity that is told apart by its schema."""
    return SelfDescribingJson(f"iglu:com.acme/{name}/jsonschema/1-0-0", {})


async def sent(bench: Bench, *names: str) -> list[dict[str, Any]]:
    """Track events, deliver them, and return what arrived, in order."""
    await bench.track(*names)
    await bench.flush()
    return [dict(event) for event in bench.transport.events]


async def test_outside_of_every_scope_there_is_none() -> None:
    """Nothing is added to anything."""
    assert None is current_scope()


async def test_a_scope_adds_to_events(track_with: TrackWith) -> None:
    """Subject and entities of the scope stand in every event of the block."""
    bench = await track_with()

    with scope(subject=Subject(user_id="u-1"), context=[entity("cart")]):
        (event,) = await sent(bench, "a")

    assert "u-1" == event["uid"]
    assert "com.acme/cart" in event["co"]


async def test_a_scope_ends_with_its_block(track_with: TrackWith) -> None:
    """What is tracked afterwards knows nothing of it, after an error neither."""
    bench = await track_with()

    with pytest.raises(LookupError), scope(subject=Subject(user_id="u-1")):
        raise LookupError
    (event,) = await sent(bench, "a")

    assert ("uid" in event, None) == (False, current_scope())


async def test_the_inner_scope_wins() -> None:
    """Fields of the inner scope replace those of the outer, which come back afterwards."""
    seen = []

    with scope(subject=Subject(user_id="outer")):
        with scope(subject=Subject(user_id="inner")):
            seen.append(user())
        seen.append(user())

    assert ["inner", "outer"] == seen


async def test_scopes_add_up(track_with: TrackWith) -> None:
    """Other fields and all entities of the outer scopes stay."""
    bench = await track_with(tracker={"subject": Subject(lang="de"), "context": [entity("service")]})

    with (
        scope(subject=Subject(user_id="u-1"), context=[entity("request")]),
        scope(subject=Subject(timezone="Europe/Berlin"), context=[entity("cart")]),
    ):
        await bench.tracker.track(view("a", context=[entity("page")]))
        await bench.flush()

    (event,) = bench.transport.sent[0].events
    assert ("de", "u-1", "Europe/Berlin") == (event["lang"], event["uid"], event["tz"])
    places = [event["co"].index(name) for name in ("service", "request", "cart", "page")]
    assert sorted(places) == places


async def test_the_event_wins_over_the_scope_and_the_scope_over_the_tracker(
    track_with: TrackWith,
) -> None:
    """The merge order is tracker, scope, event: the later one wins."""
    bench = await track_with(tracker={"subject": Subject(user_id="tracker")})

    await bench.track("a")
    with scope(subject=Subject(user_id="scope")):
        await bench.track("b")
        await bench.tracker.track(view("c", event_subject=Subject(user_id="event")))
    await bench.flush()

    users = {e["url"][-1]: e["uid"] for one in bench.transport.sent for e in one.events}
    assert {"a": "tracker", "b": "scope", "c": "event"} == users


async def test_a_scope_takes_a_snapshot_of_its_subject(track_with: TrackWith) -> None:
    """Setters that are called later change nothing in a scope that was entered."""
    bench = await track_with()
    subject = Subject(user_id="before")

    with scope(subject=subject):
        subject.set_user_id("after")
        (event,) = await sent(bench, "a")

    assert "before" == event["uid"]


@pytest.mark.parametrize(
    ("tracker", "outer", "inner", "expected"),
    [
        (False, None, None, False),
        (False, True, None, True),
        (False, True, False, False),
        (True, None, None, True),
        (True, False, None, False),
        (True, False, True, True),
    ],
)
async def test_anonymity_is_decided_by_the_innermost_who_speaks(
    track_with: TrackWith,
    tracker: bool,  # noqa: FBT001 - a table
    outer: bool | None,  # noqa: FBT001 - a table
    inner: bool | None,  # noqa: FBT001 - a table
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    """None leaves it as it is further out; an anonymous event carries nobody's id."""
    bench = await track_with(tracker={"anonymous": tracker})

    with scope(anonymous=outer, subject=Subject(user_id="u-1")), scope(anonymous=inner):
        (event,) = await sent(bench, "a")

    assert expected == ("sp-anonymous" in bench.transport.sent[0].headers)
    assert expected == ("uid" not in event)


# -- contexts -----------------------------------------------------------------------------------------


async def test_child_tasks_inherit_the_scope() -> None:
    """A task that is started in a scope keeps it, even when it outlives the block."""
    seen: list[str | None] = []
    left = anyio.Event()

    async def child() -> None:
        await left.wait()
        seen.append(user())

    async with anyio.create_task_group() as tasks:
        with scope(subject=Subject(user_id="u-1")):
            tasks.start_soon(child)
        left.set()

    assert ["u-1"] == seen


async def test_concurrent_requests_never_share_a_scope() -> None:
    """Every task has its own, whatever runs in between."""
    seen: dict[str, list[str | None]] = {}

    async def request(name: str) -> None:
        with scope(subject=Subject(user_id=name)):
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
                seen.setdefault(name, []).append(user())

    async with anyio.create_task_group() as tasks:
        for name in ("a", "b", "c"):
            tasks.start_soon(request, name)

    assert {"a": ["a"] * 3, "b": ["b"] * 3, "c": ["c"] * 3} == seen
    assert None is user()


def test_gather_gives_each_its_own() -> None:
    """`asyncio.gather` runs every coroutine in a copy of the context."""

    async def request(name: str) -> str | None:
        with scope(subject=Subject(user_id=name)):
            await asyncio.sleep(0)
            return user()

    async def main() -> list[str | None]:
        with scope(subject=Subject(user_id="outer")):
            return [*await asyncio.gather(*map(request, "abc")), user()]

    assert ["a", "b", "c", "outer"] == asyncio.run(main())


async def test_worker_threads_inherit_the_scope(track_with: TrackWith) -> None:
    """`anyio.to_thread.run_sync` takes the context along, so synchronous handlers track as expected."""
    bench = await track_with()

    with scope(subject=Subject(user_id="u-1")):
        await anyio.to_thread.run_sync(bench.tracker.track_nowait, view("a"))
    await bench.flush()

    assert "u-1" == bench.transport.sent[0].events[0]["uid"]


async def test_a_scope_is_not_carried_into_the_engine(track_with: TrackWith) -> None:
    """A tracker that is opened in a scope delivers in an empty context."""
    bench = track_with.build()
    variable = contextvars.ContextVar("variable", default="empty")
    seen = []
    bench.transport.default = lambda _: seen.append((variable.get(), current_scope())) or 200  # type: ignore[func-returns-value]  # append, then 200

    with scope(subject=Subject(user_id="u-1")):
        variable.set("full")
        await bench.tracker.open()
    await bench.track("a")
    await bench.flush()

    assert [("empty", None)] == seen


def test_a_generator_may_hold_a_scope() -> None:
    """What it yields is made inside, and nothing is left behind when it ends, early or not."""

    def rows(name: str) -> Generator[str | None]:
        with scope(subject=Subject(user_id=name)):
            yield user()
            yield user()

    whole = list(rows("a"))
    cut = rows("b")
    first = next(cut)
    cut.close()

    assert (["a", "a"], "b", None) == (whole, first, user())


async def test_left_in_another_context_it_warns_and_does_nothing() -> None:
    """A synchronous dependency of a web framework is left in another thread's copy of the context."""
    entered = scope(subject=Subject(user_id="u-1"))
    contextvars.copy_context().run(entered.__enter__)

    with scope(subject=Subject(user_id="mine")):
        with pytest.warns(AiotrackerWarning, match="another context") as warned:
            entered.__exit__(None, None, None)
        after = user()

    assert (1, "mine") == (len(warned), after)


async def test_left_twice_it_does_nothing() -> None:
    """A second exit has nothing to take away."""
    entered = scope(subject=Subject(user_id="u-1"))
    with entered:
        pass

    entered.__exit__(None, None, None)

    assert None is current_scope()


async def test_an_async_generator_may_hold_a_scope() -> None:
    """A fixture or dependency with `yield` in it works where both halves run in one context."""

    async def dependency() -> AsyncIterator[None]:
        with scope(subject=Subject(user_id="u-1")):
            yield

    held = dependency()
    await anext(held)
    during = user()
    with pytest.raises(StopAsyncIteration):
        await anext(held)

    assert ("u-1", None) == (during, user())


async def test_one_scope_object_may_be_used_again() -> None:
    """Its description does not change by being entered."""
    described = scope(subject=Subject(user_id="u-1"))
    seen = []

    for _ in range(2):
        with described:
            seen.append(user())

    assert (["u-1", "u-1"], None) == (seen, current_scope())


async def test_one_scope_object_may_nest_in_itself() -> None:
    """Entered twice, it has to be left twice, and leaves nothing behind."""
    described = scope(subject=Subject(user_id="u-1"))

    with described:
        with described:
            pass
        inside = user()

    assert ("u-1", None) == (inside, current_scope())


async def test_one_scope_object_may_be_shared_by_tasks() -> None:
    """Two requests that enter the same scope leave it each for itself, without a warning."""
    described = scope(anonymous=True)
    inside, outside = anyio.Event(), []

    async def first() -> None:
        with described:
            await inside.wait()
        outside.append(current_scope())

    async def second() -> None:
        with described:
            inside.set()
            await anyio.lowlevel.checkpoint()
        outside.append(current_scope())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        tasks.start_soon(second)

    assert [None, None] == outside
