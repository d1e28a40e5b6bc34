"""The collector of the benchmark: answers, counts distinct event ids, and costs next to nothing.

A process of its own, so that what it costs is not the contender's. It reads requests by hand, answers
first and counts afterwards: the ids are found by a compiled expression when a body is complete, and become
distinct only when the harness asks. It speaks the protocol of the contenders (`protocol.py`), with commands
of its own:

    {"do": "hello"}                             → {"ok": true, "url": "http://127.0.0.1:40123"}
    {"do": "reset", "delay": 0.05}              → {"ok": true}     forget everything, answer 200 after 50 ms
    {"do": "set", "delay": 0.0, "status": 503}  → {"ok": true}     answer differently, forget nothing
    {"do": "count"}                             → {"ok": true, "distinct": 20000, "events": 20000,
                                                   "requests": 40, "connections": 4, "bytes": 12000000,
                                                   "errors": 0, "cpu_seconds": 0.05}
    {"do": "sample"}                            → {"ok": true, "body": "…"}    of the last request

A request that is answered with another status than 200 is read and not counted.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import itertools
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Final

from benchmarks.speed.protocol import Command, Reply, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_PATTERNS: Final[Mapping[bytes, re.Pattern[bytes]]] = {
    b"/v1/batch": re.compile(rb'"messageId": ?"([^"]+)"'),  # Segment
    b"/batch": re.compile(rb'"uuid": ?"([^"]+)"'),  # PostHog
    b"/": re.compile(rb'"eid": ?"([^"]+)"'),  # Snowplow
}
"""How ids are found, by the beginning of the path; the first that fits."""

QUERY_ID: Final = re.compile(rb"[?&]eid=([^& ]+)")  # of a Snowplow GET
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
IS_GZIP: Final = re.compile(rb"\r\ncontent-encoding: *gzip", re.IGNORECASE)
BODY: Final = b'{"status":1}'  # PostHog reads it, nobody else does
REASONS: Final = {200: b"OK", 503: b"Service Unavailable"}


def response(status: int) -> bytes:
    """Return a whole response that keeps the connection."""
    head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, REASONS[status], len(BODY)) + BODY


class Sink:
    """What has arrived, and how to answer.

    Attributes:
        delay: seconds from a request's last byte to its answer.
        status: of the answers.
    """

    def __init__(self) -> None:
        """Begin with nothing, answering at once."""
        self.delay = 0.0
        self.status = 200
        self.url = ""
        self.forget()

    def forget(self) -> None:
        """Forget what has arrived."""
        self.ids: list[list[bytes]] = []
        self.requests = self.connections = self.bytes = self.errors = 0
        self.last_body = b""
        self.cpu_began = time.process_time()

    def take(self, head: bytes, body: bytes) -> None:
        """Note a request that was answered."""
        self.requests += 1
        self.bytes += len(body)
        if self.status != 200:  # noqa: PLR2004
            return
        if IS_GZIP.search(head):
            body = gzip.decompress(body)
        self.last_body = body
        method, path, _ = head.split(b" ", 2)
        if method == b"GET":
            self.ids.append(QUERY_ID.findall(path))
        else:
            pattern = next(pattern for prefix, pattern in ID_PATTERNS.items() if path.startswith(prefix))
            self.ids.append(pattern.findall(body))

    # -- commands -------------------------------------------------------------------------------------

    def hello(self, _: Command) -> Reply:
        """Say where it listens."""
        return {"url": self.url}

    def reset(self, command: Command) -> Reply:
        """Forget everything and answer as told from now on."""
        self.forget()
        return self.set(command)

    def set(self, command: Command) -> Reply:
        """Answer as told from now on."""
        self.delay = command.get("delay", 0.0)
        self.status = command.get("status", 200)
        return {}

    def count(self, _: Command) -> Reply:
        """Tell what has arrived."""
        cpu_seconds = time.process_time() - self.cpu_began  # before the counting
        return {
            "distinct": len(set(itertools.chain.from_iterable(self.ids))),
            "events": sum(map(len, self.ids)),
            "requests": self.requests,
            "connections": self.connections,
            "bytes": self.bytes,
            "errors": self.errors,
            "cpu_seconds": cpu_seconds,
        }

    def sample(self, _: Command) -> Reply:
        """Show the last body."""
        return {"body": self.last_body.decode()}


class Connection(asyncio.Protocol):
    """One connection: finds requests in what is received."""

    def __init__(self, sink: Sink) -> None:
        """Belong to a sink."""
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._needed = 0  # bytes, head included; 0 while the head is not complete
        self._head_bytes = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a server's connection can be read and written")
        self._transport = transport
        self._sink.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        """Forget the connection."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        received = self._received
        received += data
        while received:
            if not self._needed and not self._read_head():
                return
            if len(received) < self._needed:
                return
            head = bytes(received[: self._head_bytes])
            body = bytes(memoryview(received)[self._head_bytes : self._needed])
            del received[: self._needed]
            self._needed = 0
            self._answer()
            self._sink.take(head, body)

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head_bytes = end + 4
        length = LENGTH.search(self._received, 0, end)
        if length is None and not self._received.startswith(b"GET "):
            self._sink.errors += 1  # a chunked body, which no contender sends
        self._needed = self._head_bytes + (int(length.group(1)) if length else 0)
        return True

    def _answer(self) -> None:
        if self._sink.delay > 0:
            self._loop.call_later(self._sink.delay, self._write, response(self._sink.status))
        else:
            self._write(response(self._sink.status))

    def _write(self, octets: bytes) -> None:
        if self._transport is not None:
            self._transport.write(octets)


async def serve() -> None:
    """Collect until standard input ends."""
    sink = Sink()
    commands = {
        "hello": sink.hello,
        "reset": sink.reset,
        "set": sink.set,
        "count": sink.count,
        "sample": sink.sample,
    }
    is_over = asyncio.Event()

    def obey() -> None:
        line = sys.stdin.readline()
        if line:
            print(json.dumps(answer(commands, json.loads(line))), flush=True)
        else:
            is_over.set()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(sink), "127.0.0.1", 0, backlog=1024)
    sink.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.add_reader(sys.stdin.fileno(), obey)
    await is_over.wait()


if __name__ == "__main__":
    gc.disable()  # nothing here makes circles, and millions of ids would be walked again and again
    asyncio.run(serve())
