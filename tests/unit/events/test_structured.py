"""Structured events."""

from decimal import Decimal

import pytest

from aiotracker import InvalidEventError, StructuredEvent


def test_five_columns() -> None:
    """Category and action, and what else can be told."""
    event = StructuredEvent(category="shop", action="add", label="web", property_="pcs", value=2)

    assert ("se", "shop", "add", "web", "pcs", 2) == (
        event.event_code,
        event.category,
        event.action,
        event.label,
        event.property_,
        event.value,
    )


def test_two_are_enough() -> None:
    """The rest is None; an empty text is nothing."""
    bare = StructuredEvent(category="shop", action="add")

    assert StructuredEvent(category="shop", action="add", label="", property_="") == bare
    assert (None, None, None) == (bare.label, bare.property_, bare.value)


@pytest.mark.parametrize("value", [0, -1, 2.5, Decimal("9.990"), 10**20])
def test_a_value_keeps_its_type(value: float | Decimal) -> None:
    """Digits are not rounded; zero is a value."""
    event = StructuredEvent(category="shop", action="add", value=value)

    assert (value, type(value)) == (event.value, type(event.value))


def test_property_is_named_property_() -> None:
    """The published table says `property`, its code `property_`: the error names the right one."""
    with pytest.raises(InvalidEventError) as caught:
        StructuredEvent(category="shop", action="add", property="pcs")  # type: ignore[call-arg]  # as published

    assert (
        "StructuredEvent is not valid:\n"
        "  property = 'pcs': is no argument of StructuredEvent: did you mean property_?"
    ) == str(caught.value)


@pytest.mark.parametrize("missing", ["category", "action"])
@pytest.mark.parametrize("nothing", [None, ""])
def test_category_and_action_are_required(missing: str, nothing: str | None) -> None:
    """Neither may be empty."""
    texts = {"category": "shop", "action": "add"} | {missing: nothing}

    with pytest.raises(InvalidEventError, match=f"{missing} = .*: is required and must not be empty"):
        StructuredEvent(**texts)  # type: ignore[arg-type]  # refused


def test_clipped_saves_what_can_be_saved() -> None:
    """Text is cut to each column's own limit, a number may come as text."""
    event = StructuredEvent.clipped(
        category="c" * 2000, action=7, label="l" * 5000, property_="\ud83d", value="9.99"
    )

    assert (1000, "7", 4096, "\ufffd", Decimal("9.99")) == (
        len(event.category),
        event.action,
        len(event.label or ""),
        event.property_,
        event.value,
    )


@pytest.mark.parametrize("value", [float("nan"), "free", True, None, [], 10**400])
def test_clipped_leaves_out_what_is_no_number(value: object) -> None:
    """The event without its value is better than none."""
    event = StructuredEvent.clipped(category="shop", action="add", value=value)

    assert StructuredEvent(category="shop", action="add") == event
