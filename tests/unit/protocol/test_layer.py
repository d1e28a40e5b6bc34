"""Constant fields of many events, encoded once."""

import json

import pytest

from aiotracker import (
    Event,
    PagePing,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
)
from aiotracker.protocol.fields import SHARED_FIELDS
from aiotracker.protocol.layer import EMPTY_LAYER, Layer, json_members

CART, USER = (SelfDescribingJson(f"iglu:com.acme/{name}/jsonschema/1-0-0", {}) for name in ("cart", "user"))


def test_members_continue_an_object() -> None:
    """Each has its comma before it, so that they stand after others."""
    members = json_members({"tna": "größer", "aid": 'a"b\\c\n'})

    assert {"e": "pv", "tna": "größer", "aid": 'a"b\\c\n'} == json.loads('{"e":"pv"' + members + "}")
    assert "" == json_members({})


def test_a_layer_is_a_snapshot() -> None:
    """What happens to the mapping it was built from does not reach it."""
    pairs = {"uid": "u-1"}

    layer = Layer(pairs)
    pairs["uid"] = "u-2"

    assert ({"uid": "u-1"}, ',"uid":"u-1"') == (dict(layer.pairs), layer.members)
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
    assert ("", (), None) == (EMPTY_LAYER.members, EMPTY_LAYER.entities, EMPTY_LAYER.anonymous)


@pytest.mark.parametrize(("key", "is_apart"), [("uid", True), ("url", False), ("refr", False)])
def test_a_layer_knows_whether_an_event_may_say_the_same(key: str, *, is_apart: bool) -> None:
    """Only then must its pairs be looked at for every event."""
    assert is_apart is Layer({"p": "web", key: "x"}).is_apart


def test_what_events_and_subjects_share() -> None:
    """The fields that both have, and no others."""
    kinds: list[type[Event]] = [PageView, PagePing, ScreenView, StructuredEvent, SelfDescribing]
    events = {field.key for kind in kinds for _, field in kind.wired()}

    assert events & {field.key for _, field in Subject.wired()} == SHARED_FIELDS
