"""What every transport does, with raw bytes on a real socket: httpx and aiohttp alike."""

import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from aiotracker import AiohttpTransport, HttpxTransport, PageView, Tracker, Transport
from aiotracker.policy.outcome import is_stale
from aiotracker.protocol.exchange import Failure, FailureKind, Reply, Request, Response
from aiotracker.protocol.url import CollectorURL
from tests.fakes.server import OK, Answer, RawServer, endless, send_and_close
from tests.stages import Backend, Stage, params

LOCAL = CollectorURL.parse("http://127.0.0.1:9")

Kind = type[AiohttpTransport | HttpxTransport]


@pytest.fixture(scope="module", params=params(with_rare=True))
def stage(request: pytest.FixtureRequest) -> object:
    """Name a transport and its loop."""
    return request.param


@pytest.fixture(scope="module")
def anyio_backend(stage: Stage) -> Backend:
    """Run every test on the stage's loop."""
    return stage.backend


@pytest.fixture
def kind(stage: Stage) -> Kind:
    """Return the class under test."""
    return stage.transport_class


@pytest.fixture
async def transport(kind: Kind) -> AsyncIterator[Transport]:
    """Return an open transport that needs no TLS."""
    transport = kind()
    await transport.open(LOCAL)
    yield transport
    await transport.aclose()


def to(server: RawServer, body: bytes = b"{}", *headers: tuple[str, str]) -> Request:
    """Return a POST to a raw server."""
    return Request("POST", f"{server.url}/a/b", (("User-Agent", "me"), *headers), body)


def failure(reply: Reply) -> Failure:
    """Return a reply that is a failure."""
    assert isinstance(reply, Failure), reply
    return reply


def status(reply: Reply) -> int:
    """Return the status of a reply that is a response."""
    assert isinstance(reply, Response), reply
    return reply.status


def descriptors() -> int:
    """Return how many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def names(request: bytes) -> list[str]:
    """Return the names of a request's headers, sorted."""
    head = request.partition(b"\r\n\r\n")[0].decode()
    return sorted(line.partition(":")[0].lower() for line in head.split("\r\n")[1:])


# -- what is sent and what comes back -----------------------------------------------------------------


async def test_a_request_crosses_as_it_is(transport: Transport) -> None:
    """Method, address, headers and body reach the server unchanged, with as little as HTTP needs added."""
    with RawServer(OK) as server:
        await transport.send(to(server, b'{"a": 1}', ("Content-Type", "application/json"), ("X-Key", "k")))

    (sent,) = server.requests
    assert sent.startswith(b"POST /a/b HTTP/1.1\r\n")
    assert sent.endswith(b'\r\n\r\n{"a": 1}')
    expected = ["accept", "accept-encoding", "content-length", "content-type", "host", "user-agent", "x-key"]
    assert expected == names(sent)
    for header in (
        f"host: 127.0.0.1:{server.port}",
        "user-agent: me",
        "content-type: application/json",
        "x-key: k",
        "content-length: 8",
        "accept-encoding: identity",
    ):
        assert f"\r\n{header}\r\n" in sent.decode().replace("Host", "host").lower()


async def test_a_header_of_the_users_own_stands_alone(transport: Transport) -> None:
    """What a library would add is left out where the user says otherwise; a gateway may want another host."""
    with RawServer(OK) as server:
        await transport.send(to(server, b"{}", ("Accept", "text/plain"), ("Host", "inner.acme.com")))

    sent = server.requests[0].lower()
    assert (1, 1) == (sent.count(b"\r\naccept: "), sent.count(b"\r\nhost: "))
    assert b"\r\naccept: text/plain\r\n" in sent
    assert b"\r\nhost: inner.acme.com\r\n" in sent


async def test_a_get_has_its_query_untouched(transport: Transport) -> None:
    """Escapes in the URL are not normalised, and there is no body."""
    query = "url=https%3A%2F%2Facme.com%2F&e=pv%7E&page=%C3%BC+x%20%2520"
    with RawServer(OK) as server:
        await transport.send(Request("GET", f"{server.url}/i?{query}"))

    assert server.requests[0].startswith(f"GET /i?{query} HTTP/1.1\r\n".encode())
    assert {"content-length", "transfer-encoding"}.isdisjoint(names(server.requests[0]))


async def test_a_long_get_crosses_whole(transport: Transport) -> None:
    """20,000 bytes of URL, the most that is ever sent."""
    query = "e=pv&p=" + "x" * 19_900
    with RawServer(OK) as server:
        reply = await transport.send(Request("GET", f"{server.url}/i?{query}"))

    assert 200 == status(reply)
    assert server.requests[0].startswith(f"GET /i?{query} HTTP/1.1\r\n".encode())


