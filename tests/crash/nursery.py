"""Processes that start in a millisecond: forked from one that has imported everything, and opened nothing.

    with Nursery() as nursery:
        child = nursery.start({"program": "serve", …}, log)
        child.kill()

The nursery is a process with a single thread, so that forking is safe. Its children lead their own lives:
they run a loop of their own and end without returning here.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 10.0  # seconds for a process to be gone that was killed
POLL_SECONDS: Final = 0.001


@dataclass
class Child:
    """A process that was forked.

    Attributes:
        pid: of it.
        log: everything that it complained of.
        status: exit code, negative for a signal; None while it lives.
    """

    pid: int
    log: Path
    _nursery: Nursery
    status: int | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        if self.status is None:
            self.status = self._nursery.ask({"do": "poll", "pid": self.pid})
        return self.status is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.is_alive:  # it stays a zombie until it is asked for: nobody else has its number
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.wait(PATIENCE)

    def wait(self, seconds: float) -> int:
        """Wait for its end; return its exit code."""
        until = time.monotonic() + seconds
        while self.is_alive:
            if time.monotonic() > until:
                self.send(signal.SIGABRT)  # it tells where it is
                time.sleep(0.2)
                raise AssertionError(f"process {self.pid} does not end:\n{self.log.read_text()}")
            time.sleep(POLL_SECONDS)
        assert self.status is not None
        return self.status


class Nursery:
    """The side of the nursery that tests see."""

    def __init__(self, *modules: str) -> None:
        """Describe a nursery.

        Args:
            modules: to import beforehand, beside those that the programs need.
        """
        self._modules = modules
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        """Start it, and wait until it has imported everything."""
        ours, theirs = socket.socketpair()
        unproxied = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery", str(theirs.fileno()), *self._modules],
                cwd=ROOT,
                env=unproxied,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours
        self._answers = ours.makefile("r", encoding="utf-8")
        if not self._answers.readline():
            raise RuntimeError("the nursery does not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all children, and the nursery."""
        for child in self._children:
            child.kill()
        self._answers.close()
        self._socket.close()  # which it takes for its end
        self._process.wait(PATIENCE)

    def start(self, job: dict[str, Any], log: Path) -> Child:
        """Fork a child that does a job, see `tests.crash.program`."""
        pid = self.ask({"do": "start", "job": job, "log": str(log)})
        assert pid is not None
        child = Child(pid, log, self)
        self._children = [*(each for each in self._children if each.status is None), child]
        return child

    def ask(self, order: dict[str, Any]) -> int | None:
        """Give an order, and return the answer."""
        self._socket.sendall(f"{json.dumps(order)}\n".encode())
        answer: int | None = json.loads(self._answers.readline())
        return answer


def main() -> None:
    """Fork children on order, until nobody orders any more."""
    for name in ("tests.crash.program", *sys.argv[2:]):
        __import__(name)
    from tests.crash.program import warm_up

    warm_up()
    gc.collect()
    gc.freeze()  # or a child would copy everything when it collects garbage
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        orders.sendall(b"ready\n")
        for line in orders.makefile("r", encoding="utf-8"):
            order = json.loads(line)
            answer = _start(order, orders) if order["do"] == "start" else _poll(order["pid"])
            orders.sendall(f"{json.dumps(answer)}\n".encode())


def _start(order: dict[str, Any], orders: socket.socket) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        orders.close()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        faulthandler.enable(file=2)
        from tests.crash.program import run

        run(order["job"])
        status = 0
    except BaseException:  # noqa: BLE001 - told, and not taken into the loop of the nursery
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _poll(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


if __name__ == "__main__":
    main()
