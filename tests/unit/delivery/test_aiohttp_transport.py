"""Requests by aiohttp: where it does not run, how its exceptions become failures, what a lent session may do.

What it has in common with other transports stands in `test_transports.py`.
"""

import gc
import inspect
import ssl
import sys
import warnings
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import client_exceptions
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from aiotracker import (
    AiohttpTransport,
    CollectorURL,
    ConfigurationError,
    Emitter,
    Failure,
    FailureKind,
    Reply,
    Request,
    Response,
    Tracker,
    TrackerOpenError,
)
from aiotracker.delivery.aiohttp_transport import FAILURES
from aiotracker.policy.outcome import is_stale
from tests.fakes.server import OK, RawServer, send_and_close
from tests.stages import Backend, backend, on_unix, run

COLLECTOR = CollectorURL.parse("http://127.0.0.1:9")
POST = Request("POST", COLLECTOR.post_url, (("User-Agent", "me"),), b"{}")


@pytest.fixture(
    scope="module", params=[pytest.param(loop, marks=on_unix(loop)) for loop in ("asyncio", "uvloop")]
)
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run every test on the loops that aiohttp knows."""
    return backend(request.param)


def to(server: RawServer) -> Request:
    """Return a POST to a raw server."""
    return Request("POST", f"{server.url}/a/b", (("User-Agent", "me"),), b"{}")


def failure(reply: Reply) -> Failure:
    """Return a reply that is a failure."""
    assert isinstance(reply, Failure), reply
    return reply


# -- where it runs ------------------------------------------------------------------------------------


def test_trio_is_refused_when_opened() -> None:
    """Aiohttp knows asyncio only, and the error says what runs everywhere."""

    async def open_tracker() -> None:
        await Tracker("web", Emitter(str(COLLECTOR), transport=AiohttpTransport())).open()

    with pytest.raises(TrackerOpenError, match="HttpxTransport runs on every event loop"):
        run("trio", open_tracker)


async def test_a_missing_aiohttp_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install stands in the error."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)

    with pytest.raises(TrackerOpenError, match=r'pip install "aiotracker\[aiohttp\]"'):
        await AiohttpTransport().open(COLLECTOR)


async def test_a_proxy_that_aiohttp_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would speak HTTP to a SOCKS proxy."""
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080")

    with pytest.raises(TrackerOpenError, match=r"socks5://.* use HttpxTransport") as raised:
        await AiohttpTransport().open(CollectorURL.parse("https://collector.acme.com"))
    assert "secret" not in str(raised.value)


# -- exceptions ---------------------------------------------------------------------------------------

KEY = ConnectionKey("collector.acme.com", 443, True, True, None, None, None)  # noqa: FBT003 - aiohttp's own
INFO = RequestInfo(URL(COLLECTOR.post_url), "POST", CIMultiDictProxy(CIMultiDict()), URL(COLLECTOR.post_url))

ARGUMENTS: dict[type[aiohttp.ClientError], tuple[Any, ...]] = {
    client_exceptions.ClientConnectorCertificateError: (KEY, ssl.SSLCertVerificationError("why")),
    client_exceptions.UnixClientConnectorError: ("/socket", KEY, OSError(111, "why")),
    client_exceptions.ClientConnectorError: (KEY, OSError(111, "why")),
    client_exceptions.ServerFingerprintMismatch: (b"a", b"b", "collector.acme.com", 443),
    client_exceptions.ClientResponseError: (INFO, ()),
    client_exceptions.InvalidURL: ("nowhere",),
    client_exceptions.ClientError: ("why",),
}
"""What an exception is built from, by the first base that stands here."""


def exceptions() -> list[type[aiohttp.ClientError]]:
    """Return every exception of aiohttp's client."""
    classes = [each for each in vars(client_exceptions).values() if inspect.isclass(each)]
    found = [each for each in classes if issubclass(each, aiohttp.ClientError)]
    return sorted(found, key=lambda each: each.__name__)


def built(exception: type[BaseException]) -> BaseException:
    """Return an instance of an exception."""
    arguments = next((given for base, given in ARGUMENTS.items() if issubclass(exception, base)), ())
    return exception(*arguments)


class FailingSession:
    """A session whose every request raises."""

    def __init__(self, error: BaseException) -> None:
        self.cookie_jar = aiohttp.DummyCookieJar()
        self._error = error

    def request(self, *args: object, **kwargs: object) -> None:
        """Raise."""
        raise self._error


async def failed(exception: type[BaseException]) -> Failure:
    """Return what a transport makes of an exception."""
    session = cast("aiohttp.ClientSession", FailingSession(built(exception)))
    transport = AiohttpTransport(session)
    await transport.open(COLLECTOR)
    return failure(await transport.send(POST))


