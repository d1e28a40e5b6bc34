"""What the tests of faults share: rigs whose books are checked, two sizes of a test, and the table.

Every test runs on every stage, a transport on a loop. It comes in a quick size, which is part of every run,
and where its figures need time or volume also in full size, marked `faults`. `nox -s faults` runs all and
writes the table of faults. There they run on durable stores, too, unless they are marked `in_memory`.
"""

import itertools
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests import stages
from tests.fakes.redis_server import RedisServer, redis_server
from tests.faults.households import at_home, nursery, witness
from tests.faults.report import FaultTable
from tests.faults.rig import Rigs
from tests.places import Place
from tests.stages import ON_STORES, Backend, Stage

__all__ = ["FaultReport", "at_home", "nursery", "redis_server", "witness"]

TABLE = pytest.StashKey[FaultTable]()
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


class FaultReport(Protocol):
    """Notes what a test measured."""

    def __call__(
        self, fault: str, *, reaction: str, bound: str, figure: str, stage: Stage | None = None
    ) -> None:
        """Note it for the table.

        Args:
            fault: what happened, the same text on every stage.
            reaction: what aiotracker did, in a few words.
            bound: what the test requires.
            figure: what was measured.
            stage: where; by default the stage that the test runs on.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the page that the table is written into."""
    parser.addoption("--fault-report", metavar="PAGE", help="write the table of faults into this page")


def pytest_configure(config: pytest.Config) -> None:
    """Begin a table."""
    config.stash[TABLE] = FaultTable()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table of a run in which everything passed."""
    page = session.config.getoption("--fault-report", default=None)
    if page is not None and exitstatus == pytest.ExitCode.OK:
        session.config.stash[TABLE].write(Path(page))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the collector directly, whatever the environment says."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(
    scope="module",
    params=[
        *stages.params(with_rare=False),
        *(pytest.param(stage, id=str(stage), marks=pytest.mark.faults) for stage in ON_STORES),
    ],
)
def stage(request: pytest.FixtureRequest) -> object:
    """Name a transport, its loop and a store; what is durable is for full runs only."""
    return request.param


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what tells nothing on a durable store: quick sizes, and what is about memory."""
    pointless = [item for item in items if _is_pointless(item)]
    items[:] = [item for item in items if not _is_pointless(item)]
    config.hook.pytest_deselected(items=pointless)


def _is_pointless(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    if callspec is None or "size" in callspec.params:
        return False
    stage = callspec.params.get("stage")
    if not isinstance(stage, Stage) or not stage.is_durable:
        return False
    return item.get_closest_marker("in_memory") is not None or "quick" in callspec.id.split("-")


@pytest.fixture(scope="module")
def anyio_backend(stage: Stage) -> Backend:
    """Run every test on the stage's loop."""
    return stage.backend


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder that other users may write into, too: pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="aiotracker-home-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_place(home: Path, stage: Stage, request: pytest.FixtureRequest) -> Callable[[], Place]:
    """Return what builds places for stores of the stage's kind, each with nothing in it."""
    numbers = itertools.count()
    server: RedisServer | None = None
    if stage.store == "redis":
        server = request.getfixturevalue("redis_server")

    def build() -> Place:
        name = f"{home.name}-{next(numbers)}"
        if server is None:
            return Place("sqlite", str(home / f"{name}.db"))
        return Place("redis", server.url, name=name)

    return build


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    """Return a place for a store of the stage's kind, with nothing in it."""
    return new_place()


@pytest.fixture
async def rigs(stage: Stage, new_place: Callable[[], Place]) -> AsyncIterator[Rigs]:
    """Build rigs; after the test every event of each must be accounted for."""
    rigs = Rigs(stage, new_place)
    yield rigs
    await rigs.finish()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Catch what the tracker logs."""
    caplog.set_level(logging.INFO, "aiotracker")
    return caplog


@pytest.fixture
def fault_report(request: pytest.FixtureRequest) -> FaultReport:
    """Note what the test measured."""
    node = request.node
    path, line, _ = node.location
    is_full = node.get_closest_marker("faults") is not None

    def note(fault: str, *, reaction: str, bound: str, figure: str, stage: Stage | None = None) -> None:
        request.config.stash[TABLE].add(
            (path, line or 0),
            stage or node.callspec.params["stage"],
            is_full=is_full,
            fault=fault,
            reaction=reaction,
            bound=bound,
            figure=figure,
        )

    return note
