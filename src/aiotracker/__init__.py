"""The asyncio-native Snowplow tracker for Python.

async with Tracker("web", "https://collector.acme.com", app_id="shop") as tracker:
    await tracker.track(PageView(page_url="https://acme.com/"))
"""

from aiotracker._version import __version__
from aiotracker.clock import Clock
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
    Outlet,
    Relay,
    Statistics,
    StoreOnly,
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
    WrongThreadError,
)
from aiotracker.events import (
    ApplicationError,
    Entities,
    Event,
    PagePing,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingEvent,
    StructuredEvent,
    Timing,
)
from aiotracker.hooks import BeforeTrack, ContextGenerator
from aiotracker.hosted import HostedTracker, hosted
from aiotracker.instrument import EventSink, capture_errors, timed
from aiotracker.policy.dispatch import Backlog
from aiotracker.policy.overflow import Overflow
from aiotracker.policy.reasons import DropReason, RefusalReason
from aiotracker.protocol.exchange import Failure, FailureKind, Reply, Request, Response
from aiotracker.protocol.record import Kind, Record
from aiotracker.protocol.schema_key import SchemaKey
from aiotracker.protocol.url import CollectorURL
from aiotracker.scope import current_scope, scope
from aiotracker.signals import Shutdown, shutdown_on_signals
from aiotracker.stores import (
    Commit,
    DeadLetter,
    DeadLetterStore,
    EventStore,
    InstantStore,
    Lease,
    MemoryStore,
    SQLiteStore,
    StoreHost,
)
from aiotracker.subject import Subject
from aiotracker.tracker import Tracker

__all__ = [
    "AiohttpTransport",
    "AiotrackerError",
    "AiotrackerWarning",
    "ApplicationError",
    "Backlog",
    "BeforeTrack",
    "BlockingCallError",
    "Callback",
    "Clock",
    "CollectorURL",
    "CollectorURLError",
    "Commit",
    "ConfigurationError",
    "ContextGenerator",
    "DeadLetter",
    "DeadLetterStore",
    "DeliveryError",
    "DeliveryReport",
    "DeliveryTimeout",
    "DropReason",
    "Emitter",
    "Entities",
    "Entity",
    "Event",
    "EventRefusedError",
    "EventSink",
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
    "InstantStore",
    "InvalidDataError",
    "InvalidEventError",
    "InvalidSchemaKeyError",
    "InvalidValueError",
    "Kind",
    "Lease",
    "MemoryStore",
    "Notice",
    "NoticeKind",
    "Outlet",
    "Overflow",
    "PagePing",
    "PageView",
    "PipelineWarning",
    "Problem",
    "Record",
    "RefusalReason",
    "Relay",
    "Reply",
    "Request",
    "Response",
    "SQLiteStore",
    "SchemaKey",
    "ScreenView",
    "SelfDescribing",
    "SelfDescribingEvent",
    "SelfDescribingJson",
    "Shutdown",
    "Statistics",
    "StoreHost",
    "StoreOnly",
    "StructuredEvent",
    "Subject",
    "Timing",
    "Tracker",
    "TrackerNotOpenError",
    "TrackerOpenError",
    "TrackerStateError",
    "Transport",
    "WrongLoopError",
    "WrongThreadError",
    "__version__",
    "capture_errors",
    "current_scope",
    "hosted",
    "scope",
    "shutdown_on_signals",
    "timed",
]
