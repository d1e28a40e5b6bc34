"""Self-describing JSON as Enrich reads it: the event in `ue_*`, the entities in `co` and `cx`.

Owns JSON text, base64, and the common grammar of the envelopes. Checks the envelopes and the names
of schemas, never data against its schema: nothing is looked up. A problem is a bad row's message.

Sources: Enrich 6.10, `IgluUtils.scala`, `JsonUtils.scala`, `ConversionUtils.scala`; Iglu Central,
`unstruct_event` 1-0-0, `contexts` 1-0-0 and 1-0-1; iglu-scala-core 1.1.4.
"""

import base64
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

from aiotracker.errors import InvalidSchemaKeyError
from aiotracker.micro import violations
from aiotracker.micro.violations import Message, Report
from aiotracker.protocol.schema_key import SchemaKey

__all__ = [
    "CONTEXTS",
    "UNSTRUCT_EVENT",
    "JsonProblem",
    "SelfDescribing",
    "decode_base64",
    "is_version_of",
    "parse_json",
    "read_entities",
    "read_event",
    "read_self_describing",
]

MAX_DEPTH: Final = 40  # arrays and objects around each other; Enrich's common module and Micro 3.0
MAX_INTEGER_DIGITS: Final = 4000  # Python refuses to turn longer texts into numbers and back
BASE64_GROUP: Final = 4

UNSTRUCT_EVENT: Final = "com.snowplowanalytics.snowplow/unstruct_event/jsonschema"
CONTEXTS: Final = "com.snowplowanalytics.snowplow/contexts/jsonschema"
NEVER_EMPTY_VERSION: Final = "1-0-0"  # of contexts; since 1-0-1 the list may be empty
KNOWN_VERSIONS: Final = MappingProxyType(
    {UNSTRUCT_EVENT: frozenset({"1-0-0"}), CONTEXTS: frozenset({"1-0-0", "1-0-1"})}
)
EMBEDDED: Final = "aiotracker Micro (envelopes only)"

_MEMBERS = frozenset({"schema", "data"})
# What the schemas of the envelopes ask of a URI; SchemaKey then asks for more.
_LOOSE_URI = re.compile(r"iglu:[a-zA-Z0-9\-_.]+/[a-zA-Z0-9\-_]+/[a-zA-Z0-9\-_]+/[0-9]+-[0-9]+-[0-9]+")
_ANY_VERSION_URI = re.compile(r"iglu:[a-zA-Z0-9\-_.]+/[a-zA-Z0-9\-_]+/[a-zA-Z0-9\-_]+/[^/]+")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_URL_SAFE = str.maketrans("-_", "+/")

Json: TypeAlias = Any  # a decoded JSON value


@dataclass(frozen=True, slots=True)
class SelfDescribing:
    """JSON that names its schema.

    Attributes:
        key: the schema.
        data: any JSON value, not checked against the schema.
    """

    key: SchemaKey
    data: Json

    def as_json(self) -> dict[str, Json]:
        """Return `{"schema": …, "data": …}`."""
        return {"schema": self.key.uri, "data": self.data}


@dataclass(frozen=True, slots=True)
class JsonProblem:
    """Why a text is not JSON that the pipeline takes."""

    error: str


def decode_base64(text: str) -> str:
    """Decode either alphabet of base64 as leniently as Java's commons-codec.

    Padding is optional, what is not of an alphabet is skipped, the first `=` ends the text, a rest
    of fewer than eight bits is dropped, broken UTF-8 becomes U+FFFD.
    """
    digits = _NOT_BASE64.sub("", text.partition("=")[0].translate(_URL_SAFE))
    surplus = len(digits) % BASE64_GROUP
    if surplus == 1:
        digits = digits[:-1]
    elif surplus:
        digits += "=" * (BASE64_GROUP - surplus)
    return base64.b64decode(digits).decode("utf-8", "replace")


