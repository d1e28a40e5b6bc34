"""The `Retry-After` header, in every form that servers write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.policy.retry_after import retry_after

NOW_MS = 1_445_412_480_000  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("4", 4.0, id="seconds"),
        pytest.param(" 4 ", 4.0, id="spaces"),
        pytest.param("1.5", 1.5, id="fraction"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("300", 300.0, id="cap"),
        pytest.param("999999", 300.0, id="huge"),
        pytest.param("9" * 18, 300.0, id="very-huge"),
        pytest.param("Wed, 21 Oct 2015 07:28:07 GMT", 7.0, id="date"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, id="now"),
        pytest.param("Wed, 21 Oct 2015 07:27:00 GMT", 0.0, id="past"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 300.0, id="far-future"),
        pytest.param("Wednesday, 21-Oct-15 07:28:07 GMT", 7.0, id="rfc850"),
        pytest.param("Wed Oct 21 07:28:07 2015", 7.0, id="asctime"),
        pytest.param("Wed, 21 Oct 2015 09:28:07 +0200", 7.0, id="zone"),
        pytest.param("", None, id="empty"),
        pytest.param("-1", None, id="negative"),
        pytest.param("soon", None, id="garbage"),
        pytest.param("1e3", None, id="exponent"),
        pytest.param("nan", None, id="nan"),
        pytest.param("inf", None, id="inf"),
        pytest.param("٤", None, id="other-digits"),
        pytest.param("4s", None, id="unit"),
        pytest.param("4, 5", None, id="two-values"),
        pytest.param("9" * 400, None, id="endless"),
        pytest.param("Wed, 99 Oct 2015 07:28:07 GMT", None, id="no-such-day"),
        pytest.param("\x00", None, id="nul"),
    ],
)
def test_a_header_reads(header: str | None, expected: float | None) -> None:
    """Seconds or a date, 0 to 300 s; what makes no sense is ignored."""
    seconds = retry_after(header, NOW_MS)

    assert expected == seconds


@given(st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2}, [0-9 A-Za-z:+-]{0,40}")))
def test_no_header_is_too_strange(header: str) -> None:
    """Whatever a server writes gives a wait within the cap, or none, and never an error."""
    seconds = retry_after(header, NOW_MS)

    assert seconds is None or 0 <= seconds <= 300
