"""What the tests of the integrations have in common."""

import pytest

from tests.fakes.bench import Bench, TrackWith


@pytest.fixture
def bench(track_with: TrackWith) -> Bench:
    """Build a tracker that is not open, and its collector: the application under test opens it."""
    return track_with.build()
