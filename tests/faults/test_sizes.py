"""Collectors that take less than what is sent: what that costs, and that no body is ever too large."""

from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiotracker import (
    ConfigurationError,
    Emitter,
    EventTooLargeError,
    PageView,
    SelfDescribing,
    SelfDescribingJson,
    Tracker,
)
from tests.faults.collector import Collector
from tests.faults.conftest import FaultReport
from tests.faults.rig import Rigs, check_accounts
from tests.faults.script import answer, answer_unread, reset_unread
from tests.faults.sizes import quick_and_full
from tests.stages import Stage

QUICK_FLUSH: Final = 0.01
COLLECTOR_BYTES: Final = 1_048_576
"""A collector answers 200 to what is larger, and loses it."""


@dataclass(frozen=True)
class Outage:
    """An outage and how it is met.

    Attributes:
        seconds: how long it lasts.
        max_delay: cap of the backoff in seconds.
    """

    seconds: float
    max_delay: float


@pytest.mark.parametrize(
    "most", [{"events": 200}, {"size_bytes": 40_000}], ids=["200 events", "40,000 bytes"]
)
@quick_and_full("outage", Outage(0.2, max_delay=0.15), Outage(4, max_delay=60))
async def test_an_outage_before_a_smaller_limit_wedges_nothing(
    rigs: Rigs, outage: Outage, most: dict[str, float], fault_report: FaultReport
) -> None:
    """What an outage held back is sent in batches, and those are halved until the collector takes them."""
    rig = await rigs(
        answer(503).for_seconds(outage.seconds),
        answer(413).above(**most),
        max_retry_delay=outage.max_delay,
    )

    await rig.track(600)
    await rig.settled(within=60)

    assert 600 == rig.kept
    assert 0 == rig.collector.duplicates
    assert 0 < len(rig.collector.seen_with(413))
    assert len(rig.collector.seen) <= 25
    what = " ".join(f"{value:,} {name.removeprefix('size_')}" for name, value in most.items())
    fault_report(
        f"503 for 4 s, then 413 above {what}",
        reaction="halves the refused batch, and learns the limit for the others",
        bound="600 of 600 delivered, at most 25 requests in all",
        figure=f"{rig.kept}, {len(rig.collector.seen)} requests",
    )


async def test_a_small_limit_is_found_in_few_requests(rigs: Rigs, fault_report: FaultReport) -> None:
    """413 above 20 events: 400 of 400 arrive, with 45 requests at most."""
    rig = await rigs(answer(413).above(events=20), flush_interval=QUICK_FLUSH)

    await rig.track(400)
    await rig.settled()

    assert 400 == rig.kept
    assert 0 == rig.collector.duplicates
    assert len(rig.collector.seen) <= 45
    fault_report(
        "413 above 20 events",
        reaction="halves the refused batch, one sender while the limit is learned",
        bound="400 of 400 delivered, at most 45 requests",
        figure=f"{rig.kept}, {len(rig.collector.seen)} requests",
    )


@quick_and_full("batch_size", 25, 100)
async def test_a_learned_limit_grows_back(rigs: Rigs, batch_size: int, fault_report: FaultReport) -> None:
    """When the collector takes more again, batches grow by a quarter every 50 until they are full."""
    rig = await rigs(answer(413).above(events=20), batch_size=batch_size)
    await rig.track(batch_size)
    await rig.tracker.flush()
    learned = max(len(request.event_ids) for request in rig.collector.seen_with(200))
    rig.collector.plays()

    requests = 0
    while len(rig.collector.seen[-1].event_ids) < batch_size:
        await rig.track(batch_size)
        await rig.tracker.flush()
        requests = len(rig.collector.seen)
        assert requests < 2_000, "the limit stays"

    assert learned <= 20
    assert 0 == rig.collector.duplicates
    fault_report(
        "the collector takes 100 events again, after 413 above 20",
        reaction="sends a quarter more after every 50 delivered batches",
        bound="batches are full again",
        figure=f"full after {requests} requests",
    )


@pytest.mark.parametrize("manner", ["polite", "rude"])
async def test_a_413_before_the_body_is_read_is_a_413(
    rigs: Rigs, manner: str, fault_report: FaultReport
) -> None:
    """A server that refuses a body unread, and even resets the connection by it, is understood."""
    refusal = answer_unread(413, lingers=manner == "polite").above(size_bytes=40_000)
    rig = await rigs(refusal, byte_limit=900_000, flush_interval=QUICK_FLUSH)

    await rig.track(400, title="x" * 1_000)
    await rig.settled()

    assert 400 == rig.kept
    assert 0 == rig.collector.duplicates
    fault_report(
        f"413 before the body is read{', and the connection is closed at once' * (manner == 'rude')}",
        reaction="halves the batch, as after any 413",
        bound="400 of 400 delivered",
        figure=f"{rig.kept}, {len(rig.collector.seen)} requests",
    )


