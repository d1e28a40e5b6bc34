"""Several emitters of one tracker: each has accounts, room and a fate of its own."""

import anyio
import pytest

from aiotracker import DeliveryError, DeliveryTimeout, EventRefusedError
from tests.fakes.bench import TrackWith, begin, view
from tests.fakes.transport import Hang, Hold

FULL = {"batch_size": 1, "buffer_capacity": 1}


async def test_each_emitter_gets_every_event(track_with: TrackWith) -> None:
    """One call offers the event to all; sums count it once for each."""
    bench = await track_with(several=[{}, {"batch_size": 1}, {"method": "get"}])

    ids = await bench.track("a", "b")
    await bench.clock.advance(1)

    assert [set(ids)] * 3 == [transport.delivered_ids for transport in bench.transports]
    assert (6, 6) == (bench.tracker.stats().offered, bench.tracker.stats().delivered)


async def test_a_dead_collector_does_not_hold_up_the_others(track_with: TrackWith) -> None:
    """An emitter without room refuses for itself; the id comes back because another one took it."""
    bench = await track_with(several=[{**FULL, "overflow": "drop_newest"}, {}])
    bench.transports[0].default = Hang()

    ids = await bench.track("a", "b")
    await bench.clock.advance(1)

    assert None not in ids
    assert set(ids) == bench.transports[1].delivered_ids
    assert {"queue_full": 1} == bench.emitters[0].stats().refused


async def test_the_wait_for_room_is_shared(track_with: TrackWith) -> None:
    """With several full emitters a call waits one `max_wait`, not one for each."""
    bench = await track_with(several=[FULL, FULL, FULL], max_wait=2.0)
    for transport in bench.transports:
        transport.default = Hang()
    await bench.track("a")
    await bench.clock.advance(0.1)

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.track(view("b")))
        await bench.clock.advance(1.99)
        was_done = call.is_done
        await bench.clock.advance(0.02)

    assert not was_done
    assert call.result is None
    assert [{"queue_full": 1}] * 3 == [emitter.stats().refused for emitter in bench.emitters]


async def test_a_patient_emitter_does_not_cost_the_grant_of_another(track_with: TrackWith) -> None:
    """An emitter that granted room keeps it while a slower one is waited for."""
    bench = await track_with(several=[{**FULL, "max_wait": 9.0}, FULL], max_wait=1.0)
    bench.transports[0].steps.append(hold := Hold())
    await bench.track("a")
    await bench.clock.advance(0.1)

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.track(view("b")))
        await bench.clock.advance(5)
        hold.release()
        await bench.clock.advance(1)

    assert call.result is not None
    assert [2, 2] == [emitter.stats().delivered for emitter in bench.emitters]


async def test_raising_needs_every_emitter_to_refuse(track_with: TrackWith) -> None:
    """`overflow="raise"` raises when nobody took the event, and names every refusal."""
    raising = {**FULL, "overflow": "raise"}
    bench = await track_with(several=[raising, raising])
    for transport in bench.transports:
        transport.default = Hang()
    await bench.track("a")

    with pytest.raises(EventRefusedError) as refused:
        await bench.track("b")

    assert 2 == len(refused.value.reasons)
    assert {"refused, queue_full"} == set(refused.value.reasons.values())


async def test_deliver_needs_every_emitter(track_with: TrackWith) -> None:
    """A rejection by one collector is told although another has the event."""
    bench = await track_with(several=[{}, {}])
    bench.transports[1].default = 400

    with pytest.raises(DeliveryError) as failed:
        await bench.tracker.deliver(view("a"))

    assert ["https://c1.acme.com"] == list(failed.value.reasons)
    assert 1 == bench.emitters[0].stats().delivered


async def test_deliver_names_who_has_not_answered(track_with: TrackWith) -> None:
    """At its timeout `deliver()` names the collectors that are missing; the event stays queued there."""
    bench = await track_with(several=[{}, {}])
    bench.transports[1].default = Hang()

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.deliver(view("a"), timeout=3.0))
        await bench.clock.advance(3)

    assert isinstance(call.error, DeliveryTimeout)
    assert {"https://c1.acme.com": "no answer yet"} == call.error.reasons
    assert 1 == bench.emitters[1].stats().in_flight


async def test_flush_adds_up_all_emitters(track_with: TrackWith) -> None:
    """The report sums what became of the events in each emitter."""
    bench = await track_with(several=[{}, {}])
    bench.transports[1].default = Hang()
    await bench.track("a", "b")

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.flush(timeout=1.0))
        await bench.clock.advance(1)

    assert (2, 2) == (call.result.delivered, call.result.remaining)
