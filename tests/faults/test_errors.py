"""Collectors that answer with errors: how often they are asked, and what is lost."""

import logging
import time
from dataclasses import dataclass
from email.utils import formatdate

import pytest

from aiotracker import HealthStatus
from aiotracker.delivery.engine import Engine
from tests.faults.conftest import FaultReport
from tests.faults.rig import Rigs, distinct
from tests.faults.script import answer
from tests.faults.sizes import quick_and_full


@dataclass(frozen=True)
class Outage:
    """An outage and how it is met.

    Attributes:
        seconds: how long it lasts.
        max_delay: cap of the backoff in seconds.
    """

    seconds: float
    max_delay: float


@quick_and_full("events", 300, 2_000)
async def test_an_error_for_every_fifth_request_loses_nothing(
    rigs: Rigs, events: int, fault_report: FaultReport
) -> None:
    """2,000 of 2,000 events arrive, once each, when a fifth of the requests is answered 503."""
    rig = await rigs(answer(503).one_in(5), batch_size=20)

    await rig.track(events)
    seconds = await rig.settled(within=60)

    assert events == rig.kept
    assert events == rig.emitter.stats().delivered
    assert 0 == rig.collector.duplicates
    assert 0 < len(rig.collector.seen_with(503))
    fault_report(
        "every fifth request is answered 503",
        reaction="keeps the batch and sends it again after a backoff",
        bound="2,000 of 2,000 delivered, no duplicate",
        figure=f"{rig.kept:,} in {seconds:.1f} s, {len(rig.collector.seen)} requests",
    )


@quick_and_full("outage", Outage(0.25, max_delay=0.2), Outage(6, max_delay=60))
async def test_an_outage_costs_one_request_per_backoff(
    rigs: Rigs, outage: Outage, fault_report: FaultReport
) -> None:
    """While 503 is all that comes back, only what was in flight and one probe per backoff is sent."""
    rig = await rigs(answer(503).for_seconds(outage.seconds), max_retry_delay=outage.max_delay)

    await rig.track(600)
    await rig.settled(within=90)

    failed = rig.collector.seen_with(503)
    assert 600 == rig.kept
    assert 0 == rig.collector.duplicates
    assert len(failed) <= 13
    told = sum(len(notice.records) for notice in rig.told("retry"))
    assert sum(len(request.event_ids) for request in failed) == told
    fault_report(
        "503 for 6 s",
        reaction="opens the circuit: one probe per backoff; `on_retry` is told of each failed request once",
        bound="600 of 600 delivered, at most 13 requests meanwhile",
        figure=f"{rig.kept}, {len(failed)} requests",
    )


@dataclass(frozen=True)
class Wish:
    """How long a server wants to be left alone.

    Attributes:
        seconds: that it says.
        slack: seconds that the next request may come later.
    """

    seconds: float
    slack: float


@pytest.mark.in_memory("when to ask again is not the store's business")
@quick_and_full("wish", Wish(0.4, 30.0), Wish(4, 1.5))
async def test_retry_after_in_seconds_is_a_minimum(rigs: Rigs, wish: Wish, fault_report: FaultReport) -> None:
    """After 429 with `Retry-After: 4` the next request comes after 4.0 s and before 5.5 s."""
    rig = await rigs(answer(429, retry_after=str(wish.seconds)).times(1))

    await rig.track(1)
    await rig.until(lambda: len(rig.collector.seen) == 1)
    await rig.tracker.flush(timeout=0)  # skips a backoff, but not what the server wants
    await rig.settled()

    refused, delivered = rig.collector.seen
    pause = delivered.at - refused.at
    assert wish.seconds <= pause
    assert pause < wish.seconds + wish.slack
    fault_report(
        "429 with `Retry-After: 4`",
        reaction="leaves the collector alone for that long, even when flushed",
        bound="next request after 4.0 s to 5.5 s",
        figure=f"after {pause:.2f} s",
    )


@pytest.mark.in_memory("when to ask again is not the store's business")
@quick_and_full("wish", Wish(1, 30.0), Wish(4, 1.5))
async def test_retry_after_as_a_date_is_a_minimum(rigs: Rigs, wish: Wish, fault_report: FaultReport) -> None:
    """A date is obeyed like seconds, to the second that it names."""
    moment = int(time.time() + wish.seconds)
    date = formatdate(moment, usegmt=True)
    rig = await rigs(answer(429, retry_after=date).times(1))

    await rig.track(1)
    await rig.settled()

    pause = rig.collector.seen[1].at - (time.monotonic() - time.time()) - moment
    assert -0.02 <= pause  # the two clocks of the machine are read one after the other
    assert pause < wish.slack
    fault_report(
        "429 with `Retry-After` as a date",
        reaction="leaves the collector alone until then",
        bound="next request at that second or up to 1.5 s later",
        figure=f"{pause:.2f} s later",
    )


