"""What a reply means for the batch that was sent. Pure.

Sources: the retry rules published for Snowplow's trackers (2xx is success; 400, 401, 403, 410 and 422 are
never retried; everything else is); collector 3.4, `Routes.scala` and `HttpServer.scala` (413, and that the
collector itself answers none of the five).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aiotracker.policy.reasons import DropReason
from aiotracker.policy.retry_after import retry_after
from aiotracker.protocol.exchange import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotracker.protocol.exchange import Reply

__all__ = [
    "Delivered",
    "Outcome",
    "Rejected",
    "Retry",
    "Split",
    "SplitCause",
    "classify",
    "is_stale",
]

SUCCESS: Final = range(200, 300)
TOO_LARGE: Final = 413
CONTENT_CODES: Final = frozenset({400, 422})  # refuse what was sent: one event may spoil its batch
REFUSAL_CODES: Final = frozenset({401, 403, 410})  # refuse the sender: the next batch fares no better
MAX_LOCATION: Final = 200  # characters of a redirect's address in a log line
REDIRECTS: Final = range(300, 400)


class SplitCause(StrEnum):
    """Why a batch is to be sent in parts."""

    TOO_LARGE = "too_large"  # smaller parts fit
    CONTENT = "content"  # one part is good, the other holds the event that is not


@dataclass(frozen=True, slots=True)
class Delivered:
    """The collector has the batch."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The batch is kept and sent again, through the circuit.

    Attributes:
        cause: for statistics and the log, such as `503` or `timeout`; a closed set.
        detail: for a person, such as the address of a redirect.
        retry_after: seconds that the server wants to be left alone, None when it did not say.
        is_misconfigured: whether only a person can mend it (a redirect, a bad certificate).
    """

    cause: str
    detail: str = ""
    retry_after: float | None = None
    is_misconfigured: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """The batch is sent again in parts; no failure of the destination.

    Attributes:
        cause: why parts may fare better.
        status: what the collector answered.
    """

    cause: SplitCause
    status: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The batch is given up.

    Attributes:
        reason: what it is counted as.
        status: what the collector answered.
        is_refusal: whether the sender was refused, so that the next batch would fare no better.
        retry_after: seconds that the server wants to be left alone.
    """

    reason: DropReason
    status: str
    is_refusal: bool = False
    retry_after: float | None = None


Outcome = Delivered | Retry | Split | Rejected


def classify(reply: Reply, *, events: int, retry_codes: Mapping[int, bool], now_ms: int) -> Outcome:
    """Return what a reply means for the batch that was sent.

    Args:
        reply: the response, or the failure to get one.
        events: how many events the request held, 1 or more.
        retry_codes: the user's own verdict per status code: True retries, False gives up.
        now_ms: milliseconds since 1970, for a `Retry-After` date.
    """
    if isinstance(reply, Failure):
        return Retry(reply.kind, reply.detail, is_misconfigured=reply.kind is FailureKind.TLS)
    status = reply.status
    told = str(status)
    wait = retry_after(reply.headers.get("retry-after"), now_ms)
    if status in SUCCESS:
        return Delivered()
    verdict = retry_codes.get(status)
    if verdict is False:
        return Rejected(DropReason.REJECTED, told)
    if verdict is None:
        if status == TOO_LARGE:
            if events > 1:
                return Split(SplitCause.TOO_LARGE, told)
            return Rejected(DropReason.TOO_LARGE, told)
        if status in CONTENT_CODES:
            if events > 1:
                return Split(SplitCause.CONTENT, told)
            return Rejected(DropReason.REJECTED, told)
        if status in REFUSAL_CODES:
            return Rejected(DropReason.REJECTED, told, is_refusal=True, retry_after=wait)
    if status in REDIRECTS:
        # Without its query, which is the event itself when the request was a GET.
        location = reply.headers.get("location", "nowhere").partition("?")[0][:MAX_LOCATION]
        return Retry(told, f"a redirect to {location} is not followed", wait, is_misconfigured=True)
    return Retry(told, retry_after=wait)


def is_stale(reply: Reply) -> bool:
    """Tell whether a kept connection had died before it was used: the server never saw the request.

    Such a request is sent again at once, once, and counts as nothing.
    """
    return (
        isinstance(reply, Failure)
        and reply.kind is FailureKind.BROKEN
        and reply.is_reused
        and not reply.has_response_started
    )