async def test_a_large_body_crosses_whole(transport: Transport) -> None:
    """900,000 bytes, the most that is ever sent."""
    body = bytes(range(256)) * 3_515
    with RawServer(OK) as server:
        reply = await transport.send(to(server, body))

    assert 200 == status(reply)
    assert server.requests[0].endswith(body)


@pytest.mark.parametrize("code", [200, 204, 301, 400, 413, 429, 503, 599])
async def test_every_status_is_a_response(transport: Transport, code: int) -> None:
    """A status is for the policies to judge; the headers that they read have lower-case names."""
    head = f"HTTP/1.1 {code} So It Is\r\nRetry-After: 4\r\nLOCATION: https://a.com/\r\n"
    answer = f"{head}Content-Length: 0\r\n\r\n" if code != 204 else f"{head}\r\n"
    with RawServer(answer.encode()) as server:
        reply = await transport.send(to(server))

    assert isinstance(reply, Response)
    assert (code, "4", "https://a.com/") == (
        reply.status,
        reply.headers["retry-after"],
        reply.headers["location"],
    )


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(transport: Transport, code: int) -> None:
    """The answer is the redirect itself."""
    with RawServer() as elsewhere:
        head = f"HTTP/1.1 {code} Elsewhere\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n"
        with RawServer(head.encode()) as server:
            reply = await transport.send(to(server))

    assert code == status(reply)
    assert (1, 0) == (len(server.requests), elsewhere.connections)


async def test_cookies_are_not_kept(transport: Transport) -> None:
    """The collector's cookie would give all users of a service one identity."""
    cookie = OK.replace(b"OK\r\n", b"OK\r\nSet-Cookie: sp=1; Path=/\r\n")
    with RawServer(cookie) as server:
        for _ in range(2):
            await transport.send(to(server))

    assert 2 == len(server.requests)
    assert "cookie" not in names(server.requests[1])


async def test_a_body_without_end_is_left(transport: Transport) -> None:
    """At most 64 KiB of an answer are read."""
    with RawServer(endless) as server:
        began = time.monotonic()
        reply = await transport.send(to(server))

    assert 200 == status(reply)
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
async def test_a_proxy_may_answer_as_it_likes(transport: Transport, answer: bytes) -> None:
    """2xx is success in every wrapping, even one whose body cannot be decoded, and the connection is kept."""
    with RawServer(answer) as server:
        replies = [await transport.send(to(server)) for _ in range(2)]

    assert all(200 <= status(reply) < 300 for reply in replies)
    assert 1 == server.connections


# -- connections --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_connection_is_used_again(transport: Transport, method: str) -> None:
    """Requests one after another share a connection."""
    with RawServer(OK) as server:
        for number in range(3):
            await transport.send(Request(method, f"{server.url}/i?{number}"))

    assert (3, 1) == (len(server.requests), server.connections)


async def test_requests_at_the_same_time_have_connections_of_their_own(transport: Transport) -> None:
    """Four senders do not wait for each other."""
    with RawServer(OK) as server:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(transport.send, to(server))

    assert 4 == len(server.requests)


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_kept_connection_that_closes_on_use_is_stale(transport: Transport, method: str) -> None:
    """The server that read the second request and hung up shows a reused connection, after one attempt."""
    with RawServer(OK, None, OK) as server:
        request = Request(method, f"{server.url}/i")
        await transport.send(request)
        reply = failure(await transport.send(request))
        attempts = len(server.requests)
        again = await transport.send(request)

    assert (FailureKind.BROKEN, True, False) == (reply.kind, reply.is_reused, reply.has_response_started)
    assert is_stale(reply)
    assert 2 == attempts
    assert 200 == status(again)


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_new_connection_that_closes_is_not_stale(transport: Transport, method: str) -> None:
    """A server that hangs up on the first request has a problem of its own, and is asked once."""
    with RawServer(None) as server:
        reply = failure(await transport.send(Request(method, f"{server.url}/i")))

    assert (FailureKind.BROKEN, False) == (reply.kind, reply.is_reused)
    assert not is_stale(reply)
    assert 1 == len(server.requests)


async def test_an_answer_whose_body_breaks_off_is_an_answer(transport: Transport) -> None:
    """The status has arrived: a body that nobody reads must not have the events sent again."""
    cut = send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")
    with RawServer(OK, cut) as server:
        await transport.send(to(server))
        reply = await transport.send(to(server))

    assert 200 == status(reply)


