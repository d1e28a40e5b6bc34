"""Durations as events."""

from typing import Any

import pytest

from aiotracker import InvalidEventError, Timing


def test_a_timing_is_self_describing_data() -> None:
    """The names of the schema; a label that is not there is left out, because the schema has no null."""
    event = Timing(category="db", variable="query", timing=12.5, label="orders")
    bare = Timing(category="db", variable="query", timing=0)

    described = event.self_describing()

    assert "iglu:com.snowplowanalytics.snowplow/timing/jsonschema/1-0-0" == described.schema
    assert {"category": "db", "variable": "query", "timing": 12.5, "label": "orders"} == described.data
    assert {"category": "db", "variable": "query", "timing": 0.0} == bare.self_describing().data


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"category": None}, "category"), ({"timing": float("nan")}, "timing"), ({"timing": "slow"}, "timing")],
    ids=str,
)
def test_what_the_schema_refuses_is_refused(wrong: dict[str, Any], field: str) -> None:
    """Where the event is built."""
    with pytest.raises(InvalidEventError) as caught:
        Timing(**{"category": "db", "variable": "query", "timing": 1.0, **wrong})

    assert [field] == [problem.field for problem in caught.value.problems]
