"""The demo's collector runs in a process of its own, tells what it got, and ends with the demo."""

import re
import uuid

import anyio
import anyio.to_thread
import httpx
import pytest

from aiotracker.cli.demo_process import CollectorGoneError, CollectorProcess, local_collector

GOOD, BAD = str(uuid.uuid4()), str(uuid.uuid4())
BODY = (
    '{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":['
    f'{{"e":"pv","p":"srv","tv":"t-1","eid":"{GOOD}","url":"https://acme.com/"}},'
    f'{{"e":"pv","p":"elsewhere","tv":"t-1","eid":"{BAD}","url":"https://acme.com/"}}]}}'
).encode()


def posted(url: str, body: bytes) -> None:
    """Post events, as a tracker does."""
    path = "/com.snowplowanalytics.snowplow/tp2"
    httpx.post(url + path, content=body, headers={"Content-Type": "application/json"}).raise_for_status()


async def test_the_account_tells_good_from_bad() -> None:
    """What was received is counted, measured and named; a request that failed as a whole names no event."""
    async with local_collector() as collector:
        await anyio.to_thread.run_sync(posted, collector.url, b"{}")
        await anyio.to_thread.run_sync(posted, collector.url, BODY)

        received = await collector.totals()
        events = await collector.events()

    assert (1, 2, [GOOD]) == (received.good, received.bad, list(received.event_ids))
    assert (2, len(BODY)) == (received.requests, received.largest_body_bytes)
    assert {BAD, ""} == set(received.reasons)
    assert "elsewhere" in received.reasons[BAD]
    assert [GOOD] == list(events)
    assert "page_view" == events[GOOD]["event"]["event_name"]


async def test_nobody_answers_once_the_block_is_left() -> None:
    """The process ends with the block, also when the block fails."""
    collector: CollectorProcess | None = None

    with pytest.raises(ZeroDivisionError):
        async with local_collector() as collector:
            1 / 0  # noqa: B018 - raises

    assert collector is not None
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", collector.url)
    with pytest.raises(httpx.ConnectError):
        await anyio.to_thread.run_sync(posted, collector.url, BODY)


async def test_a_collector_that_ended_early_is_told() -> None:
    """Whoever asks a process that is gone gets an error that says so."""
    async with local_collector() as collector:
        await collector._questions.aclose()  # the end of its standard input ends it

        with pytest.raises(CollectorGoneError, match="ended before the demo did"):
            await collector.totals()
