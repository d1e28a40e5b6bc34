"""Trackers in processes that a library starts: each process opens its own and delivers its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.faults.collector import Collector
from tests.life.processes import ROOT, run_program
from tests.life.test_fork import children, ids


@pytest.mark.faults
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_deliver_their_own(collector: Collector, loop: str, method: str) -> None:
    """However a child begins, its events and the parent's arrive, none twice."""
    ended = run_program("family", loop, collector.url, method)

    assert (0, ["child 0", "child 0"]) == (ended.code, children(ended)), ended.err
    assert 30 == len(set(ids(ended)))
    assert set(ids(ended)) < collector.kept_ids
    assert (31, 0) == (len(collector.kept_ids), collector.duplicates)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn is for Unix")
@pytest.mark.parametrize("worker", ["asgi", "uvicorn_worker.UvicornWorker"])
def test_workers_of_a_preloaded_service_deliver_their_own(collector: Collector, worker: str) -> None:
    """A tracker that the master built is opened by each worker; SIGTERM loses nothing."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--no-control-socket"),
            *("--worker-class", worker, "--bind", f"127.0.0.1:{port}", "tests.life.programs.service:app"),
        ],
        cwd=ROOT,
        env={**os.environ, "COLLECTOR": collector.url},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        answers = [_answer(f"http://127.0.0.1:{port}/") for _ in range(60)]
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=20)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.communicate()

    tracked = {answer.split()[1] for answer in answers}
    assert 0 == server.returncode, err
    assert 60 == len(tracked)
    assert (tracked, 0) == (collector.kept_ids, collector.duplicates)


def _answer(url: str, patience: float = 20.0) -> str:
    """Ask a server that may still be starting."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + patience
    while True:
        try:
            with opener.open(url, timeout=5) as response:
                return str(response.read().decode())
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
