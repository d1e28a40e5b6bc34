"""`aiotracker micro`: a local collector in the terminal."""

import argparse
import sys

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `aiotracker`."""
    parser = subparsers.add_parser(
        "micro",
        help="run a local collector that checks events and shows what arrived",
        description="Run a local Snowplow collector. Events sent to it are checked as the pipeline "
        "checks them, and shown at /micro/all, /micro/good and /micro/bad. Ctrl-C ends it.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="name or address to bind to (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=9090, help="0 for any free one (default: %(default)s)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal ends it; return 0 then, and 1 when it cannot serve."""
    try:
        from aiotracker.micro import serve
    except ModuleNotFoundError as error:
        return _failed(str(error))
    try:
        serve(arguments.host, arguments.port)
    except ValueError as error:  # a port out of range
        return _failed(str(error))
    except OSError as error:
        reason = error.strerror or str(error)
        return _failed(f"cannot listen on {arguments.host}:{arguments.port}: {reason}")
    return 0


def _failed(reason: str) -> int:
    print(f"aiotracker micro: {reason}", file=sys.stderr)
    return 1
