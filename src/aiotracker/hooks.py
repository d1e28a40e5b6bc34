"""What a user has to say about every event before it is encoded: leave it out, add to it, change it.

A user's function must not cost an event, nor leak one: what it raises is logged without its message, which
may hold what the function was to remove. An event whose scrubber failed is refused.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiotracker.delivery.log import LOGGER, DeliveryLog
from aiotracker.entities import SchemaModel
from aiotracker.errors import ConfigurationError
from aiotracker.events import Event
from aiotracker.events.base import checked_entities
from aiotracker.policy.reasons import RefusalReason
from aiotracker.policy.sampling import Sampling, is_kept
from aiotracker.protocol import fields
from aiotracker.protocol.layer import EMPTY_LAYER, Layer, is_anonymous
from aiotracker.subject import Subject

if TYPE_CHECKING:
    from aiotracker.events import Entities

__all__ = ["BeforeTrack", "ContextGenerator", "Hooks", "Prepared", "event_schema"]

BeforeTrack = Callable[[Event], Event | None]
"""Sees an event with its merged subject and entities; returns what is to be sent, None for nothing."""

ContextGenerator = Callable[[Event], "Entities"]
"""Returns entities to add to an event."""

SCHEMAS: Final = {
    "pv": "iglu:com.snowplowanalytics.snowplow/page_view/jsonschema/1-0-0",
    "pp": "iglu:com.snowplowanalytics.snowplow/page_ping/jsonschema/1-0-0",
    "se": "iglu:com.google.analytics/event/jsonschema/1-0-0",
}
"""What the pipeline calls events without a schema. Source: Enrich 6.10, `SchemaEnrichment.scala`."""

_NOBODY: Final[Mapping[bool | None, Layer]] = {
    anonymous: Layer({}, (), anonymous) for anonymous in (None, False, True)
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event that goes on to be encoded, and what is still to be merged into it."""

    event: Event
    tracker: Layer
    scope: Layer | None


class Hooks:
    """The hooks of one tracker."""

    def __init__(
        self,
        *,
        base: Layer,
        log: DeliveryLog,
        before_track: BeforeTrack | None,
        context_generator: ContextGenerator | None,
        sample_rate: float | Mapping[str, float],
    ) -> None:
        """Check and keep the hooks.

        Args:
            base: what the tracker adds to every event beside its subject and entities.
            log: where a hook that fails is told of.
            before_track: as `Tracker` takes it.
            context_generator: likewise.
            sample_rate: likewise.
        Raises:
            ConfigurationError: a hook that is no plain function, a rate that is no share, or a pattern
                that is no Iglu URI.
        """
        self._base = base
        self._log = log
        for setting, hook in (("before_track", before_track), ("context_generator", context_generator)):
            if hook is not None and (not callable(hook) or inspect.iscoroutinefunction(hook)):
                raise ConfigurationError(
                    setting, hook, "must be a plain function of an event, not a coroutine"
                )
        self._before_track = before_track
        self._context_generator = context_generator
        self._sampling = _sampling(sample_rate)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._before_track is None and self._context_generator is None and self._sampling is None

    def apply(
        self, event: Event, event_id: str, tracker: Layer, scope: Layer | None
    ) -> Prepared | RefusalReason:
        """Return what is to be encoded of an event, or why nothing is.

        Args:
            event: as it was tracked.
            event_id: that it gets if it has none.
            tracker: what the tracker adds.
            scope: what the current scope adds.
        """
        if self._sampling is not None:
            rate = self._sampling.rate(event_schema(event))
            if rate < 1 and not is_kept(_sampled_by(event, event_id, tracker, scope), rate):
                return RefusalReason.SAMPLED
        if self._context_generator is not None:
            event = self._with_more(event, self._context_generator)
        if self._before_track is None:
            return Prepared(event, tracker, scope)
        changed: object = None
        try:
            changed = self._before_track(self._merged(event, event_id, tracker, scope))
        except Exception as error:  # noqa: BLE001 - a user's function; what it was to remove must not leave
            self._tell("before_track", error)
        if changed is None:
            return RefusalReason.BEFORE_TRACK
        if not isinstance(changed, Event):
            self._tell("before_track", TypeError(f"{type(changed).__name__} is no event"))
            return RefusalReason.BEFORE_TRACK
        # All that the layers had to add is in the event by now, unless the hook took it away.
        return Prepared(changed, self._base, None if scope is None else _NOBODY[scope.anonymous])

    def _merged(self, event: Event, event_id: str, tracker: Layer, scope: Layer | None) -> Event:
        """Return the event with everything in it that would be sent about who, where and what."""
        pairs = {k: v for k, v in tracker.pairs.items() if self._base.pairs.get(k) != v}
        pairs.update({} if scope is None else scope.pairs)
        pairs.update({} if event.event_subject is None else event.event_subject.pairs())
        entities = (
            *tracker.entities,
            *(() if scope is None else scope.entities),
            *(event.context or ()),
        )
        return event.model_copy(
            update={
                "event_id": event.event_id or event_id,
                "event_subject": Subject.from_pairs(pairs),
                "context": entities or None,
            }
        )

    def _with_more(self, event: Event, generator: ContextGenerator) -> Event:
        """Return the event with what a generator adds; without it when that fails."""
        try:
            more = checked_entities(generator(event))
        except Exception as error:  # noqa: BLE001 - a user's function; the event itself is good
            self._tell("context_generator", error)
            return event
        return event.model_copy(update={"context": (*(event.context or ()), *more)}) if more else event

    def _tell(self, hook: str, error: Exception) -> None:
        consequence = "the event is refused" if hook == "before_track" else "its entities are left out"
        message = f"{hook} failed with {type(error).__name__}, {consequence}"
        self._log.say(logging.ERROR, hook, type(error).__name__, message)
        LOGGER.debug("%s: %s", self._log.name, hook, exc_info=error)


def event_schema(event: Event) -> str:
    """Return the Iglu URI by which the pipeline knows an event; empty for none."""
    if event.event_code in SCHEMAS:
        return SCHEMAS[event.event_code]
    if isinstance(event, SchemaModel):
        return event.schema_key.uri
    described = event.self_describing()
    return "" if described is None else described.schema


def _sampled_by(event: Event, event_id: str, tracker: Layer, scope: Layer | None) -> str:
    """Return the visitor's id, or the event's where there is none or it is nobody's business."""
    if not is_anonymous(tracker, scope):
        own = {} if event.event_subject is None else event.event_subject.pairs()
        for key in (fields.DOMAIN_USER_ID.key, fields.USER_ID.key):
            for pairs in (own, (scope or EMPTY_LAYER).pairs, tracker.pairs):
                if key in pairs:
                    return pairs[key]
    return str(event.event_id or event_id)


def _sampling(given: float | Mapping[str, float]) -> Sampling | None:
    rates = given if isinstance(given, Mapping) else {"iglu:*": given}
    for pattern, rate in rates.items():
        if not isinstance(pattern, str) or not pattern.startswith("iglu:"):
            raise ConfigurationError(
                "sample_rate", pattern, "must be an Iglu URI, with * for any part: iglu:com.acme/*"
            )
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ConfigurationError("sample_rate", rate, "must be a share between 0 and 1")
    return Sampling(dict(rates)) if any(rate < 1 for rate in rates.values()) else None
