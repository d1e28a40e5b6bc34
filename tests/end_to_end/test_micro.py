"""Micro over a real socket: from the request of a client to what is shown."""

import argparse
import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from aiotracker.cli import micro as command
from aiotracker.micro import Micro
from aiotracker.micro.server_thread import ServerThread

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
PAGE_VIEW = {"e": "pv", "p": "srv", "tv": "test-1"}


@pytest.fixture(scope="module")
def running() -> Iterator[Micro]:
    """Run one Micro for all tests of the module."""
    with Micro() as micro:
        yield micro


@pytest.fixture
def micro(running: Micro) -> Micro:
    """Return a Micro that has received nothing."""
    running.reset()
    return running


@pytest.fixture
def client(micro: Micro) -> Iterator[httpx.Client]:
    """Return a client of the Micro."""
    with httpx.Client(base_url=micro.url, trust_env=False) as client:
        yield client


def envelope(*events: object) -> dict[str, Any]:
    """Return the body of a POST."""
    return {"schema": PAYLOAD_DATA, "data": list(events)}


def connected(micro: Micro) -> socket.socket:
    """Return a connection on which nothing was sent."""
    url = httpx.URL(micro.url)
    assert url.port is not None
    return socket.create_connection((url.host, url.port), timeout=10)


def test_a_posted_event_is_good(micro: Micro, client: httpx.Client) -> None:
    """It is processed before the answer, and shown alike here and over HTTP."""
    response = client.post(TP2, json=envelope({**PAGE_VIEW, "page": "Grüße 😀"}))

    assert (200, "ok") == (response.status_code, response.text)
    (event,) = micro.good()
    assert "Grüße 😀" == event["event"]["page_title"]
    assert [event] == client.get("/micro/good").json()
    assert {"total": 1, "good": 1, "bad": 0} == client.get("/micro/all").json() == micro.all()


def test_a_get_is_good(micro: Micro, client: httpx.Client) -> None:
    """The pixel's bytes come back, and a HEAD counts as well."""
    response = client.get("/i", params={**PAGE_VIEW, "page": "a b&c=d"})
    client.head("/i", params=PAGE_VIEW)

    assert (200, 43) == (response.status_code, len(response.content))
    head, got = micro.good()
    assert ("a b&c=d", None) == (got["event"]["page_title"], head["event"]["page_title"])


def test_one_malformed_event_is_one_bad_entry_for_all(micro: Micro, client: httpx.Client) -> None:
    """The whole POST fails, and is still answered 200."""
    response = client.post(TP2, json=envelope(PAGE_VIEW, {**PAGE_VIEW, "foo": "1"}, PAGE_VIEW))

    assert 200 == response.status_code
    assert {"total": 1, "good": 0, "bad": 1} == micro.all()
    (entry,) = client.get("/micro/bad").json()
    row = json.loads(entry["errors"][1])
    assert "/tracker_protocol_violations/" in row["schema"]
    assert micro.bad() == [entry]


def test_an_invalid_value_fails_its_own_event(micro: Micro, client: httpx.Client) -> None:
    """The others of the POST are good."""
    client.post(TP2, json=envelope(PAGE_VIEW, {**PAGE_VIEW, "eid": "1"}, PAGE_VIEW))

    assert {"total": 3, "good": 2, "bad": 1} == micro.all()


def test_lists_are_filtered(micro: Micro, client: httpx.Client) -> None:
    """By POST, and by keyword."""
    client.post(TP2, json=envelope(PAGE_VIEW, {**PAGE_VIEW, "e": "se"}))
    client.post("/com.acme/v1", content=b"x")

    structured = client.post("/micro/good", json={"event_type": "struct"}).json()
    acme = client.post("/micro/bad", json={"vendor": "com.acme"}).json()

    assert ["struct"] == [event["eventType"] for event in structured]
    assert structured == micro.good(event_type="struct")
    assert 1 == len(acme)
    assert acme == micro.bad(vendor="com.acme", version="v1", limit=1)
    assert [] == micro.good(limit=0) == micro.good(schema="x") == micro.good(contexts=["x"])


def test_a_reset_over_http_answers_the_summary(micro: Micro, client: httpx.Client) -> None:
    """All zero."""
    client.post(TP2, json=envelope(PAGE_VIEW))

    answer = client.get("/micro/reset").json()

    assert {"total": 0, "good": 0, "bad": 0} == answer == micro.all()


def test_event_ids_tell_duplicates(micro: Micro, client: httpx.Client) -> None:
    """A request that was sent twice has ids that came twice."""
    events = [{**PAGE_VIEW, "eid": str(uuid4())} for _ in range(500)]

    client.post(TP2, json=envelope(*events))
    client.post(TP2, json=envelope(*events))

    assert 1000 == micro.all()["good"]
    assert {event["eid"] for event in events} == micro.event_ids()


