"""When a batch is closed, and what it holds."""

import anyio
import pytest

from aiotracker.protocol.envelope import ENVELOPE_BYTES
from tests.fakes.bench import Bench, TrackWith, padded, record_bytes, view
from tests.fakes.clock import settle
from tests.fakes.transport import Hold


async def warmed_up(bench: Bench) -> Bench:
    """Bring a bench past its first, faster flush, and forget what it sent."""
    await bench.track("first")
    await bench.clock.advance(0.1)
    bench.transport.sent.clear()
    return bench


async def test_the_first_flush_comes_a_tenth_of_a_second_after_the_first_event(
    track_with: TrackWith,
) -> None:
    """After opening, the first batch leaves 0.1 s after its first event."""
    bench = await track_with()
    await bench.clock.advance(30)
    await bench.track("a")

    await bench.clock.advance(0.0999)
    before = bench.transport.pages
    await bench.clock.advance(0.0002)

    assert [] == before
    assert [["a"]] == bench.transport.pages


async def test_a_batch_closes_half_a_second_after_its_first_event(track_with: TrackWith) -> None:
    """The time counts from the first event, so a steady trickle does not put it off."""
    bench = await warmed_up(await track_with())

    for number in range(5):
        await bench.track(number)
        await bench.clock.advance(0.1)

    assert [["0", "1", "2", "3", "4"]] == bench.transport.pages


async def test_nothing_is_sent_before_half_a_second(track_with: TrackWith) -> None:
    """An event waits for company until 0.5 s are over."""
    bench = await warmed_up(await track_with())

    await bench.track("a")
    await bench.clock.advance(0.4999)

    assert [] == bench.transport.pages


async def test_the_next_batch_has_half_a_second_of_its_own(track_with: TrackWith) -> None:
    """What came after a batch was closed waits from its own first event on."""
    bench = await warmed_up(await track_with())
    await bench.track("a")
    await bench.clock.advance(0.5)
    await bench.clock.advance(0.2)
    await bench.track("b")

    await bench.clock.advance(0.49)
    before = bench.transport.pages
    await bench.clock.advance(0.02)

    assert [["a"]] == before
    assert [["a"], ["b"]] == bench.transport.pages


async def test_a_batch_closes_at_five_hundred_events(track_with: TrackWith) -> None:
    """The 500th event sends the batch without any time passing."""
    bench = await track_with()

    await bench.track(*range(499))
    await settle()
    before = bench.transport.batches
    await bench.track(499)
    await settle()

    assert [] == before
    assert [500] == bench.transport.batches


async def test_a_batch_closes_when_its_bytes_are_full(track_with: TrackWith) -> None:
    """A body that has reached the byte limit leaves without any time passing."""
    bench = await track_with(byte_limit=10_000)
    event = padded(900)
    size = record_bytes(event)
    fit = (10_000 - ENVELOPE_BYTES + 1) // size

    for _ in range(fit):
        await bench.tracker.track(event)
    await settle()
    before = bench.transport.batches
    await bench.tracker.track(event)
    await settle()

    assert [] == before
    assert [fit] == bench.transport.batches


async def test_a_batch_takes_exactly_what_the_byte_limit_allows(track_with: TrackWith) -> None:
    """A body of exactly the limit is sent whole, in one request."""
    size = record_bytes(padded(900))
    bench = await track_with(byte_limit=ENVELOPE_BYTES - 1 + 3 * size)

    for _ in range(3):
        await bench.tracker.track(padded(900))
    await settle()

    assert [3] == bench.transport.batches
    assert [ENVELOPE_BYTES - 1 + 3 * size] == [len(s.request.body) for s in bench.transport.sent]


@pytest.mark.parametrize("sizes", [(100, 900, 300), (1500, 10, 1500), (1, 2, 1900)])
async def test_no_body_is_ever_above_the_byte_limit(track_with: TrackWith, sizes: tuple[int, ...]) -> None:
    """Whatever mix of events comes, no request exceeds the limit, envelope included."""
    bench = await track_with(byte_limit=2_500)

    for number in range(60):
        await bench.tracker.track(padded(sizes[number % len(sizes)], number))
    await bench.tracker.aclose()

    assert 60 == len(bench.transport.delivered_ids)
    assert max(len(sent.request.body) for sent in bench.transport.sent) <= 2_500


async def test_a_smaller_batch_size_is_kept(track_with: TrackWith) -> None:
    """A burst leaves in batches of the configured size, in order."""
    bench = await track_with(batch_size=3, concurrency=1)

    await bench.track(*range(7))
    await bench.flush()

    assert [["0", "1", "2"], ["3", "4", "5"], ["6"]] == bench.transport.pages


async def test_alternating_kinds_still_fill_batches(track_with: TrackWith) -> None:
    """Anonymous and ordinary events in turn leave in two full batches, not in many of one event."""
    bench = await track_with(concurrency=1, batch_size=50)
    ordinary = {str(number) for number in range(0, 100, 2)}
    names = [str(number) for number in range(100)]

    for name in names:
        await bench.tracker.track(view(name)) if name in ordinary else await anonymously(bench, name)
    await bench.flush()

    assert [50, 50] == bench.transport.batches
    assert [ordinary, set(names) - ordinary] == [set(pages) for pages in bench.transport.pages]


async def anonymously(bench: Bench, name: str) -> None:
    """Track one event in an anonymous scope."""
    from aiotracker import scope

    with scope(anonymous=True):
        await bench.tracker.track(view(name))


