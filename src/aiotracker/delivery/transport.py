"""The seam between delivery and HTTP: one request goes in, a reply comes out.

Owns what every transport keeps to, whichever library it stands on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    import ssl

    from aiotracker.protocol.exchange import Reply, Request
    from aiotracker.protocol.url import CollectorURL

__all__ = [
    "KEEPALIVE_SECONDS",
    "MAX_CONNECTIONS",
    "MAX_DRAIN_SECONDS",
    "MAX_RESPONSE_BYTES",
    "READ_HEADERS",
    "DirectTransport",
    "Headers",
    "Transport",
    "complete",
]

Headers = tuple[tuple[str, str], ...]

MAX_RESPONSE_BYTES: Final = 64 * 1024  # the collector answers `ok`; an endless body must not fill memory
MAX_DRAIN_SECONDS: Final = 1.0  # the status has arrived; the body only decides about the connection
KEEPALIVE_SECONDS: Final = 30.0  # below the idle timeout of common load balancers, 60 s
MAX_CONNECTIONS: Final = 16  # the engine's senders decide; this only bounds a user's own transport
READ_HEADERS: Final = ("retry-after", "location")
"""What delivery reads of a response beside its status: see `policy.outcome.classify()`."""

PLAIN_ANSWER: Final = (("Accept", "*/*"), ("Accept-Encoding", "identity"))  # nobody reads or unpacks the body


@runtime_checkable
class Transport(Protocol):
    """What carries requests; `HttpxTransport` is the default, tests and other libraries bring their own.

    A transport is opened on the loop that it is used on, sends several requests at once, and may be
    opened again after it was closed. It follows no redirect, keeps no cookie, and reads at most 64 KiB
    of a response.
    """

    async def open(self, url: CollectorURL) -> None:
        """Get ready: import what is slow to import, prepare TLS. Nothing is connected yet.

        Args:
            url: the collector, to which all requests go.
        """
        ...

    async def send(self, request: Request) -> Reply:
        """Send one request and return what came of it.

        The troubles of the network are a `Failure`, not an exception. The caller bounds the time by
        cancelling.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@runtime_checkable
class DirectTransport(Protocol):
    """A transport that a plain socket can stand in for, in the last second of a program."""

    @property
    def is_own(self) -> bool:
        """Whether nothing of a user's takes part in a request, such as a client with hooks."""
        ...

    @property
    def context(self) -> ssl.SSLContext | None:
        """What verifies the collector; None before opening."""
        ...

    @property
    def peer(self) -> tuple[str, int] | None:
        """Address and port of the last connection that answered."""
        ...


def complete(headers: Headers, *own: tuple[str, str]) -> Headers:
    """Return a request's headers with those that a library would add, unless they are given."""
    given = {name.lower() for name, _ in headers}
    return (*(header for header in (*own, *PLAIN_ANSWER) if header[0].lower() not in given), *headers)
