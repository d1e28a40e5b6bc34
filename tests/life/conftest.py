"""What the tests of a tracker's life share: benches, and collectors that listen."""

import random
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fakes.bench import TrackWith
from tests.faults.collector import Collector


@pytest.fixture
async def track_with(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TrackWith]:
    """Build trackers; after the test every event that they were offered must be accounted for.

    The jitter of a backoff is always the longest, so that its moment is known.
    """
    monkeypatch.setattr(random, "random", lambda: 1.0)
    track_with = TrackWith()
    yield track_with
    await track_with.finish()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Listen on a port of this machine."""
    with Collector() as collector:
        yield collector
