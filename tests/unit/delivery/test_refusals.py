"""A collector that does not want what it is sent: too much, the wrong thing, or from the wrong sender."""

import logging
import math

import pytest

from aiotracker import HealthStatus
from aiotracker.protocol.exchange import Failure, FailureKind, Response
from tests.fakes.bench import TrackWith, padded, view
from tests.fakes.clock import settle
from tests.fakes.transport import Hold, Sent, Step


def picky(*bad: object, status: int = 400) -> Step:
    """Return a step that refuses every request with a bad page in it."""
    pages = {str(page) for page in bad}
    return lambda sent: status if pages & set(sent.pages) else 200


def small(max_bytes: int) -> Step:
    """Return a step that answers 413 to every larger body."""
    return lambda sent: 413 if len(sent.request.body) > max_bytes else 200


# -- 400 and 422: the event that spoils its batch -----------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("poison", [0, 137, 399])
async def test_one_bad_event_is_found_and_the_rest_arrives(
    track_with: TrackWith, status: int, poison: int
) -> None:
    """Among 400 events one is dropped, for at most 2·⌈log₂ n⌉ extra requests and no wait."""
    bench = await track_with(default=picky(poison, status=status), batch_size=400)

    ids = await bench.track(*range(400))
    await settle()

    assert set(ids) - {ids[poison]} == bench.transport.delivered_ids
    assert {"rejected": 1} == bench.tracker.stats().dropped
    assert len(bench.transport.sent) <= 1 + 2 * math.ceil(math.log2(400))
    assert HealthStatus.OK == bench.tracker.health().status


async def test_a_batch_of_one_is_not_bisected(track_with: TrackWith) -> None:
    """400 to a single event is final."""
    bench = await track_with(default=400)

    await bench.track("a")
    await bench.clock.advance(10)

    assert (1, {"rejected": 1}) == (len(bench.transport.sent), bench.tracker.stats().dropped)


async def test_a_gateway_that_refuses_everything_is_not_flooded(track_with: TrackWith) -> None:
    """One batch is bisected within 4·⌈log₂ n⌉ extra requests, those after it not at all."""
    bench = await track_with(default=400, batch_size=64, concurrency=1)

    await bench.track(*range(64 * 5))
    await bench.clock.advance(1)

    assert len(bench.transport.sent) <= 5 + 4 * 6
    assert {"rejected": 64 * 5} == bench.tracker.stats().dropped
    assert [64] * 4 == bench.transport.batches[-4:]


async def test_bisection_resumes_after_a_success(track_with: TrackWith) -> None:
    """A 2xx shows that the collector is picky, not closed: the next bad event is searched for again."""
    bench = await track_with(default=400, batch_size=4, concurrency=1)
    await bench.track(*range(8))
    await settle()
    bench.transport.default = 200
    await bench.track(*range(8, 12))
    await settle()

    bench.transport.default = picky(13)
    ids = await bench.track(*range(12, 16))
    await settle()

    assert {ids[0], ids[2], ids[3]} < bench.transport.delivered_ids
    assert {"rejected": 9} == bench.tracker.stats().dropped


async def test_a_failure_in_the_middle_of_a_search_loses_nothing(track_with: TrackWith) -> None:
    """What was not settled yet goes back to the queue, in order, and the search begins anew."""
    bench = await track_with([400, 200, 503], default=picky(5), batch_size=8, concurrency=1)

    ids = await bench.track(*range(8))
    await bench.clock.advance(5)

    assert set(ids) - {ids[5]} == bench.transport.delivered_ids
    assert {"rejected": 1} == bench.tracker.stats().dropped
    assert len(bench.transport.delivered) == len(bench.transport.delivered_ids)


async def test_a_search_pauses_while_the_circuit_is_open(track_with: TrackWith) -> None:
    """`Retry-After`, which another sender got during a search, is kept by the searcher, too."""
    first, second = Hold(), Hold()
    bench = await track_with([first, second], default=picky(1), batch_size=4, concurrency=2)
    ids = await bench.track(*range(8))
    await settle()

    second.release(Response(503, {"retry-after": "60"}))
    await settle()
    first.release(400)
    await bench.clock.advance(59)
    sent_meanwhile = len(bench.transport.sent)
    await bench.clock.advance(10)

    assert 2 == sent_meanwhile
    assert set(ids) - {ids[1]} == bench.transport.delivered_ids
    assert {"503": 1, "400": 1} == bench.tracker.stats().retries
    assert {"rejected": 1} == bench.tracker.stats().dropped


