"""A server in a process of its own, from its start to its end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers.matrix import Program, Server

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 30.0  # seconds; what takes longer hangs

_LEAVING = re.compile(r"^leaving ([\d.]+)$", re.MULTILINE)
_LAST = re.compile(r"^last ([0-9a-f-]{36})$", re.MULTILINE)


@dataclass(frozen=True)
class Ended:
    """How a server ended.

    Attributes:
        code: exit code, negative for a signal.
        log: all that it and its program said.
        stopping_seconds: from the moment when the last of its workers began to stop to its end.
        last_ids: events that the program tracked while it stopped, one per worker.
    """

    code: int
    log: str
    stopping_seconds: float
    last_ids: tuple[str, ...]


@dataclass
class Running:
    """A server that answers.

    Attributes:
        url: its root.
    """

    url: str
    _process: "subprocess.Popen[bytes]"
    _log: Path

    def terminate(self) -> None:
        """Send SIGTERM, as a deployment does."""
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> Ended:
        """Wait for its end."""
        code = self._process.wait(PATIENCE)
        now = time.monotonic()  # one clock for all processes of a machine
        log = self._log.read_text()
        left_at = [float(moment) for moment in _LEAVING.findall(log)]
        return Ended(code, log, now - max(left_at, default=now), tuple(_LAST.findall(log)))


@contextmanager
def running(server: Server, program: Program, collector_url: str, log: Path) -> Iterator[Running]:
    """Start a server, and wait until it answers."""
    port = _free_port()
    unproxied = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    with log.open("wb") as output:  # a pipe would fill up, and stop it
        process = subprocess.Popen(
            [sys.executable, "-m", *server.command(program, port)],
            cwd=ROOT,
            env={**unproxied, "COLLECTOR_URL": collector_url, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its workers can be ended with it
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(url, process, log)
        yield Running(url, process, log)
    finally:
        with suppress(ProcessLookupError):  # all of them ended by themselves
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    give_up_at = time.monotonic() + PATIENCE
    while True:
        try:
            opener.open(f"{url}/nothing-is-here", timeout=5)
        except urllib.error.HTTPError:
            return  # 404 is an answer
        except OSError as error:
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise AssertionError(f"it does not answer ({error}): {log.read_text()}") from error
            time.sleep(0.05)
        else:
            return
