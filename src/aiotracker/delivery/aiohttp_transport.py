"""Requests by aiohttp: the one file that names it.

Owns how aiohttp is configured and how its exceptions become failures. aiohttp is imported when a transport
is opened, in a worker thread, because the import takes longer than an event loop should stand still.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from aiotracker.delivery.proxies import proxy_for
from aiotracker.delivery.transport import (
    KEEPALIVE_SECONDS,
    MAX_DRAIN_SECONDS,
    MAX_RESPONSE_BYTES,
    READ_HEADERS,
    Headers,
    complete,
)
from aiotracker.delivery.trust import trust
from aiotracker.errors import ConfigurationError, TrackerOpenError
from aiotracker.protocol.exchange import Failure, FailureKind, Response

if TYPE_CHECKING:
    import ssl
    from types import ModuleType

    import aiohttp
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace
    from multidict import CIMultiDict
    from yarl import URL

    from aiotracker.protocol.exchange import Reply, Request
    from aiotracker.protocol.url import CollectorURL

__all__ = ["AiohttpTransport"]

FAILURES: Final = (
    ("ClientConnectorCertificateError", FailureKind.TLS),
    ("ClientConnectorSSLError", FailureKind.TLS),
    ("ServerFingerprintMismatch", FailureKind.TLS),
    ("ClientConnectorError", FailureKind.CONNECT),
    ("ConnectionTimeoutError", FailureKind.CONNECT),
    ("ClientHttpProxyError", FailureKind.CONNECT),
    ("ServerTimeoutError", FailureKind.TIMEOUT),
    ("ClientConnectionError", FailureKind.BROKEN),
    ("ClientPayloadError", FailureKind.BROKEN),
    ("ClientResponseError", FailureKind.PROTOCOL),
    ("ClientError", FailureKind.ERROR),
)
"""aiohttp's exceptions by name, first match wins; the last is the root of all."""

PROXY_SCHEMES: Final = ("http://", "https://")

_CREDENTIALS: Final = re.compile(r"//[^/@\s]*@")  # of a URL


class AiohttpTransport:
    """Sends requests through an `aiohttp.ClientSession`, its own or a user's; for asyncio and uvloop.

    A request takes a fifth of the processor time that it takes with `HttpxTransport`. Needs an extra,
    `pip install "aiotracker[aiohttp]"`:

        Emitter("https://collector.acme.com", transport=AiohttpTransport())

    Its own session takes proxies and certificates from the environment (`HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`), keeps no cookies, follows no redirects and verifies TLS.

    A lent session is used through its `request()`, so that its connector, auth, middlewares, proxies and
    timeouts apply; redirects are not followed; the session is never closed here. Its connections are not
    seen from here, so that a request which breaks is taken for one on a kept connection, and sent once
    more at once, as soon as the session has carried another.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float = 3.0,
    ) -> None:
        """Prepare a transport; nothing is imported or connected before `open()`.

        Args:
            session: a session to borrow; the caller closes it.
            ssl_context: verifies the collector instead of the shared default.
            connect_timeout: seconds to get a connection.
        Raises:
            ConfigurationError: the session keeps cookies, or comes with settings that it ignores.
        """
        if session is not None:
            if not _is_without_cookies(session):
                raise ConfigurationError(
                    "session",
                    session,
                    "keeps cookies, of which the collector's would give all users of this service one "
                    "identity: build it with cookie_jar=aiohttp.DummyCookieJar()",
                )
            if ssl_context is not None:
                raise ConfigurationError(
                    "ssl_context", ssl_context, "belongs to the session that is lent: set it there"
                )
        self._lent = session
        self._ssl_context = ssl_context
        self._connect_timeout = connect_timeout
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self.context: ssl.SSLContext | None = ssl_context
        """Verifies the collector; None before opening."""
        self.peer: tuple[str, int] | None = None
        """Address and port of the last connection that answered."""
        self._has_answered = False
        self._aiohttp: ModuleType | None = None
        self._failures: list[tuple[type[BaseException], FailureKind]] = []

    @property
    def is_own(self) -> bool:
        """Whether the session is the transport's own, not one that was lent."""
        return self._lent is None

    async def open(self, url: CollectorURL) -> None:
        """Import aiohttp and build the TLS context, both in a worker thread.

        Raises:
            TrackerOpenError: aiohttp is not installed, or does not run on this event loop or through
                this proxy.
        """
        from aiotracker.runtime import is_asyncio

        if not is_asyncio():
            raise TrackerOpenError(
                "AiohttpTransport knows asyncio only", "leave it out, HttpxTransport runs on every event loop"
            )
        self._aiohttp = module = await anyio.to_thread.run_sync(_import_aiohttp)
        self._failures = [(getattr(module, name), kind) for name, kind in FAILURES]
        self._failures.append((TimeoutError, FailureKind.TIMEOUT))  # of a lent session
        if self._lent is not None:
            self._session = self._lent
            return
        self._proxy = proxy_for(url)
        if self._proxy is not None and not self._proxy.startswith(PROXY_SCHEMES):
            raise TrackerOpenError(
                f"AiohttpTransport knows no proxy such as {self._proxy.partition('://')[0]}://",
                "use HttpxTransport",
            )
        self.context = self._ssl_context
        if self.context is None:
            self.context = await anyio.to_thread.run_sync(trust, url, self._proxy)
        self._session = self._build_session(self.context)

    async def send(self, request: Request) -> Reply:
        """Send one request; read at most 64 KiB of the response."""
        session, module = self._session, self._aiohttp
        if session is None or module is None:
            raise RuntimeError("the transport is not open")
        watch = _Watch()
        _watch.set(watch)
        try:
            response: aiohttp.ClientResponse = await session.request(
                request.method,
                _address(request.url),
                data=request.body or None,
                headers=_headers(request.headers),
                allow_redirects=False,
                raise_for_status=False,
                proxy=self._proxy,
            )
            if not response.closed:  # a short answer came whole, and its connection is free already
                # The status is the answer: a body that breaks must not have the events sent again.
                with contextlib.suppress(module.ClientError):
                    try:
                        await _drain(response)
                    finally:
                        response.close()
        except (module.ClientError, TimeoutError) as error:
            return self._failure(error, request, watch)
        finally:
            watch.leave()
        self._has_answered = True
        self.peer = watch.peer or self.peer
        headers = response.headers
        return Response(response.status, {name: headers[name] for name in READ_HEADERS if name in headers})

    async def aclose(self) -> None:
        """Close the transport's own session; a lent one stays open."""
        session, self._session = self._session, None
        if session is not None and session is not self._lent:
            await session.close()

    def _build_session(self, context: ssl.SSLContext) -> aiohttp.ClientSession:
        import aiohttp

        return aiohttp.ClientSession(
            # No limit but the engine's senders: to wait for room would count as connecting.
            connector=_connector_class()(ssl=context, limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            # The engine has a true deadline around each attempt.
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self._connect_timeout, sock_connect=self._connect_timeout
            ),
        )

    def _failure(self, error: BaseException, request: Request, watch: _Watch) -> Failure:
        is_reused = watch.is_reused if self._lent is None else self._has_answered
        return Failure(
            next(kind for cause, kind in self._failures if isinstance(error, cause)),
            _detail(error, request),
            is_reused=is_reused,
            has_response_started=_has_response_started(error),
        )


