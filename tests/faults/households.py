"""Fixtures of the tests whose services live in processes of their own, on a place that gets into trouble."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.crash.nursery import Nursery
from tests.crash.witness import Witness
from tests.fakes.redis_server import RedisServer
from tests.faults.service import Household
from tests.faults.sizes import FULL_SECONDS
from tests.places import Place
from tests.stages import ON_STORES, Stage

__all__ = ["FILES", "PLACES", "SERVERS", "at_home", "home", "new_place", "nursery", "on", "place", "witness"]

FILES: Final = [stage for stage in ON_STORES if stage.store == "sqlite"]
SERVERS: Final = [stage for stage in ON_STORES if stage.store == "redis"]
PLACES: Final = list(ON_STORES)


def on(stages: list[Stage], *, quick: object = None, full: object) -> pytest.MarkDecorator:
    """Parametrize a test with stages, and with a quick size on the first of them.

    Args:
        stages: each is played in full size, in full runs.
        quick: the size in every run; None: none is small enough to tell anything.
        full: the size of full runs.
    """
    marks = (pytest.mark.faults, pytest.mark.timeout(FULL_SECONDS))
    small = [] if quick is None else [pytest.param(stages[0], quick, id=f"{stages[0]}-quick")]
    return pytest.mark.parametrize(
        ("stage", "size"),
        [*small, *(pytest.param(stage, full, id=f"{stage}-full", marks=marks) for stage in stages)],
    )


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Start processes in a millisecond."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Remember every event that arrives."""
    with Witness(seed=1) as witness:
        yield witness


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
def at_home(nursery: Nursery, witness: Witness, home: Path, stage: Stage) -> Callable[[Place], Household]:
    """Return what builds a household on a place."""

    def build(place: Place) -> Household:
        return Household(nursery, witness, place, home, stage)

    return build
