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
from typing import TYPE_CHECKING, Final

from pydantic_core import from_json

from aiotracker.entities import SelfDescribingJson
from aiotracker.normalise import json_text
from aiotracker.protocol import fields
from aiotracker.protocol.layer import EMPTY_LAYER, Layer, json_members
from aiotracker.protocol.record import Kind, Record
from aiotracker.protocol.rules import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiotracker.entities import Entity
    from aiotracker.events import Event

__all__ = ["Encoding", "decode", "encode", "encode_base64", "largest_fields"]

SELF_DESCRIBING_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
ENTITIES_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"
SESSION_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/client_session/"
"""The entity that identifies a person's session, in any version: kept out of anonymous events."""


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
    is_anonymous = tracker.anonymous if scope is None or scope.anonymous is None else scope.anonymous
    own: dict[str, str] = {}
    if event.event_subject is not None:
        own.update(event.event_subject.pairs())
    own[fields.EVENT.key] = event.event_code
    for name, field in event.wired():
        value = getattr(event, name)
        if value is not None:
            own[field.key] = wire(value)
    event_id = own.setdefault(fields.EVENT_ID.key, event_id)
    own.setdefault(fields.CREATED_AT.key, str(created_ms))

    described = event.self_describing()
    if described is not None:
        inner = _described_text(described.schema, described.data, "data", encoding)
        _put_json(
            own,
            f'{{"schema":"{SELF_DESCRIBING_SCHEMA}","data":{inner}}}',
            (fields.SELF_DESCRIBING.key, fields.SELF_DESCRIBING_BASE64.key),
            encoding,
        )
    texts = [
        _entity_text(entity, f"{where}[{index}].data", encoding)
        for where, entities in (
            ("tracker.context", tracker.entities),
            ("scope.context", scope.entities if scope else ()),
            ("context", event.context or ()),
        )
        for index, entity in enumerate(entities)
        if not (is_anonymous and _schema_of(entity).startswith(SESSION_SCHEMA))
    ]
    if texts:
        _put_json(
            own,
            f'{{"schema":"{ENTITIES_SCHEMA}","data":[{",".join(texts)}]}}',
            (fields.ENTITIES.key, fields.ENTITIES_BASE64.key),
            encoding,
        )

    kind = Kind.ANONYMOUS if is_anonymous else Kind.ORDINARY
    return Record(event_id, kind, b"{" + _members(own, tracker, scope, kind))


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


def _members(own: dict[str, str], tracker: Layer, scope: Layer | None, kind: Kind) -> bytes:
    """Return everything as JSON members, without repeating a key."""
    above = EMPTY_LAYER if scope is None else scope
    if kind is Kind.ORDINARY and _are_disjoint(own, tracker.pairs, above.pairs):
        parts = (json_members(own), tracker.members, above.members)
        return b",".join([part for part in parts if part])
    merged = {**tracker.pairs, **above.pairs, **own}
    if kind is Kind.ANONYMOUS:
        merged = {k: v for k, v in merged.items() if k not in fields.PRIVATE_FIELDS}
    return json_members(merged)


def _are_disjoint(own: Mapping[str, str], below: Mapping[str, str], above: Mapping[str, str]) -> bool:
    """Tell whether no key stands in two places, so that encoded layers can be used as they are."""
    return below.keys().isdisjoint(own) and above.keys().isdisjoint(own) and above.keys().isdisjoint(below)


def _put_json(own: dict[str, str], text: str, keys: tuple[str, str], encoding: Encoding) -> None:
    plain, encoded = keys
    if encoding.base64:
        own[encoded] = _base64(text)
    else:
        own[plain] = text


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def _described_text(schema: str, data: object, path: str, encoding: Encoding) -> str:
    # An Iglu URI has no character that JSON escapes.
    return f'{{"schema":"{schema}","data":{json_text(data, path=path, default=encoding.json_encoder)}}}'


def _schema_of(entity: Entity | SelfDescribingJson) -> str:
    return entity.schema if isinstance(entity, SelfDescribingJson) else entity.schema_key.uri


def _entity_text(entity: Entity | SelfDescribingJson, path: str, encoding: Encoding) -> str:
    data = entity.data if isinstance(entity, SelfDescribingJson) else entity.self_description()
    return _described_text(_schema_of(entity), data, path, encoding)
