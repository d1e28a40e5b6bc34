"""A program that speaks the protocol: started once, asked many times."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

    from benchmarks.speed.protocol import Reply

__all__ = ["PATIENCE_SECONDS", "Program", "ProgramError"]

ENDING_SECONDS: Final = 5.0  # for a program whose standard input has ended
PATIENCE_SECONDS: Final = 180.0


class ProgramError(Exception):
    """A program ended, or answered something that is no reply."""


@dataclass
class Program:
    """A child process that answers one JSON line with another.

    Attributes:
        command: the program and its arguments.
        environment: added to that of this process.
        log: file that takes its standard error.
        folder: where it runs.
    """

    command: list[str]
    environment: dict[str, str]
    log: Path
    folder: Path
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        """Start it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs
                self.command,
                cwd=self.folder,
                env=os.environ | self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End its standard input, and it with that."""
        process = self._running()
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def ask(self, do: str, *, patience: float = PATIENCE_SECONDS, **fields: Any) -> Reply:  # Any: JSON
        """Send a command and return the reply.

        Args:
            do: the command.
            patience: seconds until it is given up.
            fields: of the command.
        Raises:
            ProgramError: there is none.
        """
        self.tell(do, **fields)
        return self.hear(patience)

    def tell(self, do: str, **fields: Any) -> None:  # Any: JSON
        """Send a command, whose reply `hear()` returns.

        Raises:
            ProgramError: the program has ended.
        """
        stdin = self._running().stdin
        try:
            if stdin is not None:
                stdin.write(json.dumps({"do": do, **fields}) + "\n")
                stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def hear(self, patience: float = PATIENCE_SECONDS) -> Reply:
        """Return the reply to the command that was sent.

        Args:
            patience: seconds until the program is given up, and killed.
        Raises:
            ProgramError: there is none.
        """
        process = self._running()
        stdout = process.stdout
        if stdout is None or not select.select([stdout], [], [], patience)[0]:
            process.kill()
            raise ProgramError(f"no reply within {patience:.0f} s")
        line = stdout.readline()
        try:
            reply: Reply = json.loads(line)
        except json.JSONDecodeError as error:
            raise self._ended() from error
        return reply

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise ProgramError("the program was not started")
        return self._process

    def _ended(self) -> ProgramError:
        time.sleep(0.05)  # for its last words
        words = self.log.read_text(errors="replace").strip().splitlines()
        last = words[-1] if words else "no word on standard error"
        return ProgramError(f"{' '.join(self.command)} ended: {last}")
