"""`aiotracker`: what it is called with, and which command does the rest.

Works with nothing installed but what the tracker itself needs: whether a command has its extras is
found out when that command is to run, not before.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from aiotracker import __version__
from aiotracker.cli import dead_letters, demo, micro, relay

__all__ = ["main"]

EXTRAS: Final = MappingProxyType(
    {
        "micro": ("starlette", "uvicorn"),
        "demo": ("rich", "starlette", "uvicorn"),
    }
)
"""What commands import beyond the dependencies of the tracker, whatever their arguments."""

CANNOT_RUN: Final = 2  # as argparse has it for wrong arguments
INTERRUPTED: Final = 130  # as shells have it for Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process.

    Args:
        argv: arguments without the name of the program; those of the process when None.
    Raises:
        SystemExit: for `--help`, `--version` and arguments that make no sense, as argparse does.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return CANNOT_RUN
    missing = [name for name in EXTRAS.get(arguments.command, ()) if find_spec(name) is None]
    if missing:
        needs = ", ".join(missing)
        print(
            f"aiotracker {arguments.command} needs {needs}: pip install 'aiotracker[cli,micro]'",
            file=sys.stderr,
        )
        return CANNOT_RUN
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print(f"aiotracker {arguments.command}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aiotracker",
        description="The asyncio-native Snowplow tracker for Python services.",
        epilog="New here? `aiotracker demo` sends 100,000 events through a collector on this machine.",
    )
    parser.add_argument("--version", action="version", version=f"aiotracker {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    demo.add_parser(commands)
    micro.add_parser(commands)
    relay.add_parser(commands)
    dead_letters.add_parser(commands)
    return parser
