"""Detached tasks, waits that outlive a cancellation, and wake-ups from any thread, on every event loop."""

import asyncio
import contextvars
import math
import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiotracker import runtime
from aiotracker.runtime import DetachedTask, Loop, Wakeup, current_loop
from tests.fakes.bench import begin
from tests.fakes.clock import FakeClock, settle

Backend = tuple[str, dict[str, Any]]


def run_elsewhere(backend: Backend) -> Loop:
    """Return a loop that has come and gone."""
    name, options = backend

    async def main() -> Loop:
        return current_loop()

    return anyio.run(main, backend=name, backend_options=options)


async def test_the_current_loop_knows_itself() -> None:
    """On the loop it is current, running and not closed."""
    loop = current_loop()

    assert (True, True, False) == (loop.is_current(), loop.is_running(), loop.is_closed())


async def test_a_thread_is_not_on_the_loop() -> None:
    """In a worker thread the loop goes on elsewhere."""
    loop = current_loop()

    state = await anyio.to_thread.run_sync(lambda: (loop.is_current(), loop.is_closed()))

    assert (False, False) == state


async def test_another_loop_is_not_current(anyio_backend: Backend) -> None:
    """A loop in another thread is told apart."""
    loop = current_loop()

    def elsewhere() -> bool:
        async def main() -> bool:
            return loop.is_current()

        return anyio.run(main, backend=anyio_backend[0], backend_options=anyio_backend[1])

    assert not await anyio.to_thread.run_sync(elsewhere)


def test_a_loop_that_ended_is_closed(anyio_backend: Backend) -> None:
    """Nothing can run on it any more; calls into it do nothing."""
    loop = run_elsewhere(anyio_backend)

    loop.call_soon(lambda: pytest.fail("ran"))

    assert (True, False) == (loop.is_closed(), loop.is_current())


def test_without_a_loop_there_is_none() -> None:
    """Asking outside of every loop is an error."""
    with pytest.raises(RuntimeError):
        current_loop()


async def test_call_soon_runs_on_the_loop() -> None:
    """A function from another thread runs on the loop."""
    loop = current_loop()
    called: list[bool] = []

    await anyio.to_thread.run_sync(lambda: loop.call_soon(lambda: called.append(loop.is_current())))
    await settle()

    assert [True] == called


# -- detached tasks -----------------------------------------------------------------------------------


async def test_imports_in_a_thread_let_the_loop_go_on() -> None:
    """What they do is done when the wait ends; the loop has run meanwhile, and here lets the thread end."""
    may_end = threading.Event()
    threads: list[threading.Thread] = []

    def imports() -> None:
        assert may_end.wait(10)
        threads.append(threading.current_thread())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(current_loop().import_in_thread, imports)
        await anyio.lowlevel.checkpoint()
        may_end.set()

    assert [True] == [thread is not threading.current_thread() for thread in threads]


async def test_a_failed_import_is_raised_where_it_is_waited_for() -> None:
    """With its own message."""

    def fail() -> None:
        raise ImportError("no such thing")

    with pytest.raises(ImportError, match="no such thing"):
        await current_loop().import_in_thread(fail)


async def test_a_detached_task_runs_in_an_empty_context() -> None:
    """What its creator's context holds is not carried along, nor brought back."""
    variable = contextvars.ContextVar("variable", default="empty")
    variable.set("full")
    seen = []

    async def run() -> None:
        seen.append(variable.get())
        variable.set("changed")

    current_loop().spawn(run, "test")
    await settle()

    assert (["empty"], "full") == (seen, variable.get())


async def test_a_detached_task_outlives_its_creators_scope() -> None:
    """Cancelling the scope that it was started in does not touch it."""
    go_on, done = anyio.Event(), []

    async def run() -> None:
        await go_on.wait()
        done.append(True)

    with anyio.CancelScope() as scope:
        task = current_loop().spawn(run, "test")
        scope.cancel()
        await anyio.lowlevel.checkpoint()
    await settle()
    go_on.set()
    await settle()

    assert ([True], True) == (done, task.finished.is_set())


