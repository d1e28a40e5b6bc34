"""The asyncio-native Snowplow tracker for Python.

async with Tracker("web", "https://collector.acme.com", app_id="shop") as tracker:
    await tracker.track(PageView(page_url="https://acme.com/"))
"""

from aiotracker._version import __version__
from aiotracker.delivery import (
    AiohttpTransport,
    Callback,
    DeliveryReport,
    Emitter,
    Health,
    HealthStatus,
    HttpxTransport,
    Notice,
    NoticeKind,
    Statistics,
    Transport,
)
from aiotracker.entities import Entity, SelfDescribingJson
from aiotracker.errors import (
    AiotrackerError,
    AiotrackerWarning,
    BlockingCallError,
    CollectorURLError,
    ConfigurationError,
    DeliveryError,
    DeliveryTimeout,
    EventRefusedError,
    EventTooLargeError,
    ForkedTrackerError,
    InsecureCollectorWarning,
    InvalidDataError,
    InvalidEventError,
    InvalidSchemaKeyError,
    InvalidValueError,
    PipelineWarning,
    Problem,
    TrackerNotOpenError,
    TrackerOpenError,
    TrackerStateError,
    WrongLoopError,
)
from aiotracker.events import (
    Entities,
    Event,
    PagePing,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingEvent,
    StructuredEvent,
)
from aiotracker.hooks import BeforeTrack, ContextGenerator
from aiotracker.hosted import HostedTracker, hosted
from aiotracker.policy.overflow import Overflow
from aiotracker.policy.reasons import DropReason, RefusalReason
from aiotracker.protocol.exchange import Failure, FailureKind, Reply, Request, Response
from aiotracker.protocol.schema_key import SchemaKey
from aiotracker.protocol.url import CollectorURL
from aiotracker.scope import current_scope, scope
from aiotracker.stores import EventStore, Lease, MemoryStore
from aiotracker.subject import Subject
from aiotracker.tracker import Tracker

__all__ = [
    "AiohttpTransport",
    "AiotrackerError",
    "AiotrackerWarning",
    "BeforeTrack",
    "BlockingCallError",
    "Callback",
    "CollectorURL",
    "CollectorURLError",
    "ConfigurationError",
    "ContextGenerator",
    "DeliveryError",
    "DeliveryReport",
    "DeliveryTimeout",
    "DropReason",
    "Emitter",
    "Entities",
    "Entity",
    "Event",
    "EventRefusedError",
    "EventStore",
    "EventTooLargeError",
    "Failure",
    "FailureKind",
    "ForkedTrackerError",
    "Health",
    "HealthStatus",
    "HostedTracker",
    "HttpxTransport",
    "InsecureCollectorWarning",
    "InvalidDataError",
    "InvalidEventError",
    "InvalidSchemaKeyError",
    "InvalidValueError",
    "Lease",
    "MemoryStore",
    "Notice",
    "NoticeKind",
    "Overflow",
    "PagePing",
    "PageView",
    "PipelineWarning",
    "Problem",
    "RefusalReason",
    "Reply",
    "Request",
    "Response",
    "SchemaKey",
    "ScreenView",
    "SelfDescribing",
    "SelfDescribingEvent",
    "SelfDescribingJson",
    "Statistics",
    "StructuredEvent",
    "Subject",
    "Tracker",
    "TrackerNotOpenError",
    "TrackerOpenError",
    "TrackerStateError",
    "Transport",
    "WrongLoopError",
    "__version__",
    "current_scope",
    "hosted",
    "scope",
]
