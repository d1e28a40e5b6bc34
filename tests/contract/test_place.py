"""The contract can be kept: by a durable store whose place is a dictionary."""

from functools import cached_property

import pytest

from aiotracker.testing import DeadLetterContract
from tests.fakes.place import Place, PlaceStore
from tests.stages import Backend, backend, on_unix

LOOPS = [
    pytest.param("asyncio"),
    pytest.param("uvloop", marks=[on_unix("uvloop"), pytest.mark.faults]),  # it would tell nothing more
    pytest.param("trio"),
]


@pytest.fixture(scope="module", params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run every test on the loops that differ for this store."""
    return backend(request.param)


class TestPlaceStore(DeadLetterContract):
    """It groups commits, shares its place, lets leases expire, survives an outage and keeps letters."""

    lease_seconds = 30.0
    max_dead_letters = 20
    # A dictionary is not the same one in a forked child.
    test_a_child_process_opens_the_place_anew = None  # type: ignore[assignment]

    @cached_property
    def place(self) -> Place:
        """The place of one test."""
        return Place()

    def make_store(self, *, max_events: int, max_bytes: int) -> PlaceStore:
        """Return another store at the place."""
        return PlaceStore(
            self.place,
            max_events=max_events,
            max_bytes=max_bytes,
            lease_seconds=self.lease_seconds,
            max_letters=self.max_dead_letters,
        )

    async def cut_off(self) -> None:
        """Let the place be away."""
        self.place.is_away = True

    async def restore(self) -> None:
        """Let the place be back."""
        self.place.is_away = False
