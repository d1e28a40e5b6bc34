"""Self-describing JSON: text, base64, envelopes, schema keys."""

import base64
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.micro.self_describing import (
    CONTEXTS,
    MAX_DEPTH,
    UNSTRUCT_EVENT,
    JsonProblem,
    SelfDescribing,
    decode_base64,
    parse_json,
    read_entities,
    read_event,
    read_self_describing,
)
from aiotracker.micro.violations import Message
from aiotracker.protocol.schema_key import SchemaKey
from tests.unit.micro.samples import (
    ORDER,
    RECEIVED_MS,
    USER,
    entities,
    nested,
    self_describing,
)

ORDER_KEY = SchemaKey("com.acme", "order", "jsonschema", 1, 0, 0)


def event_messages(text: str) -> list[Message]:
    """Return what is wrong with the text of an event."""
    found = read_event(text, "ue_properties", RECEIVED_MS)
    return found if isinstance(found, list) else []


def reports(message: Message) -> list[tuple[str, str]]:
    """Return path and keyword of the findings of a validator."""
    return [(found["path"], found["keyword"]) for found in message["error"]["dataReports"]]


@pytest.mark.parametrize(
    "text",
    [
        "eyJhIjoxfQ==",
        "eyJhIjoxfQ=",
        "eyJhIjoxfQ",
        "eyJh IjoxfQ==",
        "eyJh\nIjo%xfQ==",
        "eyJhIjoxfQ==ignored",
        "eyJhIjoxfQ=A",
    ],
)
def test_base64_is_decoded_leniently(text: str) -> None:
    """Padding is optional, strange characters are skipped, the first `=` ends the text."""
    assert '{"a":1}' == decode_base64(text)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@given(data=st.binary())
def test_base64_takes_both_alphabets(encode: Any, data: bytes) -> None:  # noqa: ANN401
    """The standard alphabet and the URL-safe one mean the same."""
    text = encode(data).decode()

    assert data.decode("utf-8", "replace") == decode_base64(text)
    assert data.decode("utf-8", "replace") == decode_base64(text.rstrip("="))


def test_percent_encoded_padding_corrupts_base64() -> None:
    """Of `%3D` the 3 and the D are letters of the alphabet."""
    assert '{"a":1}' != decode_base64("eyJhIjoxfQ%3D%3D")


@pytest.mark.parametrize(
    ("text", "expected"), [("", ""), ("A", ""), ("=", ""), ("/w==", "\ufffd"), ("YQ", "a")]
)
def test_base64_never_fails(text: str, expected: str) -> None:
    """A rest of fewer than eight bits is dropped, broken UTF-8 replaced."""
    assert expected == decode_base64(text)


@given(st.text(st.characters(categories=None)))
def test_no_text_makes_base64_raise(text: str) -> None:
    """Whatever arrives is decoded to something."""
    assert isinstance(decode_base64(text), str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        (' \n{"a": 1}\t', {"a": 1}),
        ("null", None),
        ('"x"', "x"),
        ("1e400", sys.float_info.max),
        ("-1e400", -sys.float_info.max),
        ("9" * 5000, sys.float_info.max),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('"\\ud800"', "\ud800"),
    ],
)
def test_json_is_decoded(text: str, expected: Any) -> None:  # noqa: ANN401 - any JSON value
    """Of equal names the last one counts; numbers beyond Python's floats are cut to them."""
    assert expected == parse_json(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "{'a': 1}", "NaN", "[Infinity]", "-Infinity", "{} {}", "\ufeff{}", '"\n"', "01"],
)
def test_what_is_not_json_is_a_problem(text: str) -> None:
    """Strict JSON only: no empty text, no NaN, no raw control characters."""
    assert isinstance(parse_json(text), JsonProblem)


@pytest.mark.parametrize(("levels", "is_taken"), [(1, True), (MAX_DEPTH, True), (41, False)])
def test_json_may_be_40_levels_deep(levels: int, is_taken: bool) -> None:  # noqa: FBT001
    """Every array and every object is a level."""
    arrays = json.dumps(nested(levels))
    objects = '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)

    problems = [isinstance(parse_json(text), JsonProblem) for text in (arrays, objects)]

    assert [not is_taken] * 2 == problems


def test_absurdly_deep_json_is_a_problem_like_any_other() -> None:
    """A hundred thousand brackets do not exhaust the stack."""
    assert isinstance(parse_json("[" * 100_000), JsonProblem)


