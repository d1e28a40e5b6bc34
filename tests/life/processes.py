"""Runs programs in processes of their own and tells how they ended."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds; a program that takes longer hangs
SLOW = re.compile(r"^Executing <.* took [\d.]+ seconds\n", re.MULTILINE)


def without_slowness(complaints: str) -> str:
    """Leave out what `-X dev` has asyncio say when a step takes 0.1 s, as any does on a busy machine."""
    return SLOW.sub("", complaints)


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        code: exit status, negative for a signal.
        out: what it printed.
        err: what it complained of, other than a busy machine.
        seconds: since it said `leaving`, as its own clock tells; 0 when it did not say.
    """

    code: int
    out: str
    err: str
    seconds: float


class Program:
    """One of `tests/life/programs`, running."""

    def __init__(self, name: str, *args: object, dev: bool = False, **environment: str) -> None:
        """Start it.

        Args:
            name: of the module.
            args: of its command line.
            dev: whether Python tells of everything it dislikes (`-X dev`).
            environment: variables to add.
        """
        unproxied = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            [
                sys.executable,
                *(["-X", "dev"] if dev else []),
                "-m",
                f"tests.life.programs.{name}",
                *map(str, args),
            ],
            cwd=ROOT,
            env={**unproxied, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that its children can be ended with it
        )

    def wait_for(self, line: str) -> None:
        """Wait until it prints a line."""
        assert self._process.stdout is not None
        for said in self._process.stdout:
            if said.strip() == line:
                return
        raise AssertionError(f"it ended without saying {line}: {self.end().err}")

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.send(signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> Ended:
        """Wait for its end."""
        try:
            out, err = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            out, err = self._process.communicate()
            raise AssertionError(f"it does not end; so far it said\n{out}\n{err}") from None
        now = time.monotonic()
        left_at = [float(line.split()[1]) for line in out.splitlines() if line.startswith("leaving ")]
        return Ended(
            self._process.returncode, out, without_slowness(err), now - left_at[-1] if left_at else 0.0
        )


def run_program(name: str, *args: object, dev: bool = False, **environment: str) -> Ended:
    """Run a program to its end."""
    return Program(name, *args, dev=dev, **environment).end()
