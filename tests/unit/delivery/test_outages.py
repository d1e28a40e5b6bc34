"""A collector that is away: what is kept, when it is tried again, how it recovers."""

import logging

import pytest

from aiotracker import HealthStatus
from aiotracker.protocol.exchange import Failure, FailureKind, Response
from tests.fakes.bench import TrackWith
from tests.fakes.clock import settle
from tests.fakes.transport import BROKEN_WHEN_REUSED, NO_CONNECTION, Delay, Hang, Hold, Step


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(404, id="404"),
        pytest.param(408, id="408"),
        pytest.param(425, id="425"),
        pytest.param(429, id="429"),
        pytest.param(500, id="500"),
        pytest.param(503, id="503"),
        pytest.param(302, id="302"),
        pytest.param(NO_CONNECTION, id="connect"),
        pytest.param(Failure(FailureKind.TLS), id="tls"),
        pytest.param(Failure(FailureKind.BROKEN), id="broken"),
        pytest.param(Failure(FailureKind.PROTOCOL), id="protocol"),
        pytest.param(RuntimeError("a defect of a user's client"), id="error"),
        pytest.param(Hang(), id="timeout"),
    ],
)
async def test_a_trouble_of_the_world_costs_no_event(track_with: TrackWith, step: Step) -> None:
    """The batch is kept whole and sent again, under the same ids."""
    bench = await track_with([step])

    ids = await bench.track("a", "b")
    await bench.clock.advance(30)

    assert [["a", "b"], ["a", "b"]] == bench.transport.pages
    assert [ids, ids] == [sent.ids for sent in bench.transport.sent]
    assert 1 == sum(bench.tracker.stats().retries.values())


@pytest.mark.parametrize(
    ("step", "cause"),
    [(503, "503"), (NO_CONNECTION, "connect"), (Hang(), "timeout"), (ValueError("x"), "error")],
)
async def test_retries_are_counted_by_cause(track_with: TrackWith, step: Step, cause: str) -> None:
    """A dashboard sees why requests are repeated."""
    bench = await track_with([step])

    await bench.track("a")
    await bench.clock.advance(30)

    assert {cause: 1} == bench.tracker.stats().retries
    assert 2 == bench.tracker.stats().requests


async def test_an_attempt_ends_after_ten_seconds(track_with: TrackWith) -> None:
    """A server that never answers is given up at the deadline of the whole attempt."""
    bench = await track_with([Hang()])
    await bench.track("a")

    await bench.clock.advance(0.1 + 9.99)
    before = bench.transport.cancelled
    await bench.clock.advance(0.02)

    assert (0, 1) == (before, bench.transport.cancelled)
    assert {"timeout": 1} == bench.tracker.stats().retries


async def test_an_answer_just_in_time_counts(track_with: TrackWith) -> None:
    """A slow answer within the deadline is an answer like any other."""
    bench = await track_with([Delay(9.9)])

    await bench.track("a")
    await bench.clock.advance(11)

    assert (1, 1) == (bench.tracker.stats().delivered, len(bench.transport.sent))


async def test_backoff_doubles_with_a_single_probe(track_with: TrackWith) -> None:
    """During an outage there is one request per step of the backoff, however much is queued."""
    bench = await track_with(default=503, batch_size=1, concurrency=1)

    await bench.track(*range(50))
    await bench.clock.advance(40)

    assert [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5] == bench.transport.times
    assert [["0"]] * 7 == bench.transport.pages


async def test_backoff_is_capped(track_with: TrackWith) -> None:
    """The longest wait is `max_retry_delay`."""
    bench = await track_with(default=503, max_retry_delay=2.0)

    await bench.track("a")
    await bench.clock.advance(9)

    assert [0, 0.5, 1.5, 3.5, 5.5, 7.5] == bench.transport.times


async def test_requests_in_flight_fail_as_one(track_with: TrackWith) -> None:
    """Four senders that fail together are one outage, and are followed by one probe."""
    bench = await track_with(default=503, batch_size=1, concurrency=4)

    await bench.track(*range(20))
    await settle()
    in_flight = len(bench.transport.sent)
    await bench.clock.advance(2)

    assert 4 == in_flight
    assert [0, 0, 0, 0, 0.5, 1.5] == bench.transport.times


