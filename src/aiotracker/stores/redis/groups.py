"""The groups that one opening of a `RedisStore` writes: taken from memory, and not answered yet."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from aiotracker.stores.durable import Group
from aiotracker.stores.redis.errand import Errand
from aiotracker.stores.redis.parts import parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiotracker.stores.base import Lease
    from aiotracker.stores.redis.memory import Memory
    from aiotracker.stores.redis.streams import Command, Streams
    from aiotracker.stores.redis.walltime import WallTime

__all__ = ["Groups"]

ROUND_PARTS: Final = 2  # of a round: what a slow line has to carry before the answer is late


class Groups:
    """Writes one group after the other, in parts. On the loop only.

    Invariant: a group's commits are concluded when all its parts are safe; when one is not, they are
    committed with a later group.
    """

    def __init__(
        self,
        memory: Memory,
        streams: Streams,
        times: WallTime,
        committed: Callable[[Group], None],
        wake: Callable[[], None],
    ) -> None:
        """Begin with nothing.

        Args:
            memory: from which groups are taken.
            streams: say how to store records.
            times: of putting.
            committed: called with every part that is safe.
            wake: called when one more round is needed.
        """
        self._memory = memory
        self._streams = streams
        self._times = times
        self._committed = committed
        self._wake = wake
        self._written: list[Group] = []  # taken from memory, and not answered yet
        self._unsent: deque[tuple[Group, Callable[..., None]]] = deque()  # those that later rounds take along

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._written

    @property
    def leases(self) -> list[Lease]:
        """What is on its way."""
        return [lease for part in self._written for lease in part.leases]

    def errands(self) -> Iterator[Errand]:
        """Yield what one round takes of the group that has gathered, in parts."""
        if not self._unsent and self._memory.waiting():
            self._take_parts()
        for _ in range(ROUND_PARTS):
            if not self._unsent:
                return
            errand = self._putting(*self._unsent[0])
            self._unsent.popleft()  # not before: one that cannot be made must not be forgotten
            yield errand
        if self._unsent:
            self._wake()

    def refuse_unsent(self) -> None:
        """Put back into memory what no round has taken along."""
        while self._unsent:
            part, answer = self._unsent.popleft()
            answer(part, is_done=False)

    def give_up(self) -> None:
        """Put back into memory all that is on its way, of which no answer will come."""
        for part in self._written:
            self._memory.failed(part)
        self._written.clear()
        self._unsent.clear()

    def put(self, leases: Sequence[Lease]) -> Command:
        """Return the command that stores what was leased."""
        return self._streams.put(
            (lease.kind, self._times.to_wall_ms(put_at), data)
            for lease in leases
            for put_at, data in zip(lease.put_at, lease.data, strict=True)
        )

    def _putting(self, part: Group, answer: Callable[..., None]) -> Errand:
        def refuse() -> None:
            answer(part, is_done=False)
            self.refuse_unsent()

        return Errand(self.put(part.leases), lambda _: answer(part, is_done=True), refuse=refuse)

    def _take_parts(self) -> None:
        group = self._memory.take_group()
        pieces = [Group(leases, ()) for leases in parts(group.leases)]
        answers: list[bool] = []

        def answer(part: Group, *, is_done: bool) -> None:
            self._written.remove(part)
            answers.append(is_done)
            if is_done:
                self._committed(part)
            else:
                self._memory.failed(part)
            if len(answers) < len(pieces):
                return
            if all(answers):
                for commit in group.commits:
                    commit.conclude()
            else:
                self._memory.failed(Group((), group.commits))

        self._written += pieces
        self._unsent.extend((part, answer) for part in pieces)
