"""The one task that goes to Redis for a `RedisStore`, in rounds.

What is to be done there is an errand. A round takes all errands that have gathered, looks at the streams
last, and gives each errand its reply; while one round travels, the next one gathers. When Redis is away,
errands that must not be forgotten wait until it is back. A defect of ours counts as such an outage.

Invariants: whoever waits for an errand goes on when it is done, or when it turns out that Redis is away. An
errand is among those that travel, that Redis refused or that have gathered until it is done, or is not to be.
"""

from __future__ import annotations

import contextlib
import logging
import math
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from aiotracker.runtime import Wakeup
from aiotracker.stores.redis import streams
from aiotracker.stores.redis.errand import Errand
from aiotracker.stores.redis.trouble import RedisTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiotracker.protocol.record import Kind
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import StoreHost
    from aiotracker.stores.redis.link import Link
    from aiotracker.stores.redis.streams import Command, Look, Reply, Streams

__all__ = ["Courier", "Orders", "backoff"]

POLL_SECONDS: Final = 0.25  # at most, between two looks at what others may have changed
BASE_DELAY: Final = 0.1  # seconds
MAX_DELAY: Final = 5.0  # seconds
GRACE_SECONDS: Final = 0.2  # beyond the deadline of closing, to give back what is held
PATIENCE_SECONDS: Final = 2 * MAX_DELAY
"""After an outage everyone is silent: so long the others may take to come back before they are dead."""


def backoff(failures: int, chance: float) -> float:
    """Return the seconds before the next attempt.

    Args:
        failures: in a row, 1 or more.
        chance: uniform in 0..1.
    """
    longest: float = min(MAX_DELAY, BASE_DELAY * 2 ** min(failures, 16))
    return longest * (1 + chance) / 2


@dataclass(frozen=True, slots=True)
class Orders:
    """What a courier asks and tells whom it works for.

    Attributes:
        prepare: returns what else is to be done in a round.
        resume: returns what is to be done in the first round after an outage, and nothing else is.
        receive_looks: learns how the streams are after a round.
        is_idle: tells whether nothing is left to be made safe.
        lost_touch: learns that Redis is away.
    """

    prepare: Callable[[], Iterable[Errand]]
    resume: Callable[[], Iterable[Errand]]
    receive_looks: Callable[[Mapping[Kind, Look]], None]
    is_idle: Callable[[], bool]
    lost_touch: Callable[[], None]


