"""The end of a block by a signal, in the process of the test: what it cancels, and what it leaves."""

import signal
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from aiotracker import PageView, WrongThreadError, shutdown_on_signals
from tests.fakes.bench import TrackWith
from tests.stages import Backend, run

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put back what was there before: a block that a signal ended does not."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_ends_the_block_and_nothing_else(number: signal.Signals) -> None:
    """The block is cancelled, and the program goes on behind it."""
    steps = []

    async with shutdown_on_signals() as shutdown:
        try:
            signal.raise_signal(number)
            steps.append("raised")
            await anyio.sleep_forever()
        finally:
            steps.append("cancelled")
    await anyio.lowlevel.checkpoint()

    assert (["raised", "cancelled"], number) == (steps, shutdown.signal)


async def test_after_a_signal_the_next_ends_the_process() -> None:
    """Both have their default action, which no program can hold up, also behind the block."""
    async with shutdown_on_signals():
        signal.raise_signal(signal.SIGTERM)
        inside = [signal.getsignal(number) for number in SIGNALS]
        await anyio.sleep_forever()

    behind = [signal.getsignal(number) for number in SIGNALS]
    assert 2 * [signal.SIG_DFL] == inside == behind


async def test_a_block_that_ends_by_itself_leaves_the_handlers_as_they_were() -> None:
    """Whoever handled signals before does so again."""
    heard = []
    signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    before = [signal.getsignal(number) for number in SIGNALS]

    async with shutdown_on_signals() as shutdown:
        within = [signal.getsignal(number) for number in SIGNALS]
    signal.raise_signal(signal.SIGTERM)

    assert before == [signal.getsignal(number) for number in SIGNALS]
    assert set() == set(before) & set(within)
    assert ([signal.SIGTERM], None) == (heard, shutdown.signal)


async def test_an_error_of_the_block_comes_through() -> None:
    """And the handlers are back."""
    before = [signal.getsignal(number) for number in SIGNALS]

    with pytest.raises(ValueError, match="the block's own"):
        async with shutdown_on_signals():
            raise ValueError("the block's own")

    assert before == [signal.getsignal(number) for number in SIGNALS]


async def test_a_block_that_does_not_wait_ends_by_itself() -> None:
    """A signal in its last line cancels nothing that comes after it."""
    async with shutdown_on_signals() as shutdown:
        signal.raise_signal(signal.SIGTERM)

    await anyio.lowlevel.checkpoint()
    assert signal.SIGTERM == shutdown.signal


async def test_work_of_the_block_ends_with_it(track_with: TrackWith) -> None:
    """Tasks are cancelled, and what they track on the way out is taken."""
    bench = await track_with()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            bench.tracker.track_nowait(PageView(page_url="https://acme.com/last"))

    async with shutdown_on_signals(), anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        signal.raise_signal(signal.SIGINT)
    await bench.flush()

    assert [["last"]] == bench.transport.pages


async def test_only_the_main_thread_gets_signals(anyio_backend: Backend) -> None:
    """Elsewhere the error says so, and nothing is changed."""
    before = [signal.getsignal(number) for number in SIGNALS]
    errors: list[str] = []

    async def program() -> None:
        try:
            async with shutdown_on_signals():
                errors.append("entered")
        except WrongThreadError as error:
            errors.append(str(error))

    loop = "trio" if anyio_backend[0] == "trio" else "asyncio"
    await anyio.to_thread.run_sync(run, loop, program)

    assert [True] == ["main thread" in error for error in errors]
    assert before == [signal.getsignal(number) for number in SIGNALS]
