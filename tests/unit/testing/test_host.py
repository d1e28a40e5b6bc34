"""A host that remembers what a store told it."""

import logging

from aiotracker import DropReason, Kind, Lease, StoreHost
from aiotracker.testing import LoggedLine, Loss, MovableClock, RecordingHost


def test_it_remembers_what_the_store_told() -> None:
    """Changes are counted, losses and lines are kept as they were told."""
    recording = RecordingHost()
    host: StoreHost = recording
    lease = Lease(Kind.ORDINARY, (b"{",), (7,), (0.0,))
    error = OSError("no space left on device")

    host.changed()
    host.lost(1, DropReason.EVICTED, "made room", [lease])
    host.lost(2, DropReason.STORE_ERROR, "the file is corrupt")
    host.say(logging.ERROR, "store", "the disk is full", error=error)

    assert (1, 3) == (recording.changes, recording.lost_count)
    assert [
        Loss(1, DropReason.EVICTED, "made room", (lease,)),
        Loss(2, DropReason.STORE_ERROR, "the file is corrupt", ()),
    ] == recording.losses
    assert [LoggedLine(logging.ERROR, "store", "the disk is full", error)] == recording.lines


def test_its_clock_is_the_one_it_was_given() -> None:
    """Without one it has a clock that runs."""
    clock = MovableClock()

    assert clock is RecordingHost(clock).clock
    assert isinstance(RecordingHost().clock, MovableClock)
