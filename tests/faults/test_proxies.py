"""What stands between a tracker and its collector, and answers in ways of its own."""

import gc
import gzip
import tracemalloc
from collections.abc import Iterator
from typing import Final, Literal

import pytest

from tests.faults.conftest import FaultReport
from tests.faults.rig import Rigs
from tests.faults.script import CONTINUE, answer, endless, half_answer, hang, say
from tests.faults.sizes import quick_and_full

SUCCESSES: Final = {
    "200 with a page of HTML": answer(200, b"<html>Welcome!</html>", content_type="text/html"),
    "204": answer(204),
    "202": answer(202),
    "200 in chunks": answer(200, b"ok" * 5_000, is_chunked=True),
    "200 after `100 Continue`": answer(200, interim=CONTINUE),
    "200 with a compressed body": answer(200, gzip.compress(b"ok"), content_encoding="gzip"),
    "200 with a body that is not as compressed as it says": answer(200, content_encoding="gzip"),
    "200 with a body that is cut off": half_answer(200),
}

FAILURES: Final = {
    "404": answer(404),
    "502 with a page of HTML": answer(502, b"<html>Bad gateway</html>", content_type="text/html"),
    "a status of 999": answer(999),
    "bytes that are no HTTP": say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "a head that is cut off": say(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a header that is no header": say(b"HTTP/1.1 200 OK\r\nno header\r\n\r\nok"),
}

BODIES: Final = {
    "200 with a body of a terabyte": endless(announced_bytes=10**12),
    "200 with a body that never ends": endless(),
}

QUICK_FLUSH: Final = 0.01
MEMORY_BYTES: Final = 16 * 1024 * 1024


@pytest.mark.parametrize("what", SUCCESSES)
async def test_any_2xx_is_success(rigs: Rigs, what: str, fault_report: FaultReport) -> None:
    """The status decides; what the body says, and whether it can be read, does not matter."""
    rig = await rigs(SUCCESSES[what], flush_interval=QUICK_FLUSH)

    await rig.track(10)
    await rig.settled()
    await rig.track(10)
    await rig.settled()

    assert 20 == rig.kept
    assert 20 == rig.emitter.stats().delivered
    assert 2 == len(rig.collector.seen)
    assert {} == rig.emitter.stats().retries
    fault_report(what, reaction="takes it for success", bound="delivered, 1 request", figure="1 request")


@quick_and_full("after", "half", "headers")
async def test_a_body_that_never_comes_is_not_waited_for(
    rigs: Rigs, after: Literal["headers", "half"], fault_report: FaultReport
) -> None:
    """A second after the status the events count as delivered, and are not sent again."""
    rig = await rigs(hang(after=after), flush_interval=QUICK_FLUSH)

    await rig.track(10)
    seconds = await rig.settled()

    assert 10 == rig.emitter.stats().delivered
    assert 1 == len(rig.collector.seen)
    fault_report(
        f"200 with a body that {'never comes' if after == 'headers' else 'stops in the middle'}",
        reaction="takes it for success after 1 s, and closes the connection",
        bound="delivered, 1 request",
        figure=f"after {seconds:.1f} s",
    )


@pytest.mark.parametrize("what", FAILURES)
async def test_anything_else_is_sent_again(rigs: Rigs, what: str, fault_report: FaultReport) -> None:
    """What is not 2xx and not a refusal for good keeps the batch."""
    rig = await rigs(FAILURES[what].times(1), flush_interval=QUICK_FLUSH, max_retry_delay=0.1)

    await rig.track(10)
    await rig.settled()

    assert 10 == rig.kept
    assert 2 == len(rig.collector.seen)
    assert 1 == sum(rig.emitter.stats().retries.values())
    fault_report(
        what,
        reaction="keeps the batch and sends it again after a backoff",
        bound="delivered, 1 request more",
        figure=f"delivered, {len(rig.collector.seen)} requests",
    )


async def test_a_redirect_is_not_followed(
    rigs: Rigs, lines: pytest.LogCaptureFixture, fault_report: FaultReport
) -> None:
    """A followed 302 would become an empty GET that succeeds; its target is told, at ERROR, once."""
    rig = await rigs(
        answer(302, location="https://sso.acme.com/login").times(2),
        max_retry_delay=0.1,
        flush_interval=QUICK_FLUSH,
    )

    await rig.track(10)
    await rig.settled()

    errors = [record.getMessage() for record in lines.records if record.levelname == "ERROR"]
    assert 10 == rig.kept
    assert 3 == len(rig.collector.seen)
    assert 1 == len(errors)
    assert "https://sso.acme.com/login" in errors[0]
    fault_report(
        "302 with a Location",
        reaction="does not follow it, keeps the batch, tells the target at ERROR",
        bound="all delivered in the end, one line",
        figure=f"{rig.kept} of 10 delivered, {len(errors)} line",
    )


@pytest.fixture
def traced() -> Iterator[None]:
    """Measure memory."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("what", BODIES)
@quick_and_full("batches", 1, 20)
async def test_memory_does_not_grow_with_the_answer(
    rigs: Rigs, traced: None, what: str, batches: int, fault_report: FaultReport
) -> None:
    """No more than 64 KiB of a body are read, then the connection is closed."""
    rig = await rigs(BODIES[what], flush_interval=QUICK_FLUSH)
    largest = 0

    for _ in range(batches):
        gc.collect()  # a connection that was closed is garbage in a circle
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        await rig.track(10)
        await rig.settled()
        _, peak = tracemalloc.get_traced_memory()
        largest = max(largest, peak - before)

    assert len(rig.ids) == rig.kept == rig.emitter.stats().delivered
    assert 0 == rig.collector.duplicates
    assert largest < MEMORY_BYTES
    fault_report(
        what,
        reaction="takes it for success and closes the connection after 64 KiB",
        bound="delivered, less than 16 MiB of memory",
        figure=f"{largest / 1024:,.0f} KiB",
    )
