"""Requests by httpx: the one file that names it.

Owns how httpx is configured and how its exceptions become failures. httpx is imported when a transport
is opened, in a worker thread, because the import takes longer than an event loop should stand still.
"""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from aiotracker.errors import ConfigurationError
from aiotracker.protocol.exchange import Failure, FailureKind, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import ModuleType

    import httpx

    from aiotracker.protocol.exchange import Reply, Request

__all__ = ["HttpxTransport"]

MAX_RESPONSE_BYTES: Final = 64 * 1024  # the collector answers `ok`; an endless body must not fill memory
MAX_DRAIN_SECONDS: Final = 1.0  # the status has arrived; the body only decides about the connection
KEEPALIVE_SECONDS: Final = 30.0  # below the idle timeout of common load balancers, 60 s
MAX_CONNECTIONS: Final = 16  # the engine's senders decide; this only bounds a user's own transport

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
    """Sends requests through an `httpx.AsyncClient`, its own or a user's.

    Its own client takes proxies and certificates from the environment (`HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`), keeps no cookies, follows no redirects and verifies TLS.

    A lent client is used through its `send()`, so that its auth, hooks and proxies apply; no `Cookie`
    header is sent; the client is never closed here.
    """

    def __init__(
        self,
        client: httpx.AsyncClient | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float = 3.0,
        is_secure: bool = True,
        use_proxies: bool = True,
    ) -> None:
        """Prepare a transport; nothing is imported or connected before `open()`.

        Args:
            client: a client to borrow; the caller closes it.
            ssl_context: verifies the collector instead of the shared default.
            connect_timeout: seconds for one connection attempt.
            is_secure: False for a collector that speaks plain http, which needs no TLS.
            use_proxies: False for a collector on this machine, which no proxy of the environment can reach.
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
        self._connect_timeout = connect_timeout
        self._is_secure = is_secure
        self._use_proxies = use_proxies
        self._client: httpx.AsyncClient | None = client
        self.context: ssl.SSLContext | None = ssl_context
        """Verifies the collector; None before opening."""
        self.peer: tuple[str, int] | None = None
        """Address and port of the last connection that answered."""
        self._httpx: ModuleType | None = None
        self._failures: list[tuple[type[BaseException], FailureKind]] = []

    @property
    def is_own(self) -> bool:
        """Whether the client is the transport's own, not one that was lent."""
        return self._lent is None

    async def open(self) -> None:
        """Import httpx and build the TLS context, both in a worker thread."""
        self._httpx = module = await anyio.to_thread.run_sync(_import_httpx)
        self._failures = [(getattr(module, name), kind) for name, kind in FAILURES]
        if self._lent is None:
            self.context = self._ssl_context
            if self.context is None:
                self.context = await anyio.to_thread.run_sync(_context_for, self._needs_trust())
            self._client = self._build_client(self.context)

    async def send(self, request: Request) -> Reply:
        """Send one request; read at most 64 KiB of the response."""
        client = self._client
        if client is None or self._httpx is None:
            raise RuntimeError("the transport is not open")
        seen = _Trace()
        outgoing = client.build_request(
            request.method,
            request.url,
            content=request.body or None,
            headers=list(request.headers),
            extensions={"trace": seen},
        )
        outgoing.headers.pop("cookie", None)
        outgoing.stream = _body_class()(request.body)
        try:
            response = await client.send(outgoing, stream=True, follow_redirects=False)
        except self._httpx.HTTPError as error:
            return self._failure(error, seen)
        # The status is the answer: a body that breaks must not have the events sent again.
        with contextlib.suppress(self._httpx.HTTPError):
            try:
                await _drain(response)
            finally:
                await response.aclose()
        self.peer = seen.peer or self.peer
        return Response(response.status_code, {k.lower(): v for k, v in response.headers.items()})

    async def aclose(self) -> None:
        """Close the transport's own client; a lent one stays open."""
        client, self._client = self._client, self._lent
        if client is not None and client is not self._lent:
            await client.aclose()

    def _needs_trust(self) -> bool:
        """Tell whether any connection may be encrypted: the collector's, or a proxy's."""
        if self._is_secure or not self._use_proxies:
            return self._is_secure
        names = ("http_proxy", "https_proxy", "all_proxy")
        return any(os.environ.get(name) or os.environ.get(name.upper()) for name in names)

    def _build_client(self, context: ssl.SSLContext) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(
            verify=context,
            trust_env=self._use_proxies,  # certificates of the environment are in the context already
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            # The engine has a true deadline around each attempt; httpx's own are per operation.
            timeout=httpx.Timeout(None, connect=self._connect_timeout),
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_CONNECTIONS,
                keepalive_expiry=KEEPALIVE_SECONDS,
            ),
        )

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

    return httpx


@functools.cache
def _empty_context() -> ssl.SSLContext:
    """Return a context that trusts no one, for clients that will never speak TLS; costs no disk read."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@functools.lru_cache(maxsize=8)
def _verifying_context(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:  # noqa: ARG001 - the key
    """Return the one context per verification setting of the process: building it takes 40 ms."""
    return _import_httpx().create_ssl_context()  # type: ignore[no-any-return]  # a module is Any


def _context_for(needs_trust: bool) -> ssl.SSLContext:  # noqa: FBT001 - the one argument of a worker function
    if not needs_trust:
        return _empty_context()
    return _verifying_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


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
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                # Not `return`: the generators below would be left to the garbage collector.
                scope.cancel()


def _is_caused_by_tls(error: BaseException) -> bool:
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
