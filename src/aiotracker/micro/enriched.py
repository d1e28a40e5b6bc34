"""One raw event → the columns of an enriched event, and everything that is wrong with it.

Does what Enrich does when no enrichment is configured, short of looking schemas up: read every key,
fill what is missing from the request, split URLs, derive, check lengths. Invariant: `enrich` always
returns, what it could fill beside what failed.

Sources: Enrich 6.10, `EnrichmentManager.scala` (phases), `Transform.scala`,
`SchemaEnrichment.scala`, `EventEnrichments.scala`, `PageEnrichments.scala`,
`CrossNavigationEnrichment.scala`, `AtomicFieldsLengthValidator.scala`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from types import MappingProxyType
from typing import Final, TypeAlias

from aiotracker.micro import rules, violations
from aiotracker.micro.columns import MAX_LENGTHS
from aiotracker.micro.payload import CollectorPayload, Parameters, parse_query
from aiotracker.micro.rules import READERS, Cell, Refusal, utf16_length
from aiotracker.micro.self_describing import (
    SelfDescribing,
    decode_base64,
    read_entities,
    read_event,
)
from aiotracker.micro.urls import split_url
from aiotracker.micro.violations import Message, Report
from aiotracker.protocol import fields

__all__ = [
    "COLLECTOR_NAME",
    "Enriched",
    "EventFailure",
    "Phase",
    "enrich",
    "shared_columns",
]

COLLECTOR_NAME: Final = f"aiotracker-micro-{version('aiotracker')}"

# Labels only: none of these schemas exists. Source: Enrich 6.10, `SchemaEnrichment.scala`.
EVENT_SCHEMAS: Final = MappingProxyType(
    {
        "page_view": ("com.snowplowanalytics.snowplow", "page_view"),
        "page_ping": ("com.snowplowanalytics.snowplow", "page_ping"),
        "transaction": ("com.snowplowanalytics.snowplow", "transaction"),
        "transaction_item": ("com.snowplowanalytics.snowplow", "transaction_item"),
        "struct": ("com.google.analytics", "event"),
    }
)
SELF_DESCRIBING_EVENT: Final = "unstruct"
CROSS_DOMAIN_KEY: Final = "_sp"
MAX_CROSS_DOMAIN_PARTS: Final = 7

_PLAIN_FIELDS: Final = MappingProxyType(
    {
        key: (READERS[field.rule], field.columns[0])
        for key, field in fields.FIELDS.items()
        # The collector's user id yields to the tracker's, whatever their order: see `_fill`.
        if field.rule in READERS and field is not fields.COLLECTOR_USER_ID
    }
)
_DIMENSIONS: Final = tuple(
    (key, *field.columns) for key, field in fields.FIELDS.items() if field.rule is fields.Rule.DIMENSIONS
)
# Of both forms the base64 one survives, so it is read last.
_EVENT_FIELDS: Final = (fields.SELF_DESCRIBING, fields.SELF_DESCRIBING_BASE64)
_ENTITY_FIELDS: Final = (fields.ENTITIES, fields.ENTITIES_BASE64)

Columns: TypeAlias = dict[str, Cell]


class Phase(Enum):
    """The bad rows that a single event can become, by their name."""

    SCHEMA = "schema_violations"
    ENRICHMENT = "enrichment_failures"


@dataclass(frozen=True, slots=True)
class EventFailure:
    """Why an event is not good.

    Attributes:
        phase: which bad row it becomes.
        messages: what is wrong, at least one.
    """

    phase: Phase
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Enriched:
    """An event after all phases.

    Attributes:
        columns: what is not null, but for the JSON columns; points in time in epoch milliseconds.
        self_describing: the event in `ue_*`, if any.
        entities: what came in `co` or `cx`, as far as it could be read.
        failure: None for a good event.
    """

    columns: Mapping[str, Cell]
    self_describing: SelfDescribing | None
    entities: Sequence[SelfDescribing]
    failure: EventFailure | None

    @property
    def schema(self) -> str | None:
        """URI of the event's schema; None when the event has no vendor or no name."""
        parts = ("event_vendor", "event_name", "event_format", "event_version")
        found = [str(self.columns[part]) for part in parts if part in self.columns]
        return f"iglu:{'/'.join(found)}" if len(found) == len(parts) else None


def shared_columns(payload: CollectorPayload) -> Mapping[str, Cell]:
    """Return the columns that the events of a request have unless they say otherwise."""
    columns: Columns = {
        "etl_tstamp": payload.received_ms,
        "collector_tstamp": payload.received_ms,
        "v_collector": COLLECTOR_NAME,
        "v_etl": COLLECTOR_NAME,
        "user_ipaddress": payload.ip_address,
        "network_userid": payload.network_user_id,
    }
    useragent = rules.read_text(payload.useragent or "")
    if useragent is not None:
        columns["useragent"] = useragent
    return columns


def enrich(
    parameters: Parameters, payload: CollectorPayload, shared: Mapping[str, Cell], event_id: str
) -> Enriched:
    """Take one raw event through all phases.

    Args:
        parameters: the raw event.
        payload: the request that it came in.
        shared: the `shared_columns` of that request.
        event_id: taken when the event brings none.
    """
    now_ms = payload.received_ms
    own: Columns = {}
    reports = _fill(own, parameters)
    broken = [violations.invalid(violations.ATOMIC_SCHEMA, reports)] if reports else []
    columns = {**shared, **own}
    if parameters.get(fields.EVENT_ID.key) is None:
        columns["event_id"] = event_id

    event: SelfDescribing | None = None
    for text in _json_texts(parameters, _EVENT_FIELDS):
        found = read_event(text, "ue_properties", now_ms)
        if isinstance(found, SelfDescribing):
            event = found
        else:
            broken += found
    entities: Sequence[SelfDescribing] = ()
    for text in _json_texts(parameters, _ENTITY_FIELDS):
        entities, problems = read_entities(text, "contexts", now_ms)
        broken += problems

    refused = [
        *_split_page_url(columns, payload.referer),
        *_split_url(columns, "page_referrer", "refr"),
        *_add_schema(columns, event),
    ]
    columns["derived_tstamp"] = _derived_ms(columns, now_ms)
    too_long = _length_reports(columns)

    failure = None
    if broken or (too_long and not refused):
        lengths = [violations.invalid(violations.ATOMIC_SCHEMA, too_long)] if too_long else []
        failure = EventFailure(Phase.SCHEMA, broken + lengths)
    elif refused:
        failure = EventFailure(
            Phase.ENRICHMENT, [violations.enrichment_failure(message) for message in refused]
        )
    return Enriched(columns, event, entities, failure)


