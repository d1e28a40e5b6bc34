"""A collector that misbehaves by script: raw sockets in threads of their own, and no HTTP library.

It keeps a record of every request. What it kept is what it would have put on its stream.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Self

from tests.faults.replies import POLL_SECONDS, Peer, Reply
from tests.faults.script import OK, Asked, Fault, Script

HOST: Final = "127.0.0.1"
JOIN_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Seen(Asked):
    """One request and what was done with it.

    Attributes:
        reply: what happened to it.
    """

    reply: Reply

    @property
    def is_kept(self) -> bool:
        """Whether the collector has its events."""
        return self.reply.keeps

    @property
    def status(self) -> int | None:
        """The status of the answer, None when there was none."""
        return getattr(self.reply, "status", None)


class Collector:
    """Listens on a port of this machine, from `with` to the end of its block."""

    def __init__(
        self,
        *faults: Fault,
        seed: int = 1,
        idle_seconds: float | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Describe a collector.

        Args:
            faults: its script, see `plays()`.
            seed: of its chances.
            idle_seconds: after which it closes a connection without a request; None: never.
            tls: of its connections; None for plain text.
        """
        self.idle_seconds = idle_seconds
        self.tls = tls
        self._chances = random.Random(seed)
        self._script = Script(faults, self._chances)
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._kept: Counter[str] = Counter()
        self._connections: set[socket.socket] = set()
        self._connection_count = 0
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._deaf = threading.Event()
        self._listening: threading.Thread | None = None
        self._port = 0

    def __enter__(self) -> Self:
        """Listen."""
        self.listen()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and wait until every thread has ended."""
        self._closing.set()
        self.refuse()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)

    # -- what it does ---------------------------------------------------------------------------------

    def plays(self, *faults: Fault) -> Self:
        """Begin another script: the first fault that applies to a request happens to it."""
        with self._lock:
            self._script = Script(faults, self._chances)
        return self

    def listen(self) -> None:
        """Take connections, again on the same port."""
        listener = socket.create_server((HOST, self._port), backlog=128)
        listener.settimeout(POLL_SECONDS)
        self._port = listener.getsockname()[1]
        self._deaf.clear()
        self._listening = threading.Thread(target=self._accept, args=(listener,), name="collector")
        self._listening.start()

    def refuse(self) -> None:
        """Close the port and all connections."""
        self._deaf.set()
        if self._listening is not None:
            self._listening.join(JOIN_SECONDS)
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already

    def witness(self, payloads: list[dict[str, Any]]) -> None:
        """Look at the events of a request that is kept, in a thread of its connection; for subclasses."""

    # -- what it saw ----------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Its address; https even where it speaks plain text is the test's business."""
        return f"{'https' if self.tls else 'http'}://{HOST}:{self._port}"

    @property
    def port(self) -> int:
        """Its port."""
        return self._port

    @property
    def seen(self) -> list[Seen]:
        """All requests, oldest first."""
        with self._lock:
            return list(self._seen)

    def drain(self) -> list[Seen]:
        """Return all requests, oldest first, and forget them and what was kept of them."""
        with self._lock:
            seen, self._seen = self._seen, []
            self._kept.clear()
            self._threads = [thread for thread in self._threads if thread.is_alive()]
        return seen

    def seen_with(self, status: int | None) -> list[Seen]:
        """Return the requests that got a status; None for those that got no answer."""
        return [request for request in self.seen if request.status == status]

    @property
    def kept_ids(self) -> set[str]:
        """The ids of the events that it has."""
        with self._lock:
            return set(self._kept)

    @property
    def duplicates(self) -> int:
        """How many events it has more than once, the first time not counted."""
        with self._lock:
            return self._kept.total() - len(self._kept)

    @property
    def largest_body(self) -> int:
        """Bytes of the largest body that a request announced."""
        return max((request.size_bytes for request in self.seen), default=0)

    @property
    def connection_count(self) -> int:
        """How many connections it took."""
        return self._connection_count

    # -- threads --------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self._deaf.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(None)
                self._connection_count += 1
                thread = threading.Thread(
                    target=self._converse,
                    args=(connection, self._connection_count),
                    name=f"collector {self._connection_count}",
                )
                self._threads.append(thread)
                thread.start()

    def _converse(self, connection: socket.socket, number: int) -> None:
        with self._lock:
            self._connections.add(connection)
        try:
            with connection:
                spoken = connection
                if self.tls is not None:
                    spoken = self.tls.wrap_socket(connection, server_side=True)
                with spoken:
                    self._answer_all(Peer(spoken, self._closing), number)
        except OSError:
            pass  # the client left, which is its right
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _answer_all(self, peer: Peer, number: int) -> None:
        is_reused = False
        while (head := peer.read_head(self.idle_seconds)) is not None:
            asked = Asked(
                at=time.monotonic(),
                size_bytes=_content_length(head),
                connection=number,
                is_reused=is_reused,
            )
            if not self._answer_one(peer, asked):
                return
            is_reused = True

    def _answer_one(self, peer: Peer, asked: Asked) -> bool:
        with self._lock:
            reply = self._script.choose(asked, is_early=True)
        if reply is None:
            data = json.loads(peer.read_body(asked.size_bytes))["data"]
            asked = replace(asked, event_ids=tuple(event["eid"] for event in data))
            with self._lock:
                reply = self._script.choose(asked, is_early=False) or OK
            if reply.keeps:
                self.witness(data)
        self._note(Seen(**vars(asked), reply=reply))
        return reply.play(peer)

    def _note(self, seen: Seen) -> None:
        with self._lock:
            self._seen.append(seen)
            if seen.is_kept:
                self._kept.update(seen.event_ids)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
