"""The workbench: a tracker between fake collectors and a fake clock, its books checked afterwards."""

import random
from collections.abc import AsyncIterator

import pytest

from tests.fakes.bench import TrackWith


@pytest.fixture
async def track_with(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TrackWith]:
    """Build trackers; after the test every event that they were offered must be accounted for.

    The jitter of a backoff is always the longest, so that its moment is known.
    """
    monkeypatch.setattr(random, "random", lambda: 1.0)
    track_with = TrackWith()
    yield track_with
    await track_with.finish()