async def test_a_large_body_that_breaks_the_connection_twice_is_halved(
    rigs: Rigs, fault_report: FaultReport
) -> None:
    """A server that resets instead of answering 413 does not block the buffer for ever."""
    rig = await rigs(
        reset_unread().above(size_bytes=190_000),
        byte_limit=900_000,
        max_retry_delay=0.1,
        flush_interval=QUICK_FLUSH,
    )

    await rig.track(600, title="x" * 1_000)
    await rig.settled()

    assert 600 == rig.kept
    assert 0 == rig.collector.duplicates
    fault_report(
        "requests above 190,000 bytes are reset unread (`byte_limit=900_000`)",
        reaction="halves a large batch whose connection breaks twice running",
        bound="600 of 600 delivered",
        figure=f"{rig.kept}, {len(rig.collector.seen)} requests",
    )


async def test_a_single_event_that_is_too_large_is_given_up(rigs: Rigs, fault_report: FaultReport) -> None:
    """413 to an event alone drops it as `too_large`; the others arrive."""
    rig = await rigs(answer(413).above(size_bytes=2_000), flush_interval=QUICK_FLUSH)

    await rig.track(9)
    large = await rig.track(1, title="x" * 1_900)
    await rig.track(9)
    await rig.settled()

    assert set(rig.ids) - set(large) == rig.collector.kept_ids
    assert {"too_large": 1} == rig.emitter.stats().dropped
    fault_report(
        "413 to a single event",
        reaction="drops it as `too_large` and goes on",
        bound="the 18 others delivered",
        figure=f"{rig.kept}",
    )


async def test_an_event_above_the_limit_is_refused_at_the_call(rigs: Rigs, fault_report: FaultReport) -> None:
    """1 MiB never reaches the buffer: the caller is told, and the refusal is counted."""
    rig = await rigs()
    large = SelfDescribing(
        SelfDescribingJson("iglu:com.acme/blob/jsonschema/1-0-0", {"text": "x" * COLLECTOR_BYTES})
    )

    with pytest.raises(EventTooLargeError) as raised:
        await rig.tracker.track(large)
    await rig.track(1)
    await rig.settled()

    assert raised.value.limit_bytes == rig.emitter.settings.byte_limit
    assert {"oversize": 1} == rig.emitter.stats().refused
    assert 1 == rig.kept
    fault_report(
        "an event of 1 MiB",
        reaction="refuses it at the call as `oversize`, with its size and its largest fields",
        bound="nothing of it sent",
        figure=f"largest body {rig.collector.largest_body:,} bytes",
    )


def test_a_limit_at_which_a_collector_loses_requests_is_refused() -> None:
    """No setting lets a body of 1 MiB + 1 come about."""
    with pytest.raises(ConfigurationError):
        Emitter("https://collector.acme.com", byte_limit=COLLECTOR_BYTES + 1)


varied = given(
    titles=st.lists(st.text(max_size=1_500), min_size=1, max_size=40),
    byte_limit=st.integers(10_000, 30_000),
    most_events=st.none() | st.integers(1, 20),
)


@pytest.mark.in_memory("that a lease fits in a body is in the contract of stores")
@varied
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=10)
async def test_no_body_is_ever_above_the_limit(
    stage: Stage, titles: list[str], byte_limit: int, most_events: int | None
) -> None:
    """Whatever is tracked and whatever the collector refuses, no request has more than `byte_limit` bytes."""
    await deliver_and_check(stage, titles, byte_limit, most_events)


@pytest.mark.in_memory("that a lease fits in a body is in the contract of stores")
@pytest.mark.faults
@pytest.mark.timeout(300)
@varied
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
async def test_no_body_of_many_is_ever_above_the_limit(
    stage: Stage, titles: list[str], byte_limit: int, most_events: int | None
) -> None:
    """The same rule, tried more often."""
    await deliver_and_check(stage, titles, byte_limit, most_events)


async def deliver_and_check(
    stage: Stage, titles: list[str], byte_limit: int, most_events: int | None
) -> None:
    """Deliver page views with these titles; check every body, and that every event arrives."""
    faults = [] if most_events is None else [answer(413).above(events=most_events)]
    with Collector(*faults) as collector:
        emitter = stage.emitter(collector.url, byte_limit=byte_limit)
        async with Tracker("sizes", emitter) as tracker:
            ids = {
                await tracker.track(PageView.clipped(page_url="https://acme.com/", page_title=title))
                for title in titles
            }

        assert collector.largest_body <= byte_limit
        assert collector.kept_ids == ids
        check_accounts(emitter, collector)
