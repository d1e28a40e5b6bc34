"""How the programs of these tests run: as modules, on the stage that their first argument names."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.stages import Stage

ROOT: Final = Path(__file__).parents[3]


def command(program: str, stage: Stage, *arguments: str) -> list[str]:
    """Return the command, to be given in `ROOT`, that runs one of these programs."""
    return [sys.executable, "-m", f"tests.faults.programs.{program}", str(stage), *arguments]


def run(main: Callable[[Stage, str], Awaitable[None]]) -> None:
    """Run `main` with the stage, and with the collector's URL, which is the second argument."""
    stage = Stage.named(sys.argv[1])
    stage.run(main, stage, sys.argv[2])
