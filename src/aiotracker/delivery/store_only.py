"""A tracker without a collector: its events go into a store, and a relay sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiotracker.delivery.notices import NoticeKind
from aiotracker.delivery.outlet import Outlet
from aiotracker.delivery.settings import DeliverySettings
from aiotracker.errors import ConfigurationError
from aiotracker.protocol.envelope import body_bytes
from aiotracker.protocol.record import record_bytes
from aiotracker.stores.base import EventStore

if TYPE_CHECKING:
    from aiotracker.clock import Clock
    from aiotracker.delivery.notices import Callback
    from aiotracker.policy.overflow import Overflow
    from aiotracker.protocol.record import Record
    from aiotracker.runtime import Loop

__all__ = ["StoreOnly"]

_DEFAULTS: Final = DeliverySettings()


class StoreOnly(Outlet):
    """Stands where an emitter stands, in a service that leaves sending to a relay.

        Tracker("web", StoreOnly(SQLiteStore("events.db")), app_id="shop")

    For its tracker an event is done when it is safe in the store: `flush()` and `aclose()` wait for that, and
    `deliver()` is refused.
    """

    def __init__(
        self,
        event_store: EventStore,
        *,
        byte_limit: int = _DEFAULTS.byte_limit,
        overflow: Overflow | str = _DEFAULTS.overflow,
        max_wait: float = _DEFAULTS.max_wait,
        commit_timeout: float = _DEFAULTS.commit_timeout,
        on_drop: Callback | None = None,
    ) -> None:
        """Describe where events go; nothing is opened before the tracker is.

        Args:
            event_store: durable, such as `SQLiteStore(path)` or `RedisStore(url)`.
            byte_limit: bytes of a body with one event, 1,000 to 900,000; at most the relay's.
            overflow: what a full store does with the next event, as for `Emitter`.
            max_wait: seconds that `track()` may wait for room.
            commit_timeout: seconds that `track()` waits for an event to be safe; it stays accepted then.
            on_drop: told of events that were refused or lost on this side.
        Raises:
            ConfigurationError: settings that cannot work, or a store that nobody else can read.
        """
        settings = DeliverySettings(
            byte_limit=byte_limit,
            overflow=overflow,  # type: ignore[arg-type]  # text is taken, too, and made an Overflow
            max_wait=max_wait,
            commit_timeout=commit_timeout,
        )
        super().__init__(
            f"store {type(event_store).__name__}",
            settings,
            store=event_store,
            callbacks={NoticeKind.DROP: on_drop},
        )
        if not event_store.is_durable:
            rule = "must be durable, such as SQLiteStore: nobody else could send what it holds"
            raise ConfigurationError("event_store", event_store, rule)
        self._body_limit = min(byte_limit, body_bytes([event_store.max_record_bytes]))

    @property
    def can_deliver(self) -> bool:
        """Only the relay sees the collector's answers."""
        return False

    @property
    def safe_bytes(self) -> int:
        """Bytes of a record that fits in a body by itself."""
        return self._body_limit - body_bytes([record_bytes(b"")])

    def oversize(self, record: Record, *, get_base64: bool) -> tuple[int, int] | None:  # noqa: ARG002 - it is posted
        """Return bytes needed and bytes allowed when a record is too large, else None."""
        size = body_bytes([record.size_bytes])
        return (size, self._body_limit) if size > self._body_limit else None

    async def open(self, *, loop: Loop, clock: Clock, get_base64: bool) -> None:  # noqa: ARG002 - the relay's
        """Open the store."""
        await self._start(loop, clock, None)
