"""The last second of a program that forgot to close its tracker: a few requests without an event loop.

At interpreter exit the loop is gone, threads cannot be started and a name look-up cannot be bounded. What
is left is one blocking socket to an address that is already known, with the remaining budget as the
timeout of every single operation.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiotracker.delivery.proxies import proxy_for
from aiotracker.delivery.transport import DirectTransport

if TYPE_CHECKING:
    import ssl

    from aiotracker.delivery.requests import RequestBuilder
    from aiotracker.delivery.transport import Transport
    from aiotracker.protocol.exchange import Request
    from aiotracker.protocol.url import CollectorURL
    from aiotracker.stores.base import Lease

__all__ = ["Rescue"]

Address = tuple[str, int]


class Rescue:
    """Sends leases from a dying process."""

    def __init__(self, url: CollectorURL, requests: RequestBuilder, transport: Transport) -> None:
        """Note where the collector is; look its name up now, while that is still possible."""
        self._url = url
        self._requests = requests
        self._transport = transport
        self._looked_up: Address | None = None
        self._connection: http.client.HTTPConnection | None = None
        if self.is_possible and _literal(url) is None:
            # A daemon, because a name server that never answers must not keep the process alive.
            threading.Thread(target=self._look_up, name="aiotracker look-up", daemon=True).start()

    @property
    def is_possible(self) -> bool:
        """Whether the collector can be reached directly: not with a user's own client, nor by a proxy."""
        return (
            isinstance(self._transport, DirectTransport)
            and self._transport.is_own
            and proxy_for(self._url) is None
        )

    def deliver(self, lease: Lease, *, now_ms: int, by: float) -> bool:
        """Send a batch and return whether the collector took it; never raises.

        Args:
            lease: one or more records, exactly one for a GET.
            now_ms: milliseconds since 1970.
            by: moment of `time.monotonic()` at which it must be over.
        """
        request = self._requests.build(lease, now_ms)
        is_reused = self._connection is not None
        try:
            return self._exchange(self._connected(by), request)
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
        # A connection that was kept may have died meanwhile; a new one is worth what is left of the budget.
        return is_reused and self.deliver(lease, now_ms=now_ms, by=by)

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> bool:
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(request.method, target, request.body or None, dict(request.headers))
        with connection.getresponse() as response:
            response.read(64 * 1024)
        if connection.sock is None:  # the server said that it closes
            self.close()
        return 200 <= response.status < 300  # noqa: PLR2004 - success

    def close(self) -> None:
        """Close the socket."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, by: float) -> http.client.HTTPConnection:
        if self._connection is None:
            address = self._address()
            if address is None:
                raise OSError("the collector's address is not known")
            plain = socket.create_connection(address, timeout=_remaining(by))
            wrapped = _BudgetSocket(plain, by)
            if self._url.is_secure:
                wrapped.wrap(self._context(), self._url.host)
            self._connection = http.client.HTTPConnection(self._url.host, self._url.port)
            self._connection.auto_open = 0  # it would connect without our budget
            self._connection.sock = wrapped
        return self._connection

    def _context(self) -> ssl.SSLContext:
        context = self._transport.context if isinstance(self._transport, DirectTransport) else None
        if context is None:
            raise OSError("TLS was never set up")
        return context

    def _address(self) -> Address | None:
        peer = self._transport.peer if isinstance(self._transport, DirectTransport) else None
        return peer or _literal(self._url) or self._looked_up

    def _look_up(self) -> None:
        try:
            found = socket.getaddrinfo(self._url.host, self._url.port, type=socket.SOCK_STREAM)
        except OSError:
            return
        host, port = found[0][4][:2]
        self._looked_up = (str(host), int(port))


class _BudgetSocket:
    """A socket whose every operation may take what is left of the budget, and no more."""

    def __init__(self, inner: socket.socket, by: float) -> None:
        self._inner = inner
        self._by = by

    def wrap(self, context: ssl.SSLContext, host: str) -> None:
        self._inner.settimeout(_remaining(self._by))
        self._inner = context.wrap_socket(self._inner, server_hostname=host)

    def sendall(self, data: bytes) -> None:
        self._inner.settimeout(_remaining(self._by))
        self._inner.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - http.client reads binary
        return io.BufferedReader(_BudgetReader(self._inner, self._by))

    def close(self) -> None:
        self._inner.close()


class _BudgetReader(io.RawIOBase):
    """The reading side, for a server that answers byte by byte."""

    def __init__(self, inner: socket.socket, by: float) -> None:
        super().__init__()
        self._inner = inner
        self._by = by

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # what BufferedReader passes
        self._inner.settimeout(_remaining(self._by))
        return self._inner.recv_into(buffer)


def _remaining(by: float) -> float:
    remaining = by - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the budget is used up")
    return remaining


def _literal(url: CollectorURL) -> Address | None:
    try:
        ipaddress.ip_address(url.host)
    except ValueError:
        return ("127.0.0.1", url.port) if url.host == "localhost" else None
    return (url.host, url.port)