def _fill(columns: Columns, parameters: Parameters) -> list[Report]:
    """Read every key into its column; return what could not be read."""
    reports = []
    for key, text in parameters.items():
        plain = _PLAIN_FIELDS.get(key)
        if plain is None or text is None:
            continue
        reader, column = plain
        value = reader(text)
        if isinstance(value, Refusal):
            reports.append(_unreadable(key, value))
        elif value is not None:
            columns[column] = value
    for key, width, height in _DIMENSIONS:
        text = parameters.get(key)
        if text is not None:
            size = rules.read_dimensions(text)
            if isinstance(size, Refusal):
                reports.append(_unreadable(key, size))
            else:
                columns[width], columns[height] = size
    network_user_id = rules.read_text(parameters.get(fields.COLLECTOR_USER_ID.key) or "")
    if network_user_id is not None:
        columns.setdefault("network_userid", network_user_id)
    return reports


def _unreadable(key: str, refusal: Refusal) -> Report:
    return violations.report(key, violations.PARSE_ERROR, f"{key} {refusal.reason}")


def _json_texts(parameters: Parameters, forms: Iterable[fields.Field]) -> Iterator[str]:
    for form in forms:
        text = parameters.get(form.key)
        if text is not None:
            yield decode_base64(text) if form.rule is fields.Rule.BASE64_JSON else text


def _split_page_url(columns: Columns, referer: str | None) -> Iterator[Message]:
    """Split the page URL, by default that of the request's `Referer`; read `_sp` from its query."""
    is_given = "page_url" in columns
    if not is_given:
        url = rules.read_text(referer or "")
        if url is None:
            return
        columns["page_url"] = url
    yield from _split_url(columns, "page_url", "page")
    query = str(columns.get("page_urlquery", ""))
    if not is_given or CROSS_DOMAIN_KEY not in query:
        return
    parts = (dict(parse_query(query)).get(CROSS_DOMAIN_KEY) or "").split(".")
    if len(parts) > MAX_CROSS_DOMAIN_PARTS:
        return
    user_id = rules.read_text(parts[0])
    if user_id is not None:
        columns["refr_domain_userid"] = user_id
    if len(parts) > 1 and parts[1]:
        sent_ms = rules.read_epoch_ms(parts[1])
        if isinstance(sent_ms, Refusal):
            yield violations.input_data("sp_dtm", parts[1], "epoch milliseconds")
        else:
            columns["refr_dvce_tstamp"] = sent_ms


def _split_url(columns: Columns, column: str, prefix: str) -> Iterator[Message]:
    text = columns.get(column)
    if text is None:
        return
    url = split_url(str(text))
    if url is None:
        yield violations.input_data(column, str(text), "a URL that Java can read")
        return
    columns[column] = url.text
    columns[f"{prefix}_urlport"] = url.port
    for part, value in (
        ("scheme", url.scheme),
        ("host", url.host),
        ("path", url.path),
        ("query", url.query),
        ("fragment", url.fragment),
    ):
        if value:
            columns[f"{prefix}_url{part}"] = value


def _add_schema(columns: Columns, event: SelfDescribing | None) -> Iterator[Message]:
    name = columns.get("event")
    if name == SELF_DESCRIBING_EVENT:
        if event is not None:  # without data it passes and has no schema
            columns["event_vendor"] = event.key.vendor
            columns["event_name"] = event.key.name
            columns["event_format"] = event.key.format
            columns["event_version"] = event.key.version
        return
    label = EVENT_SCHEMAS.get(str(name))
    if label is None:
        value = None if name is None else str(name)
        yield violations.input_data("event", value, "an event that has a schema")
        return
    columns["event_vendor"], columns["event_name"] = label
    columns["event_format"], columns["event_version"] = "jsonschema", "1-0-0"


def _derived_ms(columns: Columns, collector_ms: int) -> int:
    """Correct the device's clock by the collector's.

    Source: Enrich 6.10, `EventEnrichments.scala` (`getDerivedTimestamp`).
    """
    if "true_tstamp" in columns:
        return int(columns["true_tstamp"])
    if "dvce_created_tstamp" in columns and "dvce_sent_tstamp" in columns:
        waited_ms = int(columns["dvce_sent_tstamp"]) - int(columns["dvce_created_tstamp"])
        if waited_ms > 0:
            return collector_ms - waited_ms
    return collector_ms


def _length_reports(columns: Columns) -> list[Report]:
    reports = []
    for column, value in columns.items():
        limit = MAX_LENGTHS.get(column)
        if limit is None or not isinstance(value, str) or len(value) <= limit // 2:
            continue  # at most two UTF-16 units each, so half of the limit always fits
        length = utf16_length(value)
        if length > limit:
            message = f"{column} has {length:,} characters, the limit is {limit:,}"
            reports.append(violations.report(column, violations.LENGTH_EXCEEDED, message))
    return reports
