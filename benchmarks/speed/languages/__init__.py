"""Contenders in other languages: how each is built, outside of the source tree, and started.

Every folder beside this file holds one program that speaks the protocol (`benchmarks/speed/protocol.py`):
the Snowplow tracker of its language with the events of `benchmarks/speed/workloads.py`. What a program does
about the limits of its tracker stands at its top. Its `contender.json` says by which title it is known, which
tools it `requires` on PATH, by which command it is built and by which it is started, both in its folder, and
how many rounds it takes to warm up:

    rust    cargo, optimised across all crates
    java    maven; the HTTP client is OkHttp, as the tracker has it by default
    node    npm; there is nothing to compile

All of them put what they make into a folder `build` there, and take the exact versions of their manifest or
lock file. A first build fetches packages; a language whose tools or packages are missing has no contender.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.speed.protocol import Unavailable

__all__ = ["LANGUAGES", "build"]

SOURCES: Final = Path(__file__).parent
BUILD_SECONDS: Final = 900.0  # the first build of all crates, on a slow machine

LANGUAGES: Final = tuple(sorted(file.parent.name for file in SOURCES.glob("*/contender.json")))


def build(language: str, folder: Path) -> list[str]:
    """Build the contender of a language in a copy of its sources, and return the command that starts it.

    The tools build again only what has changed, but for npm, which installs a few packages anew.

    Args:
        language: one of `LANGUAGES`.
        folder: takes the copy, in a folder of the language's name; made when it is missing.

    Raises:
        Unavailable: a tool is not there, or the build failed; its words are in `build.log`, in the copy.
    """
    says = json.loads((SOURCES / language / "contender.json").read_text())
    missing = [tool for tool in says["requires"] if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"{', '.join(missing)} is not on this machine")
    copy = (folder / language).resolve()
    shutil.copytree(SOURCES / language, copy, ignore=shutil.ignore_patterns("build"), dirs_exist_ok=True)
    _run(says["build"], copy)
    return [str(copy / word) if (copy / word).is_file() else word for word in says["command"]]


def _run(command: list[str], folder: Path) -> None:
    log = folder / "build.log"
    try:
        with log.open("w") as words:
            subprocess.run(  # noqa: S603 - our own commands
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=BUILD_SECONDS,
            )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"it could not be built, as {log} tells") from error
