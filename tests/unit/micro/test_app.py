"""From ASGI to values and back."""

from collections.abc import Iterable, MutableMapping
from typing import Any

import anyio
import pytest

from aiotracker.micro.app import MAX_READ_BYTES, App
from aiotracker.micro.collector import DROP_PAYLOAD_BYTES
from aiotracker.micro.log import ReceivedLog
from tests.unit.micro.samples import PAGE_VIEW, body_of

TP2 = "/com.snowplowanalytics.snowplow/tp2"
Message = dict[str, Any]


class Exchange:
    """A client that sends a body in parts, and keeps what comes back.

    Args:
        method: in capitals.
        path: percent-encoded.
        query: without the question mark.
        messages: what comes of the body; after the last one the client is silent.
    """

    def __init__(
        self, method: str, path: str, query: str = "", messages: Iterable[Message] | None = None
    ) -> None:
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"content-type", b"application/json"), (b"x-name", b"\xfc")],
            "client": ("203.0.113.9", 1234),
        }
        self.sent: list[Message] = []
        self._messages = iter(chunks(b"") if messages is None else messages)

    async def run(self, app: App) -> None:
        """Let the application answer."""
        await app(self.scope, self._receive, self._send)

    @property
    def status(self) -> int | None:
        """The status of the answer, None without one."""
        return next((m["status"] for m in self.sent if m["type"] == "http.response.start"), None)

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return b"".join(m["body"] for m in self.sent if m["type"] == "http.response.body")

    async def _receive(self) -> Message:
        message = next(self._messages, None)
        if message is None:
            await anyio.sleep_forever()
            raise AssertionError
        return message

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(dict(message))


def chunks(*bodies: bytes, is_whole: bool = True) -> list[Message]:
    """Return a body that comes in these parts, and ends with the last if it is whole."""
    count = len(bodies) if is_whole else len(bodies) + 1
    return [
        {"type": "http.request", "body": body, "more_body": n < count}
        for n, body in enumerate(bodies, start=1)
    ]


async def test_a_request_becomes_values() -> None:
    """Body, query, headers and sender arrive as they came."""
    log = ReceivedLog()
    body = body_of(PAGE_VIEW)
    exchange = Exchange("POST", TP2, "aid=%C3%BC", chunks(body[:10], body[10:]))

    await exchange.run(App(log))

    assert (200, b"ok") == (exchange.status, exchange.body)
    (receipt,) = log.newest_first()
    payload: Any = receipt.record
    assert (body, "aid=%C3%BC", "203.0.113.9") == (payload.body, payload.query, payload.ip_address)
    assert "X-Name: ü" in payload.headers
    assert 1 == receipt.good


async def test_the_raw_path_decides() -> None:
    """An encoded slash is no separator."""
    log = ReceivedLog()
    exchange = Exchange("POST", "/a%2Fb/c", messages=chunks(b"x"))

    await exchange.run(App(log))

    assert (200, 1) == (exchange.status, log.summary()["bad"])


async def test_a_list_is_streamed() -> None:
    """A part for each request, so that others get a turn."""
    log = ReceivedLog()
    for _ in range(3):
        await Exchange("POST", TP2, messages=chunks(body_of(PAGE_VIEW))).run(App(log))
    exchange = Exchange("GET", "/micro/good")

    await exchange.run(App(log))

    parts = [message for message in exchange.sent if message["type"] == "http.response.body"]
    assert len(parts) > 3
    assert (b"[{", b"}]") == (exchange.body[:2], exchange.body[-2:])


@pytest.mark.parametrize("count", [2, 3, 9])
async def test_a_body_that_is_too_large_is_refused(count: int) -> None:
    """However large, and however it comes; no more of it is kept than shows its size."""
    log = ReceivedLog()
    exchange = Exchange("POST", TP2, messages=chunks(*[bytes(DROP_PAYLOAD_BYTES // 2)] * count))

    await exchange.run(App(log))

    assert (413, 0) == (exchange.status, log.summary()["total"])


async def test_a_body_without_end_is_not_read_to_its_end() -> None:
    """The client gets its answer although it never stops."""
    part = bytes(DROP_PAYLOAD_BYTES)
    rest = iter(chunks(*[part] * 100, is_whole=False))
    exchange = Exchange("POST", TP2, messages=rest)

    await exchange.run(App(ReceivedLog()))

    assert 413 == exchange.status
    assert 100 - MAX_READ_BYTES // len(part) - 1 == len(list(rest))


async def test_a_slow_body_is_given_up() -> None:
    """408, and nothing is recorded."""
    log = ReceivedLog()
    exchange = Exchange("POST", TP2, messages=chunks(b"{", is_whole=False))

    await exchange.run(App(log, body_timeout=0.001))

    assert (408, 0) == (exchange.status, log.summary()["total"])


async def test_a_body_cut_short_is_not_recorded() -> None:
    """Nobody waits for an answer."""
    log = ReceivedLog()
    begun = chunks(body_of(PAGE_VIEW)[:20], is_whole=False)
    exchange = Exchange("POST", TP2, messages=[*begun, {"type": "http.disconnect"}])

    await exchange.run(App(log))

    assert ([], 0) == (exchange.sent, log.summary()["total"])
