"""The public API as users meet it: its types, checked by mypy, and its names and signatures, spelt out.

The usage below is also run, so that what the type checker is told is true. A change of the API on
purpose changes `PUBLIC_API` at the end, and a line of the changelog; run as a script, this file
prints what it is now.
"""

import enum
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import assert_type

import pytest
from pydantic import BaseModel, Field

import aiotracker
from aiotracker import (
    AiohttpTransport,
    CollectorURL,
    ConfigurationError,
    DeliveryReport,
    DropReason,
    Emitter,
    Entity,
    EventStore,
    EventTooLargeError,
    Health,
    HealthStatus,
    HttpxTransport,
    InvalidDataError,
    InvalidEventError,
    MemoryStore,
    Outlet,
    PagePing,
    PageView,
    Problem,
    RefusalReason,
    SchemaKey,
    ScreenView,
    SelfDescribing,
    SelfDescribingEvent,
    SelfDescribingJson,
    Statistics,
    StructuredEvent,
    Subject,
    Tracker,
    Transport,
    scope,
)
from aiotracker.protocol.exchange import Reply, Request, Response

COLLECTOR = "https://collector.acme.com"
VIEW = PageView(page_url="https://acme.com/")


class Taking:
    """A transport of a user's own, which takes everything."""

    async def open(self, url: CollectorURL) -> None:
        """Need nothing."""

    async def send(self, request: Request) -> Reply:
        """Answer as a collector does."""
        return Response(200)

    async def aclose(self) -> None:
        """Keep nothing."""


class LinkClick(
    SelfDescribingEvent, schema="iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1"
):
    """A typed event; type checkers know its fields by their Python names."""

    target_url: str = Field(serialization_alias="targetUrl")
    element_id: str | None = Field(default=None, serialization_alias="elementId")
    context_: str | None = Field(default=None, serialization_alias="context")  # an option has the name


class Product(Entity, schema=SchemaKey("com.acme", "product", "jsonschema", 1, 0, 0)):
    """A typed entity."""

    sku: str
    price: Decimal


async def test_the_tracker_returns_what_it_says() -> None:
    """Ids, reports, accounts and health have the types that the signatures promise."""
    emitter = Emitter(COLLECTOR, transport=Taking(), overflow="drop_newest", custom_retry_codes={403: True})

    async with Tracker("usage", [emitter], subject=Subject(user_id="u-1")) as tracker:
        assert_type(tracker, Tracker)
        tracked = assert_type(await tracker.track(VIEW), str | None)
        at_once = assert_type(tracker.track_nowait(VIEW), str | None)
        delivered = assert_type(await tracker.deliver(VIEW, timeout=1.0), str)
        flushed = assert_type(await tracker.flush(timeout=1.0), DeliveryReport)
        health = assert_type(tracker.health(), Health)
    closed = assert_type(await tracker.aclose(), DeliveryReport)
    stats = assert_type(tracker.stats(), Statistics)

    assert len({tracked, at_once, delivered}) == 3
    assert flushed.is_complete
    assert assert_type(tracker.last_report, DeliveryReport) == closed
    assert HealthStatus.OK is assert_type(health.status, HealthStatus)
    assert {} == assert_type(stats.refused, Mapping[RefusalReason, int])
    assert {} == assert_type(stats.dropped, Mapping[DropReason, int])
    assert (emitter,) == assert_type(tracker.emitters, tuple[Outlet, ...])
    assert stats == assert_type(emitter.stats(), Statistics)
    assert 36 == len(assert_type(tracker.get_uuid(), str))


async def test_a_tracker_is_opened_and_closed_by_hand() -> None:
    """`open()` returns the tracker itself, so that one line builds and opens it."""
    tracker = await Tracker("usage", Emitter(COLLECTOR, transport=Taking())).open()

    with scope(subject=Subject(lang="en"), context=[Product(sku="s-1", price=Decimal(1))]) as entered:
        event_id = await tracker.track(VIEW)
    report = await tracker.aclose(timeout=1.0)

    assert_type(tracker, Tracker)
    assert_type(entered, scope)
    assert_type(event_id, str | None)
    assert report.delivered == 1


