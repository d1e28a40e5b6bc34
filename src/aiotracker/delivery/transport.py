"""The seam between delivery and HTTP: one request goes in, a reply comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from aiotracker.protocol.exchange import Reply, Request

__all__ = ["Transport"]


@runtime_checkable
class Transport(Protocol):
    """What carries requests; `HttpxTransport` is the default, tests and other libraries bring their own.

    A transport is opened on the loop that it is used on, sends several requests at once, and may be
    opened again after it was closed. It follows no redirect, keeps no cookie, and reads at most 64 KiB
    of a response.
    """

    async def open(self) -> None:
        """Get ready: import what is slow to import, prepare TLS. Nothing is connected yet."""
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
