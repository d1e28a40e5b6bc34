"""Requests by httpx: how its exceptions become failures, and what a client that is lent may do.

What it has in common with other transports stands in `test_transports.py`.
"""

import importlib.util
import inspect
import ssl
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from aiotracker import CollectorURL, ConfigurationError, HttpxTransport
from aiotracker.delivery.httpx_transport import FAILURES, _import_httpx
from aiotracker.protocol.exchange import Failure, FailureKind, Reply, Request, Response

COLLECTOR = CollectorURL.parse("http://collector.acme.com")
URL = COLLECTOR.post_url
POST = Request("POST", URL, (("Content-Type", "application/json"), ("User-Agent", "me")), b"{}")


@pytest.fixture
async def transport() -> AsyncIterator[HttpxTransport]:
    """Return an open transport."""
    transport = HttpxTransport()
    await transport.open(COLLECTOR)
    yield transport
    await transport.aclose()


def failure(reply: Reply) -> Failure:
    """Return a reply that is a failure."""
    assert isinstance(reply, Failure), reply
    return reply


# -- exceptions ---------------------------------------------------------------------------------------


def exceptions() -> list[type[httpx.RequestError]]:
    """Return every exception that a request of httpx can raise."""
    classes = [each for each in vars(httpx).values() if inspect.isclass(each)]
    found = [each for each in classes if issubclass(each, httpx.RequestError)]
    return sorted(found, key=lambda each: each.__name__)


@pytest.mark.parametrize("exception", exceptions())
async def test_every_exception_of_httpx_is_a_failure(
    transport: HttpxTransport, exception: type[httpx.RequestError]
) -> None:
    """The table covers the whole tree, and the detail names the exception."""
    with respx.mock() as router:
        router.post(URL).mock(side_effect=exception("why"))

        reply = failure(await transport.send(POST))

    assert reply.detail.startswith(exception.__name__)


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        (httpx.ConnectError, FailureKind.CONNECT),
        (httpx.ConnectTimeout, FailureKind.CONNECT),
        (httpx.ProxyError, FailureKind.CONNECT),
        (httpx.ReadTimeout, FailureKind.TIMEOUT),
        (httpx.WriteTimeout, FailureKind.TIMEOUT),
        (httpx.PoolTimeout, FailureKind.TIMEOUT),
        (httpx.ReadError, FailureKind.BROKEN),
        (httpx.WriteError, FailureKind.BROKEN),
        (httpx.CloseError, FailureKind.BROKEN),
        (httpx.RemoteProtocolError, FailureKind.BROKEN),
        (httpx.LocalProtocolError, FailureKind.ERROR),
        (httpx.UnsupportedProtocol, FailureKind.ERROR),
        (httpx.DecodingError, FailureKind.PROTOCOL),
    ],
)
async def test_an_exception_says_why_there_was_no_response(
    transport: HttpxTransport, exception: type[httpx.RequestError], kind: FailureKind
) -> None:
    """Each exception of httpx has one kind."""
    with respx.mock() as router:
        router.post(URL).mock(side_effect=exception("why"))

        reply = failure(await transport.send(POST))

    assert kind == reply.kind


def test_the_table_ends_with_the_root() -> None:
    """An exception that a later httpx adds is still a failure."""
    assert ("HTTPError", FailureKind.ERROR) == FAILURES[-1]


