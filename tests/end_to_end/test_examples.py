"""The examples work as they stand: started as a user starts them, with a real collector behind them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aiotracker.micro import Micro

ROOT = Path(__file__).parents[2]
DEADLINE = 30.0  # for what takes a second on an idle machine
VISITORS = 20
STOPPED = {0, -signal.SIGTERM}  # uvicorn raises the signal again when it has done its duty
ODD = re.compile("never awaited|Warning|Exception|Error|Traceback")

FASTAPI_UVICORN = ["-m", "uvicorn", "examples.fastapi_app:app", "--port", "0"]
FASTAPI_SCRIPT = ["examples/fastapi_app.py"]
AIOHTTP_SCRIPT = ["examples/aiohttp_app.py"]
LITESTAR_SCRIPT = ["examples/litestar_app.py"]


@dataclass
class Example:
    """A running example.

    Attributes:
        process: its process.
        url: where it serves.
        log: the file with all that it says; a pipe would fill up, and stop it.
    """

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


@contextmanager
def running(command: list[str], collector: str, log: Path) -> Iterator[Example]:
    """Start an example with development checks on, and wait until it serves."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", *command],
            cwd=ROOT,
            env={
                **os.environ,
                "COLLECTOR_URL": collector,
                "PUBLIC_URL": "https://shop.acme.com",
                "PORT": "0",
                "PYTHONUNBUFFERED": "1",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Example(process, served_url(process, log), log)
    finally:
        process.kill()
        process.wait()


def served_url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return where an example serves, once it says so."""
    give_up_at = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < give_up_at:
        if found := re.search(r"unning on (http://[\d.:]+)", log.read_text()):
            return found[1]
        time.sleep(0.02)
    pytest.fail(f"the example does not serve: {log.read_text()}")


def asked(url: str, body: object = None, **headers: str) -> dict[str, Any]:
    """Return the answer of a visitor's request, as JSON."""
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": "Mozilla/5.0 (visitor)" + 2_000 * "!",
            "Accept-Language": "en-GB,en;q=0.9",
            "Referer": "https://search.example/?q=tea",
            **headers,
        },
    )
    with urllib.request.urlopen(request, timeout=DEADLINE) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


@pytest.mark.parametrize(
    "command", [FASTAPI_UVICORN, AIOHTTP_SCRIPT, LITESTAR_SCRIPT], ids=["fastapi", "aiohttp", "litestar"]
)
def test_every_event_of_an_example_arrives_although_it_is_stopped_at_once(
    command: list[str], tmp_path: Path
) -> None:
    """Requests at the same time, then SIGTERM: all events are there, all good, and nothing odd is said."""
    with (
        Micro() as micro,
        running(command, micro.url, tmp_path / "log") as example,
        ThreadPoolExecutor(8) as visitors,
    ):
        pages = [f"{example.url}/products/tea-1?visitor={n}" for n in range(VISITORS)]

        shown = list(visitors.map(asked, pages))
        placed = asked(f"{example.url}/orders", {"sku": "tea-2", "quantity": 2})
        health = asked(f"{example.url}/health")
        exit_code = example.stop()

        summary = micro.all()
        views = [found["event"] for found in micro.good(event_type="page_view")]
        orders = [found["event"] for found in micro.good(event_type="unstruct")]

    assert VISITORS * [{"sku": "tea-1", "price": "4.50"}] == shown
    assert {"tracking": "ok"} == health
    assert {"total": VISITORS + 1, "good": VISITORS + 1, "bad": 0} == summary
    assert {f"https://shop.acme.com/products/tea-1?visitor={n}" for n in range(VISITORS)} == {
        view["page_url"] for view in views
    }
    assert [{"order_id": placed["order_id"], "total": 12}] == [
        order["unstruct_event"]["data"]["data"] for order in orders
    ]
    assert {("127.0.0.1", 1_000, "en-GB")} == {
        (event["user_ipaddress"], len(event["useragent"]), event["br_lang"]) for event in views + orders
    }
    assert exit_code in STOPPED
    assert [] == [line for line in example.log.read_text().splitlines() if ODD.search(line)]