async def test_a_detached_task_is_not_collected() -> None:
    """Nobody but the loop holds it, and it runs to its end."""
    import gc

    go_on, done = anyio.Event(), []

    async def run() -> None:
        await go_on.wait()
        done.append(True)

    current_loop().spawn(run, "test")
    await settle()
    gc.collect()
    go_on.set()
    await settle()

    assert [True] == done


# -- outlast ------------------------------------------------------------------------------------------


async def spawned(seconds: float, clock: FakeClock) -> tuple[Loop, DetachedTask]:
    """Return a loop and a detached task that takes so long."""
    loop = current_loop()
    task = loop.spawn(lambda: clock.sleep(seconds), "test")
    await settle()
    return loop, task


async def test_outlast_returns_when_the_tasks_have_ended() -> None:
    """It waits for all of them and no longer."""
    clock = FakeClock()
    loop, task = await spawned(2, clock)
    _, other = await spawned(3, clock)

    async with anyio.create_task_group() as tasks:
        call = await begin(
            tasks, lambda: loop.outlast([task, other], clock.move_on_at(math.inf, shield=True))
        )
        states = []
        for _ in range(3):
            await clock.advance(1)
            states.append(call.is_done)

    assert ([False, False, True], None) == (states, call.error)


async def test_outlast_gives_up_at_its_deadline() -> None:
    """A task that hangs is left behind."""
    clock = FakeClock()
    loop, task = await spawned(math.inf, clock)

    async with anyio.create_task_group() as tasks:
        call = await begin(
            tasks, lambda: loop.outlast([task], clock.move_on_at(clock.now() + 2, shield=True))
        )
        await clock.advance(2)

    assert (True, False, None) == (call.is_done, task.finished.is_set(), call.error)


async def test_outlast_goes_on_through_a_cancelled_scope() -> None:
    """The caller's cancellation waits until the tasks have ended."""
    clock = FakeClock()
    loop, task = await spawned(2, clock)

    async with anyio.create_task_group() as tasks:
        call = await begin(
            tasks, lambda: loop.outlast([task], clock.move_on_at(clock.now() + 5, shield=True))
        )
        call.scope.cancel()
        await clock.advance(1)
        was_done = call.is_done
        await clock.advance(1)

    assert (False, True) == (was_done, call.is_done)


@pytest.mark.parametrize("cancels", [1, 2, 3])
async def test_outlast_goes_on_through_native_cancellation(anyio_backend: Backend, cancels: int) -> None:
    """On asyncio `task.cancel()`, once or often, is raised when the wait is over."""
    if anyio_backend[0] == "trio":
        pytest.skip("trio has no cancellation but that of scopes")
    clock = FakeClock()
    loop, task = await spawned(2, clock)
    waiting = asyncio.ensure_future(loop.outlast([task], clock.move_on_at(clock.now() + 5, shield=True)))
    await settle()

    for _ in range(cancels):
        waiting.cancel()
        await settle()
    was_done = waiting.done()
    await clock.advance(2)

    assert (False, True) == (was_done, waiting.cancelled())


async def test_outlast_raises_a_cancellation_after_its_deadline_too(anyio_backend: Backend) -> None:
    """A remembered cancellation is not lost when the deadline comes first."""
    if anyio_backend[0] == "trio":
        pytest.skip("trio has no cancellation but that of scopes")
    clock = FakeClock()
    loop, task = await spawned(math.inf, clock)
    waiting = asyncio.ensure_future(loop.outlast([task], clock.move_on_at(clock.now() + 5, shield=True)))
    await settle()

    waiting.cancel()
    await clock.advance(5)

    assert (True, True) == (waiting.done(), waiting.cancelled())


# -- wake-ups -----------------------------------------------------------------------------------------


