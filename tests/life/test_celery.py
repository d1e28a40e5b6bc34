"""Tasks in the worker processes of Celery: every task that succeeded has its event in the collector."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aiotracker.micro import Micro
from tests.faults.collector import Collector
from tests.faults.script import hang
from tests.life.processes import PATIENCE, ROOT, run_program

ORDERS = 40
CLOSE_SECONDS = 5.0
MORE_SECONDS = 7.0  # Celery itself takes five: a worker process sleeps one before it ends, for example

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="Celery's prefork pool is for Unix"),
]


def ship(url: str, folder: Path, log: Path) -> float:
    """Have two worker processes ship orders, end them by SIGTERM; return how many seconds that took."""
    run_program("celery_app", ORDERS, BROKER_FOLDER=str(folder))
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--app", "tests.life.programs.celery_app", "worker"),
                *("--pool", "prefork", "--concurrency", "2", "--loglevel", "info"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ],
            cwd=ROOT,
            env={**os.environ, "COLLECTOR_URL": url, "BROKER_FOLDER": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        give_up_at = time.monotonic() + PATIENCE
        while log.read_text().count(" succeeded in ") < ORDERS:
            assert time.monotonic() < give_up_at, log.read_text()
            assert worker.poll() is None, log.read_text()
            time.sleep(0.02)
        worker.send_signal(signal.SIGTERM)
        began = time.monotonic()
        worker.wait(PATIENCE)
        return time.monotonic() - began
    finally:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def test_prefork_workers_deliver_what_their_tasks_tracked(tmp_path: Path) -> None:
    """SIGTERM right after the last task: each order is there once, with the user who placed it."""
    (folder := tmp_path / "broker").mkdir()

    with Micro() as micro:
        ship(micro.url, folder, tmp_path / "log")
        events: list[dict[str, Any]] = [found["event"] for found in micro.good()]

    orders = [(event["unstruct_event"]["data"]["data"]["order_id"], event["user_id"]) for event in events]
    assert sorted((f"o-{number}", f"u-{number}") for number in range(ORDERS)) == sorted(orders)
    assert not re.search("Traceback|Warning: .*aiotracker", (tmp_path / "log").read_text())


def test_a_collector_that_hangs_cannot_hold_the_workers(tmp_path: Path) -> None:
    """They end within the deadline, and what Celery itself takes."""
    (folder := tmp_path / "broker").mkdir()

    with Collector(hang()) as collector:
        seconds = ship(collector.url, folder, tmp_path / "log")

    assert seconds < CLOSE_SECONDS + MORE_SECONDS
