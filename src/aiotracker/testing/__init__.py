"""For tests of what users write themselves: what every event store promises, and who uses one."""

from aiotracker.testing.clock import MovableClock
from aiotracker.testing.contract import EventStoreContract
from aiotracker.testing.dead_letter_contract import DeadLetterContract
from aiotracker.testing.durable_contract import DurableStoreContract
from aiotracker.testing.host import LoggedLine, Loss, RecordingHost

__all__ = [
    "DeadLetterContract",
    "DurableStoreContract",
    "EventStoreContract",
    "LoggedLine",
    "Loss",
    "MovableClock",
    "RecordingHost",
]