@pytest.mark.parametrize("wish", ["0", "-4", "Fri, 99 Foo 2026 99:99:99 GMT"])
async def test_a_retry_after_that_asks_for_nothing_still_backs_off(
    rigs: Rigs, wish: str, fault_report: FaultReport
) -> None:
    """Zero, negative and senseless values leave the backoff of any failure, 0.1 s at least."""
    rig = await rigs(answer(429, retry_after=wish).times(1), max_retry_delay=0.15)

    await rig.track(1)
    await rig.settled()

    refused, delivered = rig.collector.seen
    pause = delivered.at - refused.at
    assert 0.1 <= pause
    assert pause < 4
    fault_report(
        "429 with a `Retry-After` of 0, a negative number or nonsense",
        reaction="backs off as after any failure",
        bound="next request after 0.1 s at least",
        figure=f"after {pause:.2f} s",
    )


async def test_a_retry_after_of_days_is_capped(rigs: Rigs, fault_report: FaultReport) -> None:
    """No server can silence a tracker for more than 300 s."""
    rig = await rigs(answer(429, retry_after="999999"))

    await rig.track(1)
    await rig.until(lambda: rig.tracker.health().status is HealthStatus.DEGRADED)

    engine = rig.emitter.intake
    assert isinstance(engine, Engine)
    circuit = engine._destination.circuit
    pause = circuit.retry_at - circuit.opened_at
    assert 300 == pytest.approx(pause)
    assert 1 == len(rig.collector.seen)
    fault_report(
        "429 with `Retry-After: 999999`",
        reaction="waits no longer than 300 s",
        bound="next request after 300 s",
        figure=f"due after {pause:.0f} s",
    )


@dataclass(frozen=True)
class Refusal:
    """How long a collector refuses the sender.

    Attributes:
        seconds: how long it does.
        is_hurried: whether the test flushes instead of waiting for the long backoff of a refusal.
    """

    seconds: float
    is_hurried: bool


@quick_and_full("refusal", Refusal(0.3, is_hurried=True), Refusal(5, is_hurried=False))
async def test_a_lapsed_token_costs_the_batches_that_were_refused(
    rigs: Rigs, lines: pytest.LogCaptureFixture, refusal: Refusal, fault_report: FaultReport
) -> None:
    """401 drops exactly its batch: what was in flight and one batch per probe; one line tells of it."""
    rig = await rigs(answer(401).for_seconds(refusal.seconds), batch_size=10)

    await rig.track(20)
    await rig.until(lambda: rig.collector.seen != [])
    await rig.track(60, interval=0.01)
    if refusal.is_hurried:
        await rig.until(lambda: time.monotonic() > rig.collector.seen[0].at + refusal.seconds)
        await rig.tracker.flush()
    await rig.settled()

    refused = rig.collector.seen_with(401)
    lost = distinct(refused)
    assert set(rig.ids) - lost == rig.collector.kept_ids
    assert {"rejected": len(lost)} == rig.emitter.stats().dropped
    assert len(refused) <= 5  # four in flight at most, one probe
    assert 1 == sum(record.levelno == logging.ERROR for record in lines.records)
    fault_report(
        "401 for 5 s",
        reaction="drops the refused batches as `rejected`, and asks again every 5 s or more",
        bound="lost: exactly the batches answered 401; one line at ERROR",
        figure=f"{len(refused)} batches, {len(lost)} of {len(rig.ids)} events",
    )


@quick_and_full("seconds", 0.2, 5.0)
async def test_a_lapsed_token_costs_nothing_when_401_is_retried(
    rigs: Rigs, seconds: float, fault_report: FaultReport
) -> None:
    """With `custom_retry_codes={401: True}` everything is kept until the token is renewed."""
    rig = await rigs(answer(401).for_seconds(seconds), custom_retry_codes={401: True})

    await rig.track(80)
    await rig.settled(within=60)

    assert 80 == rig.kept
    assert {} == rig.emitter.stats().dropped
    fault_report(
        "401 for 5 s, with `custom_retry_codes={401: True}`",
        reaction="keeps everything, as after a 503",
        bound="nothing lost",
        figure=f"{rig.kept} of 80 delivered, {len(rig.collector.seen_with(401))} requests refused",
    )
