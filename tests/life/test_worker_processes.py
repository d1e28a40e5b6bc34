"""Trackers in processes that a library starts: each process opens its own and delivers its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.faults.collector import Collector
from tests.life.processes import ROOT, run_program
from tests.life.test_fork import children, ids
from tests.stages import Stage

REQUESTS = 60
REST_SECONDS = 0.5  # a worker of uWSGI that is still busy with its last answer skips Python's exit hooks
UWSGI = shutil.which("uwsgi", path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath]))


@pytest.mark.faults
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_deliver_their_own(collector: Collector, stage: Stage, method: str) -> None:
    """However a child begins, its events and the parent's arrive, none twice."""
    ended = run_program("family", stage, collector.url, method)

    assert (0, ["child 0", "child 0"]) == (ended.code, children(ended)), ended.err
    assert 30 == len(set(ids(ended)))
    assert set(ids(ended)) < collector.kept_ids
    assert (31, 0) == (len(collector.kept_ids), collector.duplicates)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn is for Unix")
@pytest.mark.parametrize("worker", ["asgi", "uvicorn_worker.UvicornWorker"])
def test_workers_of_a_preloaded_service_deliver_their_own(collector: Collector, worker: str) -> None:
    """A tracker that the master built is opened by each worker; SIGTERM loses nothing."""
    gunicorn = ("gunicorn", "--preload", "--workers", "2", "--no-control-socket", "--worker-class", worker)
    port = _free_port()

    answers, out = _serve(
        [
            *(sys.executable, "-m", *gunicorn),
            *("--bind", f"127.0.0.1:{port}", "tests.life.programs.service:app"),
        ],
        port=port,
        collector=collector,
    )

    tracked = {answer.split()[1] for answer in answers}
    assert REQUESTS == len(tracked), out
    assert (tracked, 0) == (collector.kept_ids, collector.duplicates)


@pytest.mark.faults
@pytest.mark.skipif(UWSGI is None, reason="uWSGI is not installed: nox -s faults builds it")
@pytest.mark.parametrize("hooks", [(), ("--py-call-uwsgi-fork-hooks",)], ids=["unhooked", "hooked"])
def test_workers_of_uwsgi_deliver_their_own(collector: Collector, hooks: tuple[str, ...]) -> None:
    """UWSGI forks a master that has tracked, and tells Python of it only when asked: nothing comes twice."""
    port = _free_port()

    answers, out = _serve(
        [
            *(str(UWSGI), "--master", "--processes", "2", "--enable-threads", "--die-on-term", "--need-app"),
            *("--http-socket", f"127.0.0.1:{port}", "--virtualenv", sys.prefix, "--pythonpath", str(ROOT)),
            *("--module", "tests.life.programs.wsgi_service", *hooks),
        ],
        port=port,
        collector=collector,
    )

    of_master = {word for line in out.splitlines() if line.startswith("tracked") for word in line.split()[1:]}
    tracked = {answer.split()[1] for answer in answers}
    assert (10, REQUESTS) == (len(of_master), len(tracked)), out
    kept = collector.kept_ids
    assert (set(), set(), 0) == (of_master - kept, tracked - kept, collector.duplicates)
    assert 10 + REQUESTS == len(kept)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn is for Unix")
@pytest.mark.parametrize("worker", ["sync", "gthread"])
@pytest.mark.parametrize("master_events", [0, 10])
def test_wsgi_workers_of_a_hosted_tracker_deliver_their_own(
    collector: Collector, worker: str, master_events: int
) -> None:
    """Without a lifespan and without a hook, whether or not the master has tracked before it forked."""
    gunicorn = ("gunicorn", "--preload", "--workers", "2", "--no-control-socket", "--worker-class", worker)
    port = _free_port()

    answers, out = _serve(
        [
            *(sys.executable, "-m", *gunicorn),
            *("--bind", f"127.0.0.1:{port}", "tests.life.programs.hosted_wsgi:application"),
        ],
        port=port,
        collector=collector,
        MASTER_EVENTS=str(master_events),
    )

    _check_all_arrived(answers, out, master_events, collector)


@pytest.mark.faults
@pytest.mark.skipif(UWSGI is None, reason="uWSGI is not installed: nox -s faults builds it")
@pytest.mark.parametrize("hooks", [(), ("--py-call-uwsgi-fork-hooks",)], ids=["unhooked", "hooked"])
def test_uwsgi_workers_of_a_hosted_tracker_deliver_their_own(
    collector: Collector, hooks: tuple[str, ...]
) -> None:
    """Likewise where Python is not told of the fork: the process id tells."""
    port = _free_port()

    answers, out = _serve(
        [
            *(str(UWSGI), "--master", "--processes", "2", "--enable-threads", "--die-on-term", "--need-app"),
            *("--http-socket", f"127.0.0.1:{port}", "--virtualenv", sys.prefix, "--pythonpath", str(ROOT)),
            *("--module", "tests.life.programs.hosted_wsgi", *hooks),
        ],
        port=port,
        collector=collector,
        MASTER_EVENTS="10",
    )

    _check_all_arrived(answers, out, 10, collector)


def _check_all_arrived(answers: list[str], out: str, master_events: int, collector: Collector) -> None:
    of_master = {word for line in out.splitlines() if line.startswith("tracked") for word in line.split()[1:]}
    tracked = {answer.split()[1] for answer in answers}
    assert (master_events, REQUESTS) == (len(of_master), len(tracked)), out
    assert of_master | tracked == collector.kept_ids
    assert 0 == collector.duplicates


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _serve(
    command: list[str], *, port: int, collector: Collector, **environment: str
) -> tuple[list[str], str]:
    """Start a server, ask it 60 times, end it with SIGTERM; return its answers and what it printed."""
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "COLLECTOR": collector.url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        answers = [_answer(f"http://127.0.0.1:{port}/") for _ in range(REQUESTS)]
        time.sleep(REST_SECONDS)
        server.send_signal(signal.SIGTERM)
        out, _ = server.communicate(timeout=20)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.communicate()
    assert 0 == server.returncode, out
    return answers, out


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
