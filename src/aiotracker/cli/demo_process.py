"""The collector of the demo, seen from the demo: starts the process, asks it, and ends it."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import Any, Final

import anyio
from anyio.abc import ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from aiotracker.cli.demo_account import Received

__all__ = ["CollectorGoneError", "CollectorProcess", "local_collector"]

# -P: the folder that the demo is started in may hold a `types.py` of its own.
COMMAND: Final = (sys.executable, "-P", "-m", "aiotracker.cli.demo_collector")
START_TIMEOUT: Final = 20.0
ANSWER_TIMEOUT: Final = 30.0
STOP_TIMEOUT: Final = 5.0
MAX_ANSWER_BYTES: Final = 100_000_000  # the ids of a million events are 40 MB


class CollectorGoneError(Exception):
    """The process of the collector ended, or does not answer."""


class CollectorProcess:
    """A running collector.

    Attributes:
        url: its address.
    """

    def __init__(self, questions: ByteSendStream, answers: BufferedByteReceiveStream, url: str) -> None:
        self.url = url
        self._questions = questions
        self._answers = answers

    async def events(self) -> dict[str, Any]:
        """Return `{event id: event}` of the newest good events, in the form of `/micro/good`."""
        return await self._ask("events")

    async def totals(self) -> Received:
        """Return the account of everything that was received."""
        return Received(**await self._ask("totals"))

    async def _ask(self, question: str) -> dict[str, Any]:
        try:
            await self._questions.send(f"{question}\n".encode())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise CollectorGoneError("the local collector ended before the demo did") from error
        return await _answer(self._answers, ANSWER_TIMEOUT)


@asynccontextmanager
async def local_collector() -> AsyncIterator[CollectorProcess]:
    """Run a collector on a free port for as long as the block runs, whatever happens in it.

    Raises:
        CollectorGoneError: it did not start, or ended early.
    """
    # In a session of its own, Ctrl-C does not reach it, not even while it starts.
    process = await anyio.open_process(COMMAND, stdin=PIPE, stdout=PIPE, stderr=None, start_new_session=True)
    try:
        if process.stdin is None or process.stdout is None:
            raise CollectorGoneError("the local collector has no pipes")
        answers = BufferedByteReceiveStream(process.stdout)
        url: str = (await _answer(answers, START_TIMEOUT))["url"]
        yield CollectorProcess(process.stdin, answers, url)
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _end(process: Process) -> None:
    """End the process: politely, by closing its standard input, and then for certain."""
    if process.stdin is not None:
        await process.stdin.aclose()
    with anyio.move_on_after(STOP_TIMEOUT):
        await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()


async def _answer(answers: BufferedByteReceiveStream, timeout: float) -> dict[str, Any]:
    try:
        with anyio.fail_after(timeout):
            line = await answers.receive_until(b"\n", MAX_ANSWER_BYTES)
    except TimeoutError as error:
        raise CollectorGoneError(f"the local collector did not answer within {timeout:g} s") from error
    except (anyio.IncompleteRead, anyio.BrokenResourceError) as error:
        raise CollectorGoneError("the local collector ended before the demo did") from error
    answer: dict[str, Any] = json.loads(line)
    return answer
