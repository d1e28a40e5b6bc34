"""Any Python data as JSON text, or an error with its path."""

import collections
import enum
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Network
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import AnyUrl

from aiotracker import InvalidDataError
from aiotracker.normalise import MAX_DEPTH, json_text

ID = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"


class Colour(enum.StrEnum):
    """Texts."""

    RED = "red"


class OldColour(str, enum.Enum):  # noqa: UP042 - its str() is not its value
    """Texts, as before Python 3.11."""

    RED = "red"


class Level(enum.IntEnum):
    """Numbers."""

    HIGH = 3


class Kind(enum.Enum):
    """Any values."""

    PAIR = (1, "a")
    NOTHING = None


class Rights(enum.Flag):
    """Bits."""

    READ = 1
    WRITE = 2


class Text(str):  # noqa: SLOT000 - as users write it
    """A text of a class of its own."""

    def __str__(self) -> str:
        """Return something else."""
        return "no"


class Count(int):
    """A number of a class of its own, as libraries of arrays have."""

    def __str__(self) -> str:
        """Return something else."""
        return "no"


class Share(float):
    """Likewise."""

    __repr__ = Count.__str__


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


@dataclass
class Line:
    """A dataclass, nested and with defaults."""

    sku: str
    price: Decimal
    note: str | None = None
    coupon: str | None = field(default_factory=lambda: None)
    tags: list[str] = field(default_factory=list)


class Nothing:
    """A class without a JSON form."""

    def __repr__(self) -> str:
        """Return a short text."""
        return "<Nothing>"


def nested(depth: int) -> object:
    """Return lists and dicts around each other, so many levels."""
    value: object = "core"
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


