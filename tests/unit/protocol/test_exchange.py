"""The values that cross the transport seam."""

import pytest

from aiotracker.protocol.exchange import Failure, FailureKind, Request, Response


def test_a_request_without_extras_is_empty() -> None:
    """A GET has neither headers of its own nor a body."""
    request = Request("GET", "https://acme.com/i?e=pv")

    assert ((), b"") == (request.headers, request.body)


def test_a_response_without_headers_has_an_immutable_mapping() -> None:
    """The default is shared, so nobody may change it."""
    response = Response(200)

    assert {} == dict(response.headers)
    with pytest.raises(TypeError):
        response.headers["x"] = "y"  # type: ignore[index]  # immutable


def test_a_failure_assumes_nothing_of_its_connection() -> None:
    """A transport that cannot tell leaves it at: a fresh connection, no byte of a response."""
    failure = Failure(FailureKind.BROKEN)

    assert ("", False, False) == (failure.detail, failure.is_reused, failure.has_response_started)
