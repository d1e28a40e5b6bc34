"""Which of the received events someone asked for, and the search for them.

Source: Micro 3.0, `ValidationCache.scala` and `model.scala`.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from aiotracker.micro.receipt import Receipt, ShownEvent, events
from aiotracker.micro.views import JsonObject, bad_entries, entity_uris, good_event

__all__ = ["BadFilter", "FilterError", "GoodFilter", "find_bad", "find_good"]

MAX_IN_A_PART: Final = 20  # a bad entry repeats the body of its request, which may be 2 MB


class FilterError(Exception):
    """A filter in JSON has a field of the wrong type."""

    def __init__(self, name: str, expected: str) -> None:
        self.name = name
        self.expected = expected
        super().__init__(f"{name} must be {expected}")


@dataclass(frozen=True, slots=True)
class GoodFilter:
    """Which good events; None asks for nothing in particular.

    Attributes:
        event_type: long name, as `page_view` or `unstruct`.
        schema: whole URI of the event's schema.
        contexts: whole URIs of entities, all of which the event must have.
        limit: how many at most, newest first; none when below 1.
    """

    event_type: str | None = None
    schema: str | None = None
    contexts: Sequence[str] | None = None
    limit: int | None = None

    @classmethod
    def from_json(cls, value: object) -> "GoodFilter":
        """Read the body of a POST; unknown members are ignored, null means no filter.

        Raises:
            FilterError: a member has the wrong type.
        """
        members = _members(value)
        return cls(
            _text(members, "event_type"),
            _text(members, "schema"),
            _texts(members, "contexts"),
            _integer(members, "limit"),
        )

    def takes(self, shown: ShownEvent) -> bool:
        """Say whether an event is asked for, the limit aside."""
        event = shown.enriched
        if self.event_type is not None and self.event_type != event.columns.get("event"):
            return False
        if self.schema is not None and self.schema != event.schema:
            return False
        return not self.contexts or set(self.contexts) <= set(entity_uris(event))


@dataclass(frozen=True, slots=True)
class BadFilter:
    """Which bad entries; None asks for nothing in particular.

    Attributes:
        vendor: first segment of the path, `com.snowplowanalytics.snowplow`.
        version: second segment, `tp2`.
        limit: how many at most, newest first; none when below 1.
    """

    vendor: str | None = None
    version: str | None = None
    limit: int | None = None

    @classmethod
    def from_json(cls, value: object) -> "BadFilter":
        """Read the body of a POST; unknown members are ignored, null means no filter.

        Raises:
            FilterError: a member has the wrong type.
        """
        members = _members(value)
        return cls(_text(members, "vendor"), _text(members, "version"), _integer(members, "limit"))

    def takes(self, entry: JsonObject) -> bool:
        """Say whether an entry is asked for; one without a payload always is."""
        payload = entry["collectorPayload"]
        if payload is None:
            return True
        api = payload["api"]
        return self.vendor in {None, api["vendor"]} and self.version in {None, api["version"]}


def find_good(receipts: Iterable[Receipt], wanted: GoodFilter) -> Iterator[list[JsonObject]]:
    """Yield good events in the form of `/micro/good`, in order.

    Args:
        receipts: newest first.
        wanted: which events.
    Yields:
        At most `MAX_IN_A_PART` events of one request, often none: a long search has short steps.
    """
    found = (
        (good_event(shown) for shown in events(receipt, good=True) if wanted.takes(shown))
        for receipt in receipts
    )
    return _limited(found, wanted.limit)


def find_bad(receipts: Iterable[Receipt], wanted: BadFilter) -> Iterator[list[JsonObject]]:
    """Yield bad entries in the form of `/micro/bad`; otherwise like `find_good`."""
    found = ((entry for entry in bad_entries(receipt) if wanted.takes(entry)) for receipt in receipts)
    return _limited(found, wanted.limit)


def _limited(steps: Iterator[Iterator[JsonObject]], limit: int | None) -> Iterator[list[JsonObject]]:
    left = sys.maxsize if limit is None else limit
    while left > 0 and (step := next(steps, None)) is not None:
        is_more = True
        while is_more and left > 0:
            found = list(islice(step, min(left, MAX_IN_A_PART)))
            left -= len(found)
            is_more = len(found) == MAX_IN_A_PART
            yield found


def _members(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise FilterError("the filter", "a JSON object")
    return value


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise FilterError(name, "a string")
    return value


def _texts(members: Mapping[str, Any], name: str) -> Sequence[str] | None:
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise FilterError(name, "an array of strings")
    return value


def _integer(members: Mapping[str, Any], name: str) -> int | None:
    value = members.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise FilterError(name, "an integer")
    return value
