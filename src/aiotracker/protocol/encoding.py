"""From an event to the bytes of its record, in one pass, at `track()`.

Merge order: tracker ◂ scope ◂ the event's subject ◂ the event itself; the later one wins. After this
nothing that happens to the event, its data or its subject can change what is sent, and the size of
what is sent is known. Pure.

Sources: Snowplow tracker protocol; Iglu Central, `unstruct_event` 1-0-0 and `contexts` 1-0-1 (which allows an
empty list and is what the Python and Go trackers send).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pydantic_core import from_json

from aiotracker.entities import SelfDescribingJson
from aiotracker.normalise import json_text
from aiotracker.protocol import fields
from aiotracker.protocol.layer import Layer, is_anonymous, json_members
from aiotracker.protocol.record import RECORD_START, Kind, Record
from aiotracker.protocol.rules import wire
from aiotracker.protocol.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiotracker.events import Event
    from aiotracker.protocol.fields import Field
    from aiotracker.subject import Subject

__all__ = ["Encoding", "decode", "encode", "encode_base64", "largest_fields"]

SELF_DESCRIBING_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
ENTITIES_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"
SESSION_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/client_session/"
"""The entity that identifies a person's session, in any version: kept out of anonymous events."""

_ORDINARY, _ANONYMOUS = Kind.ORDINARY, Kind.ANONYMOUS  # a member of an enum is looked up by Python code
MAX_REMEMBERED_CLASSES: Final = 512


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a tracker writes its events.

    Attributes:
        base64: write self-describing data and entities as base64 instead of JSON text.
        json_encoder: converts objects without a JSON form, as the `default` of `json.dumps`.
    """

    base64: bool = False
    json_encoder: Callable[[object], object] | None = None


def encode(
    event: Event,
    *,
    event_id: str,
    created_ms: int,
    tracker: Layer,
    scope: Layer | None,
    encoding: Encoding,
) -> Record:
    """Return the record of an event.

    Args:
        event: what happened.
        event_id: used when the event has no id of its own.
        created_ms: milliseconds since 1970, used when the event has no time of its own.
        tracker: what the tracker adds.
        scope: what the current scope adds.
        encoding: how self-describing data is written.
    Raises:
        InvalidDataError: self-describing data or an entity has no JSON form.
    """
    is_private = is_anonymous(tracker, scope)
    plan = _plan(type(event))
    values = event.__dict__
    given_id, given_ms = values["event_id"], values["created_at"]
    own_id = event_id if given_id is None else given_id
    own_ms = created_ms if given_ms is None else given_ms
    # Pieces of text and one join: half the time of a dict that is made into JSON, for every event.
    text = [f'{RECORD_START}{own_id}{plan.head}{own_ms}"']
    for name, start in plan.members:
        value = values[name]
        if value is not None:
            text.append(start + quoted(value if type(value) is str else wire(value)))
    described = event.self_describing()
    if described is not None:
        inner = _described_text(described.schema, described.data, "data", encoding)
        outer = f'{{"schema":"{SELF_DESCRIBING_SCHEMA}","data":{inner}}}'
        text.append(_json_member(fields.SELF_DESCRIBING, fields.SELF_DESCRIBING_BASE64, outer, encoding))
    if values["context"] or tracker.entities or (scope is not None and scope.entities):
        entities = _entity_texts(event, tracker, scope, encoding, is_private=is_private)
        if entities:
            outer = f'{{"schema":"{ENTITIES_SCHEMA}","data":[{",".join(entities)}]}}'
            text.append(_json_member(fields.ENTITIES, fields.ENTITIES_BASE64, outer, encoding))

    below = None if is_private else _apart_members(tracker, scope, values["event_subject"])
    if below is None:
        below = _merged_members(event, tracker, scope, is_private=is_private)
    text.append(below)
    return Record(_ANONYMOUS if is_private else _ORDINARY, "".join(text).encode())


def decode(data: bytes) -> dict[str, str]:
    """Return the wire names and texts of a record: the rare way back, for GET and callbacks."""
    pairs: dict[str, str] = from_json(data + b"}")
    return pairs


def encode_base64(pairs: Mapping[str, str]) -> dict[str, str]:
    """Return the pairs with self-describing data and entities as base64.

    The alphabet is the URL-safe one, which needs no escaping in a query string; padding is optional
    to the pipeline and left out for the same reason.
    """
    renamed = dict(pairs)
    for plain, encoded in (
        (fields.SELF_DESCRIBING.key, fields.SELF_DESCRIBING_BASE64.key),
        (fields.ENTITIES.key, fields.ENTITIES_BASE64.key),
    ):
        if plain in renamed:
            renamed[encoded] = _base64(renamed.pop(plain))
    return renamed


def largest_fields(data: bytes, count: int = 3) -> list[tuple[str, int]]:
    """Return wire names and UTF-8 sizes in bytes of a record's largest fields, largest first."""
    sizes = [(key, len(text.encode())) for key, text in decode(data).items()]
    return sorted(sizes, key=lambda item: item[1], reverse=True)[:count]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to write the events of a class.

    Attributes:
        head: from the end of the event's id to the beginning of its time.
        members: attributes, and what stands before the text of each.
    """

    head: str
    members: tuple[tuple[str, str], ...]


@lru_cache(maxsize=MAX_REMEMBERED_CLASSES)
def _plan(kind: type[Event]) -> _Plan:
    apart = (fields.EVENT_ID, fields.CREATED_AT)  # every event has them
    return _Plan(
        f'","{fields.EVENT.key}":{quoted(kind.event_code)},"{fields.CREATED_AT.key}":"',
        tuple((name, f',"{field.key}":') for name, field in kind.wired() if field not in apart),
    )


def _apart_members(tracker: Layer, scope: Layer | None, subject: Subject | None) -> str | None:
    """Return what is below an event's own fields as JSON members; None when a key stands in two places.

    Nearly always none does, and what layers have encoded can be used as it is.
    """
    if not tracker.is_apart:
        return None
    members, taken = tracker.members, tracker.taken
    if scope is not None:
        if not scope.is_apart or not scope.pairs.keys().isdisjoint(tracker.pairs):
            return None
        members, taken = members + scope.members, taken | scope.taken
    if subject is None:
        return members
    texts = [members]
    values = subject.__dict__
    for name, key, start in _members_of(type(subject)):
        value = values[name]
        if value is not None:
            if key in taken:
                return None
            texts.append(start + quoted(value if type(value) is str else wire(value)))
    return "".join(texts)


def _merged_members(event: Event, tracker: Layer, scope: Layer | None, *, is_private: bool) -> str:
    """Return what is below an event's own fields as JSON members, without repeating a key."""
    merged = dict(tracker.pairs)
    if scope is not None:
        merged.update(scope.pairs)
    if event.event_subject is not None:
        merged.update(event.event_subject.pairs())
    values = event.__dict__
    for name, field in event.wired():
        if values[name] is not None:
            merged.pop(field.key, None)
    if is_private:
        merged = {k: v for k, v in merged.items() if k not in fields.PRIVATE_FIELDS}
    return json_members(merged)


