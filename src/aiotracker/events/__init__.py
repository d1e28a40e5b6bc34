"""What can be tracked, a family per file."""

from aiotracker.events.application import ApplicationError
from aiotracker.events.base import Entities, Event, EventOptions
from aiotracker.events.page import PagePing, PageView
from aiotracker.events.screen import ScreenView
from aiotracker.events.self_describing import SelfDescribing, SelfDescribingEvent
from aiotracker.events.structured import StructuredEvent
from aiotracker.events.timing import Timing

__all__ = [
    "ApplicationError",
    "Entities",
    "Event",
    "EventOptions",
    "PagePing",
    "PageView",
    "ScreenView",
    "SelfDescribing",
    "SelfDescribingEvent",
    "StructuredEvent",
    "Timing",
]
