"""`aiotracker relay`: sends what services have put into a store, until it is stopped."""

import argparse
import logging
import math
import os
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Final

import anyio

from aiotracker import (
    AiohttpTransport,
    AiotrackerError,
    ConfigurationError,
    Emitter,
    Health,
    HttpxTransport,
    RedisStore,
    Relay,
    Transport,
    shutdown_on_signals,
)
from aiotracker.cli.relay_progress import Progress, closing_line, progress_line
from aiotracker.cli.relay_screen import LOGGER, Screen
from aiotracker.stores import store_of

__all__ = ["add_parser", "run"]

FAILED: Final = 1
CANNOT_RUN: Final = 2

STORE_VARIABLE: Final = "AIOTRACKER_STORE"
COLLECTOR_VARIABLE: Final = "AIOTRACKER_COLLECTOR"
HEADERS_VARIABLE: Final = "AIOTRACKER_HEADERS"

TERMINAL_INTERVAL: Final = 1.0
LOG_INTERVAL: Final = 10.0
STOP_TIMEOUT: Final = 5.0

LOOPS: Final[MappingProxyType[str, tuple[str, dict[str, bool]]]] = MappingProxyType(
    {
        "asyncio": ("asyncio", {"use_uvloop": False}),
        "uvloop": ("asyncio", {"use_uvloop": True}),
        "trio": ("trio", {}),
    }
)
"""What anyio calls each loop, and the options that it takes for it."""

TRANSPORTS: Final[MappingProxyType[str, Callable[[], Transport]]] = MappingProxyType(
    {"httpx": HttpxTransport, "aiohttp": AiohttpTransport}
)

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/]*@|\?.*", re.DOTALL)  # a query may hold a password, too

