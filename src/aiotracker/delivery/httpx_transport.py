"""Requests by httpx: the one file that names it.

Owns how httpx is configured and how its exceptions become failures. httpx is imported when a transport
is opened, in a worker thread, because the import takes longer than an event loop should stand still.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import sys
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import anyio.to_thread

from aiotracker.delivery.proxies import proxy_for
from aiotracker.delivery.transport import (
    KEEPALIVE_SECONDS,
    MAX_CONNECTIONS,
    MAX_DRAIN_SECONDS,
    MAX_RESPONSE_BYTES,
    READ_HEADERS,
    Headers,
    complete,
)
from aiotracker.delivery.trust import trust
from aiotracker.errors import ConfigurationError
from aiotracker.protocol.exchange import Failure, FailureKind, Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import ModuleType

    import httpx

    from aiotracker.protocol.exchange import Reply, Request
    from aiotracker.protocol.url import CollectorURL

__all__ = ["HttpxTransport"]

FAILURES: Final = (
    ("ConnectTimeout", FailureKind.CONNECT),
    ("ConnectError", FailureKind.CONNECT),
    ("ProxyError", FailureKind.CONNECT),
    ("UnsupportedProtocol", FailureKind.ERROR),
    ("TimeoutException", FailureKind.TIMEOUT),
    ("LocalProtocolError", FailureKind.ERROR),
    ("RemoteProtocolError", FailureKind.BROKEN),
    ("NetworkError", FailureKind.BROKEN),
    ("DecodingError", FailureKind.PROTOCOL),
    ("HTTPError", FailureKind.ERROR),
)
"""httpx's exceptions by name, first match wins; the last is the root of all."""


class HttpxTransport:
    """Sends requests through httpx: its own connections, or a user's `httpx.AsyncClient`.

    Its own take proxies and certificates from the environment (`HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`), keep no cookies, follow no redirects and verify TLS.

    A lent client is used through its `send()`, so that its auth, hooks and proxies apply; no `Cookie`
    header is sent; the client is never closed here.
    """

    def __init__(
        self,
        client: httpx.AsyncClient | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float = 3.0,
    ) -> None:
        """Prepare a transport; nothing is imported or connected before `open()`.

        Args:
            client: a client to borrow; the caller closes it.
            ssl_context: verifies the collector instead of the shared default.
            connect_timeout: seconds for one connection attempt.
        Raises:
            ConfigurationError: the client follows redirects, or comes with settings that it ignores.
        """
        if client is not None:
            if client.follow_redirects:
                raise ConfigurationError(
                    "client",
                    client,
                    "follows redirects, which turns a POST into an empty GET that succeeds: build it "
                    "with follow_redirects=False",
                )
            if ssl_context is not None:
                raise ConfigurationError(
                    "ssl_context", ssl_context, "belongs to the client that is lent: set it there"
                )
        self._lent = client
        self._ssl_context = ssl_context
        self._timeouts = {"connect": connect_timeout}  # the engine has a true deadline around each attempt
        self._own: httpx.AsyncHTTPTransport | None = None
        self.context: ssl.SSLContext | None = ssl_context
        """Verifies the collector; None before opening."""
        self.peer: tuple[str, int] | None = None
        """Address and port of the last connection that answered."""
        self._httpx: ModuleType | None = None
        self._failures: list[tuple[type[BaseException], FailureKind]] = []

    @property
    def is_own(self) -> bool:
        """Whether the connections are the transport's own, not those of a client that was lent."""
        return self._lent is None

    async def open(self, url: CollectorURL) -> None:
        """Import httpx and build the TLS context, both in a worker thread."""
        self._httpx = module = await anyio.to_thread.run_sync(_import_httpx)
        self._failures = [(getattr(module, name), kind) for name, kind in FAILURES]
        if self._lent is not None:
            return
        proxy = proxy_for(url)
        self.context = self._ssl_context
        if self.context is None:
            self.context = await anyio.to_thread.run_sync(trust, url, proxy)
        self._own = _connections(self.context, proxy)

    async def send(self, request: Request) -> Reply:
        """Send one request; read at most 64 KiB of the response."""
        module = self._httpx
        if module is None:
            raise RuntimeError("the transport is not open")
        seen = _Trace()
        try:
            response = await self._begin(request, seen)
        except module.HTTPError as error:
            return self._failure(error, seen)
        if not response.is_closed:  # by a hook of a lent client, which reads the body itself
            # The status is the answer: a body that breaks must not have the events sent again.
            with contextlib.suppress(module.HTTPError):
                try:
                    await _drain(response)
                finally:
                    await response.aclose()
        self.peer = seen.peer or self.peer
        headers = response.headers
        return Response(
            response.status_code, {name: headers[name] for name in READ_HEADERS if name in headers}
        )

    async def aclose(self) -> None:
        """Close the transport's own connections; a lent client stays open."""
        own, self._own, self._httpx = self._own, None, None
        if own is not None:
            await own.aclose()

    async def _begin(self, request: Request, seen: _Trace) -> httpx.Response:
        """Send a request and return the head of its response."""
        import httpx

        body = _body_class()(request.body)
        if self._lent is not None:
            client = self._lent
            outgoing = client.build_request(
                request.method,
                request.url,
                content=request.body or None,
                headers=list(request.headers),
                extensions={"trace": seen},
            )
            outgoing.headers.pop("cookie", None)
            outgoing.stream = body
            return await client.send(outgoing, stream=True, follow_redirects=False)
        if self._own is None:
            raise RuntimeError("the transport is not open")
        # Past the client, whose merging, cookies, redirects and hooks take half as long again: of a request
        # of 5 KB 435 µs instead of 291 µs, with Python 3.11.
        address = _address(request.url)
        outgoing = httpx.Request(
            request.method,
            address,
            headers=_headers(address.netloc, request.headers),
            stream=body,
            extensions={"trace": seen, "timeout": self._timeouts},
        )
        if request.method == "POST":
            outgoing.headers["Content-Length"] = str(len(request.body))
        return await self._own.handle_async_request(outgoing)

    def _failure(self, error: BaseException, seen: _Trace) -> Failure:
        kind = next(kind for cause, kind in self._failures if isinstance(error, cause))
        if kind is FailureKind.CONNECT and _is_caused_by_tls(error):
            kind = FailureKind.TLS
        return Failure(
            kind,
            f"{type(error).__name__}: {error}",
            is_reused=not seen.has_connected,
            has_response_started=seen.has_response_started,
        )


