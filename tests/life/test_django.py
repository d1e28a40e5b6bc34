"""Django under real servers: no event of an answered request is lost, none has another visitor's identity."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aiotracker.micro import Micro
from tests.faults.collector import Collector
from tests.faults.script import hang
from tests.life.processes import PATIENCE, ROOT
from tests.life.visitors import address_of, visit

PROGRAM = "tests.servers.programs.django_program"
ANSWERS = 1_500
CLOSE_SECONDS = 5.0
MORE_SECONDS = 1.0  # for the process around it
STOPPED = {0, -signal.SIGTERM}  # uvicorn raises the signal again when it has done its duty

GUNICORN = ("gunicorn", "--preload", "--workers", "2", "--no-control-socket")


@dataclass(frozen=True)
class Server:
    """How the site is served.

    Attributes:
        command: what follows `python -m`, without the port.
        port: the option that takes it.
        workers: how many processes serve.
        kinds: of views.
    """

    command: tuple[str, ...]
    port: str
    workers: int
    kinds: tuple[str, ...]


SYNC = ("block", "await", "stream")
SERVERS = {
    "uvicorn": Server(
        ("uvicorn", f"{PROGRAM}:application", "--log-level", "warning"), "--port={}", 1, (*SYNC, "astream")
    ),
    "gunicorn-asgi": Server(
        (*GUNICORN, "--worker-class", "uvicorn_worker.UvicornWorker", f"{PROGRAM}:application"),
        "--bind=127.0.0.1:{}",
        2,
        (*SYNC, "astream"),
    ),
    "gunicorn-sync": Server(
        (*GUNICORN, "--config", f"python:{PROGRAM}", f"{PROGRAM}:wsgi"), "--bind=127.0.0.1:{}", 2, SYNC
    ),
    "gunicorn-threads": Server(
        (*GUNICORN, "--threads", "8", "--config", f"python:{PROGRAM}", f"{PROGRAM}:wsgi"),
        "--bind=127.0.0.1:{}",
        2,
        SYNC,
    ),
}

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="servers are ended by SIGTERM"),
]


@contextmanager
def running(server: Server, collector: str, log: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Start a server; give its root and its process when it answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    unproxied = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    with log.open("wb") as output:  # a pipe would fill up, and stop it
        process = subprocess.Popen(
            [sys.executable, "-m", *server.command, server.port.format(port)],
            cwd=ROOT,
            env={**unproxied, "COLLECTOR_URL": collector, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        give_up_at = time.monotonic() + PATIENCE
        while not answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up_at, log.read_text()
            time.sleep(0.05)
        yield url, process
    finally:
        with suppress(ProcessLookupError):  # all of them ended by themselves
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    """Tell whether a server answers, with 404."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"{url}/nothing", timeout=5)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def is_own(event: Mapping[str, Any]) -> bool:
    """Tell whether the page and the address of an event are those of the visitor that it names."""
    token = event["se_action"]
    return str(event["page_url"]).endswith(f"/{token}") and event["user_ipaddress"] in {
        address_of(token),
        "127.0.0.1",  # where a server does not believe the header, and `identify()` is not told to
    }


@pytest.mark.parametrize("name", SERVERS)
def test_nothing_is_mixed_up_and_nothing_is_lost(name: str, tmp_path: Path) -> None:
    """50 visitors at once, SIGTERM under their load: each answered event is there, with its own visitor."""
    server, log = SERVERS[name], tmp_path / "log"
    with Micro() as micro, running(server, micro.url, log) as (url, process):
        visits = visit(url, server.kinds, answers=ANSWERS, terminate=process.terminate)
        code = process.wait(PATIENCE)
        summary = micro.all()
        events = [found["event"] for found in micro.good()]

    said = log.read_text()
    arrived = {event["event_id"]: event for event in events}
    last = set(re.findall(r"^last ([0-9a-f-]{36})$", said, re.MULTILINE))
    mixed = [event for event in events if event["se_category"] == "visit" and not is_own(event)]
    assert code in STOPPED, said
    assert [] == visits.statuses, said
    assert set() == visits.answers.keys() - arrived.keys(), said
    assert visits.answers == {event_id: arrived[event_id]["se_action"] for event_id in visits.answers}
    assert [] == mixed
    assert (server.workers, set()) == (len(last), last - arrived.keys()), said
    assert {"total": len(arrived), "good": len(arrived), "bad": 0} == summary
    assert "Traceback" not in said, said


@pytest.mark.parametrize("name", SERVERS)
def test_a_collector_that_hangs_cannot_hold_the_server(name: str, tmp_path: Path) -> None:
    """From the moment when the site begins to stop, the process has 5 seconds, and one for itself."""
    server, log = SERVERS[name], tmp_path / "log"
    with Collector(hang()) as collector, running(server, collector.url, log) as (url, process):
        visits = visit(url, server.kinds, answers=200, terminate=process.terminate)
        code = process.wait(PATIENCE)
        ended_at = time.monotonic()  # one clock for all processes of a machine

    said = log.read_text()
    left_at = [float(moment) for moment in re.findall(r"^leaving ([\d.]+)$", said, re.MULTILINE)]
    assert (True, server.workers) == (code in STOPPED, len(left_at)), said
    assert 200 <= len(visits.answers)
    assert ended_at - max(left_at) < CLOSE_SECONDS + MORE_SECONDS, said
