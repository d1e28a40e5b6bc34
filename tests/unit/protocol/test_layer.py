"""Constant fields of many events, encoded once."""

import json

import pytest

from aiotracker import SelfDescribingJson
from aiotracker.protocol.layer import EMPTY_LAYER, Layer, json_members

CART, USER = (SelfDescribingJson(f"iglu:com.acme/{name}/jsonschema/1-0-0", {}) for name in ("cart", "user"))


def test_members_are_json_without_braces() -> None:
    """They can be joined with others by commas."""
    members = json_members({"tna": "größer", "aid": 'a"b\\c\n'})

    assert {"tna": "größer", "aid": 'a"b\\c\n'} == json.loads(b"{" + members + b"}")
    assert b"" == json_members({})


def test_a_layer_is_a_snapshot() -> None:
    """What happens to the mapping it was built from does not reach it."""
    pairs = {"uid": "u-1"}

    layer = Layer(pairs)
    pairs["uid"] = "u-2"

    assert ({"uid": "u-1"}, b'"uid":"u-1"') == (dict(layer.pairs), layer.members)
    with pytest.raises(TypeError):
        layer.pairs["uid"] = "u-3"  # type: ignore[index]  # immutable


def test_a_layer_over_another_wins() -> None:
    """Its pairs replace those below, its entities come after them."""
    below = Layer({"uid": "u-1", "lang": "en"}, (CART,), anonymous=True)

    above = below.over({"uid": "u-2"}, [USER], None)

    assert {"uid": "u-2", "lang": "en"} == dict(above.pairs)
    assert (CART, USER) == above.entities
    assert {"uid": "u-1", "lang": "en"} == dict(below.pairs)


@pytest.mark.parametrize("below", [True, False, None])
@pytest.mark.parametrize("above", [True, False, None])
def test_anonymity_is_inherited_unless_it_is_stated(*, below: bool | None, above: bool | None) -> None:
    """None leaves it as it is below."""
    layer = Layer({}, (), below).over({}, (), above)

    assert (below if above is None else above) is layer.anonymous


def test_the_empty_layer_adds_nothing() -> None:
    """No members, no entities, no opinion on anonymity."""
    assert (b"", (), None) == (EMPTY_LAYER.members, EMPTY_LAYER.entities, EMPTY_LAYER.anonymous)