async def test_a_custom_code_gives_a_batch_up_whole(track_with: TrackWith) -> None:
    """`custom_retry_codes={503: False}` drops at once and opens nothing."""
    bench = await track_with([503], custom_retry_codes={503: False})

    await bench.track("a", "b")
    await bench.clock.advance(0.1)

    assert ({"rejected": 2}, 1) == (bench.tracker.stats().dropped, len(bench.transport.sent))
    assert HealthStatus.OK == bench.tracker.health().status


@pytest.mark.parametrize("status", [400, 401, 403, 410, 413, 422])
async def test_a_custom_code_keeps_a_batch(track_with: TrackWith, status: int) -> None:
    """`custom_retry_codes={401: True}` sends again what would be given up."""
    bench = await track_with([status], custom_retry_codes={status: True})

    await bench.track("a", "b")
    await bench.clock.advance(1)

    assert [["a", "b"], ["a", "b"]] == bench.transport.pages
    assert (2, {}) == (bench.tracker.stats().delivered, bench.tracker.stats().dropped)


# -- 401, 403 and 410: the sender is refused ----------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 410])
async def test_a_refused_sender_loses_one_batch_per_probe(track_with: TrackWith, status: int) -> None:
    """The batch is dropped, the circuit opens for 5 s, the rest is kept."""
    bench = await track_with([status, status], batch_size=2, concurrency=1)

    await bench.track(*range(10))
    await bench.clock.advance(4.9)
    first = (len(bench.transport.sent), dict(bench.tracker.stats().dropped))
    await bench.clock.advance(0.2)
    second = (len(bench.transport.sent), dict(bench.tracker.stats().dropped))
    await bench.clock.advance(5)

    assert (1, {"rejected": 2}) == first
    assert (2, {"rejected": 4}) == second
    assert 6 == bench.tracker.stats().delivered