async def test_the_probe_is_the_oldest_batch(track_with: TrackWith) -> None:
    """After several batches failed, in whatever order, the oldest events go first."""
    holds = [Hold() for _ in range(4)]
    bench = await track_with(holds, batch_size=1, concurrency=4)
    await bench.track(*range(6))
    await settle()

    for hold in holds:
        hold.release(503)
        await settle()
    await bench.clock.advance(0.5)

    assert ["0"] == bench.transport.pages[4]


async def test_recovery_brings_all_senders_back(track_with: TrackWith) -> None:
    """A probe that arrives opens the way for everything at once."""
    bench = await track_with([503], batch_size=1, concurrency=4)
    ids = await bench.track(*range(12))
    await settle()

    await bench.clock.advance(0.5)

    assert set(ids) == bench.transport.delivered_ids
    assert HealthStatus.OK == bench.tracker.health().status


async def test_after_the_probe_all_senders_are_at_work_again(track_with: TrackWith) -> None:
    """The one that carried the probe does not go on alone."""
    bench = await track_with([503], batch_size=1, concurrency=4)
    await bench.track("a")
    await settle()
    await bench.track(*"bcdefgh")
    bench.transport.steps.append(200)  # the probe
    bench.transport.default = hold = Hold()

    await bench.clock.advance(1)

    assert 4 == bench.transport.concurrent
    hold.release()


async def test_nothing_else_is_sent_beside_the_probe(track_with: TrackWith) -> None:
    """While the probe is under way its result is waited for."""
    probe = Hold()
    bench = await track_with([503, probe], batch_size=1, concurrency=1)
    await bench.track(*range(5))
    await bench.clock.advance(0.5)

    await bench.track(*range(5, 10))
    await bench.clock.advance(5)
    during = len(bench.transport.sent)
    probe.release(200)
    await settle()

    assert 2 == during
    assert 10 == bench.tracker.stats().delivered


async def test_a_late_success_ends_the_outage(track_with: TrackWith) -> None:
    """A request from before the outage that arrives proves that the collector is back."""
    slow = Hold()
    bench = await track_with([slow, 503], batch_size=1, concurrency=2)
    await bench.track("a", "b")
    await settle()
    is_open = bench.tracker.health().status

    slow.release(200)
    await settle()

    assert (HealthStatus.DEGRADED, HealthStatus.OK) == (is_open, bench.tracker.health().status)
    assert 2 == bench.tracker.stats().delivered


