"""Requests by httpx: what is sent, what is kept to itself, and how its exceptions become failures."""

import inspect
import ssl
import time
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
import respx

from aiotracker import ConfigurationError, HttpxTransport, PageView, Tracker
from aiotracker.delivery.httpx_transport import FAILURES
from aiotracker.policy.outcome import is_stale
from aiotracker.protocol.exchange import Failure, FailureKind, Reply, Request, Response
from tests.fakes.server import OK, RawServer, endless, send_and_close

URL = "https://collector.acme.com/com.snowplowanalytics.snowplow/tp2"
POST = Request("POST", URL, (("Content-Type", "application/json"), ("User-Agent", "me")), b"{}")


@pytest.fixture
async def transport() -> AsyncIterator[HttpxTransport]:
    """Return an open transport that needs no TLS."""
    transport = HttpxTransport(is_secure=False)
    await transport.open()
    yield transport
    await transport.aclose()


def to(server: RawServer, body: bytes = b"{}") -> Request:
    """Return a POST to a raw server."""
    return Request("POST", f"{server.url}/a/b", (("User-Agent", "me"),), body)


def failure(reply: Reply) -> Failure:
    """Return a reply that is a failure."""
    assert isinstance(reply, Failure), reply
    return reply


# -- what is sent and what comes back -----------------------------------------------------------------


async def test_a_request_crosses_as_it_is(transport: HttpxTransport) -> None:
    """Method, address, headers and body reach the server unchanged."""
    with respx.mock() as router:
        route = router.post(URL).respond(200)

        reply = await transport.send(POST)

    sent = route.calls.last.request
    assert isinstance(reply, Response)
    assert (b"{}", "me", "application/json") == (
        sent.content,
        sent.headers["user-agent"],
        sent.headers["content-type"],
    )
    assert {"cookie", "referer", "content-encoding"}.isdisjoint(sent.headers)


async def test_a_get_has_its_query_untouched(transport: HttpxTransport) -> None:
    """Escapes in the URL are not normalised, and there is no body."""
    with RawServer(OK) as server:
        await transport.send(Request("GET", f"{server.url}/i?url=https%3A%2F%2Facme.com%2F&e=pv%7E"))

    assert server.requests[0].startswith(b"GET /i?url=https%3A%2F%2Facme.com%2F&e=pv%7E HTTP/1.1\r\n")


@pytest.mark.parametrize("status", [200, 204, 301, 400, 413, 429, 503, 599])
async def test_every_status_is_a_response(transport: HttpxTransport, status: int) -> None:
    """A status is for the policies to judge; headers have lower-case names."""
    with respx.mock() as router:
        router.post(URL).respond(status, headers={"Retry-After": "4", "Location": "https://a.com/"})

        reply = await transport.send(POST)

    assert isinstance(reply, Response)
    assert (status, "4") == (reply.status, reply.headers["retry-after"])


async def test_a_redirect_is_not_followed(transport: HttpxTransport) -> None:
    """The answer is the redirect itself."""
    with respx.mock() as router:
        router.post(URL).respond(302, headers={"Location": "https://collector.acme.com/elsewhere"})

        reply = await transport.send(POST)

        assert 1 == len(router.calls)
    assert isinstance(reply, Response)
    assert 302 == reply.status


async def test_cookies_are_not_kept(transport: HttpxTransport) -> None:
    """The collector's cookie would give all users of a service one identity."""
    cookie = OK.replace(b"OK\r\n", b"OK\r\nSet-Cookie: sp=1; Path=/\r\n")
    with RawServer(cookie) as server:
        for _ in range(2):
            await transport.send(to(server))

    assert 2 == len(server.requests)
    assert b"cookie" not in server.requests[1].lower()


async def test_a_body_without_end_is_left(transport: HttpxTransport) -> None:
    """At most 64 KiB of an answer are read."""
    with RawServer(endless) as server:
        began = time.monotonic()
        reply = await transport.send(to(server))

    assert isinstance(reply, Response)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="no-content"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", id="chunked"
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, id="continue"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", id="bad-gzip"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
            id="html",
        ),
    ],
)
async def test_a_proxy_may_answer_as_it_likes(transport: HttpxTransport, answer: bytes) -> None:
    """2xx is success in every wrapping, even one whose body cannot be decoded."""
    with RawServer(answer) as server:
        reply = await transport.send(to(server))

    assert isinstance(reply, Response)
    assert 200 <= reply.status < 300


# -- connections --------------------------------------------------------------------------------------


async def test_a_connection_is_used_again(transport: HttpxTransport) -> None:
    """Requests one after another share a connection."""
    with RawServer(OK) as server:
        for _ in range(3):
            await transport.send(to(server))

    assert (3, 1) == (len(server.requests), server.connections)


async def test_requests_at_the_same_time_have_connections_of_their_own(
    transport: HttpxTransport,
) -> None:
    """Four senders do not wait for each other."""
    with RawServer(OK) as server:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(transport.send, to(server))

    assert 4 == len(server.requests)


async def test_a_kept_connection_that_closes_on_use_is_stale(transport: HttpxTransport) -> None:
    """The server that read the second request and hung up shows a reused connection."""
    with RawServer(OK, None, OK) as server:
        await transport.send(to(server))
        reply = failure(await transport.send(to(server)))
        again = await transport.send(to(server))

    assert (FailureKind.BROKEN, True, False) == (
        reply.kind,
        reply.is_reused,
        reply.has_response_started,
    )
    assert is_stale(reply)
    assert isinstance(again, Response)


