"""Transports for measures that need a collector which takes nothing yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiotracker import CollectorURL, Reply, Request, Transport

__all__ = ["Gate"]


class Gate:
    """Holds every request until it is opened, and passes it on then.

    Attributes:
        is_open: set it to let requests pass.
        body_bytes: of the bodies that came so far.
        events: in them.
    """

    def __init__(self, beyond: Transport | None = None) -> None:
        """Stand before another transport, or before nothing, and then never pass anything on."""
        self._beyond = beyond
        self.is_open = asyncio.Event()
        self.body_bytes = self.events = 0

    async def open(self, url: CollectorURL) -> None:
        """Open the transport beyond."""
        if self._beyond is not None:
            await self._beyond.open(url)

    async def send(self, request: Request) -> Reply:
        """Wait for the gate, then send."""
        self.body_bytes += len(request.body)
        self.events += request.body.count(b'"eid":')
        await self.is_open.wait()
        if self._beyond is None:
            raise RuntimeError("there is nothing beyond this gate")
        return await self._beyond.send(request)

    async def aclose(self) -> None:
        """Close the transport beyond."""
        if self._beyond is not None:
            await self._beyond.aclose()

    @property
    def mean_payload_bytes(self) -> float:
        """Bytes of a body per event in it."""
        return self.body_bytes / self.events
