"""Fixtures of the tests whose services live in processes of their own, on a place that gets into trouble."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.crash.nursery import Nursery
from tests.crash.witness import Witness
from tests.faults.service import Household
from tests.faults.sizes import FULL_SECONDS
from tests.places import Place
from tests.stages import ON_STORES, Stage

__all__ = ["FILES", "PLACES", "SERVERS", "at_home", "nursery", "on", "witness"]

FILES: Final = [stage for stage in ON_STORES if stage.store == "sqlite"]
SERVERS: Final = [stage for stage in ON_STORES if stage.store == "redis"]
PLACES: Final = list(ON_STORES)

ONLY_LINUX: Final = pytest.mark.skipif(sys.platform != "linux", reason="forks, reads /proc, limits processes")


def on(stages: list[Stage], *, quick: object = None, full: object) -> pytest.MarkDecorator:
    """Parametrize a test with stages, and with a quick size on the first of them.

    Args:
        stages: each is played in full size, in full runs.
        quick: the size in every run; None: none is small enough to tell anything.
        full: the size of full runs.
    """
    small = pytest.param(stages[0], quick, id=f"{stages[0]}-quick", marks=ONLY_LINUX)
    marks = (ONLY_LINUX, pytest.mark.faults, pytest.mark.timeout(FULL_SECONDS))
    return pytest.mark.parametrize(
        ("stage", "size"),
        [
            *([] if quick is None else [small]),
            *(pytest.param(stage, full, id=f"{stage}-full", marks=marks) for stage in stages),
        ],
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
def at_home(nursery: Nursery, witness: Witness, home: Path, stage: Stage) -> Callable[[Place], Household]:
    """Return what builds a household on a place."""

    def build(place: Place) -> Household:
        return Household(nursery, witness, place, home, stage)

    return build