async def test_a_new_connection_that_closes_is_not_stale(transport: HttpxTransport) -> None:
    """A server that hangs up on the first request has a problem of its own."""
    with RawServer(None) as server:
        reply = failure(await transport.send(to(server)))

    assert (FailureKind.BROKEN, False) == (reply.kind, reply.is_reused)
    assert not is_stale(reply)


async def test_an_answer_whose_body_breaks_off_is_an_answer(transport: HttpxTransport) -> None:
    """The status has arrived: a body that nobody reads must not have the events sent again."""
    cut = send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")
    with RawServer(OK, cut) as server:
        await transport.send(to(server))
        reply = await transport.send(to(server))

    assert isinstance(reply, Response)
    assert 200 == reply.status


async def test_what_is_not_http_is_a_failure(transport: HttpxTransport) -> None:
    """Garbage on the port is told as such."""
    with RawServer(send_and_close(b"SSH-2.0-OpenSSH_9.6\r\n")) as server:
        reply = failure(await transport.send(to(server)))

    assert reply.kind in (FailureKind.PROTOCOL, FailureKind.BROKEN)


async def test_a_closed_port_is_no_connection(transport: HttpxTransport) -> None:
    """Nobody listens."""
    with RawServer(OK) as server:
        pass

    reply = failure(await transport.send(to(server)))

    assert FailureKind.CONNECT == reply.kind


async def test_a_server_without_tls_is_told_apart() -> None:
    """Using https on a port that speaks http is a matter of trust, for a person to mend."""
    transport = HttpxTransport()
    await transport.open()
    with RawServer(OK) as server:
        reply = failure(await transport.send(Request("POST", server.url.replace("http", "https"))))
    await transport.aclose()

    assert FailureKind.TLS == reply.kind


async def test_a_cancelled_request_leaves_a_working_transport(transport: HttpxTransport) -> None:
    """After the deadline of one attempt the next one goes through."""
    release: list[bool] = []

    def hang(connection: object) -> bool:
        while not release:
            time.sleep(0.005)
        return False

    with RawServer(hang, OK) as server:
        with anyio.move_on_after(0.05) as scope:
            await transport.send(to(server))
        release.append(True)
        reply = await transport.send(to(server))

    assert scope.cancelled_caught
    assert isinstance(reply, Response)


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
        await transport.open()
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


# -- life ---------------------------------------------------------------------------------------------


async def test_sending_before_opening_is_a_mistake() -> None:
    """Nothing is imported or connected before `open()`."""
    with pytest.raises(RuntimeError, match="not open"):
        await HttpxTransport().send(POST)


async def test_it_can_be_opened_again(transport: HttpxTransport) -> None:
    """A tracker that is opened a second time finds a working transport."""
    with RawServer(OK) as server:
        await transport.send(to(server))
        await transport.aclose()
        await transport.open()
        reply = await transport.send(to(server))

    assert isinstance(reply, Response)
    assert 2 == server.connections


async def test_closing_twice_is_harmless(transport: HttpxTransport) -> None:
    """There is nothing left to close."""
    await transport.aclose()
    await transport.aclose()


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """`HTTP_PROXY` is obeyed: the request goes there, in absolute form."""
    with RawServer(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        transport = HttpxTransport(is_secure=False)
        await transport.open()
        await transport.send(Request("POST", "http://collector.test/a/b", (), b"{}"))
        await transport.aclose()

    assert proxy.requests[0].startswith(b"POST http://collector.test/a/b HTTP/1.1")


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
        await transport.open()
        with respx.mock() as router:
            route = router.post(URL).respond(200)
            await transport.send(POST)
        await transport.aclose()

    sent = route.calls.last.request
    assert ["POST"] == hooked
    assert sent.headers["authorization"].startswith("Basic ")
    assert "cookie" not in sent.headers


async def test_a_lent_client_is_never_closed() -> None:
    """It belongs to the caller, before and after."""
    async with httpx.AsyncClient() as client:
        transport = HttpxTransport(client)
        await transport.open()
        await transport.aclose()

        assert not client.is_closed


async def test_what_an_answer_sets_stays_in_the_lent_clients_jar() -> None:
    """The collector's cookie is kept by a client that keeps cookies, and still not sent by us."""
    async with httpx.AsyncClient() as client:
        transport = HttpxTransport(client)
        await transport.open()
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


# -- the whole way ------------------------------------------------------------------------------------


async def test_a_tracker_delivers_over_a_real_socket() -> None:
    """From `track()` to the bytes on the wire, with nothing faked but the collector."""
    with RawServer(OK) as server:
        async with Tracker("web", server.url) as tracker:
            event_id = await tracker.track(PageView(page_url="https://acme.com/"))

    assert (1, True) == (tracker.stats().delivered, tracker.last_report.is_complete)
    assert server.requests[0].startswith(b"POST /com.snowplowanalytics.snowplow/tp2 HTTP/1.1\r\n")
    assert str(event_id).encode() in server.requests[0]


async def test_a_stale_connection_costs_no_backoff_over_a_real_socket() -> None:
    """The server hangs up on a kept connection; the event arrives at once, in no retry's books."""
    with RawServer(OK, None, OK) as server:
        async with Tracker("web", server.url) as tracker:
            await tracker.deliver(PageView(page_url="https://acme.com/1"))
            await tracker.deliver(PageView(page_url="https://acme.com/2"), timeout=2.0)

    assert (2, {}, 3) == (
        tracker.stats().delivered,
        tracker.stats().retries,
        tracker.stats().requests,
    )