def test_a_burst_is_coped_with(micro: Micro, client: httpx.Client) -> None:
    """Twenty thousand events in full batches are counted, told apart, and shown in part."""
    ids = [str(uuid4()) for _ in range(20_000)]

    for start in range(0, len(ids), 500):
        events = [{**PAGE_VIEW, "eid": event_id} for event_id in ids[start : start + 500]]
        client.post(TP2, json=envelope(*events))

    assert {"total": 20_000, "good": 20_000, "bad": 0} == micro.all()
    assert set(ids) == micro.event_ids()
    assert ids[-1:-4:-1] == [event["event"]["event_id"] for event in micro.good(limit=3)]


def test_a_compressed_body_is_answered_and_lost(micro: Micro, client: httpx.Client) -> None:
    """As by the collector."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}

    response = client.post(TP2, content=b"\x1f\x8b\x08", headers=headers)

    assert (200, 1) == (response.status_code, micro.all()["bad"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/sink-health", 200),
        ("GET", "/robots.txt", 200),
        ("OPTIONS", TP2, 200),
        ("POST", f"{TP2}/", 404),
        ("GET", "/favicon.ico", 404),
        ("PUT", TP2, 404),
        ("GET", "/micro/none", 404),
        ("POST", "/micro/good", 400),
        ("POST", TP2, 413),
    ],
)
def test_routes(micro: Micro, client: httpx.Client, method: str, path: str, status: int) -> None:
    """What is not recorded does not count."""
    response = client.request(method, path)

    assert (status, 0) == (response.status_code, micro.all()["total"])


def test_a_body_of_two_mebibytes_is_refused(micro: Micro, client: httpx.Client) -> None:
    """The client gets to read the answer, although it was sending."""
    response = client.post(TP2, content=b"x" * 4_194_304)

    assert (413, 0) == (response.status_code, micro.all()["total"])


def test_a_body_above_a_mebibyte_is_answered_and_lost(micro: Micro, client: httpx.Client) -> None:
    """With all its events."""
    events = [{**PAGE_VIEW, "page": "x" * 1000}] * 1100

    response = client.post(TP2, json=envelope(*events))

    assert 200 == response.status_code
    (entry,) = micro.bad()
    assert "/size_violation/" in json.loads(entry["errors"][1])["schema"]


@pytest.mark.parametrize(("length", "status"), [(20_000, 200), (20_500, 400), (60_000, 400)])
def test_a_long_url_is_refused(micro: Micro, client: httpx.Client, length: int, status: int) -> None:
    """And the connection is closed."""
    response = client.get("/i?e=pv&x=" + "y" * length)

    assert (status, int(status == 200)) == (response.status_code, micro.all()["total"])
    assert (status == 400) is (response.headers.get("connection") == "close")


def test_the_cookie_of_the_collector_is_set_and_taken_back(micro: Micro, client: httpx.Client) -> None:
    """It is for https only, so a client must be told to send it here."""
    response = client.get("/i", params=PAGE_VIEW)

    value = response.headers["set-cookie"].partition("=")[2].partition(";")[0]
    client.get("/i", params=PAGE_VIEW, headers={"Cookie": f"sp={value}"})
    client.get("/i", params=PAGE_VIEW, headers={"SP-Anonymous": "*"})

    ids = [event["event"]["network_userid"] for event in micro.good()]
    assert ["00000000-0000-0000-0000-000000000000", value, value] == ids
    assert "unknown" == micro.good(limit=1)[0]["event"]["user_ipaddress"]


def test_many_clients_may_send_at_once(micro: Micro) -> None:
    """Every event is there in the end."""

    def send(_: int) -> None:
        with httpx.Client(base_url=micro.url, trust_env=False) as client:
            for _ in range(5):
                client.post(TP2, json=envelope(*[{**PAGE_VIEW, "eid": str(uuid4())}] * 20))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))

    assert (800, 40) == (micro.all()["good"], len(micro.event_ids()))


def test_answers_do_not_wait_for_acknowledgements(client: httpx.Client) -> None:
    """Nagle's algorithm is off: with it, each answer takes 40 ms."""
    client.get("/health")

    elapsed = []
    for _ in range(21):
        start = time.perf_counter()
        client.get("/health")
        elapsed.append(time.perf_counter() - start)

    assert statistics.median(elapsed) < 0.04  # a busy machine delays some answers


def test_two_micros_know_nothing_of_each_other() -> None:
    """Each has a port and a log of its own."""
    with Micro() as one, Micro() as other:
        httpx.get(f"{one.url}/i?e=pv", trust_env=False)

        assert (1, 0) == (one.all()["total"], other.all()["total"])
        assert one.url != other.url


