"""Any data: JSON that says the same, or one error."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aiotracker import InvalidDataError
from aiotracker.normalise import MAX_DEPTH, _read_back, _Writer, json_text
from tests.property.strategies import hostile_values, json_values

anything = st.recursive(
    hostile_values | st.sets(st.integers(), max_size=3) | st.timedeltas() | st.complex_numbers(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=5) | st.integers() | st.none(), inner, max_size=4),
    ),
    max_leaves=15,
)


def depth_of(value: Any) -> int:  # noqa: ANN401 - decoded JSON
    """Return how many arrays and objects are around each other."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth_of, inner), default=0)
    return 0


@given(json_values)
def test_json_survives(value: object) -> None:
    """Every JSON value comes back the same, Decimals digit by digit."""
    text = json_text(value)

    decoded = json.loads(text, parse_float=Decimal)
    assert as_decimals(value) == decoded


def as_decimals(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value with floats as the Decimals of their repr."""
    match value:
        case dict():
            return {key: as_decimals(item) for key, item in value.items()}
        case list():
            return [as_decimals(item) for item in value]
        case float():
            return Decimal(repr(value))
        case _:
            return value


@given(anything)
def test_anything_is_json_or_one_error(value: object) -> None:
    """Valid JSON, not too deep, with nothing that UTF-8 cannot carry; or an error with a path."""
    try:
        text = json_text(value)
    except InvalidDataError as error:
        assert error.path.startswith("data")  # noqa: PT017 - either is good
        assert error.rule  # noqa: PT017 - as above
        return

    decoded = json.loads(text, parse_constant=lambda constant: 1 / 0)
    assert depth_of(decoded) <= MAX_DEPTH
    text.encode()


@given(anything | json_values)
def test_both_ways_of_writing_say_the_same(value: object) -> None:
    """What pydantic's core writes is what the rules would have written."""
    quick = _read_back(value)

    if quick is not None:
        assert json.loads(_Writer(None).value(value, 1)) == json.loads(quick)


def test_plain_data_goes_the_quick_way() -> None:
    """Otherwise it would be of no use."""
    values: list[object] = [{"a": [1, 2.5, None, True, {"ü": "\n"}]}, [], {}, "text", 7, {"n": 10**308}]
    for value in values:
        assert None is not _read_back(value)
