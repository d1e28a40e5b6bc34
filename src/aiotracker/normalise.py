"""Any Python data, written as JSON text that the pipeline takes, or refused with its path.

A JSON library alone is not enough: it writes `NaN`, turns the key 1 into "1", a Decimal into text and
nests without end, and each of these fails the event in the pipeline. One pass checks and writes.

Sources: Enrich 6.10, `maxJsonDepth` of its `reference.conf` (40 with the envelope; entities begin 3 levels
down); iglu-scala-client 4.0, `CirceValidator.scala` (a Decimal must be a JSON number).
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, get_args
from uuid import UUID

from pydantic import AnyUrl, BaseModel, RootModel
from pydantic.functional_serializers import PlainSerializer, WrapSerializer
from pydantic_core import Url, from_json, to_json

from aiotracker.errors import InvalidDataError, shown
from aiotracker.protocol.fields import MAX_DECIMAL_EXPONENT
from aiotracker.protocol.text import has_lone_surrogate, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance
    from pydantic.fields import FieldInfo

__all__ = ["MAX_DEPTH", "json_text", "model_data"]

MAX_DEPTH: Final = 35  # of the user's part of the JSON; with the envelope it stays below Enrich's 40
MAX_INTEGER: Final = 10 ** (MAX_DECIMAL_EXPONENT + 1)
MAX_SEGMENT: Final = 40  # characters of a key in a path; a longer one would hide the rest of the message
MAX_REMEMBERED_MODELS: Final = 512
MAX_REMEMBERED_KEYS: Final = 4096  # the bound is for hostile ones

TOO_DEEP: Final = f"is nested more than {MAX_DEPTH} levels deep, or contains itself"

_DIGITS_AS_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER: Final = b"0" * len(str(MAX_INTEGER))

_AS_TEXT = (
    UUID, PurePath, AnyUrl, Url,
    ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
)  # fmt: skip


def json_text(value: object, *, path: str = "data", default: Callable[[object], object] | None = None) -> str:
    """Return a value as JSON text, compact and in Unicode.

    Text, numbers, booleans, None, mappings with text keys, lists, tuples and sets are taken as they
    are; a Decimal becomes a number with its digits; datetime, date, time (ISO 8601), UUID, paths,
    URLs and addresses become text; enums their value; pydantic models and dataclasses objects (see
    `model_data`).

    Args:
        value: the data of an event or entity.
        path: what the data is called in messages.
        default: converts what is left, as the `default` of `json.dumps`; its result is treated alike.
    Raises:
        InvalidDataError: NaN, infinity, bytes, a key that is not text, more than 35 levels, or an
            object without a JSON form; the error has the path.
    """
    text = _read_back(value)
    if text is not None:
        return text
    try:
        text = _Writer(default).value(value, 1)
        if not text.isascii() and has_lone_surrogate(text):
            text = _CheckingWriter(default).value(value, 1)  # refuses it, and says where it stands
    except _Refusal as refusal:
        where = path + "".join(reversed(refusal.segments))
        raise InvalidDataError(where, refusal.value, refusal.rule) from refusal.__cause__
    except RecursionError as error:  # by what has no level of its own: a RootModel around itself
        raise InvalidDataError(path, type(value), TOO_DEEP) from error
    return text


def _read_back(value: object) -> str | None:
    """Return a value as pydantic's core writes it, if that reads back as the value itself; else None.

    Half the time of `_Writer` for plain data, which is nearly all there is. What has no JSON form, or
    another one than ours, does not come back equal: a Decimal is read as text, the key 1 as "1", a tuple as
    a list, NaN not at all. Depth and long numbers do come back; only few brackets and digits may pass.
    """
    try:
        octets = to_json(value)
        size = len(octets)
        if size - len(octets.translate(None, b"{[")) > MAX_DEPTH:
            return None
        if size >= len(_LONG_NUMBER) and _LONG_NUMBER in octets.translate(_DIGITS_AS_ZERO):
            return None
        is_same = from_json(octets, allow_inf_nan=False, cache_strings="keys") == value
        return octets.decode() if is_same else None
    except Exception:  # noqa: BLE001 - whatever it is, `_Writer` says it better
        return None


def model_data(model: BaseModel, *, skip: frozenset[str] = frozenset()) -> dict[str, object]:
    """Return the fields of a pydantic model under their aliases, values as they are.

    A field that is None, and would be None by default, is left out, since hardly an Iglu schema allows
    null; a field without that default is kept as null. Computed fields are part of the data. Fields with
    serializers of their own, and models with one, are dumped by pydantic instead.

    Args:
        model: any pydantic model but a `RootModel`.
        skip: attribute names that are not part of the data.
    """
    plan = _plan(type(model))
    if plan.is_dumped:
        dumped: dict[str, object] = model.model_dump(mode="python", by_alias=True, exclude=set(skip))
        absent = {m.alias for m in plan.members if m.is_droppable and getattr(model, m.name) is None}
        return {k: v for k, v in dumped.items() if v is not None or k not in absent}
    data: dict[str, object] = {}
    for member in plan.members:
        if member.name in skip:
            continue
        value = getattr(model, member.name)
        if member.is_dumped:
            part = model.model_dump(mode="python", by_alias=False, include={member.name})
            if member.name not in part:
                continue
            value = part[member.name]
        if value is not None or not member.is_droppable:
            data[member.alias] = value
    if model.model_extra:
        data.update(model.model_extra)
    return data


class _Refusal(Exception):  # noqa: N818 - never leaves this module
    """A value without a JSON form; gathers its path on the way up, innermost segment first."""

    def __init__(self, value: object, rule: str) -> None:
        self.value = value
        self.rule = rule
        self.segments: list[str] = []


class _Writer:
    """Writes values as JSON text; exact types first, since they are nearly all there is."""

    def __init__(self, default: Callable[[object], object] | None) -> None:
        self._default = default
        self._key: Callable[[Any], str] = _KEYS.__getitem__  # Any: a key need not be text
        self._text: Callable[[str], str] = quoted
        self._scalars = _SCALARS

    def value(self, value: Any, depth: int) -> str:  # noqa: ANN401 - narrowed by its exact type
        kind = type(value)
        scalar = self._scalars.get(kind)
        if scalar is not None:
            return scalar(value)
        if kind is dict:
            return self._object(value, depth)
        if kind is list or kind is tuple:
            return self._array(value, depth)
        return self._other(value, depth)

    def _other(self, value: object, depth: int) -> str:
        match value:
            case Enum():
                return self.value(value.value, depth)
            case str():
                return self._text(str.__str__(value))
            case int():
                return _integer(int(value))
            case float():
                return _float(float(value))
            case Decimal():
                return _decimal(value)
            case datetime() | date() | time():
                return quoted(value.isoformat())
            case RootModel():
                plan = _plan(type(value))
                is_plain = not plan.is_dumped and not plan.members[0].is_dumped
                return self.value(value.root if is_plain else value.model_dump(mode="python"), depth)
            case BaseModel():
                return self._object(model_data(value), depth)
            case Mapping():
                return self._object(value, depth)
            case list() | tuple() | AbstractSet():
                return self._array(value, depth)
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return self._object(_dataclass_data(value), depth)
            case _ if isinstance(value, _AS_TEXT):
                return self._text(str(value))
            case _:
                return self._foreign(value, depth)

    def _foreign(self, value: object, depth: int) -> str:
        if self._default is not None:
            if depth > MAX_DEPTH:
                raise _Refusal(value, "json_encoder keeps returning objects that it must encode again")
            try:
                encoded = self._default(value)
            except Exception as error:
                raise _Refusal(value, f"json_encoder failed on it: {error}") from error
            return self.value(encoded, depth + 1)
        if isinstance(value, bytes | bytearray | memoryview):
            raise _Refusal(value, "bytes have no JSON form: decode them, or encode them as base64 text")
        if isinstance(value, timedelta):
            raise _Refusal(value, "a duration has no JSON form: pass its total_seconds()")
        kind = type(value).__name__
        raise _Refusal(
            value, f"{kind} objects have no JSON form: convert them, or give the tracker a json_encoder"
        )

    def _object(self, members: Mapping[Any, object], depth: int) -> str:  # Any: a key need not be text
        if depth > MAX_DEPTH:
            raise _too_deep(members)
        key_text, scalar_of = self._key, self._scalars.get
        parts = []
        key: object = None
        try:
            for key, item in members.items():
                scalar = scalar_of(type(item))  # in line: a call takes as long as the rest
                text = self.value(item, depth + 1) if scalar is None else scalar(item)
                parts.append(key_text(key) + text)
        except _Refusal as refusal:
            refusal.segments.append(_segment(key))
            raise
        return "{" + ",".join(parts) + "}"

    def _array(self, items: list[object] | tuple[object, ...] | AbstractSet[object], depth: int) -> str:
        if depth > MAX_DEPTH:
            raise _too_deep(items)
        scalar_of = self._scalars.get
        parts: list[str] = []
        try:
            for item in items:
                scalar = scalar_of(type(item))
                parts.append(self.value(item, depth + 1) if scalar is None else scalar(item))
        except _Refusal as refusal:
            refusal.segments.append(f"[{len(parts)}]")
            raise
        return "[" + ",".join(parts) + "]"


class _CheckingWriter(_Writer):
    """Refuses text that is no text: needed only to say where it stands."""

    def __init__(self, default: Callable[[object], object] | None) -> None:
        super().__init__(default)
        self._key = _checked_key
        self._text = _checked_text
        self._scalars = {**_SCALARS, str: _checked_text}


def _checked_key(key: object) -> str:
    text = _key(key)
    if has_lone_surrogate(text):
        raise _Refusal(key, "a key has half a surrogate pair, which is no character")
    return quoted(text) + ":"


def _checked_text(value: str) -> str:
    if has_lone_surrogate(value):
        raise _Refusal(value, "has half a surrogate pair, which is no character: decode it properly")
    return quoted(value)


class _Keys(dict[str, str]):
    """Keys as they are written, with their colons: the same few come in event after event."""

    def __missing__(self, key: object) -> str:
        text = _key(key)
        written = quoted(text) + ":"
        if len(self) < MAX_REMEMBERED_KEYS:
            self[text] = written
        return written


_KEYS: Final = _Keys()


def _dataclass_data(value: DataclassInstance) -> dict[str, object]:
    """Return the fields of a dataclass; one that is None, and would be by default, is left out."""
    return {
        field.name: item
        for field in dataclasses.fields(value)
        if (item := getattr(value, field.name)) is not None or field.default is not None
    }


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise _Refusal(key, "a key must be text: JSON has no other keys")
    return key.value if isinstance(key, Enum) else str.__str__(key)


def _segment(key: object) -> str:
    if isinstance(key, str) and len(key) <= MAX_SEGMENT and key.isidentifier():
        return f".{key}"
    return f"[{shown(key)}]"


def _integer(value: int) -> str:
    if not -MAX_INTEGER < value < MAX_INTEGER:
        raise _Refusal(value, f"must be between -1e{MAX_DECIMAL_EXPONENT} and 1e{MAX_DECIMAL_EXPONENT}")
    return str(value)


def _float(value: float) -> str:
    if not isfinite(value):
        raise _Refusal(value, "JSON has no NaN and no infinity: leave it out, or pass None")
    return float.__repr__(value)


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise _Refusal(value, "JSON has no NaN and no infinity: leave it out, or pass None")
    if value and abs(value.adjusted()) > MAX_DECIMAL_EXPONENT:
        raise _Refusal(value, f"must be between 1e-{MAX_DECIMAL_EXPONENT} and 1e{MAX_DECIMAL_EXPONENT}")
    return str(value)


def _too_deep(value: object) -> _Refusal:
    return _Refusal(type(value), TOO_DEEP)  # not the value: a cycle has a very long repr


_SCALARS: Final[dict[type, Callable[[Any], str]]] = {  # Any: each takes the type that it stands for
    str: quoted,
    int: _integer,
    float: _float,
    bool: {True: "true", False: "false"}.__getitem__,
    type(None): {None: "null"}.__getitem__,
}
"""How exact types are written: found in a fifth of the time that a chain of tests takes."""


def _alias(info: object, name: str) -> str:
    alias = getattr(info, "serialization_alias", None) or getattr(info, "alias", None)
    return alias if isinstance(alias, str) else name


@dataclasses.dataclass(frozen=True, slots=True)
class _Member:
    """A field of a model: its attribute, its name in the data, and how it is written there."""

    name: str
    alias: str
    is_droppable: bool
    is_dumped: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """How to write the models of a class; dumped where the class has a serializer for the whole of it."""

    members: tuple[_Member, ...]
    is_dumped: bool


@lru_cache(maxsize=MAX_REMEMBERED_MODELS)
def _plan(model: type[BaseModel]) -> _Plan:
    decorators = model.__pydantic_decorators__
    serialized = {name for found in decorators.field_serializers.values() for name in found.info.fields}
    members = [
        _Member(
            name,
            _alias(info, name),
            info.default is None,
            name in serialized or "*" in serialized or _is_conditional(info),
        )
        for name, info in model.model_fields.items()
        if not info.exclude
    ]
    members += [
        _Member(name, _alias(info, name), is_droppable=False, is_dumped=name in serialized)
        for name, info in model.model_computed_fields.items()
    ]
    return _Plan(tuple(members), bool(decorators.model_serializers))


def _is_conditional(info: FieldInfo) -> bool:
    """Tell whether how a field is written does not follow from its value alone."""
    return getattr(info, "exclude_if", None) is not None or _has_serializer((*info.metadata, info.annotation))


def _has_serializer(annotation: object) -> bool:
    parts = annotation if isinstance(annotation, tuple) else get_args(annotation)
    return any(isinstance(part, PlainSerializer | WrapSerializer) or _has_serializer(part) for part in parts)
