"""What a collector may do with a request, from answering it to everything that a network can do.

A reply plays on the raw socket. `keeps` says whether the collector has the events afterwards, whatever
the client came to know of it; an early reply begins when the headers are read and the body is not.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

CHUNK_BYTES: Final = 64 * 1024
POLL_SECONDS: Final = 0.01

Point = Literal["nothing", "headers", "half"]
"""How far an answer gets."""


class Peer:
    """One connection of a client, and the end of the collector's patience with it."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        """Take a connection over; `closing` is set when the collector stops."""
        self._socket = connection
        self._closing = closing
        self._read = b""

    def read_head(self, idle_seconds: float | None) -> bytes | None:
        """Return the head of the next request; None when the client, or patience, has ended."""
        self._socket.settimeout(idle_seconds)
        try:
            while b"\r\n\r\n" not in self._read:
                received = self._socket.recv(CHUNK_BYTES)
                if not received:
                    return None
                self._read += received
                self._socket.settimeout(None)
                if not self._read[:1].isalpha():  # a TLS handshake, most likely
                    self.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                    return None
        except TimeoutError:
            return None
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return head

    def read_body(self, size_bytes: int) -> bytes:
        """Return the body of a request."""
        while len(self._read) < size_bytes:
            received = self._socket.recv(CHUNK_BYTES)
            if not received:
                raise ConnectionAbortedError("the client left in the middle of a body")
            self._read += received
        body, self._read = self._read[:size_bytes], self._read[size_bytes:]
        return body

    def send(self, octets: bytes) -> None:
        """Send all of it."""
        self._socket.sendall(octets)

    def sleep(self, seconds: float) -> None:
        """Let time pass, unless the collector stops."""
        if self._closing.wait(seconds):
            raise ConnectionAbortedError("the collector stops")

    def hang(self, *, reads: bool = True) -> None:
        """Do nothing more until the client leaves or the collector stops."""
        self._socket.settimeout(POLL_SECONDS)
        while not self._closing.is_set():
            try:
                if not reads:
                    self.sleep(POLL_SECONDS)
                elif not self._socket.recv(CHUNK_BYTES):
                    return
            except TimeoutError:
                continue

    def reset(self) -> None:
        """Close with a reset: what was not read or acknowledged is lost on both sides."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close_writing(self) -> None:
        """Say that nothing more will be sent, and keep reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close politely."""
        self._socket.close()


class Reply(Protocol):
    """What happens to a request."""

    @property
    def keeps(self) -> bool:
        """Whether the collector has the events of the request afterwards."""
        ...

    @property
    def is_early(self) -> bool:
        """Whether it begins before the body is read."""
        ...

    def play(self, peer: Peer) -> bool:
        """Do it; return whether the connection may be used again."""
        ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP response, well-formed but perhaps slow, unfinished or of an odd make.

    Attributes:
        status: of the response.
        body: of the response.
        headers: beside the length.
        is_chunked: whether the body comes in chunks instead of with a length.
        interim: sent before the response, such as `100 Continue`.
        delay: seconds before the first byte.
        seconds_per_byte: of a drip.
        stops_after: where it stops for ever; None: it does not.
        sends_half: whether it ends in the middle of the body.
        is_early: whether it is given before the body of the request is read.
        lingers: whether an early answer reads the rest of the request, as polite servers do.
        closes: whether the connection is closed afterwards, without a word about it before.
    """

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_chunked: bool = False
    interim: bytes = b""
    delay: float = 0.0
    seconds_per_byte: float = 0.0
    stops_after: Point | None = None
    sends_half: bool = False
    is_early: bool = False
    lingers: bool = True
    closes: bool = False

    @property
    def keeps(self) -> bool:
        """Whether it is a success that the collector at least began to tell."""
        return self.status in range(200, 300) and self.stops_after != "nothing"

    def play(self, peer: Peer) -> bool:
        """Answer, as far as it gets."""
        peer.sleep(self.delay)
        for octets in self._octets():
            peer.send(octets)
            if self.seconds_per_byte:
                peer.sleep(self.seconds_per_byte)
        if self.is_early and not self.lingers:
            peer.close()  # with the request unread, which the client's side notices as a reset
            return False
        if self.is_early:
            peer.close_writing()
        if self.is_early or self.stops_after is not None:
            peer.hang()
            return False
        return not self.closes

    def _octets(self) -> Iterator[bytes]:
        if self.stops_after == "nothing":
            return
        head, body = self._head(), self._framed_body()
        if self.stops_after == "headers":
            body = b""
        elif self.stops_after == "half" or self.sends_half:
            body = body[: len(body) // 2]
        whole = self.interim + head + body
        step = 1 if self.seconds_per_byte else max(1, len(whole))
        for start in range(0, len(whole), step):
            yield whole[start : start + step]

    def _head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{k}: {v}" for k, v in self.headers.items())]
        if self.is_chunked:
            lines.append("Transfer-Encoding: chunked")
        elif self.status != 204:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _framed_body(self) -> bytes:
        if self.status == 204:
            return b""
        if not self.is_chunked:
            return self.body
        middle = len(self.body) // 2
        parts = [part for part in (self.body[:middle], self.body[middle:]) if part]
        return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Endless:
    """A success whose body never ends.

    Attributes:
        announced_bytes: of the body, by its header; None: no length is announced.
    """

    announced_bytes: int | None = None
    keeps: bool = True
    is_early: bool = False

    def play(self, peer: Peer) -> bool:
        """Send until the client has had enough."""
        length = "" if self.announced_bytes is None else f"Content-Length: {self.announced_bytes}\r\n"
        peer.send(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode())
        while True:
            peer.send(bytes(CHUNK_BYTES))
            peer.sleep(0)


@dataclass(frozen=True, kw_only=True)
class Octets:
    """Something that is no HTTP, then the end of the connection."""

    octets: bytes
    keeps: bool = False
    is_early: bool = False

    def play(self, peer: Peer) -> bool:
        """Say it."""
        peer.send(self.octets)
        return False


@dataclass(frozen=True, kw_only=True)
class Reset:
    """The connection is reset, and the client does not know whether the events were kept."""

    keeps: bool
    is_early: bool = False

    def play(self, peer: Peer) -> bool:
        """Reset."""
        peer.reset()
        return False


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The connection is closed without an answer."""

    keeps: bool = False
    is_early: bool = False
    is_half: bool = False

    def play(self, peer: Peer) -> bool:
        """Close, or only the sending half of it."""
        if self.is_half:
            peer.close_writing()
            peer.hang()
        return False


@dataclass(frozen=True, kw_only=True)
class Deafness:
    """The request is never read, so that a large one cannot even be sent."""

    keeps: bool = False
    is_early: bool = True

    def play(self, peer: Peer) -> bool:
        """Read nothing."""
        peer.hang(reads=False)
        return False
