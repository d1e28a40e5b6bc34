"""A collector without a network: it plays a script and remembers what it was sent."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

import anyio

from aiotracker.protocol.exchange import Failure, FailureKind, Reply, Request, Response
from aiotracker.protocol.url import CollectorURL
from tests.fakes.clock import FakeClock

BROKEN_WHEN_REUSED = Failure(FailureKind.BROKEN, "closed by the peer", is_reused=True)
NO_CONNECTION = Failure(FailureKind.CONNECT, "refused")


@dataclass(frozen=True)
class Sent:
    """One request, as the collector read it.

    Attributes:
        request: as it crossed the seam.
        at: clock seconds when it was sent.
        events: wire names and texts of every event, oldest first.
    """

    request: Request
    at: float
    events: tuple[Mapping[str, str], ...]

    @property
    def ids(self) -> list[str]:
        """The event ids."""
        return [event["eid"] for event in self.events]

    @property
    def pages(self) -> list[str]:
        """The last segment of every event's page URL: how the tests tell events apart."""
        return [event["url"].rpartition("/")[2] for event in self.events]

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name."""
        return {name.lower(): value for name, value in self.request.headers}

    @classmethod
    def read(cls, request: Request, at: float) -> "Sent":
        """Read a request as a collector would."""
        if request.method == "GET":
            query = urlsplit(request.url).query
            return cls(request, at, (dict(parse_qsl(query, strict_parsing=True)),))
        return cls(request, at, tuple(json.loads(request.body)["data"]))


class Hold:
    """A step that waits until the test releases it."""

    def __init__(self) -> None:
        self._step: Step = 200
        self._released = anyio.Event()

    def release(self, step: "Step" = 200) -> None:
        """Go on with another step."""
        self._step = step
        self._released.set()

    async def wait(self) -> "Step":
        """Wait for the release."""
        await self._released.wait()
        return self._step


@dataclass(frozen=True)
class Delay:
    """A step that takes seconds of the fake clock, then goes on with another."""

    seconds: float
    step: "Step" = 200


class Hang:
    """A step that never ends by itself."""


Step: TypeAlias = (
    "int | Response | Failure | BaseException | type[BaseException] | Hold | Delay | Hang"
    " | Callable[[Sent], Step]"
)
"""What a request gets: a status, a reply, an exception, a wait, or whatever a function of it says."""


class FakeTransport:
    """Plays one step per request, then `default` for ever."""

    def __init__(self, clock: FakeClock, steps: Iterable[Step] = (), *, default: Step = 200) -> None:
        self._clock = clock
        self.steps: deque[Step] = deque(steps)
        self.default: Step = default
        self.sent: list[Sent] = []
        self.delivered: list[str] = []  # ids of the events that a 2xx answered, once per time
        self.concurrent = 0
        self.most_concurrent = 0
        self.cancelled = 0
        self.opened = 0
        self.closed = 0
        self.open_step: Step = 200
        self.close_step: Step = 200

    @property
    def events(self) -> list[Mapping[str, str]]:
        """Every event that was sent, oldest first."""
        return [event for sent in self.sent for event in sent.events]

    async def open(self, url: CollectorURL) -> None:
        """Get ready."""
        self.opened += 1
        await self._play(self.open_step, Sent(Request("OPEN", ""), self._clock.now(), ()))

    async def send(self, request: Request) -> Reply:
        """Answer by the script."""
        sent = Sent.read(request, self._clock.now())
        self.sent.append(sent)
        self.concurrent += 1
        self.most_concurrent = max(self.most_concurrent, self.concurrent)
        try:
            reply = await self._play(self.steps.popleft() if self.steps else self.default, sent)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        finally:
            self.concurrent -= 1
        if isinstance(reply, Response) and 200 <= reply.status < 300:
            self.delivered.extend(sent.ids)
        return reply

    async def aclose(self) -> None:
        """Close."""
        self.closed += 1
        await self._play(self.close_step, Sent(Request("CLOSE", ""), self._clock.now(), ()))

    async def _play(self, step: Step, sent: Sent) -> Reply:
        match step:
            case int():
                return Response(step)
            case Response() | Failure():
                return step
            case Hold():
                return await self._play(await step.wait(), sent)
            case Delay(seconds, after):
                await self._clock.sleep(seconds)
                return await self._play(after, sent)
            case Hang():
                await anyio.sleep_forever()
                raise AssertionError("for ever is over")
            case BaseException() | type():
                raise step
            case _:
                return await self._play(step(sent), sent)

    @property
    def delivered_ids(self) -> set[str]:
        """The distinct ids of the events that arrived."""
        return set(self.delivered)

    @property
    def batches(self) -> list[int]:
        """How many events each request held."""
        return [len(sent.events) for sent in self.sent]

    @property
    def pages(self) -> list[list[str]]:
        """Which events each request held."""
        return [sent.pages for sent in self.sent]

    @property
    def times(self) -> list[float]:
        """When each request was sent, in seconds since the first."""
        return [round(sent.at - self.sent[0].at, 6) for sent in self.sent]
