"""What a random program is made of: calls of a user, whims of a collector, and time."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st

from aiotracker.protocol.exchange import Failure, FailureKind, Response


@dataclass(frozen=True)
class Track:
    """A user tracks an event."""

    title: int
    is_anonymous: bool = False
    is_poison: bool = False
    is_nowait: bool = False
    count: int = 1


@dataclass(frozen=True)
class Deliver:
    """A user delivers an event."""

    timeout: float


@dataclass(frozen=True)
class Flush:
    """A user flushes."""

    timeout: float


@dataclass(frozen=True)
class Cancel:
    """The oldest call that still waits is cancelled."""


@dataclass(frozen=True)
class Reopen:
    """A user closes the tracker and opens it again."""

    timeout: float


@dataclass(frozen=True)
class Pass:
    """Time passes."""

    seconds: float


@dataclass(frozen=True)
class Jump:
    """The wall clock jumps."""

    seconds: float


@dataclass(frozen=True)
class Whim:
    """The next request fares so.

    Attributes:
        reply: what it gets; None when there is never an answer.
        delay: seconds before that.
        is_kept: whether the collector has its events although the reply is no success.
    """

    reply: Response | Failure | None
    delay: float = 0.0
    is_kept: bool = False


Step: TypeAlias = Track | Deliver | Flush | Cancel | Reopen | Pass | Jump | Whim

STATUSES = [200, 200, 204, 302, 400, 401, 403, 404, 408, 410, 413, 413, 422, 429, 429, 500, 503, 503, 503]
RETRY_AFTER = ["0", "1", "7", "7", "120", "120", "99999", "-1", "soon"]

tracks = st.builds(
    Track,
    title=st.sampled_from([0, 1, 100, 400, 1_500]),
    is_anonymous=st.booleans(),
    is_poison=st.sampled_from([False] * 7 + [True]),
    is_nowait=st.booleans(),
    count=st.sampled_from([1, 1, 1, 2, 5, 12]),
)
responses = st.builds(
    Response,
    st.sampled_from(STATUSES),
    st.just({}) | st.builds(lambda value: {"retry-after": value}, st.sampled_from(RETRY_AFTER)),
)
failures = st.builds(Failure, st.sampled_from(FailureKind), is_reused=st.booleans())
whims = st.builds(
    Whim,
    responses | failures | st.none(),
    delay=st.sampled_from([0.0, 0.0, 0.05, 1.0, 12.0]),
    is_kept=st.booleans(),
)
passes = st.builds(Pass, st.sampled_from([0.0, 0.05, 0.1, 0.5, 0.5, 1.0, 3.0, 10.0, 60.0, 301.0]))

steps: st.SearchStrategy[Step] = st.one_of(
    tracks,
    tracks,
    whims,
    whims,
    passes,
    passes,
    st.builds(Deliver, st.sampled_from([0.0, 1.0, 10.0])),
    st.builds(Flush, st.sampled_from([0.0, 1.0, 5.0])),
    st.just(Cancel()),
    st.builds(Reopen, st.sampled_from([0.0, 0.5, 5.0])),
    st.builds(Jump, st.sampled_from([-3_600.0, 3_600.0])),
)
programs = st.lists(steps, min_size=20, max_size=50)  # shorter ones seldom meet trouble with events at hand


@st.composite
def emitters(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the settings of an emitter that fit together."""
    capacity = draw(st.sampled_from([1, 3, 20, 20, 100]))
    overflow = draw(st.sampled_from(["wait", "wait", "drop_newest", "drop_oldest", "raise"]))
    settings = {
        "batch_size": min(capacity, draw(st.sampled_from([1, 2, 5, 10]))),
        "buffer_capacity": capacity,
        "buffer_bytes": draw(st.sampled_from([2_000, 5_000, 100_000])),
        "byte_limit": draw(st.sampled_from([1_000, 1_999])),
        "concurrency": draw(st.sampled_from([1, 1, 1, 2, 4])),
        "overflow": overflow,
        "max_age": draw(st.sampled_from([None, None, 30.0])),
        "method": draw(st.sampled_from(["post", "post", "post", "get"])),
        "custom_retry_codes": draw(st.sampled_from([{}, {}, {401: True}, {503: False}])),
    }
    if overflow == "wait":
        settings["max_wait"] = draw(st.sampled_from([0.0, 0.25, 5.0, float("inf")]))
    return settings