class _Trace:
    """Notes what a connection did, through httpx's `trace` extension."""

    def __init__(self) -> None:
        self.has_connected = False
        self.has_response_started = False
        self.peer: tuple[str, int] | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:  # Any: what httpcore tells
        if event.startswith("connection.connect_"):
            self.has_connected = True
            stream = info.get("return_value")
            if stream is not None:
                self.peer = tuple(stream.get_extra_info("server_addr")[:2])
        elif event.endswith("receive_response_headers.complete"):
            self.has_response_started = True


def _import_httpx() -> ModuleType:
    """Import httpx, and what it would import itself, 50 ms long, when a client is built."""
    import httpcore  # noqa: F401
    import httpx

    if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
        # httpcore 1.0 looks for it five times a request, and Python remembers no failure: 450 µs a request
        # instead of 310. `None` is Python's own mark of a module that is not there.
        sys.modules["sniffio"] = cast("ModuleType", None)
    return httpx


def _connections(context: ssl.SSLContext, proxy: str | None) -> httpx.AsyncHTTPTransport:
    import httpx

    return httpx.AsyncHTTPTransport(
        verify=context,
        trust_env=False,  # proxies and certificates of the environment are in the arguments already
        # httpcore refuses a context for a proxy that speaks plain http.
        proxy=httpx.Proxy(proxy, ssl_context=context if proxy.startswith("https:") else None)
        if proxy
        else None,
        limits=httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_SECONDS,
        ),
    )


@functools.lru_cache(maxsize=8)
def _address(url: str) -> httpx.URL:
    import httpx

    return httpx.URL(url)


@functools.lru_cache(maxsize=8)
def _headers(host: bytes, headers: Headers) -> httpx.Headers:
    """Return all headers but the length, in httpx's form: without its client nothing is added."""
    import httpx

    return httpx.Headers(complete(headers, ("Host", host.decode("ascii"))))


@functools.cache
def _body_class() -> Callable[[bytes], httpx.AsyncByteStream]:
    """Return a body that is no async generator, as httpx's own is.

    When a request breaks, its generator would be left to the garbage collector, of which trio warns.
    """
    import httpx

    class Body(httpx.AsyncByteStream):
        def __init__(self, octets: bytes) -> None:
            self._octets = octets

        def __aiter__(self) -> AsyncIterator[bytes]:
            return _Once(self._octets)

    return Body


class _Once:
    """An iterator over one value."""

    def __init__(self, octets: bytes) -> None:
        self._rest = [octets] if octets else []

    def __aiter__(self) -> _Once:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


async def _drain(response: httpx.Response) -> None:
    """Read the body, so that the connection can be used again, unless it is too long to be worth it."""
    size = 0
    with anyio.move_on_after(MAX_DRAIN_SECONDS) as scope:
        # The stream itself: `aiter_raw()` would wrap it once more.
        async for chunk in cast("httpx.AsyncByteStream", response.stream):
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                # Not `return`: the generators below would be left to the garbage collector.
                scope.cancel()


def _is_caused_by_tls(error: BaseException) -> bool:
    import ssl

    seen: set[int] = set()  # causes can run in a circle
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        # A handshake that only takes long wants to read or write more.
        if isinstance(cause, ssl.SSLError) and not isinstance(
            cause, ssl.SSLWantReadError | ssl.SSLWantWriteError
        ):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False
