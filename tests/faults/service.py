"""Services in processes of their own, under load, on a place that gets into trouble."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.crash.journal import LATE, REFUSED, Life
from tests.crash.numbers import PER_PROCESS
from tests.crash.nursery import Child, Nursery
from tests.crash.program import Job, RelayJob, ServiceJob
from tests.crash.witness import Witness
from tests.places import Place
from tests.stages import Stage

__all__ = ["Household", "Service"]

LOOK_SECONDS: Final = 0.002
TELL_SECONDS: Final = 0.02
PATIENCE: Final = 20.0
MAX_WAIT: Final = 0.25  # the default of emitters
COMMIT_TIMEOUT: Final = 1.0  # likewise
STALL_SECONDS: Final = 0.5  # that a busy machine may add to any call


@dataclass
class Service:
    """A process under load: a service, or a relay."""

    number: int
    child: Child
    life: Life

    @property
    def state(self) -> dict[str, Any]:
        """The accounts that it told last."""
        self.life.look()
        return self.life.account

    @property
    def committed(self) -> int:
        """How many `track()` calls have returned after their commit."""
        self.life.look()
        return len(self.life.committed)

    @property
    def answered(self) -> int:
        """How many `track()` calls have returned."""
        self.life.look()
        return self.life.count

    @property
    def dropped(self) -> int:
        """How many accepted events it gave up."""
        return sum(self.state["dropped"].values())

    @property
    def is_well(self) -> bool:
        """Whether its store works, and nothing is volatile beyond the group that is being committed."""
        return bool(self.state["health"] == "ok")

    def until(self, is_true: Callable[[], bool], within: float = PATIENCE) -> float:
        """Wait for something; return the seconds that it took."""
        began_at = time.monotonic()
        while not is_true():
            assert self.child.is_alive, f"it ended:\n{self.child.log.read_text()}"
            if time.monotonic() > began_at + within:
                raise AssertionError(f"{self.told()}\nit has not come in {within:g} s")
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began_at

    def answers(self, calls: int) -> None:
        """Wait until so many `track()` calls more have returned."""
        before = self.answered
        self.until(lambda: self.answered > before + calls)

    def commits_again(self, within: float = PATIENCE) -> float:
        """Wait until new events are committed, and all is well; return the seconds that it took."""
        before = self.committed
        return self.until(lambda: self.committed > before + 20 and self.is_well, within)

    def finish(self) -> None:
        """Tell it to close, a job that drains when its store is empty."""
        self.child.send(signal.SIGTERM)

    def stop(self, within: float = PATIENCE) -> dict[str, Any]:
        """Have it close, and wait for its end; return its accounts."""
        self.finish()
        return self.ended(within)

    def ended(self, within: float = PATIENCE) -> dict[str, Any]:
        """Wait for its end; return its accounts."""
        try:
            status = self.child.wait(within)
        except AssertionError:
            raise AssertionError(f"{self.told()}\nit does not end") from None
        assert status == 0, self.told()
        self.life.look()
        assert self.life.stage == "closed", self.told()
        return self.life.account

    def told(self) -> str:
        """Return everything that it told, for a person."""
        return f"{self.child.log.read_text()}\n{json.dumps(self.state)}"


@dataclass
class Household:
    """Services and relays on one place, and the collector of all.

    Attributes:
        place: of their store.
        folder: of their journals.
        loop: of all of them.
    """

    nursery: Nursery
    witness: Witness
    place: Place
    folder: Path
    stage: Stage
    services: list[Service] = field(default_factory=list)

    def service(self, **job: Any) -> Service:
        """Start a service, and wait until it is open."""
        first = len(self.services) * PER_PROCESS
        given = {"commit_timeout": COMMIT_TIMEOUT, "pause": 0.001, "drains": True, **job}
        return self._start(ServiceJob(**self._common(), first=first, **given))

    def relay(self, **job: Any) -> Service:
        """Start a relay, and wait until it is open."""
        return self._start(RelayJob(**self._common(), **job))

    def _common(self) -> dict[str, Any]:
        return {
            "place": self.place,
            "url": self.witness.url,
            "journal": str(self.folder / f"{len(self.services)}.journal"),
            "loop": self.stage.loop,
            "tells": TELL_SECONDS,
        }

    def _start(self, job: Job) -> Service:
        journal = Path(job.journal)
        if job.user is not None:
            journal.touch()
            journal.chmod(0o666)
        child = self.nursery.start(job.as_json(), journal.with_suffix(".log"))
        service = Service(len(self.services), child, Life(journal))
        self.services.append(service)
        service.until(lambda: "slowest" in service.state)
        return service

    # -- what must hold -----------------------------------------------------------------------------------

    def missing(self) -> list[int]:
        """Return the committed events that have not arrived."""
        arrived = self.witness.arrived
        return [number for each in self.services for number in each.life.committed if number not in arrived]

    def check_books(
        self, *, is_readable: bool = True, may_repeat: bool = False, may_vanish: bool = False
    ) -> None:
        """Check the accounts of all, when all have ended: to the event, per process and per store.

        Args:
            is_readable: whether the place can tell what is left; otherwise the last to end is asked.
            may_repeat: whether the place may have taken a record twice, as it does when its answer is lost.
            may_vanish: whether somebody has emptied the place.
        Raises:
            AssertionError: an event is counted twice, or nowhere.
        """
        accounts = []
        for each in self.services:
            account, life = each.life.account, each.life
            told = each.told()
            assert account["offered"] == account["accepted"] + sum(account["refused"].values()), told
            assert account["accepted"] == len(life.committed) + len(life.events[LATE]), told
            assert sum(account["refused"].values()) == len(life.events[REFUSED]), told
            assert account["in_flight"] == account["volatile"] == 0, told
            accounts.append(account)
        left = self.place.remains().records if is_readable else accounts[-1]["left"]
        accepted = sum(account["accepted"] for account in accounts)
        settled = sum(account["delivered"] + sum(account["dropped"].values()) for account in accounts)
        told = "\n".join(each.told() for each in self.services)
        most = accepted + (self.witness.repeated if may_repeat else 0)
        assert (0 if may_vanish else accepted) <= settled + left <= most, f"{told}\n{left} left"

    def check_nothing_lost(self) -> None:
        """Check that everything that was accepted has arrived, and as it was tracked."""
        arrived = self.witness.arrived
        late = [n for each in self.services for n in each.life.events[LATE] if n not in arrived]
        told = "\n".join(each.told() for each in self.services)
        assert ([], []) == (self.missing(), late), told
        assert [] == self.witness.changed, told

    def check_calls(self, *, max_wait: float = MAX_WAIT, slack: float = STALL_SECONDS) -> float:
        """Check that no `track()` took longer than it may; return the seconds of the slowest."""
        slowest = max(float(each.life.account["slowest"]) for each in self.services)
        assert slowest <= max_wait + COMMIT_TIMEOUT + slack
        return slowest