def test_self_describing_json_has_a_schema_and_data() -> None:
    """Other members are no matter; data may be anything."""
    value = {"schema": "iglu:com.acme/order/jsonschema/1-0-0", "data": None, "more": 1}

    found = read_self_describing(value)

    assert SelfDescribing(ORDER_KEY, None) == found


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([], "INVALID_DATA_PAYLOAD"),
        ("text", "INVALID_DATA_PAYLOAD"),
        (None, "INVALID_DATA_PAYLOAD"),
        ({}, "INVALID_DATA_PAYLOAD"),
        ({"schema": "iglu:com.acme/order/jsonschema/1-0-0"}, "INVALID_DATA_PAYLOAD"),
        ({"data": {}}, "INVALID_DATA_PAYLOAD"),
        ({"schema": 1, "data": {}}, "INVALID_IGLUURI"),
        ({"schema": "", "data": {}}, "INVALID_IGLUURI"),
        ({"schema": "com.acme/order/jsonschema/1-0-0", "data": {}}, "INVALID_IGLUURI"),
        ({"schema": "iglu:com.acme/order/1-0-0", "data": {}}, "INVALID_IGLUURI"),
        ({"schema": "iglu:com.acme/or der/jsonschema/1-0-0", "data": {}}, "INVALID_IGLUURI"),
        ({"schema": "iglu:com.acme/order/jsonschema/1-0", "data": {}}, "INVALID_SCHEMAVER"),
        ({"schema": "iglu:com.acme/order/jsonschema/0-1-0", "data": {}}, "INVALID_SCHEMAVER"),
        ({"schema": "iglu:com.acme/order/jsonschema/1-00-0", "data": {}}, "INVALID_SCHEMAVER"),
        (
            {"schema": "iglu:com.acme/order/jsonschema/1-0-2147483648", "data": {}},
            "INVALID_SCHEMAVER",
        ),
    ],
)
def test_what_is_not_self_describing_has_a_code(value: object, code: str) -> None:
    """The code is that of iglu-scala-core, beside the JSON itself."""
    assert {"json": value, "error": code} == read_self_describing(value)


def test_an_event_is_read_out_of_its_envelope() -> None:
    """What remains is the inner schema and its data, unchecked."""
    found = read_event(self_describing(ORDER), "ue_properties", RECEIVED_MS)

    assert SelfDescribing(ORDER_KEY, {"id": 1}) == found


@pytest.mark.parametrize("data", [None, 1, "x", [], {}, {"a": [1, {"b": None}]}])
def test_the_data_of_an_event_may_be_any_json(data: object) -> None:
    """The envelope asks nothing of `data`, and the schema is not looked up."""
    found = read_event(self_describing({**ORDER, "data": data}), "ue_properties", RECEIVED_MS)

    assert SelfDescribing(ORDER_KEY, data) == found


def test_members_beside_the_outer_envelope_are_tolerated() -> None:
    """Only what is inside of `data` is checked against the schema of the envelope."""
    text = json.dumps({**json.loads(self_describing(ORDER)), "more": 1})

    assert [] == event_messages(text)


@pytest.mark.parametrize("text", ["", "nothing", "{", "null,"])
def test_an_event_that_is_not_json_is_shown_as_text(text: str) -> None:
    """The message has the field, the text and what is wrong with it."""
    messages = event_messages(text)

    assert [("ue_properties", text)] == [(m["field"], m["value"]) for m in messages]


def test_an_event_too_deep_is_not_json() -> None:
    """The levels of both envelopes count."""
    fits = event_messages(self_describing({**ORDER, "data": nested(MAX_DEPTH - 2)}))
    too_deep = event_messages(self_describing({**ORDER, "data": nested(MAX_DEPTH - 1)}))

    assert [] == fits
    assert ["more than 40 levels deep"] == [message["error"] for message in too_deep]


@pytest.mark.parametrize(
    "uri",
    [
        f"iglu:{CONTEXTS}/1-0-0",
        f"iglu:{UNSTRUCT_EVENT}/1-1-0",
        f"iglu:{UNSTRUCT_EVENT}/2-0-0",
        "iglu:com.acme/order/jsonschema/1-0-0",
    ],
)
def test_another_envelope_is_a_mismatch(uri: str) -> None:
    """The envelope of an event is `unstruct_event` 1-0-*, whatever is in it."""
    messages = event_messages(json.dumps({"schema": uri, "data": ORDER}))

    assert [{"schemaKey": uri, "schemaCriterion": f"iglu:{UNSTRUCT_EVENT}/1-0-*"}] == messages


