"""`aiotracker dead-letters`: what a durable store has given up, and what becomes of it."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final

import anyio

from aiotracker import ConfigurationError, DropReason
from aiotracker.cli.letter_commands import (
    FAILED,
    LetterStore,
    export_letters,
    list_letters,
    opened,
    purge_letters,
    replay_file,
    replay_letters,
    show_letters,
)
from aiotracker.cli.letter_selection import Selection
from aiotracker.cli.relay import STORE_VARIABLE
from aiotracker.cli.store_host import CommandHost
from aiotracker.stores.urls import sqlite_path, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["add_parser", "run"]

COMMAND: Final = "aiotracker dead-letters"
CANNOT_RUN: Final = 2
DEFAULT_LIMIT: Final = 100
STREAM: Final = "-"  # as a file: standard input or output
MAX_LINE_BYTES: Final = 4 * 1024 * 1024  # of a file; an event has at most 900,000
SQLITE_START: Final = b"SQLite format 3\0"
UNITS: Final = MappingProxyType({"s": 1, "m": 60, "h": 3_600, "d": 86_400})

Deed = Callable[[LetterStore, Selection], Awaitable[int]]

DESCRIPTION: Final = """\
Events that a durable store has given up, because the collector refused them for good or
because they were too old, are kept there with the reason. Look at them, and send them again
when what was wrong has been mended.
"""
EPILOG: Final = f"""\
environment:
  {STORE_VARIABLE}      stands for --store, which all users of the machine can see in its list
                        of processes

exit code:
  0                     done
  1                     there are no such dead letters, not all of it could be done, or the
                        store cannot be used
  2                     wrong arguments
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of `aiotracker`."""
    parser = subparsers.add_parser(
        "dead-letters",
        help="see what a durable store has given up, and send it again",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    deeds = parser.add_subparsers(title="commands", dest="deed", metavar="COMMAND", required=True)

    listing = _add(deeds, "list", _list, "show a line for each, oldest first")
    _add_reason(listing)
    listing.add_argument(
        "--limit",
        type=_count,
        default=DEFAULT_LIMIT,
        metavar="N",
        help="at most so many (default: %(default)s)",
    )

    showing = _add(deeds, "show", _show, "show one in full")
    showing.add_argument("ids", nargs="+", metavar="ID", help="of the letter, or of its event")

    exporting = _add(deeds, "export", _export, "write them as lines of JSON; they stay in the store")
    exporting.add_argument(
        "file", nargs="?", default=STREAM, metavar="FILE", help="a new one (default: standard output)"
    )
    _add_reason(exporting)

    replaying = _add(
        deeds,
        "replay",
        _replay,
        "put them back among the events to be sent",
        "Put dead letters back among the events to be sent, as the latest ones. They are sent by whoever "
        "sends from the store: a service, or aiotracker relay.",
    )
    _add_which(replaying)
    replaying.add_argument(
        "--file",
        metavar="FILE",
        help="put the events of a file into the store, one that was exported or that DeadLetterFile has "
        "written; - for standard input",
    )

    purging = _add(deeds, "purge", _purge, "remove them for good")
    _add_which(purging)
    purging.add_argument(
        "--older-than",
        type=_age,
        metavar="AGE",
        help="those that were dropped longer ago than that: 30d, 12h, 90m or 45s",
    )


def _add(
    deeds: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    deed: Callable[[argparse.Namespace, CommandHost], int],
    help_text: str,
    description: str | None = None,
) -> argparse.ArgumentParser:
    text = description or f"{help_text[0].upper()}{help_text[1:]}."
    parser = deeds.add_parser(name, help=help_text, description=text)
    parser.add_argument(
        "--store",
        metavar="URL",
        default=os.environ.get(STORE_VARIABLE),
        help="sqlite:///path/to/events.db (four slashes for a path from the root) or "
        "redis://host:6379/0?name=…",
    )
    parser.set_defaults(run=run, do=deed, parser=parser)
    return parser


def _add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", choices=[str(reason) for reason in DropReason], help="those that were dropped for it"
    )


def _add_which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="of letters, or of their events")
    parser.add_argument("--all", action="store_true", help="all of them")
    _add_reason(parser)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return int(text)


def _age(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"must be a number and s, m, h or d, as in 30d, not {text!r}")
    return float(found[1]) * UNITS[found[2]]


# -- from arguments to a deed -------------------------------------------------------------------------


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments say, and return the exit code."""
    deed: Callable[[argparse.Namespace, CommandHost], int] = arguments.do
    host = CommandHost(COMMAND)
    if not arguments.store:
        arguments.parser.error(f"give --store URL, or set {STORE_VARIABLE}")
    try:
        return deed(arguments, host)
    except BrokenPipeError:  # as of `| head`: whoever reads has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - a store raises what its library does, and a person waits for the answer
        host.complain(str(error))
        return FAILED


