"""What happens in a round: who lives, who is killed and when. Drawn by a seed; nothing is done here."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.faults.script import Fault, answer, lose_acknowledgement, reset

__all__ = ["FOREVER", "Act", "Actor", "Kill", "Phase", "Plan", "Role", "planned"]


FOREVER: Final = 60.0  # seconds, as rounds go


class Phase(StrEnum):
    """When a process is killed."""

    OPENING = "opening"
    FIRST = "first commits"
    BUSY = "at work"
    CLOSING = "closing"


class Role(StrEnum):
    """What a process is."""

    SERVICE = "service"  # tracks, and sends
    STORER = "storer"  # tracks, and leaves sending to others
    RELAY = "relay"  # sends
    COMMAND = "command"  # sends, as `aiotracker relay`


@dataclass(frozen=True)
class Kill:
    """The moment of a kill.

    Attributes:
        phase: which begins first,
        delay: seconds, and so long it has gone on.
    """

    phase: Phase
    delay: float


@dataclass(frozen=True)
class Actor:
    """One process.

    Attributes:
        role: what it does.
        loop: its event loop.
        kill: when it is killed; None: it ends by itself.
        seconds: after which it closes.
        drains: and when the store is empty, as soon as nobody else fills it.
        producers: tasks of a service.
        batch_size: of its requests.
    """

    role: Role
    loop: str
    kill: Kill | None = None
    seconds: float = FOREVER
    drains: bool = False
    producers: int = 8
    batch_size: int = 200

    def __str__(self) -> str:
        return f"{self.role} ×" if self.kill else str(self.role)


@dataclass(frozen=True)
class Act:
    """Processes that live at the same time, from the first start to the last end.

    Attributes:
        actors: the processes.
        mood: what the collector does meanwhile.
    """

    actors: tuple[Actor, ...]
    mood: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return " + ".join(map(str, self.actors))


@dataclass(frozen=True)
class Plan:
    """A round: acts one after the other. In the last one nobody is killed, and the store is drained.

    Attributes:
        lease_seconds: of the store.
        acts: what happens.
    """

    lease_seconds: float
    acts: tuple[Act, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.acts))


DELAYS: Final = {Phase.OPENING: 0.06, Phase.FIRST: 0.03, Phase.BUSY: 0.6, Phase.CLOSING: 0.06}
"""The longest that a phase goes on before the kill, in seconds; most go on for less."""

LOOPS: Final = {"sqlite": ("asyncio", "uvloop", "trio"), "redis": ("asyncio", "uvloop")}


def planned(kind: str, seed: int, number: int) -> Plan:
    """Return the plan of a round; the same arguments give the same plan.

    Args:
        kind: of the store.
        seed: of the session.
        number: of the round.
    """
    return _Drawing(random.Random(f"{kind}/{seed}/{number}"), LOOPS[kind]).plan()


class _Drawing:
    def __init__(self, chances: random.Random, loops: tuple[str, ...]) -> None:
        self._chances = chances
        self._loops = loops

    def plan(self) -> Plan:
        tracking = self._chances.choice([Role.SERVICE, Role.STORER])
        acts = [self._tracking(tracking) for _ in range(self._chances.choice([1, 1, 2]))]
        if self._chances.random() < (0.5 if tracking is Role.STORER else 0.2):
            acts.append(Act((self._killed(Role.RELAY, busy=0.8),), self._mood()))
        acts.append(self._draining(tracking))
        return Plan(self._chances.uniform(0.3, 0.5), tuple(acts))

    def _tracking(self, role: Role) -> Act:
        """Services that are killed, alone or beside others on the same store."""
        actors = [self._killed(role)]
        match self._chances.choice(["alone", "alone", "twin", "survivor", "relay"]):
            case "twin":
                actors.append(self._killed(role))
            case "survivor":
                actors.append(self._actor(role, seconds=self._chances.uniform(0.1, 0.4)))
            case "relay":
                is_killed = self._chances.random() < 0.5
                seconds = self._chances.uniform(0.2, 0.5)
                actors.append(
                    self._killed(Role.RELAY, busy=0.8)
                    if is_killed
                    else self._actor(Role.RELAY, seconds=seconds)
                )
            case _:
                pass
        return Act(tuple(actors), self._mood())

    def _draining(self, tracking: Role) -> Act:
        """The same service again, or a relay, or several."""
        seconds = self._chances.uniform(0.02, 0.15)
        if tracking is Role.STORER and self._chances.random() < 0.25:
            # One that goes on tracking for a while: the relay is told when it has ended.
            storer = self._actor(Role.STORER, seconds=seconds)
            return Act((storer, self._actor(Role.RELAY, seconds=FOREVER, drains=True)))
        roles = [Role.RELAY, Role.RELAY, Role.COMMAND]
        roles += [Role.SERVICE] * 2 if tracking is Role.SERVICE else []
        drains = [self._actor(self._chances.choice(roles), seconds=seconds, drains=True)]
        if self._chances.random() < 0.25:
            drains.append(self._actor(Role.RELAY, seconds=seconds, drains=True))
        return Act(tuple(drains))

    def _killed(self, role: Role, busy: float = 0.4) -> Actor:
        """Return an actor that is killed, with such a chance in the middle of its work."""
        others = (1 - busy) / 3
        weights = [others, others, busy, others]
        phase = self._chances.choices(list(Phase), weights)[0]
        kill = Kill(phase, self._chances.random() ** 2 * DELAYS[phase])
        seconds = self._chances.uniform(0.05, 0.3) if phase is Phase.CLOSING else FOREVER
        return self._actor(role, kill=kill, seconds=seconds)

    def _actor(self, role: Role, *, kill: Kill | None = None, seconds: float, drains: bool = False) -> Actor:
        return Actor(
            role,
            self._chances.choice(self._loops),
            kill=kill,
            seconds=seconds,
            drains=drains,
            producers=self._chances.choice([1, 4, 8, 16]),
            batch_size=self._chances.choice([20, 100, 500]),
        )

    def _mood(self) -> tuple[Fault, ...]:
        return self._chances.choice(
            [
                (answer(delay=self._chances.uniform(0.005, 0.06)),),
                (answer(delay=self._chances.uniform(0.005, 0.06)),),
                (lose_acknowledgement().one_in(4), answer(delay=0.01)),
                (reset().one_in(4), answer(delay=0.01)),
                (answer(503).one_in(4), answer(delay=0.02)),
                (answer(503),),
            ]
        )
