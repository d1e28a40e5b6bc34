"""Any sequence of traffic and trouble: the accounts hold at every step, and in the end all is settled."""

from typing import Any

import anyio
from anyio.abc import TaskGroup
from hypothesis import given
from hypothesis import strategies as st

from aiotracker import PageView
from aiotracker.protocol.exchange import Response
from tests.fakes.bench import Bench, TrackWith, padded, view
from tests.fakes.clock import settle
from tests.fakes.transport import BROKEN_WHEN_REUSED, NO_CONNECTION, Delay, Hang, Sent, Step


def small(sent: Sent) -> Step:
    """Take small bodies only."""
    return 413 if len(sent.request.body) > 2_000 else 200


def picky(sent: Sent) -> Step:
    """Refuse every fifth event."""
    return 400 if any(int(page) % 5 == 0 for page in sent.pages) else 200


TROUBLES: list[Step] = [
    200,
    503,
    400,
    401,
    413,
    302,
    Response(429, {"retry-after": "7"}),
    NO_CONNECTION,
    BROKEN_WHEN_REUSED,
    ValueError("a defect of a client"),
    Hang(),
    Delay(0.3),
    Delay(3, 500),
    small,
    picky,
]

ACTIONS = st.one_of(
    st.tuples(st.just("track"), st.integers(1, 30)),
    st.tuples(st.just("nowait"), st.integers(1, 30)),
    st.tuples(st.just("pass"), st.floats(0.01, 20)),
    st.tuples(st.just("trouble"), st.sampled_from(TROUBLES)),
    st.tuples(st.just("flush"), st.none()),
    st.tuples(st.just("cancelled"), st.none()),
    st.tuples(st.just("reopen"), st.floats(0, 2)),
)

SETTINGS = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 20),
        "concurrency": st.integers(1, 4),
        "buffer_capacity": st.integers(20, 60),
        "overflow": st.sampled_from(["wait", "drop_newest", "drop_oldest"]),
        "byte_limit": st.sampled_from([1_500, 5_000]),
    }
)


@given(settings=SETTINGS, actions=st.lists(ACTIONS, max_size=25))
async def test_nothing_disappears(settings: dict[str, Any], actions: list[tuple[str, Any]]) -> None:
    """Every offered event is refused or accepted, every accepted one delivered, dropped or still there."""
    bench = await TrackWith()(**settings)
    try:
        await live(bench, actions)

        stats = bench.tracker.stats()
        assert (0, 0) == (stats.buffered, stats.in_flight)
        assert stats.delivered == len(bench.transport.delivered_ids) == len(bench.transport.delivered)
        assert all(len(sent.request.body) <= settings["byte_limit"] for sent in bench.transport.sent)
        assert bench.transport.most_concurrent <= settings["concurrency"]
    finally:
        await bench.tracker.aclose(timeout=0)


async def live(bench: Bench, actions: list[tuple[str, Any]]) -> None:
    """Let all that happen, check the accounts after each step, and then let the collector recover."""
    async with anyio.create_task_group() as tasks:
        for number, (action, argument) in enumerate(actions):
            await act(bench, tasks, action, argument, number)
            await settle()
            bench.check()
        await bench.clock.advance(1)
        bench.transport.default = 200
        await bench.clock.advance(400)
        bench.check()


async def act(
    bench: Bench,
    tasks: TaskGroup,
    action: str,
    argument: Any,  # noqa: ANN401 - each action has its own kind
    number: int,
) -> None:
    """Do one thing."""
    match action:
        case "track":
            for event in events(argument, number):
                tasks.start_soon(bench.tracker.track, event)
        case "nowait":
            for event in events(argument, number):
                bench.tracker.track_nowait(event)
        case "cancelled":
            with anyio.CancelScope() as scope:
                scope.cancel()
                await bench.tracker.track(view(number))
        case "trouble":
            bench.transport.default = argument
        case "flush":
            await bench.flush()
        case "reopen":
            tasks.start_soon(bench.tracker.aclose, argument)
            await bench.clock.advance(argument + 1)
            await bench.tracker.open()
        case _:
            await bench.clock.advance(argument)


def events(count: int, number: int) -> list[PageView]:
    """Return page views of many sizes, told apart by number."""
    return [padded((number + each) * 37 % 400, number * 100 + each) for each in range(count)]