@lru_cache(maxsize=MAX_REMEMBERED_CLASSES)
def _members_of(kind: type[Subject]) -> tuple[tuple[str, str, str], ...]:
    """Return attribute, wire name and what stands before the text of each field of a kind of subject."""
    return tuple((name, field.key, f',"{field.key}":') for name, field in kind.wired())


def _json_member(plain: Field, encoded: Field, text: str, encoding: Encoding) -> str:
    if encoding.base64:
        return f',"{encoded.key}":"{_base64(text)}"'
    return f',"{plain.key}":{quoted(text)}'


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def _described_text(schema: str, data: object, path: str, encoding: Encoding) -> str:
    # An Iglu URI has no character that JSON escapes.
    return f'{{"schema":"{schema}","data":{json_text(data, path=path, default=encoding.json_encoder)}}}'


def _entity_texts(
    event: Event, tracker: Layer, scope: Layer | None, encoding: Encoding, *, is_private: bool
) -> list[str]:
    texts = []
    for where, entities in (
        ("tracker.context", tracker.entities),
        ("scope.context", scope.entities if scope else ()),
        ("context", event.context or ()),
    ):
        for index, entity in enumerate(entities):
            if isinstance(entity, SelfDescribingJson):
                schema, data = entity.schema, entity.data
            else:
                schema, data = entity.schema_key.uri, entity.self_description()
            if not (is_private and schema.startswith(SESSION_SCHEMA)):
                texts.append(_described_text(schema, data, f"{where}[{index}].data", encoding))
    return texts
