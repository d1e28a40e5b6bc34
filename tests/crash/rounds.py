"""Plays rounds, and says of each what was lost: nothing, or it failed."""

from __future__ import annotations

import itertools
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.crash.journal import LATE, REFUSED, Life
from tests.crash.numbers import PER_PROCESS
from tests.crash.nursery import Child, Nursery
from tests.crash.plan import FOREVER, Act, Actor, Phase, Plan, Role
from tests.crash.program import CommandJob, Job, RelayJob, ServiceJob
from tests.crash.witness import Witness
from tests.places import Place, Remains

__all__ = ["Played", "Theatre"]

LOOK_SECONDS: Final = 0.001
ACT_SECONDS: Final = 45.0  # whatever lives longer hangs
KNOWN_SECONDS: Final = 0.6  # a relay looks twice a second for what others have put into its store
UNREACHED_SECONDS: Final = 1.0  # a phase that does not come by then does not come: it is killed all the same
FEW: Final = 100  # events whose commits are the first


@dataclass
class Played:
    """What came of a round.

    Attributes:
        kills: processes that were killed, by what they were doing.
        events: whose `track()` returned, by how.
        unanswered: that arrived, and whose `track()` was killed before it could return.
        arrived: at the collector.
        repeated: arrivals of what was there already.
        recovered: that a drain found in the store.
        lost: numbers of events whose `track()` had returned after its commit, and that never arrived.
        gone: how many of those accepted that were not committed yet went with their process.
        slowest: seconds of the slowest `track()` of those that lived to tell.
        seconds: that the round took.
        complaints: everything that must not be.
    """

    kills: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    arrived: int = 0
    repeated: int = 0
    recovered: int = 0
    lost: list[int] = field(default_factory=list)
    gone: int = 0
    slowest: float = 0.0
    seconds: float = 0.0
    complaints: list[str] = field(default_factory=list)

    def add(self, other: Played) -> None:
        """Sum up."""
        self.kills += other.kills
        self.events += other.events
        self.unanswered += other.unanswered
        self.arrived += other.arrived
        self.repeated += other.repeated
        self.recovered += other.recovered
        self.lost += other.lost
        self.gone += other.gone
        self.slowest = max(self.slowest, other.slowest)
        self.seconds += other.seconds
        self.complaints += other.complaints


@dataclass
class Playing:
    """An actor that lives, or did."""

    number: int
    actor: Actor
    child: Child
    life: Life
    began_at: float
    requests_before: int
    kill_at: float | None = None
    was_killed: bool = False
    was_told: bool = False

    def finish(self) -> None:
        """Tell it that nobody fills the store any more, if that is what it waits for."""
        if self.actor.seconds == FOREVER and self.life.stage == "opened" and not self.was_told:
            self.child.send(signal.SIGTERM)
            self.was_told = True

    @property
    def doing(self) -> str:
        """What it was doing at its end."""
        match self.life.stage:
            case "" | "opening":
                return "opening"
            case "closing":
                return "closing"
            case "closed":
                return "closed already"
            case _:
                pass
        if self.actor.role in (Role.RELAY, Role.COMMAND):
            return "relaying"
        if self.life.count < FEW:
            return "first commits"
        return "sending" if self.actor.role is Role.SERVICE else "storing"


