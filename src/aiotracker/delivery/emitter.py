"""An emitter: one collector, its buffer, and how it is delivered to."""

from __future__ import annotations

import base64
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aiotracker.delivery.httpx_transport import HttpxTransport
from aiotracker.delivery.notices import NoticeKind
from aiotracker.delivery.outlet import Outlet
from aiotracker.delivery.requests import USER_AGENT, RequestBuilder
from aiotracker.delivery.settings import MAX_GET_URL_BYTES, DeliverySettings
from aiotracker.delivery.transport import Transport
from aiotracker.errors import ConfigurationError, InsecureCollectorWarning, warn_caller
from aiotracker.policy.overflow import Overflow
from aiotracker.protocol.envelope import body_bytes, get_query
from aiotracker.protocol.record import record_bytes
from aiotracker.protocol.url import CollectorURL
from aiotracker.stores.memory import DEFAULT_MAX_BYTES, DEFAULT_MAX_EVENTS, MemoryStore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from aiotracker.clock import Clock
    from aiotracker.delivery.notices import Callback
    from aiotracker.delivery.settings import Method
    from aiotracker.protocol.record import Record
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import EventStore

__all__ = ["Emitter"]

_DEFAULTS: Final = DeliverySettings()


class Emitter(Outlet):
    """Delivers events to one collector.

    An emitter belongs to one tracker, which opens and closes it. Its defaults suit a web service:

        Tracker("web", Emitter("https://collector.acme.com", batch_size=100))
    """

    def __init__(
        self,
        collector: str,
        *,
        method: Method = _DEFAULTS.method,
        batch_size: int | None = None,
        byte_limit: int | None = None,
        flush_interval: float = _DEFAULTS.flush_interval,
        buffer_capacity: int = DEFAULT_MAX_EVENTS,
        buffer_bytes: int = DEFAULT_MAX_BYTES,
        overflow: Overflow | str = _DEFAULTS.overflow,
        max_wait: float = _DEFAULTS.max_wait,
        concurrency: int = _DEFAULTS.concurrency,
        connect_timeout: float = _DEFAULTS.connect_timeout,
        request_timeout: float = _DEFAULTS.request_timeout,
        max_retry_delay: float = _DEFAULTS.max_retry_delay,
        custom_retry_codes: Mapping[int, bool] = MappingProxyType({}),
        max_age: float | None = None,
        exit_flush: bool = True,
        commit_timeout: float = _DEFAULTS.commit_timeout,
        headers: Mapping[str, str] = MappingProxyType({}),
        auth: tuple[str, str] | None = None,
        post_path: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        event_store: EventStore | None = None,
        transport: Transport | None = None,
        on_success: Callback | None = None,
        on_retry: Callback | None = None,
        on_failure: Callback | None = None,
        on_drop: Callback | None = None,
    ) -> None:
        """Describe a destination; nothing is sent or imported before the tracker is opened.

        Args:
            collector: address of the collector; https unless it says http or is this machine.
            method: `post` sends batches; `get` one event per request, of at most 20,000 bytes.
            batch_size: events of a full batch, 1 or more; 500 by default, or what the buffer holds.
            byte_limit: bytes of a request body, 1,000 to 900,000; 180,000 by default, or what the buffer
                holds.
            flush_interval: seconds that an event may wait for its batch to fill.
            buffer_capacity: events that may wait or be on their way.
            buffer_bytes: likewise in bytes.
            overflow: what a full buffer does with the next event: `wait` (up to `max_wait`, then refuse
                it), `drop_newest`, `drop_oldest`, or `raise` in the caller.
            max_wait: seconds; `inf` for batch jobs, which then run as fast as events are delivered.
            concurrency: requests at a time; 1 keeps events in order.
            connect_timeout: seconds to get a connection.
            request_timeout: seconds of one attempt, whole.
            max_retry_delay: cap of the backoff in seconds.
            custom_retry_codes: per status code, True to retry it, False to give up.
            max_age: seconds after which a waiting event is given up, `inf` for never. By default never in
                memory, where a full buffer decides, and after a day in a durable store.
            exit_flush: send what is left in the last second of a program that did not close its tracker.
            commit_timeout: seconds that `track()` waits for a durable store to make the event safe; the
                event stays accepted then, and counts as `volatile` until it is.
            headers: sent with every request, for a gateway before the collector.
            auth: user and password, sent as HTTP Basic.
            post_path: `/vendor/version` where the collector maps another path to its POST endpoint.
            ssl_context: verifies the collector instead of the default.
            event_store: where events wait; in memory by default. `SQLiteStore` and `RedisStore` survive
                the process.
            transport: carries requests; `HttpxTransport()` by default. `AiohttpTransport()` takes less time.
            on_success: told of events that arrived. Callbacks are synchronous (run in a thread, one at a
                time) or asynchronous (at most 5 s each); they can neither raise into delivery nor slow it.
            on_retry: told of events whose request failed and that are kept.
            on_failure: told of events that the collector refused for good.
            on_drop: told of events that were refused or given up on this side.
        Raises:
            CollectorURLError: not the address of a collector.
            ConfigurationError: settings that cannot work.
        """
        self.url: CollectorURL = CollectorURL.parse(collector, post_path=post_path)
        settings = DeliverySettings(
            method=method,
            batch_size=_fitting(batch_size, _DEFAULTS.batch_size, buffer_capacity),
            byte_limit=_fitting(byte_limit, _DEFAULTS.byte_limit, buffer_bytes),
            flush_interval=flush_interval,
            concurrency=concurrency,
            overflow=Overflow(overflow) if overflow in list(Overflow) else overflow,  # type: ignore[arg-type]  # refused by the settings
            max_wait=max_wait,
            connect_timeout=connect_timeout,
            request_timeout=request_timeout,
            max_retry_delay=max_retry_delay,
            custom_retry_codes=custom_retry_codes,
            max_age=max_age,
            exit_flush=exit_flush,
            commit_timeout=commit_timeout,
        )
        if event_store is None:
            event_store = MemoryStore(buffer_capacity, buffer_bytes)
            _check_buffer(settings, buffer_capacity, buffer_bytes)
        elif (buffer_capacity, buffer_bytes) != (DEFAULT_MAX_EVENTS, DEFAULT_MAX_BYTES):
            raise ConfigurationError(
                "buffer_capacity",
                buffer_capacity,
                "belongs to the event store that is given: set it there",
            )
        if transport is None:
            transport = HttpxTransport(ssl_context=ssl_context, connect_timeout=connect_timeout)
        elif not isinstance(transport, Transport):
            raise ConfigurationError("transport", transport, "is no Transport, such as HttpxTransport()")
        elif ssl_context is not None:
            raise ConfigurationError(
                "ssl_context", ssl_context, "belongs to the transport that is given: set it there"
            )
        elif connect_timeout != _DEFAULTS.connect_timeout:
            raise ConfigurationError(
                "connect_timeout", connect_timeout, "belongs to the transport that is given: set it there"
            )
        super().__init__(
            str(self.url),
            settings,
            store=event_store,
            callbacks={
                NoticeKind.SUCCESS: on_success,
                NoticeKind.RETRY: on_retry,
                NoticeKind.FAILURE: on_failure,
                NoticeKind.DROP: on_drop,
            },
        )
        self._body_limit = min(settings.byte_limit, body_bytes([event_store.max_record_bytes]))
        self._transport = transport
        self._headers = _checked_headers(headers, auth)
        if not self.url.is_secure and not self.url.is_loopback:
            hint = "use https, or a collector on this machine"
            warn_caller(InsecureCollectorWarning(f"events will travel to {self.url} in clear text: {hint}"))

    @property
    def can_deliver(self) -> bool:
        """An emitter sees the collector's answers."""
        return True

    @property
    def safe_bytes(self) -> int:
        """Bytes of a record that fits in a POST by itself; 0 with GET, whose URL must be built to tell."""
        is_post = self._settings.method == "post"
        return self._body_limit - body_bytes([record_bytes(b"")]) if is_post else 0

    def oversize(self, record: Record, *, get_base64: bool) -> tuple[int, int] | None:
        """Return bytes needed and bytes allowed when a record is too large, else None."""
        if self._settings.method == "post":
            size, limit = body_bytes([record.size_bytes]), self._body_limit
        else:
            query = get_query(record.data, 10**12, base64=get_base64)  # 13 digits, as now
            size, limit = len(self.url.get_url) + 1 + len(query), MAX_GET_URL_BYTES
        return (size, limit) if size > limit else None

    async def open(self, *, loop: Loop, clock: Clock, get_base64: bool) -> None:
        """Get the transport ready and start the engine on a loop."""
        await self._import(loop)
        await self._transport.open(self.url)
        requests = RequestBuilder(
            self.url, self._settings.method, self._headers, user_agent=USER_AGENT, get_base64=get_base64
        )
        try:
            await self._start(loop, clock, (self.url, requests, self._transport))
        except BaseException:
            await self._transport.aclose()
            raise


