"""Why an event was not taken, or was lost: two closed sets."""

from aiotracker import DropReason, RefusalReason


def test_refusals_are_a_closed_set() -> None:
    """What can keep an event from being accepted is promised to users, who put it on dashboards."""
    expected = {
        "closed",
        "queue_full",
        "store_full",
        "oversize",
        "before_track",
        "sampled",
        "disabled",
    }

    assert expected == set(RefusalReason)


def test_drops_are_a_closed_set() -> None:
    """What can become of an accepted event is promised to users, who put it on dashboards."""
    expected = {
        "evicted",
        "rejected",
        "too_large",
        "expired",
        "store_error",
        "shutdown_deadline",
        "forked",
    }

    assert expected == set(DropReason)