@pytest.mark.parametrize("exception", exceptions())
async def test_every_exception_of_aiohttp_is_a_failure(exception: type[aiohttp.ClientError]) -> None:
    """The table covers the whole tree, and the detail names the exception."""
    reply = await failed(exception)

    assert reply.detail.startswith(f"{exception.__name__}: ")


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        (aiohttp.ClientConnectorCertificateError, FailureKind.TLS),
        (aiohttp.ClientConnectorSSLError, FailureKind.TLS),
        (aiohttp.ServerFingerprintMismatch, FailureKind.TLS),
        (aiohttp.ClientConnectorError, FailureKind.CONNECT),
        (aiohttp.ClientConnectorDNSError, FailureKind.CONNECT),
        (aiohttp.ClientProxyConnectionError, FailureKind.CONNECT),
        (aiohttp.ClientHttpProxyError, FailureKind.CONNECT),
        (aiohttp.ConnectionTimeoutError, FailureKind.CONNECT),
        (aiohttp.SocketTimeoutError, FailureKind.TIMEOUT),
        (aiohttp.ServerTimeoutError, FailureKind.TIMEOUT),
        (TimeoutError, FailureKind.TIMEOUT),
        (aiohttp.ClientOSError, FailureKind.BROKEN),
        (aiohttp.ServerDisconnectedError, FailureKind.BROKEN),
        (aiohttp.ClientConnectionResetError, FailureKind.BROKEN),
        (aiohttp.ClientPayloadError, FailureKind.BROKEN),
        (aiohttp.ClientResponseError, FailureKind.PROTOCOL),
        (aiohttp.InvalidURL, FailureKind.ERROR),
        (aiohttp.ClientError, FailureKind.ERROR),
    ],
)
async def test_an_exception_says_why_there_was_no_response(
    exception: type[BaseException], kind: FailureKind
) -> None:
    """Each exception of aiohttp has one kind."""
    reply = await failed(exception)

    assert kind == reply.kind


def test_the_table_ends_with_the_root() -> None:
    """An exception that a later aiohttp adds is still a failure."""
    assert ("ClientError", FailureKind.ERROR) == FAILURES[-1]


async def test_a_response_that_breaks_off_in_its_head_is_not_stale() -> None:
    """The server had begun to answer: it saw the request."""
    transport = AiohttpTransport()
    await transport.open(COLLECTOR)
    with RawServer(OK, send_and_close(b"HTTP/1.1 200 OK\r\nContent-Le")) as server:
        await transport.send(to(server))
        reply = failure(await transport.send(to(server)))
    await transport.aclose()

    assert (True, True) == (reply.is_reused, reply.has_response_started)


# -- a session that is lent ---------------------------------------------------------------------------


def session(**settings: Any) -> aiohttp.ClientSession:
    """Return a session that keeps no cookies."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), **settings)


async def replies(own: aiohttp.ClientSession, server: RawServer, count: int = 1) -> list[Reply]:
    """Return what comes of some requests through a session that is lent."""
    transport = AiohttpTransport(own)
    await transport.open(COLLECTOR)
    found = [await transport.send(to(server)) for _ in range(count)]
    await transport.aclose()
    return found


async def test_a_lent_session_is_used_with_all_it_has() -> None:
    """Its headers and middlewares apply; it is never closed, before or after."""
    asked: list[str] = []

    async def note(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        asked.append(request.method)
        return await handler(request)

    async with session(headers={"X-Gateway": "shop"}, middlewares=[note]) as own:
        with RawServer(OK) as server:
            (reply,) = await replies(own, server)

        assert not own.closed
    assert isinstance(reply, Response)
    assert ["POST"] == asked
    assert b"\r\nX-Gateway: shop\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503),
        (b"HTTP/1.1 302 No\r\nLocation: /c/d\r\nContent-Length: 0\r\n\r\n", 302),
    ],
)
async def test_a_lent_session_neither_raises_nor_follows(answer: bytes, status: int) -> None:
    """A status is for the policies to judge, however the session was built."""
    async with session(raise_for_status=True) as own:
        with RawServer(answer) as server:
            (reply,) = await replies(own, server)

    assert isinstance(reply, Response)
    assert (status, 1) == (reply.status, len(server.requests))


async def test_the_timeout_of_a_lent_session_is_a_timeout() -> None:
    """Its own limits apply where they are shorter than the emitter's."""
    async with session(timeout=aiohttp.ClientTimeout(total=0.05)) as own:
        with RawServer(reads=False) as server:
            (reply,) = await replies(own, server)

    assert FailureKind.TIMEOUT == failure(reply).kind


async def test_a_lent_session_that_has_answered_is_taken_for_reused() -> None:
    """Its connections are not seen: what breaks later is sent once more at once, what breaks first is not."""
    async with session() as own:
        with RawServer(None, OK, None) as server:
            first, answered, later = await replies(own, server, 3)

    assert [False, True] == [is_stale(reply) for reply in (first, later)]
    assert isinstance(answered, Response)


async def test_a_session_that_keeps_cookies_is_refused() -> None:
    """The collector's cookie would give all users of a service one identity."""
    async with aiohttp.ClientSession() as own:
        with pytest.raises(ConfigurationError, match="DummyCookieJar"):
            AiohttpTransport(own)


async def test_an_ssl_context_belongs_to_the_lent_session() -> None:
    """Two places for one setting would contradict each other."""
    async with session() as own:
        with pytest.raises(ConfigurationError, match="ssl_context"):
            AiohttpTransport(own, ssl_context=ssl.create_default_context())


# -- its end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", [pytest.param(loop, marks=on_unix(loop)) for loop in ("asyncio", "uvloop")])
def test_a_transport_whose_loop_is_over_dies_in_silence(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    """A program that did not close its tracker is told once, by the tracker."""
    kept = []

    async def leave() -> None:
        transport = AiohttpTransport()
        await transport.open(COLLECTOR)
        with RawServer(OK) as server:
            kept.extend([await transport.send(to(server)), transport])

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(loop, leave)
        kept.clear()
        gc.collect()

    assert ([], []) == (caplog.records, [each for each in caught if "client" in str(each.message)])