async def test_a_wakeup_wakes() -> None:
    """A signal that was set ends the wait, before or after it began."""
    wakeup = Wakeup(current_loop())

    async with anyio.create_task_group() as tasks:
        early = await begin(tasks, wakeup.wait)
        was_done = early.is_done
        wakeup.set()
        await settle()
        late = await begin(tasks, wakeup.wait)

    assert (False, True, True) == (was_done, early.is_done, late.is_done)


async def test_a_wakeup_is_cleared() -> None:
    """After clearing, earlier signals wake nobody."""
    wakeup = Wakeup(current_loop())
    wakeup.set()
    wakeup.clear()

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, wakeup.wait)
        was_done = call.is_done
        wakeup.set()

    assert not was_done


async def test_a_thread_can_wake() -> None:
    """A signal from a worker thread reaches the loop."""
    wakeup = Wakeup(current_loop())

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, wakeup.wait)
        await anyio.to_thread.run_sync(wakeup.set)
        await settle()

    assert call.is_done


async def test_a_signal_from_a_thread_survives_a_clear() -> None:
    """A signal that is on its way while the waiter clears wakes the next wait."""
    wakeup = Wakeup(current_loop())
    await anyio.to_thread.run_sync(wakeup.set)
    wakeup.clear()

    with anyio.fail_after(5):
        await anyio.to_thread.run_sync(wakeup.set)
        await wakeup.wait()


def test_waking_a_loop_that_ended_does_nothing(anyio_backend: Backend) -> None:
    """A thread that outlives the loop may still signal."""
    name, options = anyio_backend

    async def main() -> Wakeup:
        return Wakeup(current_loop())

    wakeup = anyio.run(main, backend=name, backend_options=options)

    wakeup.set()


# -- the process --------------------------------------------------------------------------------------


class Watcher:
    """Notes what it is told of the process."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.told: list[str] = []

    def after_fork(self) -> None:
        """Note a fork."""
        self.told.append("fork")

    def at_exit(self, by: float) -> int:
        """Note the exit."""
        self.told.append("exit")
        return self.lost


@pytest.fixture
def watchers(monkeypatch: pytest.MonkeyPatch) -> dict[int, runtime.ProcessWatcher]:
    """Keep the watchers of a test apart from those of the program."""
    watchers: dict[int, runtime.ProcessWatcher] = {}
    monkeypatch.setattr(runtime, "_watchers", watchers)
    monkeypatch.setattr(runtime, "_inherited", [])
    return watchers


@pytest.mark.usefixtures("watchers")
def test_at_exit_the_lost_events_are_told_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """All watchers together make one line on stderr; each is told once."""
    some = [Watcher(2), Watcher(3)]
    for watcher in some:
        runtime.watch_process(watcher)

    runtime._at_exit()
    runtime._at_exit()

    assert [["exit"], ["exit"]] == [watcher.told for watcher in some]
    assert 1 == capsys.readouterr().err.count("aiotracker: 5 events were not sent")


@pytest.mark.usefixtures("watchers")
def test_at_exit_nothing_lost_is_nothing_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that lost nothing ends in silence."""
    runtime.watch_process(Watcher(0))

    runtime._at_exit()

    assert "" == capsys.readouterr().err


@pytest.mark.usefixtures("watchers")
def test_who_was_forgotten_is_not_told() -> None:
    """A closed emitter has nothing to do with the end of the process."""
    watcher = Watcher(1)
    runtime.watch_process(watcher)
    runtime.forget_process(watcher)

    runtime._at_exit()
    runtime._after_fork()

    assert [] == watcher.told


def test_a_child_is_told_once_and_keeps_what_it_inherited(
    watchers: dict[int, runtime.ProcessWatcher],
) -> None:
    """After a fork everyone forgets the parent's business; nothing is collected, nothing watched."""
    watcher = Watcher(1)
    runtime.watch_process(watcher)

    runtime._after_fork()
    runtime._at_exit()

    assert (["fork"], {}, [watcher]) == (watcher.told, watchers, runtime._inherited)