async def test_a_refused_sender_is_told_in_one_error_line(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """A lapsed token is an ERROR that names the status, once a minute."""
    bench = await track_with(default=401, batch_size=1, concurrency=1)

    await bench.track(*range(10))
    await bench.clock.advance(30)

    lines = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert 1 == len(lines)
    assert "401" in lines[0]


async def test_a_refusal_may_ask_for_quiet(track_with: TrackWith) -> None:
    """`Retry-After` on a 403 is kept, too."""
    bench = await track_with([Response(403, {"retry-after": "60"})], batch_size=1, concurrency=1)

    await bench.track("a", "b")
    await bench.clock.advance(100)

    assert [0, 60] == bench.transport.times


async def test_a_late_success_does_not_outweigh_a_refusal(track_with: TrackWith) -> None:
    """The answer to an older request says nothing of a token that lapsed since."""
    slow = Hold()
    bench = await track_with([slow, 401], batch_size=1, concurrency=2)
    await bench.track("a", "b", "c")
    await settle()

    slow.release(200)
    await bench.clock.advance(4)

    assert 2 == len(bench.transport.sent)


# -- 413: the batch is too large ----------------------------------------------------------------------


async def test_a_batch_that_is_too_large_is_split(track_with: TrackWith) -> None:
    """413 halves the batch, keeps the order, backs off from nothing and is no outage."""
    bench = await track_with([413], batch_size=8, concurrency=1)

    ids = await bench.track(*range(8))
    await bench.clock.advance(0.5)

    assert 8 == bench.transport.batches[0]
    assert max(bench.transport.batches[1:]) <= 4
    assert ids == bench.transport.delivered
    assert HealthStatus.OK == bench.tracker.health().status


async def test_a_learned_limit_is_kept(track_with: TrackWith) -> None:
    """What the collector takes is found by halving, and then no batch is too large again."""
    bench = await track_with(default=small(3_000), batch_size=100, concurrency=4)

    ids = await bench.track(*range(400))
    await bench.clock.advance(5)

    refused = [sent for sent in bench.transport.sent if len(sent.request.body) > 3_000]
    assert set(ids) == bench.transport.delivered_ids
    assert len(bench.transport.delivered) == len(ids)
    assert len(refused) <= 4 + 5


async def test_one_sender_learns(track_with: TrackWith) -> None:
    """From a 413 to the next 2xx one request is under way at a time."""
    concurrent: list[int] = []

    def refuse(sent: Sent) -> Step:
        concurrent.append(bench.transport.concurrent)
        return 413 if len(sent.request.body) > 3_000 else 200

    bench = await track_with(default=refuse, batch_size=100, concurrency=4)
    await bench.track(*range(99))
    await bench.flush()
    await bench.track(*range(300))
    await bench.clock.advance(1)

    sizes = [len(sent.request.body) for sent in bench.transport.sent]
    learned = next(number for number, size in enumerate(sizes) if size <= 3_000)
    assert {1} == set(concurrent[: learned + 1])


async def test_a_single_event_that_is_too_large_is_dropped(track_with: TrackWith) -> None:
    """413 to one event gives it up as `too_large`; its neighbours arrive."""
    bench = await track_with(default=lambda sent: 413 if "big" in sent.pages else 200, concurrency=1)

    await bench.track("a", "b")
    await bench.tracker.track(padded(1_500, "big"))
    await bench.track("c", "d")
    await bench.clock.advance(1)

    assert {"too_large": 1} == bench.tracker.stats().dropped
    assert 4 == bench.tracker.stats().delivered


async def test_the_limit_grows_back(track_with: TrackWith) -> None:
    """After 50 clean batches the learned limit is a quarter larger, until it is forgotten."""
    bench = await track_with([413], batch_size=40, concurrency=1)
    await bench.track(*range(40))
    await settle()
    learned = max(len(sent.request.body) for sent in bench.transport.sent[1:])

    sizes = []
    for _ in range(250):
        bench.transport.sent.clear()
        await bench.track(*range(40))
        await bench.flush()
        sizes.append(len(bench.transport.sent[0].request.body))

    assert sizes[0] <= learned + 1
    assert sorted(sizes) == sizes
    assert sizes[-1] > 1.8 * learned


async def test_a_large_body_that_breaks_twice_is_split(track_with: TrackWith) -> None:
    """A server that refuses a body above 180,000 bytes without reading it resets the connection."""
    broken = Failure(FailureKind.BROKEN)
    bench = await track_with(
        default=lambda sent: broken if len(sent.request.body) > 250_000 else 200,
        concurrency=1,
        byte_limit=400_000,
    )

    for number in range(250):
        await bench.tracker.track(padded(1_500, number))
    await bench.clock.advance(10)

    assert 250 == bench.tracker.stats().delivered
    assert 2 == sum(len(sent.request.body) > 250_000 for sent in bench.transport.sent)


async def test_a_small_body_that_breaks_is_not_split(track_with: TrackWith) -> None:
    """A broken connection says nothing of the size of a usual batch."""
    broken = Failure(FailureKind.BROKEN)
    bench = await track_with([broken] * 4)

    await bench.track(*range(10))
    await bench.clock.advance(30)

    assert [10] * 5 == bench.transport.batches


# -- max_age ------------------------------------------------------------------------------------------


async def test_events_that_are_too_old_are_given_up(track_with: TrackWith) -> None:
    """With `max_age` what waited longer is dropped as `expired` instead of being sent."""
    bench = await track_with([503] * 6, max_age=5.0, max_retry_delay=2.0)
    await bench.track("old")
    await bench.clock.advance(6)

    await bench.track("new")
    await bench.clock.advance(10)

    assert {"expired": 1} == bench.tracker.stats().dropped
    assert (1, "new") == (bench.tracker.stats().delivered, bench.transport.pages[-1][0])


async def test_without_a_limit_no_event_is_too_old(track_with: TrackWith) -> None:
    """In memory age gives nothing up by default."""
    bench = await track_with(default=503)
    await bench.tracker.track(view("a"))
    await bench.clock.advance(100_000)

    bench.transport.default = 200
    await bench.clock.advance(61)

    assert 1 == bench.tracker.stats().delivered
