"""Why an event was not taken, or was lost: two closed sets."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["DropReason", "RefusalReason"]


class RefusalReason(StrEnum):
    """Why an offered event was not accepted."""

    CLOSED = "closed"  # the tracker was closing or closed
    QUEUE_FULL = "queue_full"  # no room in the buffer, nor within `max_wait`
    STORE_FULL = "store_full"  # a shared durable store is at its bound
    OVERSIZE = "oversize"  # larger than a request may be
    BEFORE_TRACK = "before_track"  # the user's hook refused it or failed
    SAMPLED = "sampled"  # left out by the sample rate
    DISABLED = "disabled"  # the tracker is switched off


class DropReason(StrEnum):
    """Why an accepted event was given up."""

    EVICTED = "evicted"  # made room for a newer one
    REJECTED = "rejected"  # the collector refused it for good
    TOO_LARGE = "too_large"  # the collector answered 413 to it alone
    EXPIRED = "expired"  # older than `max_age`
    STORE_ERROR = "store_error"  # a durable store lost it
    SHUTDOWN_DEADLINE = "shutdown_deadline"  # not delivered when closing ran out of time
    FORKED = "forked"  # belongs to the parent process
