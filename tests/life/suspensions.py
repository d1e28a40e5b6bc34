"""Cancels a call at one particular suspension, so that a test can walk through all of them."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

import anyio

T = TypeVar("T")


class CancelledAt(Generic[T]):
    """A call that is cancelled when it suspends for the k-th time, counted from 0."""

    def __init__(self, suspension: int, function: Callable[[], Awaitable[T]]) -> None:
        """Describe it; nothing runs yet."""
        self._suspension = suspension
        self._function = function
        self._scope = anyio.CancelScope()
        self.suspensions = 0
        self.results: list[T] = []

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end, with fewer suspensions."""
        return bool(self.results)

    async def run(self) -> None:
        """Make the call."""
        with self._scope:
            self.results.append(await self)

    def __await__(self) -> Generator[Any, Any, T]:
        """Hand everything through between the call and the loop, and count."""
        call = self._function().__await__()
        step, value = call.send, None
        while True:
            try:
                asked = step(value)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if self.suspensions == self._suspension:
                self._scope.cancel()
            self.suspensions += 1
            try:
                step, value = call.send, (yield asked)
            except BaseException as error:  # noqa: BLE001 - the loop's cancellation among them
                step, value = call.throw, error
