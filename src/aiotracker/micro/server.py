"""Micro for tests, `Micro` in a thread of the process, and for a terminal, `serve`."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from types import FrameType, TracebackType
from typing import Final, Self

from aiotracker.errors import ConfigurationError
from aiotracker.micro.app import App
from aiotracker.micro.filters import BadFilter, GoodFilter, find_bad, find_good
from aiotracker.micro.log import MAX_BYTES, MAX_EVENTS, ReceivedLog, Summary
from aiotracker.micro.server_thread import ServerThread
from aiotracker.micro.views import JsonObject

__all__ = ["Micro", "serve"]

LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT: Final = 9090
MAX_PORT: Final = 65_535
POLL_S: Final = 0.5  # a wait without end cannot be interrupted by Ctrl-C on Windows


class Micro:
    """A local collector that checks events as the pipeline does and shows what arrived.

    Runs in a thread of its own, so that it serves asyncio, trio and plain code alike:

        with Micro() as micro:
            ...  # send events to micro.url
            assert micro.all() == {"total": 1, "good": 1, "bad": 0}

    Entering waits for some tens of milliseconds, leaving for some tenths of a second. An event is
    processed before its request is answered. What is shown has the form of Snowplow Micro 3.0, also
    served at `/micro/all`, `/micro/good`, `/micro/bad` and `/micro/reset`. Envelopes, fields and
    the names of schemas are checked, data against its schema is not.

    Args:
        host: name or address to bind to; one that other machines can reach is warned of on stderr.
        port: 0 for any free one.
        max_events: the oldest requests are forgotten as soon as the newer ones alone hold as many
            events, by default a million; the counts go on.
        max_bytes: likewise for the memory of the requests, roughly, by default 512 MiB.
    Raises:
        ConfigurationError: the port is not within 0 to 65535, or a bound is below 1.
    """

    def __init__(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if not 0 <= port <= MAX_PORT:
            raise ConfigurationError("port", port, f"must be within 0 to {MAX_PORT}")
        self._host = host
        self._port = port
        self._log = ReceivedLog(max_events=max_events, max_bytes=max_bytes)
        self._server: ServerThread | None = None

    def start(self) -> None:
        """Bind and serve; return when requests are answered. A running Micro goes on.

        Raises:
            OSError: the address cannot be bound: it is in use, or not of this machine.
        """
        if self.is_running:
            return
        server = ServerThread(App(self._log), self._host, self._port)
        server.start()
        self._server = server
        if not server.is_loopback:
            sys.stderr.write(
                f"aiotracker micro: {server.url} can be reached from other machines, "
                "and shows whoever asks what arrived\n"
            )

    def stop(self) -> None:
        """End the server within seconds; what arrived stays readable."""
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether requests are answered."""
        return self._server is not None and self._server.is_running

    @property
    def url(self) -> str:
        """The address for a tracker, as `http://127.0.0.1:50123`.

        Raises:
            RuntimeError: never started, so there is no address yet.
        """
        if self._server is None:
            raise RuntimeError("this Micro was never started: use `with Micro() as micro:`")
        return self._server.url

    def all(self) -> Summary:
        """Return `{"total": …, "good": …, "bad": …}`, since the start or the last reset.

        A request that fails as a whole counts as one bad entry.
        """
        return self._log.summary()

    def good(
        self,
        *,
        event_type: str | None = None,
        schema: str | None = None,
        contexts: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[JsonObject]:
        """Return good events in the form of `/micro/good`, newest first.

        Args:
            event_type: long name, as `page_view` or `unstruct`.
            schema: whole URI of the event's schema.
            contexts: whole URIs of entities, all of which the event must have.
            limit: how many at most; an event takes about 10 KB in this form.
        """
        wanted = GoodFilter(event_type, schema, contexts, limit)
        return list(chain.from_iterable(find_good(self._log.newest_first(), wanted)))

    def bad(
        self, *, vendor: str | None = None, version: str | None = None, limit: int | None = None
    ) -> list[JsonObject]:
        """Return bad entries in the form of `/micro/bad`, newest first.

        Args:
            vendor: first segment of the path, `com.snowplowanalytics.snowplow`.
            version: second segment, `tp2`.
            limit: how many at most.
        """
        wanted = BadFilter(vendor, version, limit)
        return list(chain.from_iterable(find_bad(self._log.newest_first(), wanted)))

    def event_ids(self) -> set[str]:
        """Return the distinct ids of the good events that are remembered, in lower case.

        Cheap for hundreds of thousands of events: more good events than ids mean duplicates.
        """
        return self._log.event_ids()

    def reset(self) -> Summary:
        """Forget everything; return the summary, all zero."""
        return self._log.reset()


def serve(host: str = LOOPBACK, port: int = DEFAULT_PORT, *, max_events: int = MAX_EVENTS) -> None:
    """Run a Micro until SIGINT or SIGTERM; print one line when requests are answered.

    Must be called in the main thread, where signals arrive.

    Args:
        host: name or address to bind to.
        port: 0 for any free one.
        max_events: see `Micro`.
    Raises:
        ConfigurationError: see `Micro`.
        OSError: the address cannot be bound: it is in use, or not of this machine.
    """
    with Micro(host=host, port=port, max_events=max_events) as micro, _stop_signals() as stopped:
        sys.stdout.write(f"aiotracker micro listening on {micro.url}\n")
        sys.stdout.flush()
        while micro.is_running and not stopped.wait(POLL_S):
            pass


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Turn the first signal to stop into an event; the ones after it do what they did before."""
    stopped = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