def _fitting(given: int | None, default: int, room: object) -> int:
    """Return what was given, or a default that fits in the buffer."""
    if given is not None:
        return given
    return min(default, room) if type(room) is int and room > 0 else default


def _check_buffer(settings: DeliverySettings, capacity: int, size_bytes: int) -> None:
    if settings.batch_events > capacity:
        raise ConfigurationError(
            "batch_size",
            settings.batch_size,
            f"must not be above buffer_capacity={capacity:,}: such a batch never fills",
        )
    if settings.byte_limit > size_bytes:
        raise ConfigurationError(
            "byte_limit",
            settings.byte_limit,
            f"must not be above buffer_bytes={size_bytes:,}: such an event finds no room",
        )


def _checked_headers(headers: Mapping[str, str], auth: tuple[str, str] | None) -> Mapping[str, str]:
    checked = dict(headers)
    for name, value in checked.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError("headers", name, "is not the name of a header")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(
                "headers", value, f"is not a value of the header {name}: printable ASCII"
            )
        if name.lower() in _OWN_HEADERS:
            raise ConfigurationError("headers", name, _OWN_HEADERS[name.lower()])
    if auth is not None:
        checked["Authorization"] = _basic_auth(auth)
    return MappingProxyType(checked)


def _basic_auth(auth: tuple[str, str]) -> str:
    """Return the value of the header. Source: RFC 7617 (a user name has no colon)."""
    is_pair = isinstance(auth, tuple) and len(auth) == 2 and all(isinstance(part, str) for part in auth)  # noqa: PLR2004
    if not is_pair or ":" in auth[0]:
        raise ConfigurationError("auth", "…", "must be a tuple of user and password; no user has a colon")
    token = base64.b64encode(":".join(auth).encode()).decode("ascii")
    return f"Basic {token}"


_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)  # RFC 9110, section 5.6.2
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*", re.ASCII)

_OWN_HEADERS: Final = {
    "content-type": "belongs to the tracker: Enrich fails requests with another one",
    "content-length": "belongs to the transport",
    "content-encoding": "cannot be used: the collector answers 200 to a compressed body and loses it",
    "cookie": "cannot be used: it would give all users of this service one identity",
    "referer": "cannot be used: Enrich would take it for the page of every event without one",
    "sp-anonymous": "belongs to the tracker: use anonymous=True, which also cleans the events",
}
