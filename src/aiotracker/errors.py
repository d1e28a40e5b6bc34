"""Every error and warning of aiotracker, and nothing else.

    AiotrackerError
    ├── InvalidValueError (ValueError)         a value that the pipeline would fail
    │   ├── InvalidEventError                  fields of an event, entity or subject
    │   ├── InvalidDataError                   data without a JSON form
    │   ├── InvalidSchemaKeyError              not an Iglu URI
    │   └── EventTooLargeError                 more bytes than one request may have
    ├── ConfigurationError (ValueError)        settings that cannot work
    │   └── CollectorURLError                  not the address of a collector
    ├── TrackerStateError (RuntimeError)       the tracker cannot be used here and now
    │   ├── TrackerNotOpenError
    │   ├── TrackerOpenError
    │   ├── WrongLoopError
    │   ├── ForkedTrackerError
    │   └── BlockingCallError
    ├── WrongThreadError (RuntimeError)        what only the main thread can do
    └── DeliveryError                          `deliver()` could not hand the event over
        ├── DeliveryTimeout (TimeoutError)
        └── EventRefusedError                  no emitter took the event

    AiotrackerWarning (UserWarning)
    ├── PipelineWarning                        accepted here, likely to fail in the pipeline
    └── InsecureCollectorWarning               events would travel in clear text

What the world does wrong (a collector that is down, a full queue) is an outcome with a reason, never
an exception, unless the caller asked for one. Messages are built here, from typed arguments that
stay readable as attributes: what, where, what to do.
"""

from __future__ import annotations

import inspect
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AiotrackerError",
    "AiotrackerWarning",
    "BlockingCallError",
    "CollectorURLError",
    "ConfigurationError",
    "DeliveryError",
    "DeliveryTimeout",
    "EventRefusedError",
    "EventTooLargeError",
    "ForkedTrackerError",
    "InsecureCollectorWarning",
    "InvalidDataError",
    "InvalidEventError",
    "InvalidSchemaKeyError",
    "InvalidValueError",
    "PipelineWarning",
    "Problem",
    "TrackerNotOpenError",
    "TrackerOpenError",
    "TrackerStateError",
    "WrongLoopError",
    "WrongThreadError",
]

_CREDENTIALS: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.*@")  # of a URL
_INSIDE: Final = frozenset({"aiotracker", "pydantic"})  # packages that no warning should point into

MAX_SHOWN_CHARACTERS = 80  # of a value in a message: enough to recognise it, too little to flood a log


def shown(value: object) -> str:
    """Return the `repr` of a value, shortened so that a message stays readable."""
    try:
        text = repr(value[:MAX_SHOWN_CHARACTERS] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001 - a broken __repr__ of a user's class must not hide the real error
        text = f"<{type(value).__name__} without a repr>"
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"


def warn_caller(warning: AiotrackerWarning) -> None:
    """Warn of the line outside of this package that led here, however many calls lie between."""
    frame = inspect.currentframe()
    level = 1
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _INSIDE:
        frame = frame.f_back
        level += 1
    warnings.warn(warning, stacklevel=level)


class AiotrackerError(Exception):
    """Root of all errors that aiotracker raises; copied and pickled they stay what they are."""

    def __reduce__(self) -> tuple[object, ...]:
        """Say how to build the error again: without its constructor, which takes the message's parts."""
        return _rebuilt, (type(self), self.args), self.__dict__


def _rebuilt(kind: type[AiotrackerError], args: tuple[object, ...]) -> AiotrackerError:
    error = kind.__new__(kind)
    error.args = args
    return error


class InvalidValueError(AiotrackerError, ValueError):
    """A value that the pipeline would fail, refused where the traceback helps."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule.

    Attributes:
        field: Python name of the field, dotted when nested (`context.0`).
        value: what was given, as a shortened `repr`; empty when nothing was given.
        rule: what the pipeline wants, and how to get there.
    """

    field: str
    value: str
    rule: str

    def __str__(self) -> str:
        """Return `field = value: rule`."""
        given = f" = {self.value}" if self.value else ""
        return f"{self.field}{given}: {self.rule}"


class InvalidEventError(InvalidValueError):
    """An event, entity or subject has fields that break rules of the pipeline.

    Attributes:
        model: name of the class that was to be built.
        problems: every broken rule, at least one.
    """

    def __init__(self, model: str, problems: Sequence[Problem]) -> None:
        self.model = model
        self.problems: tuple[Problem, ...] = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"{model} is not valid:{lines}")


class InvalidDataError(InvalidValueError):
    """Data of an event or entity has no JSON form that the pipeline takes.

    Attributes:
        path: where, in the form `data.items[3].price`.
        value: what stands there, as a shortened `repr`.
        rule: why it cannot travel, and what to do.
    """

    def __init__(self, path: str, value: object, rule: str) -> None:
        self.path = path
        self.value: str = shown(value)
        self.rule = rule
        super().__init__(f"{path} = {self.value}: {rule}")


class InvalidSchemaKeyError(InvalidValueError):
    """A text is not the URI of an Iglu schema.

    Attributes:
        uri: what was given.
        rule: the part of the grammar that it breaks.
    """

    def __init__(self, uri: object, rule: str) -> None:
        self.uri = uri
        self.rule = rule
        super().__init__(
            f"{shown(uri)} is not an Iglu schema URI: {rule}; it reads "
            "iglu:vendor/name/format/MODEL-REVISION-ADDITION, as in "
            "iglu:com.acme/order/jsonschema/1-0-0"
        )