class Courier:
    """Goes to Redis until it is closed."""

    def __init__(
        self,
        link: Link,
        streams: Streams,
        orders: Orders,
        host: StoreHost,
        loop: Loop,
        *,
        timeout: float,
        poll: float,
        patience: float,
    ) -> None:
        """Prepare; nothing happens before `run()`.

        Args:
            link: to the Redis.
            streams: say what is to be done there.
            orders: of the store.
            host: of the store.
            loop: on which it runs.
            timeout: seconds for one round.
            poll: seconds between two rounds when there is nothing to do.
            patience: seconds that other consumers have to come back after an outage.
        """
        self.link: Link = link
        self.is_reachable: bool = False
        """Whether the last round went well."""
        self.has_tried: anyio.Event = anyio.Event()
        """Set when it is known for the first time whether Redis is there."""
        self._streams = streams
        self._orders = orders
        self._host = host
        self._clock = host.clock
        self._timeout = timeout
        self._poll = min(poll, POLL_SECONDS)
        self._patience = min(patience, PATIENCE_SECONDS)
        self._wakeup = Wakeup(loop)
        self._closing = anyio.Event()
        self._close_by = math.inf
        self._errands: list[Errand] = []
        self._travelling: deque[Errand] = deque()  # and those that one round will take along
        self._retry_at = -math.inf  # of errands that Redis refused
        self._refused: list[Errand] = []
        self._refusals = 0
        self._failures = 0
        self._away_since: float | None = None
        self._patient_until = -math.inf
        self._exchanging: anyio.CancelScope | None = None

    # -- what the store calls -------------------------------------------------------------------------

    def wake(self) -> None:
        """Begin a round. Any thread."""
        self._wakeup.set()

    def post(self, errand: Errand) -> None:
        """Take an errand along in the next round."""
        self._errands.append(errand)
        self._wakeup.set()

    async def do(self, *errands: Errand) -> None:
        """Take errands along and wait, unless Redis is away."""
        for errand in errands:
            self.post(errand)
        if self.is_reachable:
            for errand in errands:
                await errand.wait()

    async def next_round(self) -> None:
        """Wait for the end of a round that begins now or later, unless Redis is away."""
        await self.do(Errand(()))

    @property
    def is_patient(self) -> bool:
        """Whether silent consumers are given time to come back."""
        return self._away_since is not None or self._clock.now() < self._patient_until

    @property
    def is_refused(self) -> bool:
        """Whether Redis is there but does not take what it should store."""
        return self._clock.now() < self._retry_at

    def accepted(self) -> None:
        """Note that Redis stores again."""
        self._refusals = 0
        self._retry_at = -math.inf

    def close(self, by: float) -> None:
        """Make safe what is not, give back what is held, and end.

        Args:
            by: clock seconds.
        """
        self._close_by = by
        self._retry_at = -math.inf
        self._closing.set()
        self._wakeup.set()

    def cut(self) -> None:
        """End without the answer that is still waited for."""
        self._close_by = min(self._close_by, self._clock.now())
        self.link.abort()  # first: the library would close the connection in order, for which TLS waits
        if self._exchanging is not None:
            self._exchanging.cancel()

    @property
    def lasting(self) -> list[Errand]:
        """What is still to be done."""
        return [each for each in (*self._travelling, *self._refused, *self._errands) if each.is_lasting]

    # -- rounds ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Go until closed. Raises nothing but the loop's own cancellation."""
        try:
            while not self._is_over():
                try:
                    await self._turn()
                except (anyio.get_cancelled_exc_class(), GeneratorExit, KeyboardInterrupt):
                    raise
                except RedisTrouble as error:
                    await self._away(error)
                except BaseException as error:  # noqa: BLE001 - a defect of ours must not end the host
                    await self._away(_crash(), error)
            if self.is_reachable:
                await self._give_back()
        finally:
            self._lose()
            self.link.abort()

    def _is_over(self) -> bool:
        if not self._closing.is_set():
            return False
        is_done = self._orders.is_idle() and not self.lasting
        return is_done or self._clock.now() >= self._close_by

    async def _turn(self) -> None:
        with self._clock.move_on_at(self._next_at()):
            await self._wakeup.wait()
        self._wakeup.clear()
        self._gather()
        await self._round()

    def _gather(self) -> None:
        """Choose what the next round takes along; one by one, as the next may be one that cannot be made."""
        if not self.is_reachable:
            for errand in self._orders.resume():
                self._travelling.append(errand)
            return
        for errand in self._orders.prepare():
            self._travelling.append(errand)
        if not self.is_refused:
            self._travelling.extend(self._refused)
            self._refused.clear()
        self._travelling.extend(self._errands)
        self._errands.clear()

    def _next_at(self) -> float:
        """Return when the next round begins if nobody wants one before; clock seconds."""
        now = self._clock.now()
        if not self.is_reachable:
            return now
        if self._closing.is_set():
            return min(self._retry_at, self._close_by)
        return now + self._poll

    async def _round(self) -> None:
        errands = [*self._travelling]
        sent = [errand for errand in errands if errand.command]
        look = self._streams.look(is_patient=self.is_patient)
        commands = [*(errand.command for errand in sent), look]
        *replies, looked = await self._exchange(commands, self._timeout)
        answered = list(zip(sent, replies, strict=True))
        self._travelling = deque(sent)
        try:
            self._hand_over(answered)
            if isinstance(looked, RedisTrouble):
                raise looked
            self._arrived()
            self._orders.receive_looks(streams.looks(looked))
        finally:
            _conclude(errands)

    def _hand_over(self, answered: Iterable[tuple[Errand, Reply]]) -> None:
        """Give each errand its reply, the others too when one cannot take it: that one has had its turn."""
        crash: Exception | None = None
        for errand, reply in answered:
            self._travelling.popleft()
            try:
                if isinstance(reply, RedisTrouble):
                    self._refuse(errand, reply)
                else:
                    errand.reply = reply
                    if errand.receive is not None:
                        errand.receive(reply)
            except Exception as error:  # noqa: BLE001 - raised below
                crash = crash or error
        if crash is not None:
            raise crash

    def _refuse(self, errand: Errand, trouble: RedisTrouble) -> None:
        if errand.is_lasting:
            self._refused.append(errand)
        if (errand.is_lasting or errand.refuse is not None) and not self.is_refused:
            self._refusals += 1
            self._retry_at = self._clock.now() + backoff(self._refusals, random.random())
        if errand.refuse is not None:
            errand.refuse()
        if trouble.reason != "lost":  # of which the looks tell more
            self._say(trouble)

    async def _exchange(self, commands: Sequence[Command], seconds: float) -> list[Reply]:
        # The library has deadlines of its own, per connection and reply; this one is for all of it.
        with self._clock.move_on_at(self._clock.now() + seconds) as scope:
            self._exchanging = scope
            try:
                return await self.link.exchange(commands)
            finally:
                self._exchanging = None
        if scope.cancelled_caught:
            raise RedisTrouble("timeout", "does not answer in time")
        raise RuntimeError("a deadline ended that nobody set")

    def _arrived(self) -> None:
        if self.is_reachable:
            self._failures = 0  # not before: who fails in every second round must not hammer
            return
        self.is_reachable = True
        self.has_tried.set()
        self._wakeup.set()  # what gathered meanwhile is due
        if self._away_since is not None:
            seconds = self._clock.now() - self._away_since
            self._patient_until = self._clock.now() + self._patience
            self._away_since = None
            message = f"{self.link.address} is back after {seconds:.1f} s"
            self._host.say(logging.INFO, "back", message)

    async def _away(self, trouble: RedisTrouble, error: BaseException | None = None) -> None:
        """Wait until it is time to try again."""
        now = self._clock.now()
        self._say(trouble, error)
        if self._away_since is None:
            self._away_since = now
        self._lose()
        self.has_tried.set()
        self._call(self._orders.lost_touch)
        if now >= self._close_by:
            return  # the connection is dropped
        with self._clock.move_on_at(now + GRACE_SECONDS, shield=True), contextlib.suppress(Exception):
            await self.link.aclose()  # one that cannot be closed has been dropped
        self._failures += 1
        with self._clock.move_on_at(min(self._close_by, now + backoff(self._failures, random.random()))):
            if self._closing.is_set():
                await anyio.sleep_forever()  # it was tried at once when closing began
            await self._closing.wait()

    def _lose(self) -> None:
        """Take back what was on its way, and let everybody go on."""
        self.is_reachable = False
        travelling, refused, gathered = self._travelling, self._refused, self._errands
        everything = [*travelling, *refused, *gathered]
        # What lasts may have been done, with nobody there to hear of it. Then it is done twice.
        self._travelling, self._refused = deque(), []
        self._errands = [errand for errand in everything if errand.is_lasting]
        _conclude(everything)
        for errand in (*travelling, *(each for each in gathered if not each.is_lasting)):
            if errand.refuse is not None:
                self._call(errand.refuse)

    def _call(self, function: Callable[[], None]) -> None:
        """Tell somebody of an outage, who cannot keep it from the others."""
        try:
            function()
        except Exception as error:  # noqa: BLE001 - a defect of ours
            self._say(_crash(), error)

    def _say(self, trouble: RedisTrouble, error: BaseException | None = None) -> None:
        message = f"{self.link.address} {trouble}"
        with contextlib.suppress(Exception):  # whoever cannot write it must not hold us up
            self._host.say(trouble.level, trouble.reason, message, error=error)

    async def _give_back(self) -> None:
        """Give back what is held, so that others need not wait until it expires."""
        by = max(self._close_by, self._clock.now() + GRACE_SECONDS)
        try:
            await self._exchange([self._streams.give()], min(self._timeout, by - self._clock.now()))
        except RedisTrouble as trouble:
            self._say(trouble)
        with self._clock.move_on_at(self._clock.now() + GRACE_SECONDS, shield=True):
            await self.link.aclose()


def _crash() -> RedisTrouble:
    return RedisTrouble("crash", "has answered what nobody expected; it is tried again")


def _conclude(errands: Iterable[Errand]) -> None:
    for errand in errands:
        errand.conclude()
