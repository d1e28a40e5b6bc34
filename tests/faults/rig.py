"""A tracker and the collector that it delivers to, with their books checked against each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from aiotracker import DropReason, Emitter, MemoryStore, Notice, PageView, Tracker
from tests.faults.collector import Collector
from tests.faults.script import Fault
from tests.places import Place, Remains
from tests.stages import Stage

LOOK_SECONDS: Final = 0.005
LETTERS: Final = (DropReason.EXPIRED, DropReason.REJECTED, DropReason.TOO_LARGE)
"""What is given up for these reasons is kept as a dead letter, where a store is durable."""


@dataclass
class Rig:
    """One tracker with one emitter, open, and its collector.

    Attributes:
        place: of its store; None for memory.
        notices: what the callbacks were told, oldest first.
        ids: of the accepted events, oldest first.
    """

    collector: Collector
    emitter: Emitter
    tracker: Tracker
    place: Place | None = None
    notices: list[Notice] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    async def track(self, count: int, *, title: str = "", interval: float = 0.0) -> list[str]:
        """Track page views, all of which must be accepted; return their ids.

        A durable store gets them together, and what is tracked is safe then: one commit for each would be
        slower than the batches that tests expect.
        """
        ids = []
        for number in range(count):
            view = PageView(page_url=f"https://acme.com/{number}", page_title=title or None)
            is_alone = self.place is None or interval
            event_id = await self.tracker.track(view) if is_alone else self.tracker.track_nowait(view)
            assert event_id is not None, f"refused: {self.emitter.stats().refused}"
            ids.append(event_id)
            if interval:
                await anyio.sleep(interval)
        self.ids += ids
        await self.until(lambda: not self.emitter.stats().volatile)
        return ids

    async def settled(self, within: float = 30.0) -> float:
        """Wait until nothing is waiting or on its way, checking the accounts; return the seconds."""
        began_at = time.monotonic()
        await self.until(lambda: not self.outstanding, within)
        seconds = time.monotonic() - began_at
        await self.until(lambda: not self.emitter.stats().buffered, within)  # a file is told of it later
        self.check(is_at_rest=True)
        return seconds

    async def until(self, is_true: Callable[[], bool], within: float = 30.0) -> None:
        """Wait for something, checking the accounts at every look."""
        with anyio.fail_after(within):
            while not is_true():
                self.check()
                await anyio.sleep(LOOK_SECONDS)

    def check(self, *, is_at_rest: bool = False) -> None:
        """Check both equations of the accounts, the store's backlog, and the collector's side."""
        check_accounts(self.emitter, self.collector, is_at_rest=is_at_rest)

    @property
    def kept(self) -> int:
        """How many of the accepted events the collector has."""
        return len(self.collector.kept_ids & set(self.ids))

    def told(self, kind: str) -> list[Notice]:
        """Return what the callback of one kind was told."""
        return [notice for notice in self.notices if notice.kind == kind]

    @property
    def outstanding(self) -> int:
        """How many accepted events wait, or are on their way."""
        stats = self.emitter.stats()
        return stats.accepted - stats.delivered - sum(stats.dropped.values())

    def check_remains(self) -> None:
        """Check, when it is closed, that memory is empty, or that a place holds what is outstanding."""
        if self.place is None:
            assert 0 == self.outstanding
            return
        remains, dropped = self.place.remains(), self.emitter.stats().dropped
        letters = sum(count for reason, count in dropped.items() if reason in LETTERS)
        assert Remains(self.outstanding, remains.leased, letters) == remains


def check_accounts(emitter: Emitter, collector: Collector | None = None, *, is_at_rest: bool = False) -> None:
    """Check what must hold at every moment, exactly.

    Args:
        emitter: whose accounts.
        collector: that it delivers to.
        is_at_rest: whether nothing happens. A durable store works beside the loop: what it holds is in the
            accounts a moment later.
    Raises:
        AssertionError: an event is counted twice, or nowhere.
    """
    stats = emitter.stats()
    backlog = emitter.event_store.backlog()
    refused, dropped = sum(stats.refused.values()), sum(stats.dropped.values())
    assert stats.offered == stats.accepted + refused
    if is_at_rest or not emitter.event_store.is_durable:
        assert stats.accepted == stats.delivered + dropped + stats.buffered + stats.in_flight
        assert (backlog.events, backlog.leased) == (stats.buffered, stats.in_flight)
    if isinstance(emitter.event_store, MemoryStore):
        held = emitter.event_store._held_events
        assert backlog.events + backlog.leased == held, "room was reserved and never returned"
    if collector is not None:
        assert stats.delivered <= len(collector.kept_ids), "delivered to nobody"


class Rigs:
    """Builds rigs, and checks and ends all of them when the test is over."""

    def __init__(self, stage: Stage, new_place: Callable[[], Place]) -> None:
        """Begin with none; all of them deliver by the transport of one stage, from stores of its kind."""
        self._stage = stage
        self._new_place = new_place
        self._rigs: list[Rig] = []

    async def __call__(self, *faults: Fault, url: str | None = None, **settings: Any) -> Rig:
        """Return a rig whose tracker is open.

        Args:
            faults: the script of the collector.
            url: where the tracker believes the collector to be; the collector's own by default.
            settings: of the emitter.
        """
        return await self.build(Collector(*faults), url=url, **settings)

    async def build(self, collector: Collector, *, url: str | None = None, **settings: Any) -> Rig:
        """Return a rig around a collector that does not listen yet."""
        collector.__enter__()
        notices: list[Notice] = []

        async def note(notice: Notice) -> None:
            notices.append(notice)

        place = self._new_place() if self._stage.is_durable else None
        if place is not None:
            settings["event_store"] = place.store()
        emitter = self._stage.emitter(
            url or collector.url,
            on_success=note,
            on_retry=note,
            on_failure=note,
            on_drop=note,
            **settings,
        )
        rig = Rig(collector, emitter, Tracker("faults", emitter), place, notices)
        self._rigs.append(rig)
        await rig.tracker.open()
        return rig

    async def finish(self) -> None:
        """Check every rig, close its tracker at once, and check it again."""
        for rig in self._rigs:
            try:
                rig.check()
                await rig.tracker.aclose(timeout=0)
                rig.check(is_at_rest=True)
                await anyio.to_thread.run_sync(rig.check_remains)
            finally:
                await anyio.to_thread.run_sync(rig.collector.__exit__, None, None, None)


def distinct(requests: Sequence[Any]) -> set[str]:
    """Return the ids of the events of several requests."""
    return {event_id for request in requests for event_id in request.event_ids}