def test_an_unpublished_version_of_an_envelope_is_not_found() -> None:
    """1-0-9 matches the criterion, and no registry has it."""
    messages = event_messages(self_describing(ORDER, version="1-0-9"))

    assert ["ResolutionError"] == [message["error"]["error"] for message in messages]


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ([], [("$", "type")]),
        ("text", [("$", "type")]),
        (None, [("$", "type")]),
        (1, [("$", "type")]),
        (1.5, [("$", "type")]),
        (True, [("$", "type")]),
        ({}, [("$", "required"), ("$", "required")]),
        ({"schema": ORDER["schema"]}, [("$", "required")]),
        ({"data": {}}, [("$", "required")]),
        ({**ORDER, "more": 1}, [("$", "additionalProperties")]),
        ({**ORDER, "schema": 1}, [("$.schema", "type")]),
        ({**ORDER, "schema": ""}, [("$.schema", "pattern")]),
        ({**ORDER, "schema": "com.acme/order/jsonschema/1-0-0"}, [("$.schema", "pattern")]),
        ({**ORDER, "schema": "iglu:com.acme/order/jsonschema/1-0"}, [("$.schema", "pattern")]),
    ],
)
def test_the_inside_of_an_event_is_validated(inner: object, expected: list[tuple[str, str]]) -> None:
    """Exactly `schema` and `data`, and the schema a URI."""
    messages = event_messages(self_describing(inner))

    assert [expected] == [reports(message) for message in messages]


@pytest.mark.parametrize("version", ["0-1-0", "1-00-0", "01-0-0"])
def test_a_schema_version_may_pass_the_envelope_and_still_fail(version: str) -> None:
    """The pattern of the envelope is looser than the grammar of versions."""
    inner = {**ORDER, "schema": f"iglu:com.acme/order/jsonschema/{version}"}

    messages = event_messages(self_describing(inner))

    assert [{"json": inner, "error": "INVALID_SCHEMAVER"}] == messages


def test_entities_are_read_in_order() -> None:
    """Each one is a schema and data."""
    found, messages = read_entities(entities([USER, ORDER]), "contexts", RECEIVED_MS)

    assert ["com.acme/user", "com.acme/order"] == [f"{e.key.vendor}/{e.key.name}" for e in found]
    assert [USER, ORDER] == [entity.as_json() for entity in found]
    assert [] == messages


@pytest.mark.parametrize(("version", "expected"), [("1-0-0", [("$", "minItems")]), ("1-0-1", None)])
def test_no_entities_are_legal_since_1_0_1(version: str, expected: list[tuple[str, str]] | None) -> None:
    """`contexts` 1-0-0 wants at least one."""
    _, messages = read_entities(entities([], version), "contexts", RECEIVED_MS)

    assert ([] if expected is None else [expected]) == [reports(m) for m in messages]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({}, [("$", "type")]),
        (USER, [("$", "type")]),
        ([USER, []], [("$[1]", "type")]),
        ([USER, {}], [("$[1]", "required"), ("$[1]", "required")]),
        ([{**USER, "more": 1}, USER], [("$[0]", "additionalProperties")]),
        ([{**USER, "schema": "x"}], [("$[0].schema", "pattern")]),
    ],
)
def test_the_inside_of_contexts_is_validated(items: object, expected: list[tuple[str, str]]) -> None:
    """An array of objects that have exactly `schema` and `data`."""
    found, messages = read_entities(entities(items), "contexts", RECEIVED_MS)

    assert ([], [expected]) == (found, [reports(message) for message in messages])


def test_one_bad_entity_is_reported_beside_the_good_ones() -> None:
    """What could be read is returned, too: it shows in the partially enriched event."""
    bad = {**USER, "schema": "iglu:com.acme/user/jsonschema/0-1-0"}

    found, messages = read_entities(entities([ORDER, bad]), "contexts", RECEIVED_MS)

    assert [ORDER] == [entity.as_json() for entity in found]
    assert [{"json": bad, "error": "INVALID_SCHEMAVER"}] == messages


@pytest.mark.parametrize("text", ["", "[]", self_describing(ORDER), entities([USER], "1-0-2")])
def test_what_is_not_the_envelope_of_entities_is_one_message(text: str) -> None:
    """Not JSON, not self-describing, another schema, a version that is not there."""
    found, messages = read_entities(text, "contexts", RECEIVED_MS)

    assert ([], 1) == (found, len(messages))
