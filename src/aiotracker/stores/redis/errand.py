"""Something to be done in Redis, and who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotracker.stores.redis.streams import Command, Reply

__all__ = ["Errand"]


class Errand:
    """One command, and what becomes of it."""

    def __init__(
        self,
        command: Command,
        receive: Callable[[Reply], None] | None = None,
        *,
        refuse: Callable[[], None] | None = None,
        is_lasting: bool = False,
    ) -> None:
        """Describe an errand.

        Args:
            command: what Redis is to do.
            receive: called with the reply, once, before anybody goes on.
            refuse: called when Redis does not do it, or when nobody knows.
            is_lasting: whether it is tried until it is done.
        """
        self.command: Command = command
        self.receive: Callable[[Reply], None] | None = receive
        self.refuse: Callable[[], None] | None = refuse
        self.is_lasting: bool = is_lasting
        self.reply: Reply = None
        """What came back; None before."""
        self._event = anyio.Event()

    async def wait(self) -> None:
        """Wait until it is done, or Redis is away."""
        await self._event.wait()

    def conclude(self) -> None:
        """Let whoever waits go on."""
        self._event.set()