def parse_json(text: str) -> Json | JsonProblem:
    """Decode JSON text; a number beyond Python's floats becomes the largest one.

    NaN and Infinity are refused, of members with the same name the last one counts.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        return JsonProblem(f"more than {MAX_DEPTH} levels deep")
    except ValueError as error:
        return JsonProblem(str(error))
    if _is_deeper(value, MAX_DEPTH):
        return JsonProblem(f"more than {MAX_DEPTH} levels deep")
    return value


def read_self_describing(value: Json) -> SelfDescribing | Message:
    """Take the schema and the data out of a JSON value; other members are no matter here.

    Source: iglu-scala-core 1.1.4, `SelfDescribingData.parse`.
    """
    if not isinstance(value, dict) or not value.keys() >= _MEMBERS:
        return violations.not_iglu(value, "INVALID_DATA_PAYLOAD")
    uri = value["schema"]
    try:
        key = SchemaKey.parse(uri)
    except InvalidSchemaKeyError:
        named = isinstance(uri, str) and _ANY_VERSION_URI.fullmatch(uri) is not None
        return violations.not_iglu(value, "INVALID_SCHEMAVER" if named else "INVALID_IGLUURI")
    return SelfDescribing(key, value["data"])


def is_version_of(envelope: str, key: SchemaKey) -> bool:
    """Say whether a schema is version 1-0-* of an envelope, given as `vendor/name/format`."""
    parts = f"{key.vendor}/{key.name}/{key.format}"
    return parts == envelope and (key.model, key.revision) == (1, 0)


def read_event(text: str, field: str, epoch_ms: int) -> SelfDescribing | list[Message]:
    """Read the envelope `unstruct_event` and the event in it.

    Args:
        text: JSON.
        field: the column that the messages name.
        epoch_ms: now, for a message about a schema that is not there.
    """
    data = _opened(text, field, UNSTRUCT_EVENT, _event_reports, epoch_ms)
    if isinstance(data, list):
        return data
    event = read_self_describing(data.data)
    return event if isinstance(event, SelfDescribing) else [event]


def read_entities(text: str, field: str, epoch_ms: int) -> tuple[list[SelfDescribing], list[Message]]:
    """Read the envelope `contexts` and the entities in it; one bad entity fails the event.

    Returns:
        The entities that could be read, and a message for each that could not.
    """
    data = _opened(text, field, CONTEXTS, _entities_reports, epoch_ms)
    if isinstance(data, list):
        return [], data
    entities, messages = [], []
    for item in data.data:
        entity = read_self_describing(item)
        if isinstance(entity, SelfDescribing):
            entities.append(entity)
        else:
            messages.append(entity)
    return entities, messages


def _opened(
    text: str,
    field: str,
    envelope: str,
    find_reports: Callable[[Json, str], list[Report]],
    epoch_ms: int,
) -> SelfDescribing | list[Message]:
    value = parse_json(text)
    if isinstance(value, JsonProblem):
        return [violations.not_json(field, text, value.error)]
    opened = read_self_describing(value)
    if not isinstance(opened, SelfDescribing):
        return [opened]
    key = opened.key
    if not is_version_of(envelope, key):
        return [violations.criterion_mismatch(key.uri, f"iglu:{envelope}/1-0-*")]
    if key.version not in KNOWN_VERSIONS[envelope]:
        return [violations.not_found(key.uri, EMBEDDED, epoch_ms)]
    reports = find_reports(opened.data, key.version)
    return [violations.invalid(key.uri, reports)] if reports else opened


def _event_reports(data: Json, _version: str) -> list[Report]:
    return _item_reports(data, "$")


def _entities_reports(data: Json, version: str) -> list[Report]:
    if not isinstance(data, list):
        return [_wrong_type(data, "$", "array")]
    if not data and version == NEVER_EMPTY_VERSION:
        return [violations.report("$", "minItems", "$: there must be at least 1 item", ["1"])]
    return [found for n, item in enumerate(data) for found in _item_reports(item, f"$[{n}]")]


def _item_reports(item: Json, path: str) -> list[Report]:
    if not isinstance(item, dict):
        return [_wrong_type(item, path, "object")]
    reports = [
        violations.report(path, "required", f"{path}.{name}: is missing", [name])
        for name in sorted(_MEMBERS - item.keys())
    ]
    reports += [
        violations.report(path, "additionalProperties", f"{path}.{name}: is not allowed", [name])
        for name in sorted(item.keys() - _MEMBERS)
    ]
    if "schema" not in item:
        return reports
    uri = item["schema"]
    if not isinstance(uri, str):
        reports.append(_wrong_type(uri, f"{path}.schema", "string"))
    elif not _LOOSE_URI.fullmatch(uri):
        reports.append(
            violations.report(f"{path}.schema", "pattern", f"{path}.schema: is no Iglu URI", [uri])
        )
    return reports


def _wrong_type(value: Json, path: str, expected: str) -> Report:
    found = _json_type(value)
    message = f"{path}: {found} found, {expected} expected"
    return violations.report(path, "type", message, [found, expected])


def _json_type(value: Json) -> str:
    if value is None:
        return "null"
    for kind, name in _JSON_TYPES:
        if isinstance(value, kind):
            return name
    return "object"


_JSON_TYPES = (
    (bool, "boolean"),  # before int, which it is in Python
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
)


def _is_deeper(value: Json, limit: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return bool(level)


def _float(text: str) -> float:
    return max(-sys.float_info.max, min(float(text), sys.float_info.max))


def _int(text: str) -> int | float:
    return int(text) if len(text) <= MAX_INTEGER_DIGITS else _float(text)


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)


_DECODER = json.JSONDecoder(parse_float=_float, parse_int=_int, parse_constant=_refuse)
