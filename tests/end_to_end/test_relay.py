"""The relay as a user has it: a process beside those of services, a store between them, signals, crashes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from aiotracker.micro import Micro
from tests.end_to_end.storing import store
from tests.fakes.redis_server import RedisServer, needs_redis
from tests.fakes.server import RawServer

ROOT = Path(__file__).parents[2]
DEADLINE = 30.0  # for what takes a second on an idle machine
RELAY = [sys.executable, "-m", "aiotracker", "relay"]
FAST = ["--transport", "aiohttp", *([] if sys.platform == "win32" else ["--loop", "uvloop"])]
ODD = ("never awaited", "Warning", "Exception", "Traceback")


@dataclass
class Running:
    """A relay.

    Attributes:
        process: its process.
        log: the file with all that it says.
    """

    process: subprocess.Popen[bytes]
    log: Path

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if one is given, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    @property
    def said(self) -> list[str]:
        """What it has said, without the time."""
        return [line[24:] for line in self.log.read_text().splitlines()]

    @property
    def odd(self) -> list[str]:
        """Lines that no user should see."""
        return [line for line in self.said if any(word in line for word in ODD)]


@contextmanager
def relaying(
    store_url: str, collector: str, *options: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Start a relay that is killed at the end if it is still there."""
    unproxied = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*RELAY, "--store", store_url, "--collector", collector, *options],
            cwd=ROOT,
            env={**unproxied, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.wait()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something that other processes do."""
    give_up_at = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < give_up_at, "it does not happen"
        time.sleep(0.02)


def arrived(micro: Micro) -> list[str]:
    """Return the id of every good event, once per time that it came."""
    return [found["event"]["event_id"] for found in micro.good()]


def stored(url: str, count: int) -> list[str]:
    """Have a service, in this process, track events into a store; return their ids."""
    return [event_id for event_id in anyio.run(store, url, count) if event_id is not None]


@pytest.fixture
def events_db(tmp_path: Path) -> str:
    """Name a store that is not there yet."""
    return f"sqlite:///{tmp_path}/events.db"


def test_every_event_of_a_service_arrives(events_db: str, tmp_path: Path) -> None:
    """Two processes that share nothing but a file: what one tracks, the other sends, and then it stops."""
    service = [sys.executable, "-m", "tests.end_to_end.storing", events_db, "1000"]

    with (
        Micro() as micro,
        relaying(events_db, micro.url, log=tmp_path / "log", environment={"PYTHONDEVMODE": "1"}) as relay,
    ):
        printed = subprocess.run(service, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        wait_until(lambda: micro.all()["total"] >= 1_000)
        code = relay.end(signal.SIGTERM)
        ids = arrived(micro)

    assert sorted(printed.split()) == sorted(ids)
    assert (0, []) == (code, relay.odd)
    assert relay.said[-1].startswith("INFO stopped by SIGTERM after ")
    assert "1,000 delivered" in relay.said[-1]
    assert "0 dropped, 0 left in the store" in relay.said[-1]


def test_what_a_stopped_relay_leaves_the_next_one_sends(events_db: str, tmp_path: Path) -> None:
    """SIGTERM in the middle of a backlog: each event arrives, and arrives once."""
    ids = stored(events_db, 1_000)

    with Micro() as micro:
        slowly = ("--batch-size", "5", "--concurrency", "1")
        with relaying(events_db, micro.url, *slowly, log=tmp_path / "first") as first:
            wait_until(lambda: micro.all()["total"] > 0)
            codes = [first.end(signal.SIGTERM)]
        sent_by_first = micro.all()["total"]
        with relaying(events_db, micro.url, "--until-empty", log=tmp_path / "second") as second:
            codes.append(second.end())
        received = arrived(micro)

    assert [0, 0] == codes
    assert 0 < sent_by_first < 1_000
    assert sorted(ids) == sorted(received)
    assert second.said[-1].startswith("INFO the store is empty after ")
    assert [] == first.odd + second.odd


def test_two_relays_send_each_event_once(events_db: str, tmp_path: Path) -> None:
    """What one has leased, the other leaves alone; both have something to do, and both end."""
    ids = stored(events_db, 1_000)
    options = ("--batch-size", "10", "--until-empty")

    with (
        Micro() as micro,
        relaying(events_db, micro.url, *options, log=tmp_path / "one") as one,
        relaying(events_db, micro.url, *options, log=tmp_path / "two") as two,
    ):
        codes = [one.end(), two.end()]
        received = arrived(micro)

    assert [0, 0] == codes
    assert sorted(ids) == sorted(received)
    assert [] == one.odd + two.odd


def test_what_a_killed_relay_had_leased_comes_back(events_db: str, tmp_path: Path) -> None:
    """After `kill -9` nobody says that a lease is over; it ends by itself, and another relay sends."""
    ids = stored(events_db, 50)
    never = threading.Event()

    def hang(connection: socket.socket) -> bool:
        return never.wait(DEADLINE)

    with RawServer(hang) as silent, Micro() as micro:
        lease = ("--lease-seconds", "1")
        with relaying(events_db, silent.url, *lease, log=tmp_path / "first") as first:
            wait_until(lambda: bool(silent.requests))
            killed = first.end(signal.SIGKILL)
        never.set()
        with relaying(events_db, micro.url, "--until-empty", *lease, log=tmp_path / "second") as second:
            code = second.end()
        received = arrived(micro)

    assert (-signal.SIGKILL, 0) == (killed, code)
    assert sorted(ids) == sorted(received)


def test_a_collector_that_comes_back_gets_everything(events_db: str, tmp_path: Path) -> None:
    """While it is away the relay waits, and says so; a monitor can read it from the health file."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ids = stored(events_db, 100)
    health = tmp_path / "health"
    options = ("--health-file", str(health), "--progress-interval", "0.1")

    def is_told() -> bool:
        return any("100 waiting (the oldest for " in line and "degraded" in line for line in relay.said)

    with relaying(events_db, f"http://127.0.0.1:{port}", *options, log=tmp_path / "log") as relay:
        wait_until(lambda: health.exists() and health.read_text().startswith("degraded\nhttp://127.0.0.1"))
        wait_until(is_told)  # not while it tries again, and has them in flight
        with Micro(port=port) as micro:
            wait_until(lambda: micro.all()["total"] == len(ids))
            wait_until(lambda: "ok\n" == health.read_text())
            code = relay.end(signal.SIGINT)
            received = arrived(micro)

    assert sorted(ids) == sorted(received)
    assert (0, False) == (code, health.exists())
    assert is_told()


@needs_redis
def test_a_relay_waits_for_a_store_that_is_away(tmp_path: Path) -> None:
    """It neither ends nor takes it for empty, and goes on by itself when the store is back."""
    health = tmp_path / "health"
    options = ("--until-empty", "--health-file", str(health), "--progress-interval", "0.1")

    with RedisServer() as redis, Micro() as micro:
        ids = stored(redis.url, 100)
        redis.refuse_connections()
        with relaying(redis.url, micro.url, *options, log=tmp_path / "log") as relay:
            wait_until(lambda: health.exists() and health.read_text().startswith("degraded\nRedisStore"))
            is_waiting = relay.process.poll() is None
            redis.take_connections()
            code = relay.end()
        received = arrived(micro)

    assert (True, 0) == (is_waiting, code)
    assert sorted(ids) == sorted(received)


def test_a_relay_may_send_the_rest_before_it_stops(events_db: str, tmp_path: Path) -> None:
    """`--drain` is for a store that ends with its container; on trio as elsewhere."""
    ids = stored(events_db, 200)

    with Micro() as micro:
        options = ("--batch-size", "5", "--concurrency", "1", "--drain", "20", "--loop", "trio")
        with relaying(events_db, micro.url, *options, log=tmp_path / "log") as relay:
            wait_until(lambda: micro.all()["total"] > 0)
            code = relay.end(signal.SIGTERM)
        received = arrived(micro)

    assert (0, sorted(ids)) == (code, sorted(received))


def test_a_second_signal_ends_a_relay_at_once(events_db: str, tmp_path: Path) -> None:
    """It waits for an answer that does not come; whoever is tired of that need not kill it."""
    stored(events_db, 1)
    never = threading.Event()

    with RawServer(lambda connection: never.wait(DEADLINE)) as silent:
        with relaying(events_db, silent.url, "--stop-timeout", "20", log=tmp_path / "log") as relay:
            wait_until(lambda: bool(silent.requests))
            relay.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            is_waiting = relay.process.poll() is None
            code = relay.end(signal.SIGTERM)
        never.set()

    assert (True, -signal.SIGTERM) == (is_waiting, code)


def test_store_collector_and_headers_may_come_from_the_environment(events_db: str, tmp_path: Path) -> None:
    """What is secret need not stand in a list of processes; nor is it told."""
    stored(events_db, 1)
    with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as server:
        environment = {
            "AIOTRACKER_STORE": events_db,
            "AIOTRACKER_COLLECTOR": server.url,
            "AIOTRACKER_HEADERS": "X-Api-Key=made=up\nX-Other=1\n",
        }
        result = subprocess.run(
            [*RELAY, "--until-empty", "--header", "X-Other=2", *FAST],
            env={**os.environ, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        [request] = server.requests

    assert 0 == result.returncode, result.stderr
    assert b"\r\nX-Api-Key: made=up\r\n" in request
    assert b"\r\nX-Other: 2\r\n" in request
    assert "made=up" not in result.stderr


def failed(options: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a relay that cannot run; return its exit code and the one line that it says."""
    result = subprocess.run(
        [*RELAY, *options],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr.splitlines()[-1]


def test_a_store_that_can_never_work_is_told_in_one_line(tmp_path: Path) -> None:
    """The file of another application is left alone, and the exit code says that nothing was opened."""
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE customers (name TEXT)")
    other.close()

    code, line = failed(["--store", f"sqlite:///{tmp_path}/other.db", "--collector", "http://127.0.0.1:1"])

    assert 1 == code
    assert "the relay cannot be opened: " in line
    assert "another application" in line
