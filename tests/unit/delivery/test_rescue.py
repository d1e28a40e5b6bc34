"""The last second: one socket, one budget, and never an exception."""

import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from aiotracker import (
    AiohttpTransport,
    HttpxTransport,
    Lease,
    PageView,
    Reply,
    Request,
    Response,
    Tracker,
    Transport,
)
from aiotracker.delivery.requests import RequestBuilder
from aiotracker.delivery.rescue import Rescue
from aiotracker.protocol.record import Kind
from aiotracker.protocol.url import CollectorURL
from tests.fakes.bench import record_of
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport
from tests.faults.collector import Collector
from tests.faults.script import Fault, answer, drip, hang, read_nothing, reset, say

BUDGET = 0.3  # seconds
NOISE = 1.0  # seconds that a busy machine may add


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the collector directly, whatever the environment says."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Listen on a port of this machine."""
    with Collector() as collector:
        yield collector


RescueTo = Callable[[str], Rescue]


@pytest.fixture
def rescue_to() -> Iterator[RescueTo]:
    """Build rescues to collectors, and close their sockets when the test is over."""
    rescues: list[Rescue] = []

    def build(address: str) -> Rescue:
        url = CollectorURL.parse(address)
        requests = RequestBuilder(url, "post", {}, user_agent="test", get_base64=True)
        rescues.append(Rescue(url, requests, HttpxTransport()))
        return rescues[-1]

    yield build
    for rescue in rescues:
        rescue.close()


def lease(*names: str) -> Lease:
    """Return a lease of one page view per name."""
    tracker = Tracker("rescue", "http://127.0.0.1:9", clock=FakeClock())
    data = tuple(record_of(PageView(page_url=f"https://acme.com/{name}"), tracker).data for name in names)
    numbers = range(1, len(data) + 1)
    return Lease(Kind.ORDINARY, data, tuple(numbers), tuple(map(float, numbers)))


def delivered(rescue: Rescue, batch: Lease, seconds: float = BUDGET) -> bool:
    """Deliver a lease in so many seconds."""
    return rescue.deliver(batch, now_ms=1_700_000_000_000, by=time.monotonic() + seconds)


def test_batches_share_one_connection(collector: Collector, rescue_to: RescueTo) -> None:
    """Several batches go over one socket, whole, with the time of sending."""
    rescue = rescue_to(collector.url)
    batches = [lease("a", "b"), lease("c")]

    results = [delivered(rescue, batch, 5) for batch in batches]

    assert [True, True] == results
    assert {record.event_id for batch in batches for record in batch.records} == collector.kept_ids
    assert 1 == collector.connection_count


@pytest.mark.parametrize(
    "fault",
    [answer(503), answer(301, location="/elsewhere"), answer(400), reset(), say(b"no http\r\n\r\n")],
    ids=["503", "301", "400", "reset", "nonsense"],
)
def test_what_is_no_success_is_none(fault: Fault, rescue_to: RescueTo) -> None:
    """Whatever else comes back, the answer is no, without an exception."""
    with Collector(fault) as collector:
        rescue = rescue_to(collector.url)

        assert not delivered(rescue, lease("a"), 5)


@pytest.mark.parametrize(
    "fault", [hang(), hang("headers"), drip(0.05), read_nothing(), answer(delay=10)], ids=str
)
def test_the_budget_bounds_every_operation(fault: Fault, rescue_to: RescueTo) -> None:
    """A collector that is silent, stops half-way or drips cannot take more than the budget."""
    with Collector(fault) as collector:
        rescue = rescue_to(collector.url)
        began_at = time.monotonic()

        is_delivered = delivered(rescue, lease(*map(str, range(600))))

        assert time.monotonic() - began_at < BUDGET + NOISE
        assert not is_delivered


def test_a_connection_that_was_closed_is_opened_anew_within_the_budget(rescue_to: RescueTo) -> None:
    """After `Connection: close` the next batch has a socket of ours again, with its budget."""
    with Collector(answer(connection="close", closes=True).times(1), hang()) as collector:
        rescue = rescue_to(collector.url)
        first = delivered(rescue, lease("a"), 5)
        began_at = time.monotonic()

        second = delivered(rescue, lease("b"))

        assert time.monotonic() - began_at < BUDGET + NOISE
        assert (True, False) == (first, second)
        assert 2 == collector.connection_count


def test_a_kept_connection_that_died_is_replaced(rescue_to: RescueTo) -> None:
    """A server that closes without a word costs a second connection, not a batch."""
    with Collector(answer(closes=True)) as collector:
        rescue = rescue_to(collector.url)

        results = [delivered(rescue, lease(name), 5) for name in "abc"]

        assert [True, True, True] == results
        assert (3, 0) == (len(collector.kept_ids), collector.duplicates)


def test_no_budget_is_no_attempt(collector: Collector, rescue_to: RescueTo) -> None:
    """When the time is over nothing is begun."""
    rescue = rescue_to(collector.url)

    assert not delivered(rescue, lease("a"), -1)
    assert [] == collector.seen


def test_a_name_is_not_looked_up_at_the_end(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, rescue_to: RescueTo
) -> None:
    """Without a known address a name is not resolved: that could not be bounded."""
    looked_up: list[object] = []

    def getaddrinfo(host: object, *args: object, **kwargs: object) -> list[object]:
        looked_up.append(host)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    rescue = rescue_to(f"http://localhost:{collector.port}".replace("localhost", "collector.localhost"))
    deadline = time.monotonic() + 5
    while not looked_up and time.monotonic() < deadline:
        time.sleep(0.001)
    at_open = len(looked_up)

    assert not delivered(rescue, lease("a"))
    assert (1, 1) == (at_open, len(looked_up))


class Lending:
    """A transport that knows where its connections lead, and goes by a user's own client."""

    is_own = False
    context = None
    peer = ("127.0.0.1", 9)

    async def open(self, url: CollectorURL) -> None:
        """Need nothing."""

    async def send(self, request: Request) -> Reply:
        """Answer as a collector does."""
        return Response(200)

    async def aclose(self) -> None:
        """Keep nothing."""


def test_only_connections_of_our_own_are_stood_in_for() -> None:
    """A lent client, and a transport that does not know its peer, are left alone."""
    url = CollectorURL.parse("http://127.0.0.1:9")
    requests = RequestBuilder(url, "post", {}, user_agent="test", get_base64=True)
    transports: list[Transport] = [
        HttpxTransport(),
        AiohttpTransport(),
        HttpxTransport(httpx.AsyncClient()),
        Lending(),
        FakeTransport(FakeClock()),
    ]

    possible = [Rescue(url, requests, transport).is_possible for transport in transports]

    assert [True, True, False, False, False] == possible


def test_a_proxy_is_not_gone_around(monkeypatch: pytest.MonkeyPatch, rescue_to: RescueTo) -> None:
    """Where the environment names a proxy, a direct connection is not attempted."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    assert not rescue_to("https://198.51.100.1").is_possible
