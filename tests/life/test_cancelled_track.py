"""`track()` cancelled wherever it may suspend: what was not put was never offered, and leaves nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import pytest

from aiotracker import Statistics
from aiotracker.tracker import CALLS_PER_YIELD
from tests.fakes.bench import Bench, TrackWith, begin, padded, view
from tests.fakes.clock import settle
from tests.fakes.transport import Hold
from tests.life.loops import only_asyncio
from tests.life.suspensions import CancelledAt

FULL: dict[str, Any] = {"batch_size": 1, "buffer_capacity": 1, "max_wait": 60.0}
MOST_SUSPENSIONS = 20


async def filled(track_with: TrackWith, emitters: Sequence[dict[str, Any]]) -> tuple[Bench, list[Hold]]:
    """Return a bench whose emitters hold one event each, on its way until its collector is released."""
    bench = await track_with(several=emitters)
    holds = [Hold() for _ in emitters]
    for transport, hold in zip(bench.transports, holds, strict=True):
        transport.steps.append(hold)
    await bench.track("first")
    await bench.clock.advance(1)
    return bench, holds


def waiting(bench: Bench) -> int:
    """Return how many callers wait for room, all emitters together."""
    return sum(len(emitter.intake.admission._waiters) for emitter in bench.emitters)


async def cancelled_everywhere(
    prepare: Callable[[], Awaitable[tuple[Bench, list[Hold]]]],
    call: Callable[[Bench], Awaitable[str | None]],
) -> list[tuple[Statistics, Statistics, list[bool]]]:
    """Cancel a call at its first suspension, its second and so on, on a fresh bench each time.

    Between two suspensions the collectors are released, one after the other.

    Returns:
        For every suspension the accounts before and after, and which emitters then took an event.
    """
    found: list[tuple[Statistics, Statistics, list[bool]]] = []
    for suspension in range(MOST_SUSPENSIONS):
        bench, holds = await prepare()
        before = bench.tracker.stats()
        cancelled = CancelledAt(suspension, lambda bench=bench: call(bench))  # type: ignore[misc]  # bound now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancelled.run)
            await settle()
            for hold in holds:
                if cancelled.suspensions <= suspension and not cancelled.is_finished:
                    hold.release()
                    await settle()
        after = bench.tracker.stats()
        bench.check()
        assert 0 == waiting(bench)
        # One that was cancelled in the very step that ended it has ended, and is judged like the others.
        if cancelled.is_finished and cancelled.suspensions <= suspension:
            return found
        for hold in holds:
            hold.release()
        await bench.clock.advance(1)
        took = [emitter.stats().accepted for emitter in bench.emitters]
        await bench.track("next")
        found.append(
            (
                before,
                after,
                [
                    emitter.stats().accepted > count
                    for emitter, count in zip(bench.emitters, took, strict=True)
                ],
            )
        )
    raise AssertionError("the call never comes to its end")


async def test_a_wait_for_one_emitter_leaves_nothing_behind(track_with: TrackWith) -> None:
    """Cancelled while it waits for room, an event was never offered and holds no room."""
    found = await cancelled_everywhere(
        lambda: filled(track_with, [FULL]), lambda bench: bench.tracker.track(view("second"))
    )

    assert 1 == len(found)
    for before, after, took in found:
        assert before == after
        assert [True] == took


async def test_a_wait_for_several_emitters_returns_what_some_granted(track_with: TrackWith) -> None:
    """Whichever wait is cancelled, the room that other emitters granted already is given back."""
    roomy = {**FULL, "buffer_capacity": 2}
    emitters = [roomy, FULL, FULL]

    found = await cancelled_everywhere(
        lambda: filled(track_with, emitters), lambda bench: bench.tracker.track(view("second"))
    )

    assert 2 == len(found)
    for before, after, took in found:
        assert (before.offered, before.accepted) == (after.offered, after.accepted)
        assert [True, True, True] == took


async def test_the_yield_of_a_busy_caller_is_a_suspension_before_the_offer(track_with: TrackWith) -> None:
    """The regular yield comes before the event is offered, so cancelling it costs nothing but the event."""

    async def prepare() -> tuple[Bench, list[Hold]]:
        bench, holds = await filled(track_with, [FULL])
        bench.tracker._calls = CALLS_PER_YIELD - 1
        return bench, holds

    found = await cancelled_everywhere(prepare, lambda bench: bench.tracker.track(view("second")))

    assert 2 == len(found)
    for before, after, took in found:
        assert before == after
        assert [True] == took


async def test_a_cancelled_deliver_leaves_nothing_that_was_not_put(track_with: TrackWith) -> None:
    """`deliver()` before the put is like `track()`; after it, its event is accepted and stays."""
    found = await cancelled_everywhere(
        lambda: filled(track_with, [FULL]), lambda bench: bench.tracker.deliver(view("second"))
    )

    accepted = [after.accepted - before.accepted for before, after, _ in found]
    assert sorted(accepted) == accepted
    assert {0, 1} == set(accepted)
    for before, after, _ in found:
        assert 0 == sum(after.refused.values()) == sum(before.refused.values())


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_cancelled_waiter_lets_the_next_one_in(track_with: TrackWith, place: int) -> None:
    """Whoever stands in the queue moves up, in order, when somebody before them is cancelled."""
    bench, (hold,) = await filled(track_with, [FULL])

    async with anyio.create_task_group() as tasks:
        calls = [
            await begin(tasks, lambda name=name: bench.tracker.track(view(name)))  # type: ignore[misc]  # bound now
            for name in "abc"
        ]
        calls[place].scope.cancel()
        await settle()
        hold.release()
        await bench.clock.advance(1)

    expected = [name for number, name in enumerate("abc") if number != place]
    assert [["first"], *([name] for name in expected)] == bench.transport.pages
    assert 0 == waiting(bench)


async def test_a_large_first_waiter_that_is_cancelled_makes_way(track_with: TrackWith) -> None:
    """When the one that was too large for the room gives up, those behind it get the room at once."""
    bench = await track_with([Hold()], batch_size=1, buffer_bytes=4_000, byte_limit=3_900, max_wait=60.0)
    await bench.tracker.track(padded(2_000))
    await bench.clock.advance(1)

    async with anyio.create_task_group() as tasks:
        large = await begin(tasks, lambda: bench.tracker.track(padded(2_000)))
        small = await begin(tasks, lambda: bench.tracker.track(view("small")))
        waited = [large.is_done, small.is_done]
        large.scope.cancel()
        await settle()
        has_room = small.is_done
        tasks.cancel_scope.cancel()

    assert [False, False] == waited
    assert has_room


@pytest.mark.parametrize("emitters", [[FULL], [FULL, FULL]])
async def test_a_cancellation_after_the_grant_returns_the_room(
    track_with: TrackWith, emitters: list[dict[str, Any]]
) -> None:
    """A task that is cancelled between being granted room and taking it gives it to the next waiter."""
    only_asyncio()
    bench, holds = await filled(track_with, emitters)
    cancelled = asyncio.ensure_future(bench.tracker.track(view("cancelled")))
    await settle()
    patient = asyncio.ensure_future(bench.tracker.track(view("patient")))
    await settle()

    for emitter in bench.emitters:  # as a delivery does, without letting the caller run in between
        size = emitter.intake.admission._waiters[0].size_bytes
        first = emitter.intake.admission._waiters.popleft()
        assert not emitter.event_store.reserve(size)
        emitter.event_store._held_events -= 1  # type: ignore[attr-defined]  # room that a delivery would free
        assert emitter.event_store.reserve(size)
        emitter.event_store._held_events += 1  # type: ignore[attr-defined]  # the truth again
        first.decide(True)  # noqa: FBT003 - the verdict
    cancelled.cancel()
    for hold in holds:
        hold.release()
    await bench.clock.advance(5)

    assert cancelled.cancelled()
    assert await patient is not None
    assert 2 * len(emitters) == bench.tracker.stats().delivered