@pytest.mark.slow
def test_examples_serve_and_stop_without_their_collector(tmp_path: Path) -> None:
    """A collector that is away costs no request, and stopping takes no longer than closing may."""
    nowhere = "http://127.0.0.1:1"

    with (
        running(FASTAPI_SCRIPT, nowhere, tmp_path / "fastapi") as fastapi,
        running(AIOHTTP_SCRIPT, nowhere, tmp_path / "aiohttp") as aiohttp,
        ThreadPoolExecutor(2) as terminals,
    ):
        shown = [asked(f"{example.url}/products/tea-1") for example in (fastapi, aiohttp)]
        exit_codes = list(terminals.map(Example.stop, (fastapi, aiohttp)))

    assert 2 * [{"sku": "tea-1", "price": "4.50"}] == shown
    assert set() == set(exit_codes) - STOPPED
    assert "Traceback" not in fastapi.log.read_text() + aiohttp.log.read_text()


def test_forged_host_headers_fail_no_event(tmp_path: Path) -> None:
    """What a client calls the server is its own affair: the page has the shop's public address."""
    forged = ["[::1", "a|b", "shop.acme.com:99999999", "evil.example"]

    with Micro() as micro, running(FASTAPI_SCRIPT, micro.url, tmp_path / "log") as example:
        for host in forged:
            asked(f"{example.url}/products/tea-1", host=host)
        example.stop()

        pages = [found["event"]["page_url"] for found in micro.good()]

    assert len(forged) * ["https://shop.acme.com/products/tea-1"] == pages


def ended(collector: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end, with everything told that it complains of."""
    return subprocess.run(
        [sys.executable, "-X", "dev", *command],
        cwd=ROOT,
        env={**os.environ, "COLLECTOR_URL": collector},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def played(script: str, collector: str, *args: str, expected: str = "$^") -> str:
    """Return what an example printed that ends by itself, and said nothing odd but what is expected."""
    result = ended(collector, script, *args)
    odd = [line for line in result.stderr.splitlines() if ODD.search(line) and not re.search(expected, line)]
    assert (0, []) == (result.returncode, odd), result.stderr
    return result.stdout


def described(micro: Micro) -> list[tuple[str, Any]]:
    """Return name and data of every self-describing event that arrived, sorted by name."""
    found = [found["event"]["unstruct_event"]["data"] for found in micro.good(event_type="unstruct")]
    return sorted(((data["schema"].split("/")[1], data["data"]) for data in found), key=lambda pair: pair[0])


def test_the_lambda_example_delivers_within_its_invocation() -> None:
    """The order and how long it took are there when the handler has returned."""
    with Micro() as micro:
        printed = played("examples/lambda_handler.py", micro.url, '{"id": "o-7", "total": 4.50}')

        events = described(micro)

    assert "{'taken': 1}\n" == printed
    assert ["order_taken", "timing"] == [name for name, _ in events]
    assert {"order_id": "o-7", "total": 4.5} == events[0][1]


def test_the_worker_example_tracks_what_its_tasks_do() -> None:
    """Orders as their customers', the time of each task, and the one that failed."""
    with Micro() as micro:
        said = "Exception found|Traceback|does not fit into a parcel"  # taskiq tells of the one that fails
        printed = played("examples/taskiq_worker.py", micro.url, expected=said)

        events = described(micro)
        users = {found["event"]["user_id"] for found in micro.good(event_type="unstruct")}

    assert "o-0 shipped\no-1 shipped\no-2 failed\n" == printed
    assert ["application_error", *3 * ["order_shipped"], *3 * ["timing"]] == [name for name, _ in events]
    assert "order o-2 does not fit into a parcel" == events[0][1]["message"]
    assert {"u-0", "u-1", "u-2", None} == users