class _Watch:
    """What became of the connection of one request."""

    __slots__ = ("has_connected", "peer", "transport")

    def __init__(self) -> None:
        self.has_connected = False
        self.peer: tuple[str, int] | None = None
        self.transport: Any = None  # an asyncio.Transport, which only `runtime` may name

    @property
    def is_reused(self) -> bool:
        """Whether the connection had carried a request before."""
        return self.transport is not None and not self.has_connected

    def leave(self) -> None:
        """Drop a connection that is not kept.

        aiohttp closes it only when all of the request is written: never, if the peer does not read.
        """
        if self.transport is not None and self.transport.is_closing():
            self.transport.abort()


_watch: ContextVar[_Watch] = ContextVar("watch")
"""Of the request that the current task sends; hooks of aiohttp's tracing would add 10 µs to its 64 µs."""


@functools.cache
def _connector_class() -> type[aiohttp.TCPConnector]:
    import aiohttp

    class Connector(aiohttp.TCPConnector):
        """Tells of its connections, and ends without complaint in a process or on a loop that is over."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self._pid = os.getpid()

        async def connect(
            self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
        ) -> Connection:
            watch = _watch.get()
            if watch.transport is not None:
                # aiohttp would repeat a GET by itself; when to repeat is the sender's to decide.
                raise aiohttp.ServerDisconnectedError("the connection broke")
            connection = await super().connect(req, traces, timeout)
            watch.transport = connection.transport
            return connection

        async def _create_connection(
            self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
        ) -> ResponseHandler:
            protocol = await super()._create_connection(req, traces, timeout)
            watch = _watch.get()
            watch.has_connected = True
            peer = protocol.transport and protocol.transport.get_extra_info("peername")
            if peer:  # None when it broke at once
                watch.peer = tuple(peer[:2])
            return protocol

        @property
        def closed(self) -> bool:
            """Whether it is of no use: closed, or left open on a loop that ended or before a fork."""
            return super().closed or self._loop.is_closed() or os.getpid() != self._pid

        def __del__(self, _warnings: object = None) -> None:
            """Do nothing: closing what a fork has copied would close it for the parent."""

    return Connector


def _import_aiohttp() -> ModuleType:
    try:
        import aiohttp
    except ImportError as error:
        raise TrackerOpenError("aiohttp is not installed", 'pip install "aiotracker[aiohttp]"') from error
    return aiohttp


def _is_without_cookies(session: aiohttp.ClientSession) -> bool:
    import aiohttp

    return isinstance(session.cookie_jar, aiohttp.DummyCookieJar)


@functools.lru_cache(maxsize=8)
def _headers(headers: Headers) -> CIMultiDict[str]:
    """Return headers in aiohttp's form, to which it adds none but host and length."""
    from multidict import CIMultiDict

    return CIMultiDict(complete(headers))


def _address(url: str) -> URL:
    from yarl import URL

    return URL(url, encoded=True)  # yarl itself remembers some


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read the body, so that the connection can be used again, unless it is too long to be worth it."""
    size = 0
    with anyio.move_on_after(MAX_DRAIN_SECONDS):
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                return


def _has_response_started(error: BaseException) -> bool:
    """Tell whether a part of a response had come, from what the parser left behind."""
    import aiohttp

    if isinstance(error, aiohttp.ServerDisconnectedError):
        return not isinstance(error.message, str)
    return isinstance(error, aiohttp.ClientResponseError)


def _detail(error: BaseException, request: Request) -> str:
    """Return what is told of an error: one line, without a proxy's password, or the event that a GET is."""
    detail = " ".join(f"{type(error).__name__}: {error}".split())
    detail = _CREDENTIALS.sub("//…@", detail)
    query = request.url.partition("?")[2]
    return detail.replace(query, "…") if query else detail