async def test_what_is_not_http_is_a_failure(transport: Transport) -> None:
    """Garbage on the port is told as such, in one line."""
    with RawServer(send_and_close(b"SSH-2.0-OpenSSH_9.6\r\n")) as server:
        reply = failure(await transport.send(to(server)))

    assert reply.kind in (FailureKind.PROTOCOL, FailureKind.BROKEN)
    assert "\n" not in reply.detail


async def test_a_closed_port_is_no_connection(transport: Transport) -> None:
    """Nobody listens."""
    with RawServer(OK) as server:
        pass

    reply = failure(await transport.send(to(server)))

    assert FailureKind.CONNECT == reply.kind


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="broken"),
        pytest.param(send_and_close(b"not http\r\n\r\n"), id="garbage"),
        pytest.param(send_and_close(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"), id="bad-header"),
    ],
)
async def test_what_a_failure_tells_is_not_the_event(transport: Transport, answer: Answer) -> None:
    """The query of a GET is the event itself, and has no place in a log line."""
    with RawServer(answer) as server:
        reply = failure(await transport.send(Request("GET", f"{server.url}/i?uid=j.doe%40acme.com")))
    refused = failure(await transport.send(Request("GET", f"{server.url}/i?uid=j.doe%40acme.com")))

    assert "j.doe" not in reply.detail + refused.detail


async def test_a_server_without_tls_is_told_apart(kind: Kind) -> None:
    """Using https on a port that speaks http is a matter of trust, for a person to mend."""
    transport = kind()
    await transport.open(CollectorURL.parse("https://127.0.0.1:9"))
    with RawServer(OK) as server:
        reply = failure(await transport.send(Request("POST", server.url.replace("http", "https"))))
    await transport.aclose()

    assert FailureKind.TLS == reply.kind


async def test_a_cancelled_request_leaves_a_working_transport(transport: Transport) -> None:
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
    assert 200 == status(reply)


@pytest.mark.skipif(sys.platform != "linux", reason="counts by /proc")
@pytest.mark.filterwarnings("ignore:Sending a large body")  # more than the system itself takes on loopback
async def test_a_server_that_reads_nothing_is_let_go(transport: Transport) -> None:
    """A request that was given up keeps no socket and no body, though most of it was never taken."""
    with RawServer(reads=False) as server:

        async def give_up() -> int:
            """Give a request up and return how many descriptors there are beside the server's."""
            with anyio.move_on_after(0.05):
                await transport.send(to(server, bytes(8_000_000)))
            await anyio.sleep(0.02)  # a socket closes in the loop's next rounds
            return descriptors() - server.connections

        first, *others = [await give_up() for _ in range(3)]

    assert [first, first] == others


async def test_the_peer_of_an_answer_is_known(kind: Kind) -> None:
    """What sends in the last second of a program needs an address that has answered."""
    transport = kind()
    await transport.open(LOCAL)
    with RawServer(OK) as server:
        before = transport.peer
        await transport.send(to(server))
        await transport.send(to(server))
    await transport.aclose()

    assert (None, ("127.0.0.1", server.port)) == (before, transport.peer)


# -- trust --------------------------------------------------------------------------------------------


async def test_certificates_of_the_environment_are_trusted(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`SSL_CERT_FILE` says whom to trust; without it nobody vouches for a collector of one's own."""
    import trustme

    from tests.faults.collector import HOST, Collector

    authority = trustme.CA()
    speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(speaks)
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)

    kinds = []
    with Collector(tls=speaks) as collector:
        url = CollectorURL.parse(collector.url)
        for variable in (None, "SSL_CERT_FILE"):
            if variable is not None:
                monkeypatch.setenv(variable, str(file))
            transport = kind()
            await transport.open(url)
            reply = await transport.send(Request("POST", url.post_url, (), b'{"data": []}'))
            kinds.append(reply.kind if isinstance(reply, Failure) else status(reply))
            await transport.aclose()

    assert [FailureKind.TLS, 200] == kinds


async def test_no_certificates_are_read_for_plain_http(kind: Kind) -> None:
    """A collector on this machine needs no trust, which takes 40 ms to prepare."""
    transport = kind()
    await transport.open(LOCAL)
    await transport.aclose()

    assert transport.context is not None
    assert 0 == transport.context.cert_store_stats()["x509_ca"]


# -- life ---------------------------------------------------------------------------------------------


async def test_sending_before_opening_is_a_mistake(kind: Kind) -> None:
    """Nothing is imported or connected before `open()`, nor after `aclose()`."""
    transport = kind()
    request = Request("POST", "http://127.0.0.1:9/a/b")

    with pytest.raises(RuntimeError, match="not open"):
        await transport.send(request)
    await transport.open(LOCAL)
    await transport.aclose()
    with pytest.raises(RuntimeError, match="not open"):
        await transport.send(request)


