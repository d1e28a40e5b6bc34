"""What a thread has to tell, brought to the loop with one call per round."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiotracker.policy.reasons import DropReason
from aiotracker.stores.sqlite.requests import Leasing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from aiotracker.runtime import Loop
    from aiotracker.stores.base import Commit, Lease, StoreHost
    from aiotracker.stores.sqlite.requests import Request

__all__ = ["News"]


class News:
    """Gathers what the host must hear, and takes it there with the answers of a round."""

    def __init__(self, host: StoreHost, loop: Loop, put_back: Callable[[Lease], None]) -> None:
        """Have nothing to tell.

        Args:
            host: of the store.
            loop: of the host.
            put_back: takes back a lease that nobody wants any more.
        """
        self._host = host
        self._loop = loop
        self._put_back = put_back
        self._gathered: list[Callable[[], None]] = []

    def lose(
        self,
        count: int,
        detail: str,
        reason: DropReason = DropReason.STORE_ERROR,
        leases: Sequence[Lease] = (),
    ) -> None:
        """Have records counted as lost, if there are any."""
        if count > 0:
            self._gathered.append(partial(self._host.lost, count, reason, detail, leases))

    def say(self, level: int, reason: str, message: str, error: BaseException | None = None) -> None:
        """Have a line written."""
        self._gathered.append(partial(self._host.say, level, reason, message, error=error))

    def post(self, requests: Iterable[Request[Any]], commits: Sequence[Commit]) -> None:
        """Tell the loop, once, what came of a round; whoever asked from another loop hears it there."""
        gathered, self._gathered = self._gathered, []
        own = [request for request in requests if request.loop in (None, self._loop)]
        others = [request for request in requests if request.loop not in (None, self._loop)]
        loop = self._loop
        if others and loop.is_closed():  # who closes what was left behind is all that is left to tell
            loop = others[0].loop or loop
        loop.call_soon(partial(self._tell, own, commits, gathered))
        for request in others:
            (request.loop or loop).call_soon(partial(self._conclude, request))

    def _tell(
        self,
        requests: Iterable[Request[Any]],
        commits: Iterable[Commit],
        gathered: Iterable[Callable[[], None]],
    ) -> None:
        for commit in commits:
            commit.conclude()
        for request in requests:
            self._conclude(request)
        for tell in gathered:
            tell()
        self._host.changed()

    def _conclude(self, request: Request[Any]) -> None:
        if request.is_abandoned and isinstance(request, Leasing) and request.answer is not None:
            self._put_back(request.answer)
        request.conclude()