async def test_only_anonymous_requests_carry_the_header(track_with: TrackWith) -> None:
    """`SP-Anonymous: *` stands on requests of anonymous events and on no other."""
    bench = await track_with(concurrency=1)
    await bench.track("a")
    await anonymously(bench, "b")

    await bench.flush()

    headers = {sent.pages[0]: sent.headers.get("sp-anonymous") for sent in bench.transport.sent}
    assert {"a": None, "b": "*"} == headers


async def test_a_get_carries_one_event(track_with: TrackWith) -> None:
    """With `method="get"` every event is a request of its own, sent at once, in the query string."""
    bench = await track_with(method="get", concurrency=1)

    await bench.track("a", "b")
    await settle()

    assert [["a"], ["b"]] == bench.transport.pages
    assert {("GET", b"")} == {(s.request.method, s.request.body) for s in bench.transport.sent}
    assert all(s.request.url.startswith("https://c0.acme.com/i?") for s in bench.transport.sent)


async def test_a_post_goes_to_the_collectors_path(track_with: TrackWith) -> None:
    """Batches are posted as JSON to the tracker protocol's path, under the tracker's name."""
    bench = await track_with(headers={"X-Gateway": "1"}, auth=("user", "secret"))

    await bench.track("a")
    await bench.flush()

    request, headers = bench.transport.sent[0].request, bench.transport.sent[0].headers
    assert ("POST", "https://c0.acme.com/com.snowplowanalytics.snowplow/tp2") == (
        request.method,
        request.url,
    )
    assert "application/json; charset=utf-8" == headers["content-type"]
    assert headers["user-agent"].startswith("aiotracker/")
    assert ("1", "Basic dXNlcjpzZWNyZXQ=") == (headers["x-gateway"], headers["authorization"])


async def test_the_time_of_sending_is_that_of_the_attempt(track_with: TrackWith) -> None:
    """`stm` is written anew for every attempt; `dtm` and `eid` stay."""
    bench = await track_with([503])
    await bench.track("a")
    await bench.clock.advance(0.1)
    await bench.clock.advance(0.5)

    (first,), (second,) = (sent.events for sent in bench.transport.sent)
    assert (first["eid"], first["dtm"]) == (second["eid"], second["dtm"])
    assert 500 == int(second["stm"]) - int(first["stm"])


@pytest.mark.parametrize("concurrency", [1, 2, 4])
async def test_concurrency_is_the_most_requests_at_a_time(track_with: TrackWith, concurrency: int) -> None:
    """No more requests run at once than `concurrency`, and so many do."""
    holds = [Hold() for _ in range(10)]
    bench = await track_with(holds, batch_size=1, concurrency=concurrency)

    await bench.track(*range(10))
    await settle()
    running = bench.transport.concurrent
    for hold in holds:
        hold.release()
        await settle()

    assert concurrency == running == bench.transport.most_concurrent
    assert 10 == len(bench.transport.delivered_ids)


async def test_one_sender_keeps_the_order(track_with: TrackWith) -> None:
    """With `concurrency=1` events arrive in the order of `track()`, through failures too."""
    bench = await track_with([200, 503, 200, 500], batch_size=2, concurrency=1)

    await bench.track(*range(10))
    await bench.clock.advance(60)

    arrived = [page for sent in bench.transport.sent for page in sent.pages]
    assert [["0", "1"], ["2", "3"], ["2", "3"], ["4", "5"]] == bench.transport.pages[:4]
    assert [str(number) for number in range(10)] == list(dict.fromkeys(arrived))


async def test_retried_records_go_first(track_with: TrackWith) -> None:
    """What failed is at the front of the queue again, before what came later."""
    bench = await track_with([503], batch_size=2, concurrency=1)
    await bench.track("a", "b")
    await settle()

    await bench.track("c", "d")
    await bench.clock.advance(0.5)

    assert [["a", "b"], ["a", "b"], ["c", "d"]] == bench.transport.pages


async def test_each_emitter_has_a_queue_of_its_own(track_with: TrackWith) -> None:
    """A collector that is away holds up its own events and nobody else's."""
    bench = await track_with([503, 503, 503], several=[{}, {"batch_size": 1}])

    ids = await bench.track("a", "b")
    await bench.clock.advance(0.2)

    assert [["a"], ["b"]] == sorted(bench.transports[1].pages)
    assert set(ids) == bench.transports[1].delivered_ids
    assert set() == bench.transports[0].delivered_ids
    assert 2 == bench.emitters[0].stats().buffered
    assert (4, 2) == (bench.tracker.stats().accepted, bench.tracker.stats().delivered)


async def test_an_event_is_the_same_for_every_emitter(track_with: TrackWith) -> None:
    """All emitters get one event under one id."""
    bench = await track_with(several=[{}, {"method": "get"}])

    (event_id,) = await bench.track("a")
    await bench.clock.advance(1)

    assert [[event_id], [event_id]] == [t.delivered for t in bench.transports]


async def test_tracking_in_bursts_loses_nothing(track_with: TrackWith) -> None:
    """Events that come while batches are being sent all arrive, once."""
    bench = await track_with(batch_size=7)

    for burst in range(20):
        await bench.track(*range(burst))
        await bench.clock.advance(0.01 * burst)
    await bench.tracker.aclose()

    assert sum(range(20)) == len(bench.transport.delivered) == len(bench.transport.delivered_ids)


async def test_threads_wake_a_sleeping_engine(track_with: TrackWith) -> None:
    """A batch that fills from another thread leaves at once."""
    bench = await track_with(batch_size=2)
    await settle()

    await anyio.to_thread.run_sync(bench.tracker.track_nowait, view("a"))
    await anyio.to_thread.run_sync(bench.tracker.track_nowait, view("b"))
    await settle()

    assert [["a", "b"]] == bench.transport.pages