class Theatre:
    """Where rounds are played: a nursery, a collector, a folder."""

    def __init__(self, nursery: Nursery, witness: Witness, folder: Path) -> None:
        """Begin with the first round."""
        self._nursery = nursery
        self._witness = witness
        self._folder = folder
        self._processes = itertools.count()

    def play(self, plan: Plan, place: Place) -> Played:
        """Play a round on a place, which is empty before and must be empty after it."""
        began_at = time.monotonic()
        place = place.with_lease(plan.lease_seconds)
        self._witness.forget()
        self._processes = itertools.count()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        played = Played()
        before = Remains(0, 0, 0)
        cast: list[Playing] = []
        try:
            for act in plan.acts:
                before = place.remains()
                played.complaints += before.complaints
                cast += self._play(act, place)
        except (AssertionError, TimeoutError) as error:
            played.complaints.append(str(error))
        self._judge(played, cast)
        if not played.complaints:
            drained = cast[-len(plan.acts[-1].actors) :]
            played.recovered = before.records
            played.complaints += _unbalanced(before, drained, place.remains())
        played.seconds = time.monotonic() - began_at
        return played

    # -- an act -----------------------------------------------------------------------------------------

    def _play(self, act: Act, place: Place) -> list[Playing]:
        self._witness.plays(*act.mood)
        cast = [self._start(actor, place) for actor in act.actors]
        until = time.monotonic() + ACT_SECONDS
        filled_at = time.monotonic()
        try:
            while alive := [each for each in cast if self._is_alive(each)]:
                if not all(each.actor.drains for each in alive):
                    filled_at = time.monotonic()
                elif time.monotonic() > filled_at + KNOWN_SECONDS:
                    for each in alive:
                        each.finish()
                if time.monotonic() > until:
                    raise TimeoutError("\n".join(map(_hanging, alive)))
                time.sleep(LOOK_SECONDS)
        finally:
            for each in cast:
                if each.child.is_alive:
                    each.child.kill()
                each.life.look()
        return cast

    def _start(self, actor: Actor, place: Place) -> Playing:
        number = next(self._processes)
        journal = self._folder / f"{number}-{actor.role}.journal"
        common: dict[str, Any] = {
            "place": place,
            "url": self._witness.url,
            "journal": str(journal),
            "loop": actor.loop,
            "seconds": actor.seconds,
            "drains": actor.drains,
            "batch_size": actor.batch_size,
        }
        job: Job
        match actor.role:
            case Role.SERVICE | Role.STORER:
                outlet = "emitter" if actor.role is Role.SERVICE else "store"
                common["drains"] = actor.drains and actor.role is Role.SERVICE
                job = ServiceJob(
                    **common, outlet=outlet, producers=actor.producers, first=number * PER_PROCESS
                )
            case Role.RELAY:
                job = RelayJob(**common)
            case Role.COMMAND:
                job = CommandJob(**common)
        child = self._nursery.start(job.as_json(), journal.with_suffix(".log"))
        return Playing(number, actor, child, Life(journal), time.monotonic(), self._witness.begun)

    def _is_alive(self, playing: Playing) -> bool:
        """Look at a process, and kill it if it is time; tell whether it goes on."""
        playing.life.look()
        kill, now = playing.actor.kill, time.monotonic()
        if kill is None or not playing.child.is_alive:
            return playing.child.is_alive
        if playing.kill_at is None and self._has_begun(playing, kill.phase):
            playing.kill_at = now + kill.delay
        if now >= (playing.kill_at or playing.began_at + UNREACHED_SECONDS):
            playing.child.kill()
            playing.was_killed = playing.child.status == -signal.SIGKILL
        return playing.child.is_alive

    def _has_begun(self, playing: Playing, phase: Phase) -> bool:
        life, role = playing.life, playing.actor.role
        match phase:
            case Phase.OPENING:
                return True
            case Phase.FIRST:
                return life.stage == "opened" and (role is Role.RELAY or life.count > 0)
            case Phase.BUSY:
                has_sent = self._witness.begun > playing.requests_before
                return life.stage == "opened" and (role is Role.STORER or has_sent)
            case Phase.CLOSING:
                return life.stage == "closing"

    # -- the judgement ----------------------------------------------------------------------------------

    def _judge(self, played: Played, cast: list[Playing]) -> None:
        arrived = self._witness.arrived
        known: set[int] = set()
        for each in cast:
            if each.was_killed:
                played.kills[each.doing] += 1
            elif each.child.status != 0:
                log = each.child.log.read_text()
                played.complaints.append(f"a {each.actor.role} ended with {each.child.status}:\n{log}")
            else:
                played.complaints += _wrong_account(each.life.account)
                played.slowest = max(played.slowest, each.life.account.get("slowest", 0.0))
            for what, numbers in each.life.events.items():
                played.events[what] += len(numbers)
                known.update(numbers)
            played.lost += [number for number in each.life.committed if number not in arrived]
            played.gone += sum(number not in arrived for number in each.life.events[LATE])
            refused = [number for number in each.life.events[REFUSED] if number in arrived]
            if refused:
                played.complaints.append(f"{len(refused)} refused events arrived, {refused[0]} first")
            unanswered = {n for n in arrived - known if n // PER_PROCESS == each.number}
            played.unanswered += len(unanswered)
            if len(unanswered) > (each.actor.producers if each.was_killed else 0):
                played.complaints.append(f"{len(unanswered)} events arrived that nobody knows of")
        played.arrived = len(arrived)
        played.repeated = self._witness.repeated
        if played.lost:
            lost = ", ".join(map(str, played.lost[:5]))
            played.complaints.append(f"{len(played.lost)} committed events were lost: {lost}")
        if self._witness.changed:
            first = self._witness.changed[0]
            played.complaints.append(f"{len(self._witness.changed)} events arrived changed, {first} first")


def _wrong_account(account: dict[str, Any]) -> list[str]:
    """Return what does not add up in what a process told at its end."""
    complaints = []
    if account and account["offered"] != account["accepted"] + sum(account["refused"].values()):
        complaints.append(f"offered is not accepted + refused: {account}")
    if account and account["dropped"]:
        complaints.append(f"events were dropped: {account['dropped']}")
    if account and (account["in_flight"] or account["volatile"]):
        complaints.append(f"closed, and events are in flight or volatile: {account}")
    return complaints


def _unbalanced(before: Remains, drained: list[Playing], after: Remains) -> list[str]:
    """Return what does not add up in the last act: what was there, what came and what went."""
    complaints = list(after.complaints)
    if after.records or after.leased or after.letters:
        complaints.append(f"the store is not empty: {after}")
    accounts = [each.life.account for each in drained]
    if all(accounts):  # a command tells none
        came = before.records + sum(account["accepted"] for account in accounts)
        went = sum(account["delivered"] for account in accounts) + after.records
        if came != went:
            complaints.append(
                f"{before.records} events were there and {came - before.records} came, but {went} went"
            )
    return complaints


def _hanging(playing: Playing) -> str:
    playing.child.send(signal.SIGABRT)  # it tells where it is
    time.sleep(0.2)
    return f"a {playing.actor.role} hangs, {playing.doing}:\n{playing.child.log.read_text()}"