def test_events_are_built_from_typed_keywords() -> None:
    """Every event takes its own fields and the options of all; `clipped` returns the same class."""
    cart = SelfDescribingJson("iglu:com.acme/cart/jsonschema/1-0-0", {})
    product = Product(sku="s-1", price=Decimal(1))

    view = PageView(page_url="https://acme.com/", page_title="Home", context=[cart, product])
    ping = PagePing(page_url="https://acme.com/", max_y=10, event_subject=Subject(user_id="u-1"))
    struct = StructuredEvent(category="cart", action="add", property_="blue", value=Decimal("1.5"))
    screen = ScreenView(name="Cart", true_timestamp=1_740_832_200_000)
    described = SelfDescribing(cart, context=(product,), event_id=Tracker.get_uuid())

    assert_type(view.page_title, str | None)
    assert_type(ping.max_y, int | None)
    assert_type(struct.value, int | float | Decimal | None)
    assert_type(screen.name, str | None)
    assert_type(described.event_json, SelfDescribingJson)
    assert_type(PageView.clipped(page_url="https://acme.com/"), PageView)
    assert_type(described.self_describing(), SelfDescribingJson)


def test_typed_events_are_known_by_their_python_names() -> None:
    """With `serialization_alias` the constructor keeps the attribute's name, in every type checker."""
    click = LinkClick(target_url="https://acme.com/", context=[], context_="nav")

    assert_type(click.target_url, str)
    assert_type(click.element_id, str | None)
    assert_type(LinkClick.clipped(target_url="https://acme.com/"), LinkClick)
    assert_type(LinkClick.schema_key, SchemaKey)
    assert {"targetUrl": "https://acme.com/", "context": "nav"} == click.self_description()


def test_the_setters_of_a_subject_return_it() -> None:
    """Setters chain, and keep the class of the subject."""
    subject = Subject()

    same = subject.set_user_id("u-1").set_screen_resolution(1280, 720).set_ip_address("192.0.2.1")

    assert_type(same, Subject)
    assert_type(subject.user_id, str | None)
    assert_type(Subject.clipped(user_id="u-1"), Subject)
    assert same is subject


def test_what_users_replace_fits_its_protocol() -> None:
    """The parts that come with the package fit the protocols, and so does a user's own."""
    store: EventStore = MemoryStore(max_events=10)
    transports: list[Transport] = [HttpxTransport(), AiohttpTransport(), Taking()]

    emitter = Emitter(COLLECTOR, event_store=store, transport=transports[-1])

    assert emitter.event_store is store


async def test_errors_keep_what_they_were_built_from() -> None:
    """The parts of a message stay readable as typed attributes."""
    loop: dict[str, object] = {}
    loop["self"] = loop
    schema = "iglu:com.acme/order/jsonschema/1-0-0"

    async with Tracker("usage", Emitter(COLLECTOR, transport=Taking())) as tracker:
        with pytest.raises(InvalidDataError) as cycle:
            await tracker.track(SelfDescribing(SelfDescribingJson(schema, loop)))
        with pytest.raises(EventTooLargeError) as large:
            await tracker.track(SelfDescribing(SelfDescribingJson(schema, {"x": "x" * 200_000})))
    with pytest.raises(InvalidEventError) as empty:
        PageView(page_url="")

    assert assert_type(cycle.value.path, str).startswith("data.self.self")
    assert 180_000 == assert_type(large.value.limit_bytes, int)
    assert "ue_pr" == assert_type(large.value.largest_fields, tuple[tuple[str, int], ...])[0][0]
    assert ["page_url"] == [p.field for p in assert_type(empty.value.problems, tuple[Problem, ...])]


def test_type_checkers_and_the_program_refuse_the_same() -> None:
    """What is wrong at run time is wrong to mypy, too: an ignore without an error fails the check."""
    with pytest.raises(InvalidEventError):
        PageView(page_titel="Home")  # type: ignore[call-arg]  # misspelt, and without page_url
    with pytest.raises(InvalidEventError):
        PageView(page_url="https://acme.com/", page_title=1)  # type: ignore[arg-type]  # no text
    with pytest.raises(InvalidEventError):
        ScreenView(nam="Cart")  # type: ignore[call-arg]  # misspelt
    with pytest.raises(InvalidEventError):
        LinkClick(target_url=None)  # type: ignore[arg-type]  # required
    with pytest.raises(InvalidEventError):
        Product(sku="s-1")  # type: ignore[call-arg]  # without price
    with pytest.raises(InvalidEventError):
        Subject(user_id=1)  # type: ignore[arg-type]  # no text
    with pytest.raises(ValueError, match=r"frozen|cannot be changed"):
        VIEW.page_title = "Home"  # type: ignore[misc]  # frozen
    with pytest.raises(ConfigurationError):
        Emitter(COLLECTOR, method="put")  # type: ignore[arg-type]  # neither get nor post
    with pytest.raises(TypeError):
        Tracker("usage", COLLECTOR, "shop")  # type: ignore[call-arg]  # settings have names


