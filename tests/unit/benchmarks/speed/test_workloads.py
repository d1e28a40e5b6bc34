"""Page views come in two ways: the tracker has the subject, or every event has one of its own."""

import pytest

from benchmarks.speed.contenders.properties import named
from benchmarks.speed.workloads import WORKLOADS, expected_payload, kind, tracker_subject

WHO = ("uid", "ip", "ua", "lang")
"""The wire names of a subject."""


def who(workload: str, number: int) -> list[str | None]:
    """Return the subject that a payload carries."""
    payload = expected_payload(workload, number)
    return [payload.get(name) for name in WHO]


def test_every_page_view_carries_the_trackers_subject() -> None:
    """It is the same for all numbers, and whole."""
    subject = tracker_subject("page_view")

    assert subject is not None
    assert list(subject.values()) == who("page_view", 3) == who("page_view", 4)


def test_every_visitor_has_a_subject_of_their_own() -> None:
    """Two numbers, two subjects, and nothing else differs from the other way."""
    first, second = who("visitor_page_view", 3), who("visitor_page_view", 4)

    assert first[0] == "user-3"
    assert second[0] == "user-4"
    rest = {name: text for name, text in expected_payload("page_view", 3).items() if name not in WHO}
    assert rest == {
        name: text for name, text in expected_payload("visitor_page_view", 3).items() if name not in WHO
    }


@pytest.mark.parametrize("workload", WORKLOADS[1:])
def test_no_other_workload_has_a_trackers_subject(workload: str) -> None:
    """It would be in every event of a mix, too."""
    assert None is tracker_subject(workload)


def test_the_page_views_of_a_mix_are_visitors() -> None:
    """The tracker of a mix has no subject."""
    assert ["visitor_page_view"] * 6 == [kind("mix", number) for number in range(6)]
    assert expected_payload("visitor_page_view", 13) == expected_payload("mix", 13)


@pytest.mark.parametrize(("workload", "user"), [("page_view", "user-0"), ("visitor_page_view", "user-7")])
def test_a_client_without_subjects_names_the_user_with_every_event(workload: str, user: str) -> None:
    """The values are those of the payload."""
    payload = expected_payload(workload, 7)

    name, event, properties = named(workload, 7)

    assert (user, "page viewed") == (name, event)
    assert [payload[key] for key in ("url", "page", "refr", *WHO[1:])] == list(properties.values())
