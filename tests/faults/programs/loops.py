"""How the programs of these tests run: as modules, on the loop that their first argument names."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio

ROOT: Final = Path(__file__).parents[3]


def command(program: str, *arguments: str) -> list[str]:
    """Return the command, to be given in `ROOT`, that runs one of these programs."""
    return [sys.executable, "-m", f"tests.faults.programs.{program}", *arguments]


def run(main: Callable[[str], Awaitable[None]]) -> None:
    """Run `main` with the collector's URL, which is the second argument."""
    loop, url = sys.argv[1:3]
    if loop == "trio":
        anyio.run(main, url, backend="trio")
    else:
        anyio.run(main, url, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})