# What follows turns the package into text. `PUBLIC_API`, at the end, is what that text must be.

INTERNAL = {
    "Emitter": {"claim", "engine", "is_forked", "offer", "open", "oversize", "refuse", "task"}
    | {"settle_abandoned"},
    "Entity": {"wired"},
    "Event": {"wired"},
    "Subject": {"wired"},
}
"""What other parts of the package call, and no page of the documentation mentions."""

OPTIONS = set(aiotracker.Event.model_fields)  # of every event; spelt out at Event alone
MAX_LINE = 100


def public_api() -> Iterator[str]:
    """Yield everything that `aiotracker` exports, as the lines of an outline."""
    for name in aiotracker.__all__:
        exported = getattr(aiotracker, name)
        if isinstance(exported, type):
            yield from class_lines(exported)
        elif inspect.isfunction(exported):
            yield from call_lines(f"def {name}", exported)
        else:
            yield name


def class_lines(cls: type) -> Iterator[str]:
    """Yield a class: its bases, how it is built, its members; of an error the bases say enough."""
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    yield f"class {cls.__name__}" + (f"({bases})" if bases else "")
    if issubclass(cls, enum.Enum):
        yield from (f"    {member.name} = {member.value!r}" for member in cls)
    elif not issubclass(cls, BaseException):
        if not getattr(cls, "_is_protocol", False):
            yield from call_lines(f"    {cls.__name__}", cls)
        for name, member in sorted(members(cls).items()):
            yield from member_lines(cls, name, member)


def members(cls: type) -> dict[str, object]:
    """Return the public members of a class that no other exported class has already."""
    shown = {base for cls in cls.__mro__[1:] if cls.__name__ in aiotracker.__all__ for base in cls.__mro__}
    own = [base for base in cls.__mro__ if base.__module__.startswith("aiotracker") and base not in shown]
    found = {name: member for base in reversed(own) for name, member in vars(base).items()}
    hidden = INTERNAL.get(cls.__name__, set())
    return {name: member for name, member in found.items() if name[0] != "_" and name not in hidden}


def member_lines(cls: type, name: str, member: object) -> Iterator[str]:
    """Yield a property or method; fields stand in the signature of the class."""
    if isinstance(member, property):
        yield f"    {name}: {annotation(inspect.get_annotations(member.fget)['return'])}"  # type: ignore[arg-type]  # ours can be read
    elif isinstance(member, classmethod | staticmethod) or inspect.isfunction(member):
        function = getattr(cls, name)
        kind = "async " if inspect.iscoroutinefunction(function) else ""
        kind = f"{type(member).__name__} " if not inspect.isfunction(member) else kind
        yield from call_lines(f"    {kind}{name}", function)


def call_lines(head: str, function: Callable[..., object]) -> Iterator[str]:
    """Yield a call on one line, or with one parameter a line where that is too long."""
    result = inspect.signature(function).return_annotation
    is_silent = isinstance(function, type) or result in (None, "None", inspect.Signature.empty)
    arrow = "" if is_silent else f" -> {annotation(result)}"
    given = list(parameters(function))
    line = f"{head}({', '.join(given)}){arrow}"
    if len(line) <= MAX_LINE:
        yield line
    else:
        margin = " " * (len(head) - len(head.lstrip()))
        yield f"{head}("
        yield from (f"{margin}    {parameter}," for parameter in given)
        yield f"{margin}){arrow}"


def parameters(function: Callable[..., object]) -> Iterator[str]:
    """Yield the parameters of a call."""
    bases = function.__mro__ if isinstance(function, type) else ()
    hints: dict[str, object] = {}
    if BaseModel in bases:  # its own signature has them resolved, which is hard to read
        for base in reversed(bases):
            hints |= inspect.get_annotations(base)
    before = None
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or (aiotracker.Event in bases[1:] and name in OPTIONS):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and before is not parameter.kind:
            yield "*"
        before = parameter.kind
        hint = hints.get(name, parameter.annotation)
        text = "**" + name if parameter.kind is parameter.VAR_KEYWORD else name
        text += "" if hint is parameter.empty else f": {annotation(hint)}"
        yield text + ("" if parameter.default is parameter.empty else f" = {value(parameter.default)}")