def test_what_arrived_stays_readable_after_the_end() -> None:
    """And a Micro may be started anew, with what it knows."""
    micro = Micro()
    with micro:
        micro.start()
        httpx.get(f"{micro.url}/i?e=pv", trust_env=False)
    ended = micro.is_running

    micro.start()
    httpx.get(f"{micro.url}/i?e=pv", trust_env=False)
    micro.stop()

    assert not ended
    assert 2 == len(micro.good()) == micro.all()["good"]


def test_the_oldest_events_are_forgotten() -> None:
    """The bound is for the memory; the counts go on."""
    with Micro(max_events=2) as micro, httpx.Client(base_url=micro.url, trust_env=False) as client:
        for page in "abc":
            client.get("/i", params={**PAGE_VIEW, "page": page})

        assert ["c", "b"] == [event["event"]["page_title"] for event in micro.good()]
        assert 3 == micro.all()["good"]


def test_a_port_in_use_is_an_error_at_once(micro: Micro) -> None:
    """Nothing is left behind."""
    port = httpx.URL(micro.url).port

    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        Micro(port=port or 0).start()


# uvicorn ends its thread by SystemExit, which Python ignores in a thread and pytest does not.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_cannot_start_says_so() -> None:
    """It raises instead of waiting for ever, and leaves no thread behind."""
    threads = set(threading.enumerate())
    server = ServerThread(cast("Any", "no_such_module:app"), "127.0.0.1", 0)

    with pytest.raises(RuntimeError, match="did not start"):
        server.start()

    assert threads >= set(threading.enumerate())  # others may have ended


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /a/b HTTP/1.1\r\nHo",
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
    ],
    ids=["silent", "half a head", "kept alive", "half a body"],
)
def test_it_ends_whatever_its_clients_do(sent: bytes) -> None:
    """Within seconds, and without a thread or a socket left behind."""
    threads = set(threading.enumerate())
    micro = Micro()
    micro.start()
    with connected(micro) as connection:
        connection.sendall(sent)
        time.sleep(0.05)

        start = time.perf_counter()
        micro.stop()
        elapsed = time.perf_counter() - start

    assert elapsed < 5
    assert threads >= set(threading.enumerate())  # others may have ended
    assert {"total": 0, "good": 0, "bad": 0} == micro.all()


def test_it_ends_while_a_client_does_not_read() -> None:
    """A list that nobody takes is broken off."""
    micro = Micro()
    micro.start()
    body = envelope(*[PAGE_VIEW] * 500)
    with httpx.Client(base_url=micro.url, trust_env=False) as client:
        for _ in range(4):
            client.post(TP2, json=body)
    with connected(micro) as connection:
        connection.sendall(b"GET /micro/good HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1000)

        micro.stop()

    assert not micro.is_running


def test_other_machines_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    """A Micro that they can reach shows them everything."""
    with Micro():
        quiet = capsys.readouterr().err
    with Micro(host="0.0.0.0") as micro:
        loud = capsys.readouterr().err

    assert "" == quiet
    assert micro.url in loud


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_stands_in_brackets() -> None:
    """So that it is a URL."""
    try:
        with Micro(host="::1") as micro:
            status = httpx.get(f"{micro.url}/health", trust_env=False).status_code
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")

    assert (200, "http://[::1]:") == (status, micro.url[:13])


SERVE = """
import argparse
import sys

from aiotracker.cli.micro import run

sys.exit(run(argparse.Namespace(host="127.0.0.1", port=0)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are for Unix")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal(number: signal.Signals) -> None:
    """It prints one line, and ends with 0 and without another word."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        status = httpx.get(f"{line.split()[-1]}/health", trust_env=False).status_code

        process.send_signal(number)
        out, err = process.communicate(timeout=10)

    assert line.startswith("aiotracker micro listening on http://127.0.0.1:")
    assert (200, 0, "", "") == (status, process.returncode, out, err)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
def test_the_command_says_when_it_cannot_serve(
    micro: Micro, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    """One line on stderr, no traceback, exit code 1."""
    port = httpx.URL(micro.url).port

    code = command.run(argparse.Namespace(host=host, port=port))

    out, err = capsys.readouterr()
    assert (1, "") == (code, out)
    assert err.startswith(f"aiotracker micro: cannot listen on {host}:{port}: ")
    assert 1 == err.count("\n")


def test_the_command_refuses_a_port_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    code = command.run(argparse.Namespace(host="127.0.0.1", port=65_536))

    assert 1 == code
    assert "port=65536" in capsys.readouterr().err


def test_the_command_has_defaults() -> None:
    """The loopback address and the port of Snowplow Micro."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())

    arguments = parser.parse_args(["micro"])

    assert ("127.0.0.1", 9090, command.run) == (arguments.host, arguments.port, arguments.run)
