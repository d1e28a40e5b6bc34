"""Screen views, with the published page on one side and the schema on the other."""

import warnings
from typing import Any
from uuid import UUID, uuid4

import pytest

from aiotracker import InvalidEventError, PipelineWarning, ScreenView
from aiotracker.protocol.rules import is_uuid

ID = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"
OTHER = "6de9024e-17b9-4026-bd4d-efec50ae84cb"
SCHEMA = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"


def test_a_screen_is_self_describing_data() -> None:
    """The mobile schema, under its own names."""
    event = ScreenView(
        id_=ID,
        name="Feed",
        type="feed",
        previous_name="Home",
        previous_id=OTHER,
        previous_type="start",
        transition_type="swipe",
    )

    described = event.self_describing()

    assert ("ue", SCHEMA) == (event.event_code, described.schema)
    assert {
        "id": ID,
        "name": "Feed",
        "type": "feed",
        "previousName": "Home",
        "previousId": OTHER,
        "previousType": "start",
        "transitionType": "swipe",
    } == described.data


def test_what_is_not_given_is_left_out() -> None:
    """The schema has no null, and an empty text says nothing."""
    event = ScreenView(id_=ID, name="Feed", type="", previous_id=None, transition_type="")

    assert {"id": ID, "name": "Feed"} == event.self_describing().data


@pytest.mark.parametrize("options", [{}, {"id_": None}, {"id_": ""}], ids=["missing", "none", "empty"])
def test_a_view_without_an_id_gets_one(options: dict[str, Any]) -> None:
    """A new one for each event, a UUID as the schema wants it."""
    first, second = ScreenView(name="Feed", **options), ScreenView(name="Feed", **options)

    assert is_uuid(str(first.id_))
    assert first.id_ != second.id_


def test_ids_may_be_uuid_objects() -> None:
    """They are kept as texts, which is how they travel."""
    event = ScreenView(id_=UUID(ID), name="Feed", previous_id=UUID(OTHER))

    assert (ID, OTHER) == (event.id_, event.previous_id)


@pytest.mark.parametrize(
    ("screen", "phrase"),
    [
        ({}, "it needs a name"),
        ({"name": ""}, "it needs a name"),
        ({"name": "Feed", "id_": "7"}, "id_ must be a UUID"),
        ({"name": "Feed", "previous_id": "1368725287000"}, "previous_id must be a UUID"),
    ],
    ids=str,
)
def test_what_the_schema_refuses_is_taken_with_a_warning(screen: dict[str, Any], phrase: str) -> None:
    """The published page shows it, the warning points at the caller's line, and names the schema."""
    with pytest.warns(PipelineWarning, match=f"the pipeline will fail this ScreenView: {phrase}") as caught:
        ScreenView(**screen)

    assert [__file__] == [warning.filename for warning in caught]
    assert SCHEMA in str(caught[0].message)


def test_a_warning_does_not_show_values() -> None:
    """Python remembers every text it has warned of, for ever: ids in them would fill the memory."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(3):
            ScreenView(name="Feed", previous_id=str(number))

    assert 1 == len({str(warning.message) for warning in caught})


@pytest.mark.parametrize(
    ("screen", "field"),
    [
        ({"name": 7}, "name"),
        ({"type": ["feed"]}, "type"),
        ({"previous_name": "\ud83d"}, "previous_name"),
        ({"id_": 7}, "id_"),
        ({"id_": "\ud83d"}, "id_"),
        ({"previous_id": [ID]}, "previous_id"),
        ({"id": ID}, "id"),
        ({"previousId": ID}, "previousId"),
    ],
    ids=str,
)
def test_what_is_no_text_is_refused(screen: dict[str, Any], field: str) -> None:
    """Types are mistakes of the program, and unknown names are, too."""
    with pytest.raises(InvalidEventError) as caught:
        ScreenView(**{"name": "Feed"} | screen)

    assert [field] == [problem.field for problem in caught.value.problems]


def test_clipped_leaves_out_what_the_schema_refuses() -> None:
    """Ids that are none go; this view gets one of its own; half a pair is replaced."""
    event = ScreenView.clipped(
        name="Feed\ud83d", id_="7", previous_id=7, previous_name=["x"], type=None, transition_type="swipe"
    )

    assert is_uuid(str(event.id_))
    assert {"id": event.id_, "name": "Feed\ufffd", "transitionType": "swipe"} == event.self_describing().data


def test_clipped_keeps_good_ids() -> None:
    """Texts and objects alike."""
    view_id = uuid4()

    event = ScreenView.clipped(name="Feed", id_=view_id, previous_id=OTHER)

    assert (str(view_id), OTHER) == (event.id_, event.previous_id)
