"""The demo, run as a newcomer runs it, tells the truth: when all is well, and when it is not."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aiotracker.micro import Micro

DEADLINE = 40.0  # for what takes two seconds on an idle machine
TYPES = 7  # events before the burst, one of every type


def demo(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end, with some additions to the environment."""
    return subprocess.run(
        [sys.executable, "-m", "aiotracker", "demo", *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def figures(output: str) -> dict[str, list[int]]:
    """Return the rows of the demo's tables that have numbers."""
    rows = re.findall(r"^  (\w.*?) {2,}(\d[\d,]*(?: +\d[\d,]*)?) *$", output, re.MULTILINE)
    return {name: [int(cell.replace(",", "")) for cell in cells.split()] for name, cells in rows}


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Run a collector that gives every request the same answer, and keeps nothing; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_every_event_is_received_and_good() -> None:
    """Both sides show the same figures, and the exit code agrees."""
    result = demo("--events", "2000")

    assert (0, "") == (result.returncode, result.stderr)
    shown = figures(result.stdout)
    largest_body = shown.pop("body limit / largest body, bytes")[1]
    requests = shown.pop("requests")
    assert {
        "events tracked / received": [2000 + TYPES, 2000 + TYPES],
        "delivered / good": [2000 + TYPES, 2000 + TYPES],
        "lost / bad": [0, 0],
        "distinct event ids": [2000 + TYPES, 2000 + TYPES],
    } == shown
    assert requests[0] == requests[1]
    assert 100_000 < largest_body <= 180_000
    assert "Burst: 2,000 of 2,000 events delivered\n" in result.stdout
    assert "OK: every event arrived, and every one is good.\n" == result.stdout.splitlines(keepends=True)[-1]


def test_every_type_of_event_is_shown_as_it_was_received_whatever_proxy_is_set() -> None:
    """A newcomer sees who each event is about; a company's proxy is not asked for this machine."""
    result = demo("--events", "1", env={"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": ""})

    assert 0 == result.returncode
    rows = [re.split(r" {2,}", line.strip()) for line in result.stdout.splitlines()]
    for row in (
        ["PageView", "page_view", "ada", "web_page"],
        ["PagePing", "page_ping", "ada", "web_page"],
        ["StructuredEvent", "event", "ada", "web_page"],
        ["SelfDescribing", "site_search", "ada", "web_page"],
        ["LinkClick, a typed event", "link_click", "grace", "web_page, product"],
        ["ScreenView", "screen_view", "service", "-"],
        ["PageView, anonymous", "page_view", "-", "-"],
    ):
        assert row in rows


def test_a_collector_of_the_users_own_gets_one_event_of_every_type() -> None:
    """`--collector` sends no burst, and reports what the tracker knows."""
    with Micro() as micro:
        result = demo("--collector", micro.url)

        received = micro.all()

    assert (0, "") == (result.returncode, result.stderr)
    assert {"tracked": [TYPES], "delivered": [TYPES], "remaining": [0]} == figures(result.stdout)
    assert {"total": TYPES, "good": TYPES, "bad": 0} == received


@pytest.mark.parametrize(
    ("status", "reason"),
    [(500, "shutdown_deadline"), (403, "rejected")],
)
def test_a_collector_that_takes_nothing_fails_the_demo(status: int, reason: str) -> None:
    """Whatever the collector answers, events that it did not take are counted, and named as lost."""
    with answering(status) as url:
        result = demo("--collector", url, "--timeout", "1")

    assert 1 == result.returncode
    assert {"tracked": [TYPES], "delivered": [0], f"lost: {reason}": [TYPES], "remaining": [0]} == figures(
        result.stdout
    )
    assert f"FAILED: {url} took nothing" in result.stdout
    assert str(status) in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unreachable_collector_fails_the_demo_within_its_timeout() -> None:
    """Nobody there: the demo says so and ends, and does not wait for more than it was told to."""
    began_at = time.monotonic()

    result = demo("--collector", "http://127.0.0.1:1", "--timeout", "0.6")

    assert 1 == result.returncode
    assert "FAILED: http://127.0.0.1:1 took nothing: is it the address of a collector" in result.stdout
    assert "connect" in result.stderr
    assert time.monotonic() - began_at < DEADLINE / 2


def test_what_is_no_address_of_a_collector_is_told_in_one_line() -> None:
    """A mistake in the address is no failure of delivery: nothing is tracked at all."""
    result = demo("--collector", "ftp://collector.acme.com")

    assert (2, "") == (result.returncode, result.stdout)
    assert (
        "aiotracker demo: collector='ftp://collector.acme.com': "
        "has the scheme ftp: a collector speaks http or https\n"
    ) == result.stderr
