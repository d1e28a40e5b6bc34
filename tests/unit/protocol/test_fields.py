"""The table of the tracker protocol agrees with itself."""

import pytest

from aiotracker.protocol.fields import EVENT_NAMES, FIELDS, PLATFORMS, PRIVATE_FIELDS, Field, Rule

BOUNDED_BY_THEIR_RULE = {
    Rule.INT32,
    Rule.DECIMAL,
    Rule.FLAG,
    Rule.EPOCH_MS,
    Rule.DIMENSIONS,
    Rule.JSON,
    Rule.BASE64_JSON,
    Rule.IGNORED,
}


@pytest.mark.parametrize("key", FIELDS)
def test_a_field_stands_under_its_own_key(key: str) -> None:
    """The table is keyed by the wire names of its fields."""
    field = FIELDS[key]

    assert key == field.key


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.key)
def test_every_text_has_a_limit(field: Field) -> None:
    """A length limit stands exactly where the rule itself does not bound the value."""
    is_bounded = field.rule in BOUNDED_BY_THEIR_RULE

    assert is_bounded is (field.max_length is None)


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.key)
def test_a_field_fills_columns_unless_it_is_ignored(field: Field) -> None:
    """Dimensions fill two columns, what is ignored none, everything else one."""
    expected = {Rule.DIMENSIONS: 2, Rule.IGNORED: 0}.get(field.rule, 1)

    assert expected == len(field.columns)


def test_a_post_may_have_eighty_keys() -> None:
    """`payload_data` 1-0-4 allows 80 keys; the six legacy spellings belong to GET alone."""
    outside = sorted(key for key, field in FIELDS.items() if not field.in_post)

    assert ["cv", "ev_ac", "ev_ca", "ev_la", "ev_pr", "ev_va"] == outside
    assert 80 == len(FIELDS) - len(outside)


def test_private_fields_are_those_that_identify_a_person() -> None:
    """Address, user, session and device are private; user agent and page are not."""
    assert {"ip", "uid", "duid", "sid", "vid", "tnuid", "fp"} == PRIVATE_FIELDS


def test_codes_are_those_of_the_pipeline() -> None:
    """Nine platforms, `headset` among them; six event codes and one legacy spelling."""
    assert {"web", "mob", "pc", "srv", "app", "tv", "cnsl", "iot", "headset"} == set(PLATFORMS)
    assert {"pv", "pp", "se", "ue", "tr", "ti", "ev"} == set(EVENT_NAMES)
