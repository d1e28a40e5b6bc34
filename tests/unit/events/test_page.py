"""Page views and page pings."""

from datetime import UTC, datetime

import pytest

from aiotracker import InvalidEventError, PagePing, PageView, PipelineWarning

PAGE = "https://acme.com/"


def test_a_page_view_has_a_url_and_may_have_more() -> None:
    """Title and referrer are optional; an empty one is none."""
    full = PageView(page_url=PAGE, page_title="Home", referrer="/from")
    bare = PageView(page_url=PAGE, page_title="", referrer=None)

    assert ("pv", PAGE, "Home", "/from") == (full.event_code, full.page_url, full.page_title, full.referrer)
    assert PageView(page_url=PAGE) == bare


def test_a_page_ping_has_offsets_too() -> None:
    """Each is a 32-bit number of pixels; zero is one."""
    ping = PagePing(page_url=PAGE, page_title="t", referrer="/", min_x=0, max_x=1, min_y=-2, max_y=3)

    assert "pp" == ping.event_code
    assert (0, 1, -2, 3) == (ping.min_x, ping.max_x, ping.min_y, ping.max_y)


@pytest.mark.parametrize("kind", [PageView, PagePing])
@pytest.mark.parametrize("url", [None, "", "\x00\n"], ids=["none", "empty", "controls"])
def test_a_page_must_be_known(kind: type[PageView | PagePing], url: str | None) -> None:
    """Without a URL the pipeline would take the referrer of the request for it."""
    with pytest.raises(InvalidEventError, match=r"page_url = .*: is required and must not be empty"):
        kind(page_url=url)  # type: ignore[arg-type]  # refused


@pytest.mark.parametrize("kind", [PageView, PagePing])
def test_a_missing_url_is_required(kind: type[PageView | PagePing]) -> None:
    """The error names the argument, and nothing of pydantic's."""
    with pytest.raises(InvalidEventError) as caught:
        kind()  # type: ignore[call-arg]  # refused

    assert f"{kind.__name__} is not valid:\n  page_url: is required" == str(caught.value)


@pytest.mark.parametrize("offset", [1.5, "1", True, 2**31])
def test_an_offset_is_a_whole_number(offset: object) -> None:
    """A float would fail the event."""
    with pytest.raises(InvalidEventError, match="max_y"):
        PagePing(page_url=PAGE, max_y=offset)  # type: ignore[arg-type]  # refused


def test_a_long_url_warns_at_the_line_that_built_the_event() -> None:
    """Whoever reads the warning finds their own code."""
    with pytest.warns(PipelineWarning, match="fails on Enrich before 6") as caught:
        PageView(page_url=f"{PAGE}?{'q' * 5000}")

    assert __file__ == caught[0].filename


def test_clipped_saves_a_page_view() -> None:
    """Text is cut, a bad referrer left out, the URL brought below every limit; no warning is left."""
    event = PageView.clipped(
        page_url=f"{PAGE}{'p' * 9000}?q#f", page_title="\U0001f600" * 5000, referrer="http://a|b/"
    )

    assert PAGE + "p" * (3000 - 1) == event.page_url
    assert "\U0001f600" * 1000 == event.page_title
    assert event.referrer is None


def test_clipped_saves_a_page_ping() -> None:
    """Offsets may come as text; what is no number is left out."""
    event = PagePing.clipped(page_url=PAGE, min_x="12", max_x="a", min_y=1.5, max_y=2**40)

    assert PagePing(page_url=PAGE, min_x=12) == event


def test_clipped_takes_every_time_that_the_event_takes() -> None:
    """A datetime before 1973 is no seconds by mistake."""
    moon = datetime(1969, 7, 20, 20, 17, tzinfo=UTC)

    event = PageView.clipped(page_url=PAGE, true_timestamp=moon, created_at=1_740_832_200)

    assert PageView(page_url=PAGE, true_timestamp=moon) == event


@pytest.mark.parametrize("url", ["http://a|b/", "//", "", None, "\x00", ["x"], b"x"])
def test_clipped_refuses_an_event_without_its_core(url: object) -> None:
    """Where nothing of a required value can be saved there is no event."""
    with pytest.raises(InvalidEventError, match="page_url"):
        PageView.clipped(page_url=url)


def test_clipped_does_not_hide_mistakes_of_the_program() -> None:
    """A typo in a keyword, or entities without brackets, are nobody's hostile input."""
    with pytest.raises(InvalidEventError, match=r"did you mean page_title\?"):
        PageView.clipped(page_url=PAGE, title="x")
    with pytest.raises(InvalidEventError, match="must be a list"):
        PageView.clipped(page_url=PAGE, context="x")