async def lent(error: Exception) -> AsyncIterator[HttpxTransport]:
    """Yield a transport on a client whose every request fails."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as client:
        transport = HttpxTransport(client)
        await transport.open(COLLECTOR)
        yield transport


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ssl.SSLCertVerificationError("expired"), FailureKind.TLS),
        (ssl.SSLWantReadError("slow"), FailureKind.CONNECT),
        (OSError("refused"), FailureKind.CONNECT),
        (None, FailureKind.CONNECT),
    ],
)
async def test_a_handshake_that_fails_is_a_matter_of_trust(
    cause: Exception | None, kind: FailureKind
) -> None:
    """A certificate error below a connection error is told apart from a closed port."""
    error, middle = httpx.ConnectError("no"), RuntimeError("between")
    error.__cause__, middle.__context__ = middle, cause

    async for transport in lent(error):
        reply = failure(await transport.send(POST))

        assert kind == reply.kind


@pytest.mark.timeout(2)
async def test_a_circle_of_causes_has_an_end() -> None:
    """Testing libraries raise an error from one that was raised from it."""
    error, wrapper = httpx.ConnectError("no"), RuntimeError("around")
    error.__cause__, wrapper.__cause__ = wrapper, error

    async for transport in lent(error):
        reply = failure(await transport.send(POST))

        assert FailureKind.CONNECT == reply.kind


# -- a client that is lent ----------------------------------------------------------------------------


async def test_a_lent_client_is_used_with_all_it_has() -> None:
    """Its auth and hooks apply, its own cookies are not sent."""
    hooked: list[str] = []

    async def hook(request: httpx.Request) -> None:
        hooked.append(request.method)

    async with httpx.AsyncClient(
        auth=("user", "secret"), cookies={"session": "1"}, event_hooks={"request": [hook]}
    ) as client:
        transport = HttpxTransport(client)
        await transport.open(COLLECTOR)
        with respx.mock() as router:
            route = router.post(URL).respond(200)
            await transport.send(POST)
        await transport.aclose()

    sent = route.calls.last.request
    assert ["POST"] == hooked
    assert sent.headers["authorization"].startswith("Basic ")
    assert "cookie" not in sent.headers


async def test_a_hook_may_read_the_answer() -> None:
    """A body that was read before is no failure: its events have arrived."""

    async def read(response: httpx.Response) -> None:
        await response.aread()

    async with httpx.AsyncClient(event_hooks={"response": [read]}) as client:
        transport = HttpxTransport(client)
        await transport.open(COLLECTOR)
        with respx.mock() as router:
            router.post(URL).respond(200, text="ok")
            reply = await transport.send(POST)

    assert isinstance(reply, Response)


async def test_a_lent_client_is_never_closed() -> None:
    """It belongs to the caller, before and after."""
    async with httpx.AsyncClient() as client:
        transport = HttpxTransport(client)
        await transport.open(COLLECTOR)
        await transport.aclose()

        assert not client.is_closed


async def test_what_an_answer_sets_stays_in_the_lent_clients_jar() -> None:
    """The collector's cookie is kept by a client that keeps cookies, and still not sent by us."""
    async with httpx.AsyncClient() as client:
        transport = HttpxTransport(client)
        await transport.open(COLLECTOR)
        with respx.mock() as router:
            route = router.post(URL).respond(200, headers={"Set-Cookie": "sp=1; Path=/"})
            await transport.send(POST)
            await transport.send(POST)

        assert "1" == client.cookies["sp"]
    assert "cookie" not in route.calls.last.request.headers


async def test_a_client_that_follows_redirects_is_refused() -> None:
    """A followed POST becomes an empty GET that succeeds."""
    async with httpx.AsyncClient(follow_redirects=True) as client:
        with pytest.raises(ConfigurationError, match="follow_redirects=False"):
            HttpxTransport(client)


async def test_an_ssl_context_belongs_to_the_lent_client() -> None:
    """Two places for one setting would contradict each other."""
    async with httpx.AsyncClient() as client:
        with pytest.raises(ConfigurationError, match="ssl_context"):
            HttpxTransport(client, ssl_context=ssl.create_default_context())


def test_what_httpcore_looks_for_in_vain_is_marked_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for sniffio with every request, and a search of the whole path costs more than the rest."""
    monkeypatch.delitem(sys.modules, "sniffio", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    _import_httpx()

    assert "sniffio" in sys.modules
    with pytest.raises(ImportError):
        importlib.import_module("sniffio")


def test_what_httpcore_finds_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sniffio is installed, nothing is marked."""
    monkeypatch.setitem(sys.modules, "sniffio", importlib.import_module("sniffio"))

    _import_httpx()

    assert sys.modules["sniffio"] is not None
