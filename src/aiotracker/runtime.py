"""Event loops: the one file that knows asyncio and trio. Everything else speaks anyio.

Owns what anyio has no word for: a task that outlives the one that started it, a wait that outlives the
cancellation of its caller, and a wake-up from any thread. Invariant: nothing that happens inside a
detached task reaches the program that hosts it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import functools
import importlib
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager

    from trio.lowlevel import TrioToken

__all__ = [
    "DetachedTask",
    "Loop",
    "ProcessWatcher",
    "Wakeup",
    "at_exit",
    "current_loop",
    "forget_process",
    "import_once",
    "is_asyncio",
    "is_cancelled",
    "is_on_loop",
    "watch_process",
]

EXIT_SECONDS: Final = 1.0  # in all, for everything that is still open when the interpreter ends


class Loop(Protocol):
    """An event loop, seen from any thread."""

    def is_current(self) -> bool:
        """Tell whether the caller runs on this loop, in the process that it was made in."""
        ...

    def is_closed(self) -> bool:
        """Tell whether nothing can run on this loop any more."""
        ...

    def is_running(self) -> bool:
        """Tell whether the loop runs now, on whichever thread."""
        ...

    def call_soon(self, function: Callable[[], None]) -> None:
        """Run a function on the loop, from any thread; do nothing when the loop is closed."""
        ...

    async def import_in_thread(self, function: Callable[[], object]) -> None:
        """Run a function that imports modules in a thread, while the loop goes on; anyio's half comes too.

        Not by way of anyio, whose first use on a loop imports its half for that loop there and then: 15 ms.
        """
        ...

    def spawn(self, run: Callable[[], Awaitable[None]], name: str) -> DetachedTask:
        """Start a task that belongs to the loop and not to the caller's scope or context.

        `run` must not raise anything but the loop's own cancellation.
        """
        ...

    async def outlast(
        self, tasks: Sequence[DetachedTask], deadline: AbstractContextManager[anyio.CancelScope]
    ) -> None:
        """Wait for tasks to end, through cancellations of the caller, at most until the deadline.

        A cancellation that came meanwhile is raised at the end of the wait: it is delayed, not
        swallowed. A shielded scope alone is not enough on asyncio, where `task.cancel()` and
        `asyncio.timeout` pass through it.

        Args:
            tasks: spawned on this loop, which is the caller's.
            deadline: a shielded scope with a deadline, `clock.move_on_at(t, shield=True)`.
        """
        ...


class DetachedTask:
    """A task that outlives its creator."""

    def __init__(self) -> None:
        """Begin as unfinished."""
        self.finished: anyio.Event = anyio.Event()


class Wakeup:
    """A signal for one waiting task, set from any thread."""

    def __init__(self, loop: Loop) -> None:
        """Begin unset."""
        self._loop = loop
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake the task; from another thread as soon as the loop gets to it."""
        if self._loop.is_current():
            self._event.set()
        else:
            self._loop.call_soon(lambda: self._event.set())  # noqa: PLW0108 - the event of that moment

    def clear(self) -> None:
        """Forget earlier signals."""
        if self._event.is_set():
            self._event = anyio.Event()

    async def wait(self) -> None:
        """Wait for a signal."""
        await self._event.wait()


def current_loop() -> Loop:
    """Return the loop that the caller runs on.

    Raises:
        RuntimeError: the caller runs on no event loop.
    """
    try:
        return AsyncioLoop(asyncio.get_running_loop())
    except RuntimeError:
        if "trio" not in sys.modules:
            raise
    return TrioLoop()


async def import_once(loop: Loop, module: str, function: Callable[[], object]) -> None:
    """Run a function that imports a module in a thread, unless the module is there already.

    Args:
        loop: of the caller.
        module: the last one that the function imports.
        function: as for `Loop.import_in_thread()`.
    """
    if module not in sys.modules:
        await loop.import_in_thread(function)


def is_on_loop() -> bool:
    """Tell whether the caller runs on an event loop, which must not stand still."""
    try:
        current_loop()
    except RuntimeError:
        return False
    return True


def is_asyncio() -> bool:
    """Tell whether the caller runs on a loop of asyncio, uvloop included."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def is_cancelled() -> bool:
    """Tell whether the current task was cancelled, for a cancellation that may be somebody else's.

    On asyncio a library can raise `CancelledError` because a task of its own was cancelled; on trio a
    cancellation always means the task that it is raised in.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return True
    return task is None or task.cancelling() > 0