class EventTooLargeError(InvalidValueError):
    """An event has more bytes than the largest request that an emitter may send.

    Attributes:
        size_bytes: the encoded event with its envelope, in a GET request the URL.
        limit_bytes: the smallest limit of the tracker's emitters.
        largest_fields: wire names and sizes in bytes of the three largest fields, largest first.
    """

    def __init__(self, size_bytes: int, limit_bytes: int, largest_fields: Sequence[tuple[str, int]]) -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        self.largest_fields: tuple[tuple[str, int], ...] = tuple(largest_fields)
        fields = ", ".join(f"{key} ({size:,} bytes)" for key, size in self.largest_fields)
        super().__init__(
            f"the event needs {size_bytes:,} bytes, the limit is {limit_bytes:,}; "
            f"its largest fields are {fields}. Send less data: the collector would answer 200 and "
            "lose a request that is too large"
        )


class ConfigurationError(AiotrackerError, ValueError):
    """A setting that cannot work, refused before anything is sent.

    Attributes:
        setting: name of the argument.
        value: what was given.
        rule: why it cannot work, and what would.
    """

    def __init__(self, setting: str, value: object, rule: str) -> None:
        self.setting = setting
        self.value = value
        self.rule = rule
        super().__init__(f"{setting}={shown(value)}: {rule}")


class CollectorURLError(ConfigurationError):
    """A text is not the address of a collector; credentials in it are not shown: errors get logged."""

    def __init__(self, url: object, rule: str) -> None:
        shown_url = _CREDENTIALS.sub(r"\1…@", url) if isinstance(url, str) else url
        super().__init__("collector", shown_url, rule)


class TrackerStateError(AiotrackerError, RuntimeError):
    """The tracker cannot be used here and now: a mistake in the program, never of the network."""


class TrackerNotOpenError(TrackerStateError):
    """An event was tracked before the tracker was opened, so nothing would ever send it."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        super().__init__(
            f"the tracker {namespace!r} is not open: track inside `async with tracker:`, "
            "or after `await tracker.open()`"
        )


class TrackerOpenError(TrackerStateError):
    """A tracker was opened twice, an emitter given to two trackers, or a transport cannot work here."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        super().__init__(f"{what}: {remedy}")


class WrongLoopError(TrackerStateError):
    """The tracker was used on another event loop than the one it was opened on."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        super().__init__(
            f"the tracker {namespace!r} was opened on another event loop: open one tracker per loop, "
            "or use track_nowait(), which works from any thread"
        )


class ForkedTrackerError(TrackerStateError):
    """The tracker was opened before the process forked, and the child did not open it again."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        super().__init__(
            f"the tracker {namespace!r} was opened before this process forked: open it again in the child"
        )


class BlockingCallError(TrackerStateError):
    """A hosted tracker was asked to wait on an event loop, which would stand still meanwhile.

    Attributes:
        namespace: of the tracker.
        call: what was called.
    """

    def __init__(self, namespace: str, call: str) -> None:
        self.namespace = namespace
        self.call = call
        super().__init__(
            f"{call} of the hosted tracker {namespace!r} would block the event loop that calls it: call it "
            "in a thread, as `await anyio.to_thread.run_sync(…)` does, or use the Tracker itself with `await`"
        )


class WrongThreadError(AiotrackerError, RuntimeError):
    """Something was called in another thread than the main one, which alone gets signals."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what} works in the main thread only, which alone gets signals: enter it there")


class DeliveryError(AiotrackerError):
    """`deliver()` could not hand the event to every collector.

    Attributes:
        event_id: the event.
        reasons: per collector URL, why: a drop or refusal reason with its detail.
    """

    def __init__(self, event_id: str, reasons: Mapping[str, str], headline: str | None = None) -> None:
        self.event_id = event_id
        self.reasons: dict[str, str] = dict(reasons)
        details = "; ".join(f"{url}: {reason}" for url, reason in self.reasons.items())
        super().__init__(f"{headline or 'event ' + event_id + ' was not delivered'}: {details}")


class DeliveryTimeout(DeliveryError, TimeoutError):  # noqa: N818 - named like the built-in it also is
    """`deliver()` ran out of time; the event stays queued and is sent later.

    Attributes:
        timeout: seconds that were waited.
    """

    def __init__(self, event_id: str, reasons: Mapping[str, str], timeout: float) -> None:
        self.timeout = timeout
        super().__init__(
            event_id,
            reasons,
            f"event {event_id} was not confirmed within {timeout:g} s, it stays queued",
        )


class EventRefusedError(DeliveryError):
    """No emitter took the event: asked for by `overflow="raise"`, and raised by `deliver()`."""


class AiotrackerWarning(UserWarning):
    """Root of all warnings that aiotracker gives."""


class PipelineWarning(AiotrackerWarning):
    """Something is accepted here and is likely to fail, or to be altered, in the pipeline."""


class InsecureCollectorWarning(AiotrackerWarning):
    """Events would travel in clear text to another machine."""