async def test_it_can_be_opened_again(transport: Transport) -> None:
    """A tracker that is opened a second time finds a working transport."""
    with RawServer(OK) as server:
        await transport.send(to(server))
        await transport.aclose()
        await transport.open(LOCAL)
        reply = await transport.send(to(server))

    assert 200 == status(reply)
    assert 2 == server.connections


async def test_closing_twice_is_harmless(transport: Transport) -> None:
    """There is nothing left to close."""
    await transport.aclose()
    await transport.aclose()


# -- proxies ------------------------------------------------------------------------------------------


async def sent_by_proxy(kind: Kind, url: str) -> Reply:
    """Open a transport for a collector, send it one request, and return the reply."""
    collector = CollectorURL.parse(url)
    transport = kind()
    await transport.open(collector)
    reply = await transport.send(Request("POST", collector.post_url, (), b"{}"))
    await transport.aclose()
    return reply


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """Name a proxy of this machine in the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with RawServer(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
        yield proxy


async def test_a_proxy_of_the_environment_is_used(kind: Kind, proxy: RawServer) -> None:
    """`HTTP_PROXY` is obeyed: the request goes there, in absolute form, with its credentials."""
    reply = await sent_by_proxy(kind, "http://collector.test")

    head = proxy.requests[0]
    assert 200 == status(reply)
    assert head.startswith(b"POST http://collector.test/com.snowplowanalytics.snowplow/tp2 HTTP/1.1\r\n")
    assert b"\r\nproxy-authorization: Basic dXNlcjpzZWNyZXQ=\r\n".lower() in head.lower()


async def test_https_goes_through_a_tunnel(kind: Kind, proxy: RawServer) -> None:
    """`HTTPS_PROXY` is asked to connect; one that refuses is no connection, and its password is not told."""
    proxy._answers[:] = [b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n"]

    reply = failure(await sent_by_proxy(kind, "https://collector.test"))

    assert proxy.requests[0].startswith(b"CONNECT collector.test:443 HTTP/1.1\r\n")
    assert b"\r\nproxy-authorization: basic dxnlcjpzzwnyzxq=\r\n" in proxy.requests[0].lower()
    assert FailureKind.CONNECT == reply.kind
    assert "secret" not in reply.detail


async def test_no_proxy_leads_around_it(
    kind: Kind, proxy: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`NO_PROXY` names hosts that are reached directly; this machine always is."""
    monkeypatch.setenv("NO_PROXY", "collector.invalid")
    with RawServer(OK) as local:
        replies = [await sent_by_proxy(kind, url) for url in ("http://collector.invalid", local.url)]

    assert [] == proxy.requests
    assert FailureKind.CONNECT == failure(replies[0]).kind
    assert 200 == status(replies[1])


async def test_a_proxy_that_is_away_is_no_connection(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where the environment says."""
    monkeypatch.setenv("ALL_PROXY", "127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    reply = failure(await sent_by_proxy(kind, "http://collector.test"))

    assert FailureKind.CONNECT == reply.kind


# -- the whole way ------------------------------------------------------------------------------------


async def test_a_tracker_delivers_over_a_real_socket(stage: Stage) -> None:
    """From `track()` to the bytes on the wire, with nothing faked but the collector."""
    with RawServer(OK) as server:
        async with Tracker("web", stage.emitter(server.url)) as tracker:
            event_id = await tracker.track(PageView(page_url="https://acme.com/"))

    assert (1, True) == (tracker.stats().delivered, tracker.last_report.is_complete)
    assert server.requests[0].startswith(b"POST /com.snowplowanalytics.snowplow/tp2 HTTP/1.1\r\n")
    assert str(event_id).encode() in server.requests[0]


@pytest.mark.parametrize("method", ["post", "get"])
async def test_a_stale_connection_costs_no_backoff_over_a_real_socket(stage: Stage, method: str) -> None:
    """The server hangs up on a kept connection; the event arrives at once, in no retry's books."""
    with RawServer(OK, None, OK) as server:
        async with Tracker("web", stage.emitter(server.url, method=method)) as tracker:
            await tracker.deliver(PageView(page_url="https://acme.com/1"))
            await tracker.deliver(PageView(page_url="https://acme.com/2"), timeout=2.0)

    assert (2, {}, 3) == (
        tracker.stats().delivered,
        tracker.stats().retries,
        tracker.stats().requests,
    )