class AsyncioLoop:
    """A loop of asyncio, uvloop included."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wrap a running loop."""
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps weak references only

    def is_current(self) -> bool:
        """Tell whether the caller runs on this loop; asyncio itself finds none in a forked child."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def is_closed(self) -> bool:
        """Tell whether the loop was closed."""
        return self._loop.is_closed()

    def is_running(self) -> bool:
        """Tell whether the loop runs now."""
        return self._loop.is_running()

    def call_soon(self, function: Callable[[], None]) -> None:
        """Run a function on the loop, from any thread."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # closed meanwhile: there is nothing left to wake
            return

    async def import_in_thread(self, function: Callable[[], object]) -> None:
        """Run a function in a thread of its own."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="aiotracker-open")
        try:
            await self._loop.run_in_executor(pool, _import_with_backend, "asyncio", function)
        finally:
            pool.shutdown(wait=False)

    def spawn(self, run: Callable[[], Awaitable[None]], name: str) -> DetachedTask:
        """Start a task in an empty context."""
        task = DetachedTask()

        async def main() -> None:
            try:
                await run()
            finally:
                task.finished.set()

        inner = self._loop.create_task(main(), name=name, context=contextvars.Context())
        self._tasks.add(inner)
        inner.add_done_callback(self._tasks.discard)
        return task

    async def outlast(
        self, tasks: Sequence[DetachedTask], deadline: AbstractContextManager[anyio.CancelScope]
    ) -> None:
        """Wait for tasks to end; remember a cancellation until then."""
        cancellation: asyncio.CancelledError | None = None
        with deadline as scope:
            for task in tasks:
                while not task.finished.is_set():
                    try:
                        await task.finished.wait()
                    except asyncio.CancelledError as error:
                        if scope.cancel_called:  # the deadline, not the caller
                            raise
                        cancellation = cancellation or error
        if cancellation is not None:
            raise cancellation


class TrioLoop:
    """A run of trio."""

    def __init__(self) -> None:
        """Wrap the run of the caller."""
        import trio

        self._trio = trio
        self._token: TrioToken = trio.lowlevel.current_trio_token()
        self._pid = os.getpid()
        self._is_closed = False

    def is_current(self) -> bool:
        """Tell whether the caller runs in this run of trio, and not in a forked child's copy of it."""
        try:
            token = self._trio.lowlevel.current_trio_token()
        except RuntimeError:
            return False
        return token is self._token and self._pid == os.getpid()

    def is_closed(self) -> bool:
        """Tell whether the run is over."""
        try:
            self._token.run_sync_soon(_nothing)
        except self._trio.RunFinishedError:
            self._is_closed = True
        return self._is_closed

    def is_running(self) -> bool:
        """Tell whether the run goes on."""
        return not self.is_closed()

    def call_soon(self, function: Callable[[], None]) -> None:
        """Run a function in the run, from any thread."""
        try:
            self._token.run_sync_soon(function)
        except self._trio.RunFinishedError:  # there is nothing left to wake
            return

    async def import_in_thread(self, function: Callable[[], object]) -> None:
        """Run a function in a thread of trio's."""
        await self._trio.to_thread.run_sync(_import_with_backend, "trio", function)

    def spawn(self, run: Callable[[], Awaitable[None]], name: str) -> DetachedTask:
        """Start a system task in an empty context; it must not raise, or trio ends the program."""
        task = DetachedTask()

        async def main() -> None:
            try:
                await run()
            finally:
                task.finished.set()

        self._trio.lowlevel.spawn_system_task(main, name=name, context=contextvars.Context())
        return task

    async def outlast(
        self, tasks: Sequence[DetachedTask], deadline: AbstractContextManager[anyio.CancelScope]
    ) -> None:
        """Wait for tasks to end; the shield of the deadline is enough here."""
        with deadline:
            for task in tasks:
                await task.finished.wait()


def _nothing() -> None:
    pass


def _import_with_backend(backend: str, function: Callable[[], object]) -> None:
    # By its private name, as anyio does itself; were it called otherwise, opening would only be slower.
    with contextlib.suppress(ImportError):
        importlib.import_module(f"anyio._backends._{backend}")
    function()


class ProcessWatcher(Protocol):
    """Something that must know when its process forks or ends."""

    def after_fork(self) -> None:
        """In a forked child: forget what belongs to the parent."""
        ...

    def at_exit(self, by: float) -> int:
        """At interpreter exit: finish until a moment of `time.monotonic()`; return what is lost."""
        ...


_watchers: dict[int, ProcessWatcher] = {}  # by id; strong, because they matter when all else is gone
_inherited: list[ProcessWatcher] = []
"""In a forked child, what the parent had open: collecting it would close the parent's connections."""


def watch_process(watcher: ProcessWatcher) -> None:
    """Tell a watcher when the process forks or ends; the hooks are set with the first one."""
    _hook()
    _watchers[id(watcher)] = watcher


def forget_process(watcher: ProcessWatcher) -> None:
    """Stop telling a watcher."""
    _watchers.pop(id(watcher), None)


_early: list[Callable[[], None]] = []
_late: list[Callable[[], int]] = []


def at_exit(early: Callable[[], None], late: Callable[[], int]) -> None:
    """Call two functions when the interpreter ends, in forked children too. Neither may raise.

    Args:
        early: called when the main thread is done. Other threads may go on; executors still work, and with
            them the name look-ups of asyncio. A child of `multiprocessing` comes this far, and no further.
        late: called when only daemon threads are left, before the watchers; returns how many events are
            lost.
    """
    _hook()
    _hook_threads()
    _early.append(early)
    _late.append(late)


@functools.cache  # once per process, and not at import
def _hook() -> None:
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _hook_threads() -> None:
    # The hook of `concurrent.futures`, under whose private name it has to be asked for. The last one to come
    # is called first: that of the executors is there since this module was imported.
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        with contextlib.suppress(RuntimeError):  # the interpreter is ending already
            register(_when_main_is_done)


def _when_main_is_done() -> None:
    for early in _early:
        early()


def _after_fork() -> None:
    for watcher in _watchers.values():
        watcher.after_fork()
    _inherited.extend(_watchers.values())
    _watchers.clear()


def _at_exit() -> None:
    late = sum(late() for late in _late)
    by = time.monotonic() + EXIT_SECONDS
    lost = sum(watcher.at_exit(by) for watcher in list(_watchers.values()))
    _watchers.clear()
    _tell(late, "closing its tracker ran out of time")
    _tell(lost, "the program ended without closing its tracker")


def _tell(lost: int, why: str) -> None:
    if lost and sys.stderr is not None:
        line = f"aiotracker: {lost} events were not sent: {why}"
        print(line, file=sys.stderr)  # noqa: T201 - logging may be shut down by now
