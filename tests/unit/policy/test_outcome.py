"""What a reply means for the batch that was sent."""

import pytest

from aiotracker.policy.outcome import (
    Delivered,
    Outcome,
    Rejected,
    Retry,
    Split,
    SplitCause,
    classify,
    is_stale,
)
from aiotracker.policy.reasons import DropReason
from aiotracker.protocol.exchange import Failure, FailureKind, Reply, Response

NOW_MS = 1_445_412_480_000
CONTENT = SplitCause.CONTENT


def verdict(reply: Reply | int, *, events: int = 5, codes: dict[int, bool] | None = None) -> Outcome:
    """Return the outcome of a reply, or of a bare status."""
    reply = Response(reply) if isinstance(reply, int) else reply
    return classify(reply, events=events, retry_codes=codes or {}, now_ms=NOW_MS)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 226, 299])
def test_every_2xx_is_success(status: int) -> None:
    """Any answer from 200 to 299 delivers the batch."""
    assert Delivered() == verdict(status)


@pytest.mark.parametrize(
    "status", [100, 103, 404, 405, 406, 407, 408, 409, 414, 418, 421, 425, 426, 429, 431, 451, 499]
)
def test_other_client_errors_are_retried(status: int) -> None:
    """Everything that is not on the list of the never retried is kept."""
    assert Retry(str(status)) == verdict(status)


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 507, 520, 529, 599, 0, 600, 999])
def test_server_errors_are_retried(status: int) -> None:
    """5xx, and what is no status at all, is kept."""
    assert Retry(str(status)) == verdict(status)


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("events", [2, 500])
def test_a_content_error_splits_a_batch(status: int, events: int) -> None:
    """400 and 422 may be the fault of one event among many."""
    assert Split(CONTENT, str(status)) == verdict(status, events=events)


@pytest.mark.parametrize("status", [400, 422])
def test_a_content_error_of_one_event_is_final(status: int) -> None:
    """400 and 422 to a single event give it up, without a word on the destination."""
    assert Rejected(DropReason.REJECTED, str(status)) == verdict(status, events=1)


@pytest.mark.parametrize("status", [401, 403, 410])
@pytest.mark.parametrize("events", [1, 500])
def test_a_refusal_of_the_sender_drops_the_batch_and_opens_the_circuit(status: int, events: int) -> None:
    """401, 403 and 410 are never retried, and the next batch would fare no better."""
    outcome = verdict(status, events=events)

    assert Rejected(DropReason.REJECTED, str(status), is_refusal=True) == outcome


def test_a_batch_that_is_too_large_is_split() -> None:
    """413 asks for smaller parts."""
    assert Split(SplitCause.TOO_LARGE, "413") == verdict(413, events=2)


def test_an_event_that_is_too_large_is_given_up() -> None:
    """413 to a single event is final, with a reason of its own."""
    assert Rejected(DropReason.TOO_LARGE, "413") == verdict(413, events=1)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_is_kept_and_told(status: int) -> None:
    """3xx is never followed; its Location is for the person who has to mend the address."""
    outcome = verdict(Response(status, {"location": "https://login.acme.com/"}))

    assert isinstance(outcome, Retry)
    assert (str(status), True) == (outcome.cause, outcome.is_misconfigured)
    assert "https://login.acme.com/" in outcome.detail


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_failure_of_the_network_is_retried(kind: FailureKind) -> None:
    """Without a response the batch is kept; only a bad certificate is a matter for a person."""
    outcome = verdict(Failure(kind, "why"))

    assert Retry(kind, "why", is_misconfigured=kind is FailureKind.TLS) == outcome


@pytest.mark.parametrize("status", [400, 401, 403, 410, 413, 422])
@pytest.mark.parametrize("events", [1, 5])
def test_custom_codes_can_retry_what_is_never_retried(status: int, events: int) -> None:
    """True for a status keeps its batch, whole."""
    assert Retry(str(status)) == verdict(status, events=events, codes={status: True})


@pytest.mark.parametrize("status", [302, 404, 413, 429, 500, 503])
@pytest.mark.parametrize("events", [1, 5])
def test_custom_codes_can_give_up_what_is_retried(status: int, events: int) -> None:
    """False for a status gives its batch up, without opening the circuit."""
    assert Rejected(DropReason.REJECTED, str(status)) == verdict(status, events=events, codes={status: False})


def test_custom_codes_leave_other_codes_alone() -> None:
    """A verdict on one status says nothing of another."""
    assert Retry("503") == verdict(503, codes={500: False})


@pytest.mark.parametrize("status", [401, 403, 410, 429, 503, 302])
@pytest.mark.parametrize(
    ("header", "expected"),
    [("4", 4.0), ("Wed, 21 Oct 2015 07:28:07 GMT", 7.0), ("0", 0.0), ("soon", None)],
)
def test_retry_after_travels_with_the_outcome(status: int, header: str, expected: float | None) -> None:
    """What the server asks for stands on every outcome that concerns the circuit."""
    outcome = verdict(Response(status, {"retry-after": header}))

    assert isinstance(outcome, Retry | Rejected)
    assert expected == outcome.retry_after


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Failure(FailureKind.BROKEN, is_reused=True), True),
        (Failure(FailureKind.BROKEN, is_reused=False), False),
        (Failure(FailureKind.BROKEN, is_reused=True, has_response_started=True), False),
        (Failure(FailureKind.TIMEOUT, is_reused=True), False),
        (Failure(FailureKind.CONNECT, is_reused=True), False),
        (Response(503), False),
        (Response(200), False),
    ],
)
def test_only_a_kept_connection_that_died_unused_is_stale(
    reply: Reply,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    """Stale means reused, broken, and not a byte of a response."""
    assert expected is is_stale(reply)