def _list(arguments: argparse.Namespace, host: CommandHost) -> int:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return _do(arguments, host, partial(list_letters, limit=arguments.limit, max_width=width))


def _show(arguments: argparse.Namespace, host: CommandHost) -> int:
    return _do(arguments, host, show_letters)


def _export(arguments: argparse.Namespace, host: CommandHost) -> int:
    with _output(arguments.file) as output:
        return _do(arguments, host, partial(export_letters, output=output))


def _replay(arguments: argparse.Namespace, host: CommandHost) -> int:
    if arguments.file is None:
        _check_which(arguments, "--file")
        return _do(arguments, host, replay_letters)
    if arguments.ids or arguments.all or arguments.reason:
        arguments.parser.error("--file has all events of the file sent: leave out IDs, --all and --reason")
    store = _store(arguments, must_exist=False)
    with _input(arguments.file) as lines:
        return anyio.run(partial(replay_file, store, host, _lines(lines), name=arguments.file))


def _purge(arguments: argparse.Namespace, host: CommandHost) -> int:
    _check_which(arguments, "--older-than")
    return _do(arguments, host, purge_letters)


def _check_which(arguments: argparse.Namespace, other: str) -> None:
    """End with an error unless it is said which letters are meant, and once."""
    is_said = arguments.all or arguments.reason or getattr(arguments, "older_than", None) is not None
    if not is_said and not arguments.ids:
        arguments.parser.error(f"say which: IDs, --all, --reason or {other}")
    if is_said and arguments.ids:
        arguments.parser.error("IDs say which: leave out --all, --reason and --older-than")


def _do(arguments: argparse.Namespace, host: CommandHost, deed: Deed) -> int:
    store = _store(arguments)
    age = getattr(arguments, "older_than", None)
    selection = Selection(
        names=frozenset(getattr(arguments, "ids", ())),
        reason=getattr(arguments, "reason", None),
        before_ms=None if age is None else (time.time() - age) * 1000,
    )

    async def main() -> int:
        async with opened(store, host):
            return await deed(store, selection)

    return anyio.run(main)


def _store(arguments: argparse.Namespace, *, must_exist: bool = True) -> LetterStore:
    """Return the store that is meant.

    A store takes a file that is no database for a damaged one, and puts it aside: here it is a wrong path.

    Raises:
        FileNotFoundError: it is a file that does not exist, and that one does not want to make.
        ValueError: it is another kind of file.
    """
    parser: argparse.ArgumentParser = arguments.parser
    try:
        path = sqlite_path(arguments.store)
        store = store_of(arguments.store)
    except ConfigurationError as error:
        parser.error(str(error))
    if path is not None and Path(path).is_file():
        with Path(path).open("rb") as file:
            start = file.read(len(SQLITE_START))
        if start not in (b"", SQLITE_START):
            raise ValueError(f"{path} is no SQLite file")
    elif must_exist and path is not None and not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}")
    return store


# -- files --------------------------------------------------------------------------------------------


@contextmanager
def _output(name: str) -> Iterator[BinaryIO]:
    """Open what letters are written to; a new file that nothing was written to is removed."""
    if name == STREAM:
        yield sys.stdout.buffer
        return
    path = Path(name)
    try:
        file = path.open("xb")
    except FileExistsError:
        raise FileExistsError(f"{name} is there already: choose another name") from None
    try:
        with file:
            yield file
    finally:
        if not path.stat().st_size:
            path.unlink()


@contextmanager
def _input(name: str) -> Iterator[BinaryIO]:
    if name == STREAM:
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, and what is too long for one in parts that are none."""
    while line := file.readline(MAX_LINE_BYTES):
        yield line