def annotation(hint: object) -> str:
    """Return a type as text, without the modules of its names and without what validates it."""
    text = hint if isinstance(hint, str) else inspect.formatannotation(hint)
    text = re.sub(r"^Annotated\[(.*), \w+\(.*\)\]$", r"\1", text)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def value(default: object) -> str:
    """Return the default of a parameter as text."""
    return f"{type(default).__name__}.{default.name}" if isinstance(default, enum.Enum) else repr(default)


def test_the_public_api_is_what_it_was() -> None:
    """No name, parameter, default or type of the public API changes by accident."""
    expected = PUBLIC_API.strip().splitlines()

    actual = list(public_api())

    assert expected == actual


PUBLIC_API = """
class AiohttpTransport
    AiohttpTransport(
        session: ClientSession | None = None,
        *,
        ssl_context: SSLContext | None = None,
        connect_timeout: float = 3.0,
    )
    async aclose()
    is_own: bool
    async open(url: CollectorURL)
    async send(request: Request) -> Reply
class AiotrackerError(Exception)
class AiotrackerWarning(UserWarning)
class ApplicationError(SelfDescribingEvent)
    ApplicationError(
        *,
        message: str,
        programming_language: Language = 'PYTHON',
        thread_name: Name = None,
        thread_id: Number = None,
        stack_trace: Trace = None,
        cause_stack_trace: Trace = None,
        line_number: Number = None,
        class_name: Name = None,
        exception_name: Name = None,
        is_fatal: bool | None = None,
        line_column: Number = None,
        file_name: Name = None,
    )
    classmethod from_exception(
        error: BaseException,
        *,
        is_fatal: bool | None = None,
        **options: Any,
    ) -> Self
class Backlog
    Backlog(
        events: int,
        fullest_events: int,
        fullest_bytes: int,
        oldest_at: float | None,
        oldest_sequence: int | None,
        latest_sequence: int,
        leased: int,
        volatile: int = 0,
        first_sequence: int | None = None,
    )
BeforeTrack
class BlockingCallError(TrackerStateError)
Callback
class Clock(Protocol)
    move_on_at(moment: float, *, shield: bool = False) -> AbstractContextManager[CancelScope]
    now() -> float
    wall_ms() -> int
class CollectorURL
    CollectorURL(
        scheme: str,
        host: str,
        port: int,
        prefix: str = '',
        post_path: str = '/com.snowplowanalytics.snowplow/tp2',
    )
    get_url: str
    is_loopback: bool
    is_secure: bool
    origin: str
    classmethod parse(text: str, *, post_path: str | None = None) -> CollectorURL
    post_url: str
class CollectorURLError(ConfigurationError)
class Commit
    Commit()
    conclude()
    is_done: bool
    async wait()
class ConfigurationError(AiotrackerError, ValueError)
ContextGenerator
class DeadLetter
    DeadLetter(
        letter_id: str,
        record: Record,
        reason: DropReason,
        detail: str,
        put_ms: int,
        dropped_ms: int,
    )
class DeadLetterFile
    DeadLetterFile(
        path: str | PathLike[str],
        *,
        max_bytes: int = 67108864,
        clock: Clock | None = None,
    )
    path: str
    unwritten: int
    written: int
class DeadLetterStore(Protocol)
    async count_dead_letters() -> int
    async dead_letters(*, after: str = '', limit: int = 100) -> Sequence[DeadLetter]
    async purge(letters: Sequence[DeadLetter]) -> int
    async replay(letters: Sequence[DeadLetter]) -> int
class DeliveryError(AiotrackerError)
class DeliveryReport
    DeliveryReport(
        delivered: int = 0,
        dropped: Mapping[DropReason, int] = <factory>,
        remaining: int = 0,
    )
    is_complete: bool
    classmethod total(reports: Iterable[DeliveryReport]) -> DeliveryReport
class DeliveryTimeout(DeliveryError, TimeoutError)
class DropReason(StrEnum)
    EVICTED = 'evicted'
    REJECTED = 'rejected'
    TOO_LARGE = 'too_large'
    EXPIRED = 'expired'
    STORE_ERROR = 'store_error'
    SHUTDOWN_DEADLINE = 'shutdown_deadline'
    FORKED = 'forked'
class Emitter(Outlet)
    Emitter(
        collector: str,
        *,
        method: Method = 'post',
        batch_size: int | None = None,
        byte_limit: int | None = None,
        flush_interval: float = 0.5,
        buffer_capacity: int = 10000,
        buffer_bytes: int = 16777216,
        overflow: Overflow | str = Overflow.WAIT,
        max_wait: float = 0.25,
        concurrency: int = 4,
        connect_timeout: float = 3.0,
        request_timeout: float = 10.0,
        max_retry_delay: float = 60.0,
        custom_retry_codes: Mapping[int, bool] = mappingproxy({}),
        max_age: float | None = None,
        exit_flush: bool = True,
        commit_timeout: float = 1.0,
        headers: Mapping[str, str] = mappingproxy({}),
        auth: tuple[str, str] | None = None,
        post_path: str | None = None,
        ssl_context: SSLContext | None = None,
        event_store: EventStore | None = None,
        transport: Transport | None = None,
        on_success: Callback | None = None,
        on_retry: Callback | None = None,
        on_failure: Callback | None = None,
        on_drop: Callback | None = None,
    )
    can_deliver: bool
    safe_bytes: int
Entities
class Entity(SchemaModel)
    Entity()
    classmethod clipped(**data: Any) -> Self
    self_description() -> Mapping[str, object]
class Event(CheckedModel)
    Event(
        *,
        event_subject: InstanceOf[Subject] | None = None,
        context: Entities | None = None,
        true_timestamp: float | datetime | None = None,
        event_id: str | UUID | None = None,
        created_at: float | datetime | None = None,
    )
    classmethod clipped(**data: Any) -> Self
    self_describing() -> SelfDescribingJson | None
class EventRefusedError(DeliveryError)
class EventSink(Protocol)
    track_nowait(event: Event) -> object
class EventStore(Protocol)
    async ack(lease: Lease) -> int
    async aclose(by: float) -> Sequence[Lease]
    after_fork()
    at_exit(by: float) -> int
    backlog() -> Backlog
    cancel(size_bytes: int)
    evict(size_bytes: int) -> Sequence[Lease] | None
    is_durable: bool
    async lease(max_events: int, max_bytes: int) -> Lease | None
    max_record_bytes: int
    async open(host: StoreHost)
    put(record: Record, now: float) -> Commit | None
    async reclaim() -> int
    async reject(lease: Lease, reason: DropReason, detail: str = '') -> int
    async release(lease: Lease)
    reserve(size_bytes: int) -> bool
class EventTooLargeError(InvalidValueError)
class Failure
    Failure(
        kind: FailureKind,
        detail: str = '',
        *,
        is_reused: bool = False,
        has_response_started: bool = False,
    )
class FailureKind(StrEnum)
    CONNECT = 'connect'
    TLS = 'tls'
    TIMEOUT = 'timeout'
    BROKEN = 'broken'
    PROTOCOL = 'protocol'
    ERROR = 'error'
class ForkedTrackerError(TrackerStateError)
class Health
    Health(status: HealthStatus, details: Mapping[str, str])
    classmethod worst(parts: Iterable[Health]) -> Health
class HealthStatus(StrEnum)
    OK = 'ok'
    DEGRADED = 'degraded'
    FAILING = 'failing'
class HostedTracker
    HostedTracker(
        tracker: Tracker,
        *,
        timeout: float = 5.0,
        backend: str = 'asyncio',
        backend_options: Mapping[str, object] = mappingproxy({}),
    )
    close(timeout: float | None = None) -> DeliveryReport
    deliver(event: Event, timeout: float = 10.0) -> str
    flush(timeout: float = 5.0) -> DeliveryReport
    health() -> Health
    is_open: bool
    last_report: DeliveryReport
    open() -> Self
    stats() -> Statistics
    track_nowait(event: Event) -> str | None
class HttpxTransport
    HttpxTransport(
        client: AsyncClient | None = None,
        *,
        ssl_context: SSLContext | None = None,
        connect_timeout: float = 3.0,
    )
    async aclose()
    is_own: bool
    async open(url: CollectorURL)
    async send(request: Request) -> Reply
class InsecureCollectorWarning(AiotrackerWarning)
class InstantStore(EventStore, Protocol)
    try_put(record: Record, size_bytes: int, now: float) -> bool
class InvalidDataError(InvalidValueError)
class InvalidEventError(InvalidValueError)
class InvalidSchemaKeyError(InvalidValueError)
class InvalidValueError(AiotrackerError, ValueError)
class Kind(StrEnum)
    ORDINARY = 'ordinary'
    ANONYMOUS = 'anonymous'
class Lease
    Lease(
        kind: Kind,
        data: tuple[bytes, ...],
        sequences: tuple[int, ...],
        put_at: tuple[float, ...],
    )
    part(start: int, end: int) -> Lease
    records: tuple[Record, ...]
    records_bytes: int
class MemoryStore
    MemoryStore(max_events: int = 10000, max_bytes: int = 16777216)
    async ack(lease: Lease) -> int
    async aclose(by: float) -> list[Lease]
    after_fork()
    at_exit(by: float) -> int
    backlog() -> Backlog
    cancel(size_bytes: int)
    evict(size_bytes: int) -> list[Lease] | None
    forget(lease: Lease) -> int
    is_durable: bool
    async lease(max_events: int, max_bytes: int) -> Lease | None
    max_record_bytes: int
    async open(host: StoreHost)
    put(record: Record, now: float)
    put_back(lease: Lease)
    put_back_all() -> int
    async reclaim() -> int
    async reject(lease: Lease, reason: DropReason, detail: str = '') -> int
    async release(lease: Lease)
    reserve(size_bytes: int) -> bool
    take(max_events: int, max_bytes: int) -> Lease | None
    take_all() -> list[Lease]
    try_put(record: Record, size_bytes: int, now: float) -> bool
class Notice
    Notice(
        kind: NoticeKind,
        collector: str,
        records: tuple[Record, ...],
        reason: str = '',
        detail: str = '',
    )
    event_ids: tuple[str, ...]
    payloads() -> list[dict[str, str]]
class NoticeKind(StrEnum)
    SUCCESS = 'success'
    RETRY = 'retry'
    FAILURE = 'failure'
    DROP = 'drop'
class Outlet(ABC)
    Outlet(
        name: str,
        settings: DeliverySettings,
        *,
        store: EventStore,
        callbacks: Mapping[NoticeKind, Callback | None],
    )
    can_deliver: bool
    claim(namespace: str)
    event_store: EventStore
    health() -> Health
    intake: Intake
    is_forked: bool
    offer(record: Record) -> Verdict
    async open(*, loop: Loop, clock: Clock, get_base64: bool)
    oversize(record: Record, *, get_base64: bool) -> tuple[int, int] | None
    refuse(record: Record | None, reason: RefusalReason)
    safe_bytes: int
    settings: DeliverySettings
    async settle_abandoned()
    stats() -> Statistics
    task: DetachedTask
class Overflow(StrEnum)
    WAIT = 'wait'
    DROP_NEWEST = 'drop_newest'
    DROP_OLDEST = 'drop_oldest'
    RAISE = 'raise'
class PagePing(Event)
    PagePing(
        *,
        page_url: str,
        page_title: str | None = None,
        referrer: str | None = None,
        min_x: int | None = None,
        max_x: int | None = None,
        min_y: int | None = None,
        max_y: int | None = None,
    )
class PageView(Event)
    PageView(*, page_url: str, page_title: str | None = None, referrer: str | None = None)
class PipelineWarning(AiotrackerWarning)
class Problem
    Problem(field: str, value: str, rule: str)
class Record(tuple)
    Record(kind: ForwardRef('Kind'), data: ForwardRef('bytes'), version: ForwardRef('int') = 1)
    event_id: str
    size_bytes: int
class RedisStore(DurableStore)
    RedisStore(
        url: str,
        name: str = 'default',
        *,
        max_events: int = 1000000,
        lease_seconds: float = 60.0,
        buffer_events: int = 10000,
        buffer_bytes: int = 16777216,
        max_dead_letters: int = 100000,
        max_deliveries: int = 10,
        timeout: float = 3.0,
    )
    async ack(lease: Lease) -> int
    async aclose(by: float) -> Sequence[Lease]
    after_fork()
    at_exit(by: float) -> int
    backlog() -> Backlog
    cancel(size_bytes: int)
    async count_dead_letters() -> int
    async dead_letters(*, after: str = '', limit: int = 100) -> Sequence[DeadLetter]
    evict(size_bytes: int) -> Sequence[Lease] | None
    is_durable: bool
    async lease(max_events: int, max_bytes: int) -> Lease | None
    max_record_bytes: int
    async open(host: StoreHost)
    async purge(letters: Sequence[DeadLetter]) -> int
    put(record: Record, now: float) -> Commit
    async reclaim() -> int
    async reject(lease: Lease, reason: DropReason, detail: str = '') -> int
    async release(lease: Lease)
    async replay(letters: Sequence[DeadLetter]) -> int
    reserve(size_bytes: int) -> bool
class RefusalReason(StrEnum)
    CLOSED = 'closed'
    QUEUE_FULL = 'queue_full'
    STORE_FULL = 'store_full'
    OVERSIZE = 'oversize'
    BEFORE_TRACK = 'before_track'
    SAMPLED = 'sampled'
    DISABLED = 'disabled'
class Relay
    Relay(emitter: Emitter, *, clock: Clock | None = None)
    async aclose(timeout: float = 5.0)
    backlog() -> Backlog
    async check(timeout: float = 2.0) -> Health
    async drained()
    health() -> Health
    oldest_age() -> float | None
    async open() -> Self
    stats() -> Statistics
Reply
class Request
    Request(method: str, url: str, headers: tuple[tuple[str, str], ...] = (), body: bytes = b'')
class Response
    Response(status: int, headers: Mapping[str, str] = <factory>)
class SQLiteStore(DurableStore)
    SQLiteStore(
        path: str | PathLike[str],
        *,
        max_bytes: int = 536870912,
        max_events: int | None = None,
        synchronous: Literal['normal', 'full'] = 'normal',
        lease_seconds: float = 60.0,
        buffer_events: int = 10000,
        buffer_bytes: int = 16777216,
        max_dead_letters: int = 100000,
    )
    async ack(lease: Lease) -> int
    async aclose(by: float) -> Sequence[Lease]
    after_fork()
    at_exit(by: float) -> int
    backlog() -> Backlog
    cancel(size_bytes: int)
    async count_dead_letters() -> int
    async dead_letters(*, after: str = '', limit: int = 100) -> Sequence[DeadLetter]
    evict(size_bytes: int) -> Sequence[Lease] | None
    is_durable: bool
    async lease(max_events: int, max_bytes: int) -> Lease | None
    max_record_bytes: int
    async open(host: StoreHost)
    path: Path
    async purge(letters: Sequence[DeadLetter]) -> int
    put(record: Record, now: float) -> Commit
    async reclaim() -> int
    async reject(lease: Lease, reason: DropReason, detail: str = '') -> int
    async release(lease: Lease)
    async replay(letters: Sequence[DeadLetter]) -> int
    reserve(size_bytes: int) -> bool
class SchemaKey
    SchemaKey(vendor: str, name: str, format: str, model: int, revision: int, addition: int)
    classmethod parse(uri: str) -> SchemaKey
    version: str
class ScreenView(SelfDescribingEvent)
    ScreenView(
        *,
        id_: ViewId = None,
        name: Text = None,
        type: Text = None,
        previous_name: Text = None,
        previous_id: Id = None,
        previous_type: Text = None,
        transition_type: Text = None,
    )
    model_post_init(context: object)
class SelfDescribing(Event)
    SelfDescribing(event_json: InstanceOf[SelfDescribingJson])
    self_describing() -> SelfDescribingJson
class SelfDescribingEvent(Event, SchemaModel)
    SelfDescribingEvent()
    classmethod clipped(**data: Any) -> Self
    self_describing() -> SelfDescribingJson
    self_description() -> Mapping[str, object]
class SelfDescribingJson
    SelfDescribingJson(schema: str | SchemaKey, data: object)
class Shutdown
    Shutdown()
class Statistics
    Statistics(
        offered: int,
        accepted: int,
        refused: Mapping[RefusalReason, int],
        delivered: int,
        dropped: Mapping[DropReason, int],
        buffered: int,
        in_flight: int,
        requests: int,
        retries: Mapping[str, int],
        volatile: int = 0,
    )
    classmethod total(parts: Iterable[Statistics]) -> Statistics
class StoreHost(Protocol)
    changed()
    clock: Clock
    lost(count: int, reason: DropReason, detail: str, leases: Sequence[Lease] = ())
    say(level: int, reason: str, message: str, *, error: BaseException | None = None)
class StoreOnly(Outlet)
    StoreOnly(
        event_store: EventStore,
        *,
        byte_limit: int = 180000,
        overflow: Overflow | str = Overflow.WAIT,
        max_wait: float = 0.25,
        commit_timeout: float = 1.0,
        on_drop: Callback | None = None,
    )
    can_deliver: bool
    async open(*, loop: Loop, clock: Clock, get_base64: bool)
    oversize(record: Record, *, get_base64: bool) -> tuple[int, int] | None
    safe_bytes: int
class StructuredEvent(Event)
    StructuredEvent(
        *,
        category: str,
        action: str,
        label: str | None = None,
        property_: str | None = None,
        value: int | float | Decimal | None = None,
    )
class Subject(CheckedModel)
    Subject(
        *,
        platform: str | None = None,
        user_id: str | None = None,
        screen_resolution: str | tuple[int, int] | None = None,
        viewport: str | tuple[int, int] | None = None,
        color_depth: int | str | None = None,
        timezone: str | None = None,
        lang: str | None = None,
        ip_address: str | IPv4Address | IPv6Address | None = None,
        useragent: str | None = None,
        domain_user_id: str | None = None,
        domain_session_id: str | UUID | None = None,
        domain_session_index: int | None = None,
        network_user_id: str | None = None,
        fingerprint: str | None = None,
        document_size: str | tuple[int, int] | None = None,
        document_charset: str | None = None,
        cookies_enabled: bool | None = None,
        page_url: str | None = None,
        page_referrer: str | None = None,
    )
    classmethod clipped(**data: Any) -> Self
    classmethod from_pairs(pairs: Mapping[str, str]) -> Self
    pairs() -> Mapping[str, str]
    set_color_depth(depth: int | str | None) -> Self
    set_cookies_enabled(enabled: bool | None) -> Self
    set_document_charset(charset: str | None) -> Self
    set_document_size(width: int, height: int) -> Self
    set_domain_session_id(sid: str | UUID | None) -> Self
    set_domain_session_index(vid: int | None) -> Self
    set_domain_user_id(duid: str | None) -> Self
    set_fingerprint(fingerprint: str | None) -> Self
    set_ip_address(ip: str | IPv4Address | IPv6Address | None) -> Self
    set_lang(lang: str | None) -> Self
    set_network_user_id(nuid: str | None) -> Self
    set_page_referrer(referrer: str | None) -> Self
    set_page_url(page_url: str | None) -> Self
    set_platform(platform: str | None) -> Self
    set_screen_resolution(width: int, height: int) -> Self
    set_timezone(timezone: str | None) -> Self
    set_user_agent(ua: str | None) -> Self
    set_user_id(user_id: str | None) -> Self
    set_useragent(ua: str | None) -> Self
    set_viewport(width: int, height: int) -> Self
class Timing(SelfDescribingEvent)
    Timing(*, category: str, variable: str, timing: float, label: str | None = None)
class Tracker
    Tracker(
        namespace: str,
        emitters: str | Outlet | Sequence[str | Outlet],
        *,
        app_id: str | None = None,
        platform: str = 'srv',
        subject: Subject | None = None,
        context: Entities = (),
        anonymous: bool = False,
        encode_base64: bool | None = None,
        json_encoder: Callable[[object], object] | None = None,
        context_generator: ContextGenerator | None = None,
        before_track: BeforeTrack | None = None,
        sample_rate: float | Mapping[str, float] = 1.0,
        enabled: bool = True,
        clock: Clock | None = None,
    )
    async aclose(timeout: float = 5.0) -> DeliveryReport
    async deliver(event: Event, timeout: float = 10.0) -> str
    emitters: tuple[Outlet, ...]
    async flush(timeout: float = 5.0) -> DeliveryReport
    staticmethod get_uuid() -> str
    health() -> Health
    last_report: DeliveryReport
    async open() -> Self
    stats() -> Statistics
    async track(event: Event) -> str | None
    track_nowait(event: Event) -> str | None
class TrackerNotOpenError(TrackerStateError)
class TrackerOpenError(TrackerStateError)
class TrackerStateError(AiotrackerError, RuntimeError)
class Transport(Protocol)
    async aclose()
    async open(url: CollectorURL)
    async send(request: Request) -> Reply
class WrongLoopError(TrackerStateError)
class WrongThreadError(AiotrackerError, RuntimeError)
__version__
class capture_errors(_Instrument)
    capture_errors(
        tracker: EventSink,
        *,
        is_fatal: bool | None = None,
        context: Entities | None = None,
    )
def current_scope() -> Layer | None
def hosted(
    tracker: Tracker,
    *,
    timeout: float = 5.0,
    backend: str = 'asyncio',
    backend_options: Mapping[str, object] = mappingproxy({}),
) -> HostedTracker
class scope
    scope(*, subject: Subject | None = None, context: Entities = (), anonymous: bool | None = None)
def shutdown_on_signals() -> AsyncIterator[Shutdown]
class timed(_Instrument)
    timed(
        tracker: EventSink,
        *,
        category: str,
        variable: str,
        label: str | None = None,
        context: Entities | None = None,
        timer: Callable[[], float] = <built-in function perf_counter>,
    )
"""

if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in public_api()))