def refusal(value: object, **options: Any) -> InvalidDataError:
    """Return the error with which a value is refused."""
    with pytest.raises(InvalidDataError) as caught:
        json_text(value, **options)
    return caught.value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-7, "-7"),
        (2**63, "9223372036854775808"),
        (10**308, "1" + "0" * 308),
        (1.5, "1.5"),
        (1e22, "1e+22"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (-0.0, "-0.0"),
        (Decimal("9.990"), "9.990"),
        (Decimal("1E+3"), "1E+3"),
        (Decimal("0.12345678901234567890123456789"), "0.12345678901234567890123456789"),
        (Decimal(-0), "0"),
        ('größe\n"\\ 日本 \U0001f600 \x7f\u2028', '"größe\\n\\"\\\\ 日本 \U0001f600 \x7f\u2028"'),
        ("", '""'),
        ([], "[]"),
        ({}, "{}"),
        ([1, "a", None, [True]], '[1,"a",null,[true]]'),
        ((1, 2), "[1,2]"),
        ({7}, "[7]"),
        (frozenset({7}), "[7]"),
        ({"a": {"b": 1}, "c": []}, '{"a":{"b":1},"c":[]}'),
        ({"a": 1}.keys(), '["a"]'),
        ({"": 1, "ü\n": 2}, '{"":1,"ü\\n":2}'),
        (datetime(2025, 3, 1, 12, 30, tzinfo=UTC), '"2025-03-01T12:30:00+00:00"'),
        (
            datetime(2025, 3, 1, 12, 30, 0, 5, tzinfo=timezone(timedelta(hours=2))),
            '"2025-03-01T12:30:00.000005+02:00"',
        ),
        (datetime(2025, 3, 1, 12, 30), '"2025-03-01T12:30:00"'),  # noqa: DTZ001 - as users pass it
        (date(2025, 3, 1), '"2025-03-01"'),
        (time(12, 30), '"12:30:00"'),
        (UUID(ID), f'"{ID}"'),
        (PurePosixPath("/a/b"), '"/a/b"'),
        (AnyUrl("https://acme.com/ü"), '"https://acme.com/%C3%BC"'),
        (IPv4Address("203.0.113.7"), '"203.0.113.7"'),
        (IPv6Network("2001:db8::/32"), '"2001:db8::/32"'),
        (Colour.RED, '"red"'),
        (OldColour.RED, '"red"'),
        (Level.HIGH, "3"),
        (Kind.PAIR, '[1,"a"]'),
        (Kind.NOTHING, "null"),
        (Rights.READ | Rights.WRITE, "3"),
        (Text("yes"), '"yes"'),
        (Count(7), "7"),
        (Share(0.5), "0.5"),
        ({Text("yes"): 1, OldColour.RED: 2, Colour.RED + "dish": 3}, '{"yes":1,"red":2,"reddish":3}'),
        (Point(1, 2), "[1,2]"),
        (collections.OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (collections.Counter("aab"), '{"a":2,"b":1}'),
        (collections.ChainMap({"a": 1}, {"b": 2}), '{"b":2,"a":1}'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (Line("s", Decimal("1.0")), '{"sku":"s","price":1.0,"coupon":null,"tags":[]}'),
        (
            Line("s", Decimal(1), note="n", tags=["t"]),
            '{"sku":"s","price":1,"note":"n","coupon":null,"tags":["t"]}',
        ),
    ],
    ids=repr,
)
def test_values_are_written_as_the_pipeline_takes_them(value: object, expected: str) -> None:
    """Compact, in Unicode, digits kept; a field of a dataclass that is None by default is left out."""
    actual = json_text(value)

    assert expected == actual
    json.loads(actual)


@pytest.mark.parametrize(
    ("value", "path", "phrase"),
    [
        (math.nan, "data", "JSON has no NaN and no infinity: leave it out, or pass None"),
        ([-math.inf], "data[0]", "JSON has no NaN"),
        ({"a": Decimal("NaN")}, "data.a", "JSON has no NaN"),
        ({"a": Decimal("sNaN")}, "data.a", "JSON has no NaN"),
        ({"a": Decimal("-Infinity")}, "data.a", "JSON has no NaN"),
        (Decimal("1e309"), "data", "must be between 1e-308 and 1e308"),
        (Decimal("1e-309"), "data", "must be between 1e-308 and 1e308"),
        (10**309, "data", "must be between -1e308 and 1e308"),
        ({"n": [-(10**5000)]}, "data.n[0]", "must be between -1e308 and 1e308"),
        (b"x", "data", "bytes have no JSON form: decode them, or encode them as base64 text"),
        ({"a": bytearray(b"x")}, "data.a", "bytes have no JSON form"),
        (memoryview(b"x"), "data", "bytes have no JSON form"),
        (timedelta(1), "data", "a duration has no JSON form: pass its total_seconds()"),
        (
            {"a": 1j},
            "data.a",
            "complex objects have no JSON form: convert them, or give the tracker a json_encoder",
        ),
        (Fraction(1, 3), "data", "Fraction objects have no JSON form"),
        ([Nothing()], "data[0]", "Nothing objects have no JSON form"),
        (Nothing, "data", "type objects have no JSON form"),
        (Line, "data", "type objects have no JSON form"),
        ((n for n in [1]), "data", "generator objects have no JSON form"),
        (range(3), "data", "range objects have no JSON form"),
        ({1: "a"}, "data[1]", "a key must be text: JSON has no other keys"),
        ({"a": {None: 1}}, "data.a[None]", "a key must be text"),
        ({(1, 2): 1}, "data[(1, 2)]", "a key must be text"),
        ({Level.HIGH: 1}, "data[<Level.HIGH: 3>]", "a key must be text"),
        ("\ud83d", "data", "has half a surrogate pair, which is no character: decode it properly"),
        ({"a": ["ok", "x\udfff"]}, "data.a[1]", "has half a surrogate pair"),
        ({"\ud83d": 1}, "data['\\ud83d']", "a key has half a surrogate pair"),
        (PurePosixPath("/a\udcff"), "data", "has half a surrogate pair"),
        (Line("\ud83d", Decimal(1)), "data.sku", "has half a surrogate pair"),
        ([Kind.PAIR, {"x y": [{"price": math.nan}]}], "data[1]['x y'][0].price", "JSON has no NaN"),
    ],
    ids=range(30),
)
def test_what_has_no_json_form_is_refused_with_its_path(value: object, path: str, phrase: str) -> None:
    """The path leads there as Python would: names with dots, everything else in brackets."""
    error = refusal(value)

    assert path == error.path
    assert phrase in error.rule
    assert str(error).startswith(path)


def test_the_path_begins_with_what_the_caller_calls_it() -> None:
    """An entity's data has another name than the event's."""
    error = refusal({"a": b""}, path="context[2].data")

    assert "context[2].data.a = b'': bytes have no JSON form" in str(error)


@pytest.mark.parametrize("key", ["k" * 100_000, "ü " * 100_000])
def test_a_long_key_does_not_flood_the_message(key: str) -> None:
    """A path shows the beginning of it."""
    error = refusal({key: b""})

    assert len(str(error)) < 300


def test_nesting_has_a_limit() -> None:
    """Enrich takes 40 levels with the envelope; 35 are the user's."""
    assert nested(MAX_DEPTH) == json.loads(json_text(nested(MAX_DEPTH)))

    error = refusal(nested(MAX_DEPTH + 1))

    assert "is nested more than 35 levels deep, or contains itself" == error.rule
    assert 35 == error.path.count(".in") + error.path.count("[0]")


@pytest.mark.parametrize("depth", [36, 1000, 100_000])
def test_any_depth_is_refused_the_same(depth: int) -> None:
    """No recursion error, however deep."""
    error = refusal(nested(depth))

    assert "is nested more than 35 levels deep, or contains itself" == error.rule


def test_a_cycle_is_refused() -> None:
    """It shows as endless nesting; the message does not try to print it."""
    loop: dict[str, object] = {}
    loop["self"] = [loop]

    error = refusal(loop)

    assert error.path.startswith("data.self[0].self[0]")
    assert "or contains itself" in error.rule
    assert error.value in {"<class 'dict'>", "<class 'list'>"}


def test_the_same_object_twice_is_no_cycle() -> None:
    """Two places may share a value."""
    shared = {"a": 1}

    assert '[{"a":1},{"a":1}]' == json_text([shared, shared])


def test_the_encoder_is_asked_for_what_is_left() -> None:
    """What has a JSON form is not its business; bytes and durations are."""
    asked: list[object] = []

    def encoder(value: object) -> object:
        asked.append(value)
        return {"as": type(value).__name__, "at": date(2025, 3, 1)}

    text = json_text([Nothing(), b"x", timedelta(1), UUID(ID), {7}], default=encoder)

    assert [
        {"as": "Nothing", "at": "2025-03-01"},
        {"as": "bytes", "at": "2025-03-01"},
        {"as": "timedelta", "at": "2025-03-01"},
        ID,
        [7],
    ] == json.loads(text)
    assert ["Nothing", "bytes", "timedelta"] == [type(value).__name__ for value in asked]


def test_what_the_encoder_returns_is_checked_alike() -> None:
    """A bad value inside of it has the whole path."""
    error = refusal({"a": [Nothing()]}, default=lambda _: {"b": math.nan})

    assert "data.a[0].b" == error.path


def test_an_encoder_that_fails_is_the_cause() -> None:
    """The error names the value, says what the encoder said, and keeps the traceback."""

    def encoder(value: object) -> object:
        raise TypeError(f"{value!r} is not serializable")

    error = refusal({"a": Nothing()}, default=encoder)

    assert "data.a" == error.path
    assert "json_encoder failed on it: <Nothing> is not serializable" == error.rule
    assert isinstance(error.__cause__, TypeError)


@pytest.mark.parametrize(
    "encoder",
    [lambda value: value, lambda _: Nothing(), lambda value: [value], lambda value: {"again": value}],
    ids=["itself", "another", "in a list", "in a dict"],
)
def test_an_encoder_without_end_is_stopped(encoder: Any) -> None:  # noqa: ANN401 - one of the above
    """An encoder that returns what it was given would otherwise never come back."""
    error = refusal(Nothing(), default=encoder)

    assert "json_encoder keeps returning" in error.rule or "is nested more than 35" in error.rule


class Odd(Mapping[str, object]):
    """A mapping of a user's own."""

    def __getitem__(self, key: str) -> object:
        """Return the length of the key."""
        return len(key)

    def __iter__(self) -> Any:  # noqa: ANN401 - the iterator of a tuple
        """Iterate over two keys."""
        return iter(("a", "bb"))

    def __len__(self) -> int:
        """Return two."""
        return 2


def test_any_mapping_is_an_object() -> None:
    """Not only dicts."""
    assert '{"a":1,"bb":2}' == json_text(Odd())