async def test_an_outage_of_an_hour_costs_few_requests(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """One request per minute in the long run, one log line per minute and reason."""
    bench = await track_with(default=503)

    await bench.track("a")
    await bench.clock.advance(3600)

    assert 60 <= len(bench.transport.sent) <= 70
    assert 50 <= len(caplog.records) <= 61


async def test_health_tells_of_the_outage(track_with: TrackWith) -> None:
    """An open circuit is degraded, with the collector and the next probe in the details."""
    bench = await track_with([503], several=[{}, {}])
    await bench.track("a")
    await bench.clock.advance(0.1)

    health = bench.tracker.health()

    assert HealthStatus.DEGRADED == health.status
    assert {"https://c0.acme.com"} == set(health.details)
    assert "0.5 s" in health.details["https://c0.acme.com"]


# -- Retry-After --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("4", 4.0),
        ("0", 0.5),
        ("-1", 0.5),
        ("soon", 0.5),
        ("999999", 300.0),
        ("Tue, 14 Nov 2023 22:13:27 GMT", 6.9),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_kept(track_with: TrackWith, status: int, header: str, expected: float) -> None:
    """The next request comes when the server said, and not before the backoff."""
    bench = await track_with([Response(status, {"retry-after": header})])

    await bench.track("a")
    await bench.clock.advance(400)

    assert [0, expected] == bench.transport.times


async def test_a_flush_does_not_break_a_retry_after(track_with: TrackWith) -> None:
    """However often a user flushes, the server's wish is kept."""
    bench = await track_with([Response(429, {"retry-after": "4"})])
    await bench.track("a")
    await bench.clock.advance(0.1)

    for _ in range(8):
        await bench.flush()
        await bench.clock.advance(0.49)
    before = len(bench.transport.sent)
    await bench.clock.advance(0.1)

    assert (1, 2) == (before, len(bench.transport.sent))


async def test_a_flush_skips_one_backoff(track_with: TrackWith) -> None:
    """The probe comes at once; when it fails the circuit is obeyed again."""
    bench = await track_with(default=503)
    await bench.track("a")
    await bench.clock.advance(0.1)
    await bench.clock.advance(0.2)

    await bench.flush()
    await bench.clock.advance(0.9)

    assert [0, 0.2] == bench.transport.times


async def test_a_flush_in_the_very_moment_of_the_failure_is_harmless(track_with: TrackWith) -> None:
    """A coarse clock gives the failure and the flush's probe one time: delivery goes on nevertheless."""
    bench = await track_with([503, Delay(1, 503)])
    await bench.track("a")
    await bench.clock.advance(0.1)

    await bench.flush()
    await bench.clock.advance(60)

    assert 1 == bench.tracker.stats().delivered


# -- stale connections --------------------------------------------------------------------------------


async def test_a_stale_connection_is_retried_at_once(track_with: TrackWith) -> None:
    """A kept connection that died unused costs one more request, no backoff and no retry in the books."""
    bench = await track_with([BROKEN_WHEN_REUSED])

    await bench.track("a")
    await bench.clock.advance(0.1)

    assert (1, {}) == (bench.tracker.stats().delivered, bench.tracker.stats().retries)
    assert [0, 0] == bench.transport.times
    assert HealthStatus.OK == bench.tracker.health().status


async def test_a_stale_connection_is_retried_once(track_with: TrackWith) -> None:
    """A second break in a row is a failure like any other."""
    bench = await track_with([BROKEN_WHEN_REUSED, BROKEN_WHEN_REUSED])

    await bench.track("a")
    await bench.clock.advance(0.1)

    assert (0, {"broken": 1}) == (bench.tracker.stats().delivered, bench.tracker.stats().retries)
    assert HealthStatus.DEGRADED == bench.tracker.health().status


async def test_the_immediate_retry_shares_the_deadline(track_with: TrackWith) -> None:
    """Both requests together have the 10 s of one attempt."""
    bench = await track_with([Delay(6, BROKEN_WHEN_REUSED), Hang()])

    await bench.track("a")
    await bench.clock.advance(0.1 + 10)

    assert {"timeout": 1} == bench.tracker.stats().retries


@pytest.mark.parametrize(
    "failure",
    [
        Failure(FailureKind.BROKEN),
        Failure(FailureKind.BROKEN, is_reused=True, has_response_started=True),
        Failure(FailureKind.TIMEOUT, is_reused=True),
    ],
)
async def test_other_breaks_back_off(track_with: TrackWith, failure: Failure) -> None:
    """A new connection that breaks, or an answer that does, is no stale connection."""
    bench = await track_with([failure])

    await bench.track("a")
    await bench.clock.advance(0.1)

    assert (0, 1) == (bench.tracker.stats().delivered, len(bench.transport.sent))


# -- what only a person can mend ----------------------------------------------------------------------


async def test_a_redirect_is_told_once_with_its_location(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """One ERROR line says where the collector's address should point; nothing follows it."""
    moved = Response(301, {"location": "https://new.acme.com/tp2"})
    bench = await track_with([moved, moved, moved])

    await bench.track("a")
    await bench.clock.advance(30)

    lines = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert 1 == len(lines)
    assert "https://new.acme.com/tp2" in lines[0]
    assert {"https://c0.acme.com/com.snowplowanalytics.snowplow/tp2"} == {
        sent.request.url for sent in bench.transport.sent
    }
    assert 1 == bench.tracker.stats().delivered