DESCRIPTION: Final = """\
Send the events that services have put into a durable store, or have left there. Any number
of relays may work on one store: each event is leased by one of them. Events that the
collector refuses for good, and those that are too old, are kept in the store as dead
letters: see aiotracker dead-letters.
"""
EPILOG: Final = f"""\
environment:
  {STORE_VARIABLE}, {COLLECTOR_VARIABLE}
                        stand for --store and --collector, which all users of the machine can
                        see in its list of processes
  {HEADERS_VARIABLE}    more headers, NAME=VALUE, one per line

signals:
  SIGTERM, SIGINT       begin no more requests, wait for those on their way, and end. The second
                        signal ends the process at once. What is left stays in the store; what
                        was being sent is sent again when its lease expires

exit code:
  0                     stopped by a signal, or the store is empty (--until-empty)
  1                     the store cannot be opened; one that is away is waited for, and so is
                        the collector
  2                     wrong arguments, or something is not installed: to start again does not
                        help
  130, 143              ended by a second signal, or by one that came before the relay was there
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `aiotracker`."""
    parser = subparsers.add_parser(
        "relay",
        help="send what services have put into a durable store",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        help="sqlite:///path/to/events.db (four slashes for a path from the root) or redis://host:6379/0",
    )
    parser.add_argument("--collector", metavar="URL", help="where to send events")

    sending = parser.add_argument_group("sending")
    sending.add_argument(
        "--concurrency", type=int, default=4, metavar="N", help="requests at a time (default: %(default)s)"
    )
    sending.add_argument("--batch-size", type=int, metavar="N", help="events of a request (default: 500)")
    sending.add_argument("--byte-limit", type=int, metavar="N", help="bytes of a request (default: 180,000)")
    sending.add_argument(
        "--method",
        choices=("post", "get"),
        default="post",
        help="get sends one event per request (default: %(default)s)",
    )
    sending.add_argument("--post-path", metavar="PATH", help="the collector's own path for POST requests")
    sending.add_argument(
        "--header",
        type=_header,
        action="append",
        default=[],
        dest="headers",
        metavar="NAME=VALUE",
        help="send a header with every request; may be repeated",
    )
    sending.add_argument(
        "--request-timeout",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds of a request, whole (default: %(default)g)",
    )
    sending.add_argument(
        "--max-age",
        type=float,
        metavar="S",
        help="seconds after which an event is given up; inf for never (default: 86,400, a day)",
    )
    sending.add_argument(
        "--lease-seconds",
        type=float,
        metavar="S",
        help="seconds after which another relay may send what this one has leased, if it dies",
    )
    sending.add_argument(
        "--transport", choices=tuple(TRANSPORTS), default="httpx", help="(default: %(default)s)"
    )
    sending.add_argument("--loop", choices=tuple(LOOPS), default="asyncio", help="(default: %(default)s)")

    ending = parser.add_argument_group("ending")
    ending.add_argument(
        "--until-empty", action="store_true", help="end when the store is empty, as for a cron job"
    )
    ending.add_argument(
        "--drain",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="when it is stopped, first send what is in the store, for at most so many seconds; for a store "
        "that ends with its container (default: 0, it stays in the store)",
    )
    ending.add_argument(
        "--stop-timeout",
        type=_seconds,
        default=STOP_TIMEOUT,
        metavar="S",
        help="seconds for the requests on their way when it is stopped (default: %(default)g)",
    )

    telling = parser.add_argument_group("telling")
    telling.add_argument(
        "--progress-interval",
        type=_interval,
        metavar="S",
        help=f"seconds between two lines of progress (default: {LOG_INTERVAL:g}, on a terminal "
        f"{TERMINAL_INTERVAL:g})",
    )
    telling.add_argument("--quiet", action="store_true", help="show no progress, only what goes wrong")
    telling.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="the least that is told; progress is info (default: %(default)s)",
    )
    telling.add_argument(
        "--health-file",
        type=Path,
        metavar="PATH",
        help="write ok, degraded or failing, and why, into a file with every interval; it is gone when "
        "the relay has stopped",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Relay until a signal ends it, or the store is empty; return the exit code."""
    screen = Screen(sys.stderr)
    logger = logging.getLogger("aiotracker")
    logger.addHandler(screen)
    logger.setLevel("WARNING" if arguments.quiet else arguments.log_level.upper())
    try:
        relay = _relay(arguments)
        backend, options = LOOPS[arguments.loop]
        return anyio.run(
            partial(_run, relay, arguments, screen), backend=backend, backend_options=dict(options)
        )
    except ConfigurationError as error:
        print(f"aiotracker relay: {error}", file=sys.stderr)
        return CANNOT_RUN
    finally:
        logger.removeHandler(screen)
        logger.setLevel(logging.NOTSET)


# -- from arguments to a relay ------------------------------------------------------------------------


def _relay(arguments: argparse.Namespace) -> Relay:
    """Return what the arguments describe.

    Raises:
        ConfigurationError: it cannot work, or something is not installed.
    """
    store_url = _given(arguments.store, "--store", STORE_VARIABLE)
    collector = _given(arguments.collector, "--collector", COLLECTOR_VARIABLE)
    event_store = store_of(_with_lease(store_url, arguments.lease_seconds))
    if isinstance(event_store, RedisStore):
        _check_redis(arguments.loop)
    _check_loop(arguments.loop, arguments.transport)
    headers = dict([*_headers(os.environ.get(HEADERS_VARIABLE, "")), *arguments.headers])
    with warnings.catch_warnings(record=True, action="always") as caught:
        emitter = Emitter(
            collector,
            method=arguments.method,
            batch_size=arguments.batch_size,
            byte_limit=arguments.byte_limit,
            concurrency=arguments.concurrency,
            request_timeout=arguments.request_timeout,
            max_age=arguments.max_age,
            headers=headers,
            post_path=arguments.post_path,
            event_store=event_store,
            transport=TRANSPORTS[arguments.transport](),
        )
    for warning in caught:  # told to whoever gave the address, not to whoever wrote this line
        LOGGER.warning("%s", warning.message)
    LOGGER.info("relaying from %s to %s", _CREDENTIALS.sub("", store_url), emitter.url)
    return Relay(emitter)


def _given(argument: str | None, option: str, variable: str) -> str:
    value = argument or os.environ.get(variable, "")
    if not value:
        raise ConfigurationError(option.strip("-"), value, f"give {option} URL, or set {variable}")
    return value


def _with_lease(store_url: str, seconds: float | None) -> str:
    """Return the URL of a store with the lease that was asked for."""
    if seconds is None:
        return store_url
    return f"{store_url}{'&' if '?' in store_url else '?'}lease_seconds={seconds:g}"


def _check_loop(loop: str, transport: str) -> None:
    if not _is_installed(loop):
        package = "'aiotracker[trio]'" if loop == "trio" else loop
        raise ConfigurationError("loop", loop, f"is not installed: pip install {package}")
    if not _is_installed(transport):
        raise ConfigurationError(
            "transport", transport, "is not installed: pip install 'aiotracker[aiohttp]'"
        )
    if (loop, transport) == ("trio", "aiohttp"):
        raise ConfigurationError(
            "transport", transport, "knows asyncio and uvloop only: leave out --loop trio"
        )


def _check_redis(loop: str) -> None:
    if not _is_installed("redis"):
        raise ConfigurationError("store", "redis", "is not installed: pip install 'aiotracker[redis]'")
    if loop == "trio":
        raise ConfigurationError(
            "loop", loop, "is not for Redis, whose library knows asyncio and uvloop only"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # taken out of the modules by hand
        return False


def _headers(lines: str) -> list[tuple[str, str]]:
    try:
        return [_header(line) for line in lines.splitlines() if line.strip()]
    except argparse.ArgumentTypeError as error:
        raise ConfigurationError(HEADERS_VARIABLE, "…", str(error)) from None


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return name.strip(), value.strip()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, not {text!r}")
    return seconds


def _interval(text: str) -> float:
    seconds = _seconds(text)
    if not seconds:
        raise argparse.ArgumentTypeError("must be above 0")
    return seconds


# -- a relay that runs --------------------------------------------------------------------------------


async def _run(relay: Relay, arguments: argparse.Namespace, screen: Screen) -> int:
    """Relay until there is a reason not to; return the exit code."""
    first = Progress.of(relay, relay.health(), monotonic())
    why = "the store is empty"
    try:
        async with shutdown_on_signals() as shutdown:
            try:
                await relay.open()
            except (AiotrackerError, ImportError, OSError) as error:
                LOGGER.error("the relay cannot be opened: %s", error)
                return FAILED
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_report, relay, arguments, screen)
                if arguments.until_empty:
                    await relay.drained()
                    tasks.cancel_scope.cancel()
        if shutdown.signal is not None:
            why = f"stopped by {shutdown.signal.name}"
            await _drain(relay, arguments, screen)
    finally:
        await relay.aclose(arguments.stop_timeout)
        screen.leave()
        _forget_health(arguments.health_file)
    LOGGER.info("%s", closing_line(why, Progress.of(relay, relay.health(), monotonic()), first))
    return 0


async def _drain(relay: Relay, arguments: argparse.Namespace, screen: Screen) -> None:
    """Send the rest, as far as that is wanted."""
    if not arguments.drain:
        return
    with anyio.move_on_after(arguments.drain):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_report, relay, arguments, screen)
            await relay.drained()
            tasks.cancel_scope.cancel()


async def _report(relay: Relay, arguments: argparse.Namespace, screen: Screen) -> None:
    """Tell how it goes, again and again."""
    interval = arguments.progress_interval or (TERMINAL_INTERVAL if screen.is_terminal else LOG_INTERVAL)
    before: Progress | None = None
    while True:
        health = await relay.check()
        now = Progress.of(relay, health, monotonic())
        if not arguments.quiet:
            screen.show(progress_line(now, before or now))
        if arguments.health_file is not None:
            # In a thread that nothing waits for: a disk that hangs ends no delivery, and the file grows old.
            write = partial(_write_health, arguments.health_file, health)
            await anyio.to_thread.run_sync(write, abandon_on_cancel=True)
        before = now
        await anyio.sleep(interval)


def _write_health(path: Path, health: Health) -> None:
    why = "".join(f"\n{name}: {why}" for name, why in health.details.items())
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_text(f"{health.status}{why}\n")
        fresh.replace(path)  # whoever reads it never sees half of it
    except OSError as error:
        LOGGER.warning("the health file cannot be written: %s", error)


def _forget_health(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):
            path.unlink(missing_ok=True)
