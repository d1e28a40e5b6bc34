"""Addresses, URIs and URLs: any text is read to a normal form or refused with a reason."""

from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from aiotracker import CollectorURLError, InvalidSchemaKeyError, SchemaKey
from aiotracker.micro.urls import split_url
from aiotracker.protocol.page_url import OLD_MAX_LENGTH, clip_url, url_violation
from aiotracker.protocol.text import cut, has_lone_surrogate, stored, utf16_length
from aiotracker.protocol.url import CollectorURL
from tests.property.strategies import SPECIAL, hostile_texts, schemas, texts, urls

PAGE = {"text": 10_000, "scheme": 16, "host": 255, "path": 3000, "query": 6000, "fragment": 3000}
LIMITS = {False: PAGE, True: PAGE | {"path": 6000}}  # of a page and of a referrer

addresses = st.one_of(
    st.text(max_size=20),
    st.builds(
        "{}{}{}{}".format, st.sampled_from(["", "https://", "http://", "HTTP:", "//"]), texts, texts, texts
    ),
    st.builds("{}:{}{}".format, st.sampled_from(["acme.com", "[::1]", "127.0.0.1"]), st.integers(), texts),
    st.text("abc.:/[]@0189-_%", max_size=15),
)
odd_urls = st.one_of(
    urls,
    hostile_texts,
    st.text(SPECIAL + "ab09é", max_size=30),
    st.builds(
        lambda text, times: f"https://acme.com/{text * times}?{text}", st.text(SPECIAL), st.integers(1, 900)
    ),
)


@given(addresses)
@example("[v1.x]")
@example("acme.com:0000019999")
def test_an_address_is_normal_or_refused(text: str) -> None:
    """The form that is kept reads as itself, and a standard parser finds the same host in it."""
    try:
        url = CollectorURL.parse(text)
    except CollectorURLError as error:
        assert error.rule  # noqa: PT017 - either is good
        return

    assert url == CollectorURL.parse(str(url))
    for endpoint in (url.post_url, url.get_url):
        parts = urlsplit(endpoint)
        assert (url.scheme, url.host) == (parts.scheme, parts.hostname)
        assert endpoint.isascii()
        assert endpoint.isprintable()


@given(st.one_of(schemas, st.text(), st.builds("iglu:{}".format, st.text("ab/.-_019:"))))
def test_a_uri_is_a_key_or_refused(text: str) -> None:
    """What is read is written letter by letter."""
    try:
        key = SchemaKey.parse(text)
    except InvalidSchemaKeyError as error:
        assert text == error.uri  # noqa: PT017 - either is good
        return

    assert text == key.uri


@given(odd_urls)
@example("https://acme.com/?|" + "ü" * 2000)
@example("0:[" * 1500)
@example("#" * 1002)
def test_a_url_that_is_taken_can_be_split(url: str) -> None:
    """A reader of Java's grammar finds parts in it, none longer than its column."""
    url = cut(url, None)

    for is_referrer, limits in LIMITS.items():
        if url_violation(url, is_referrer=is_referrer) is None and stored(url):
            parts = split_url(stored(url))
            assert parts is not None
            assert {} == {
                name: limit
                for name, limit in limits.items()
                if utf16_length(getattr(parts, name) or "") > limit
            }


@given(odd_urls)
@example("https://acme.com/" + "|" * 5000)
@example("#" * 1002)
def test_a_clipped_url_is_good_everywhere(url: str) -> None:
    """It breaks no rule and fits into the columns of every Enrich."""
    for is_referrer in LIMITS:
        clipped = clip_url(cut(url, None), is_referrer=is_referrer)

        if clipped is not None:
            parts = split_url(stored(clipped))
            assert url_violation(clipped, is_referrer=is_referrer) is None
            assert parts is not None
            assert utf16_length(parts.text) <= OLD_MAX_LENGTH


@given(st.text(), st.integers(0, 40))
def test_a_cut_text_fits(text: str, limit: int) -> None:
    """Its stored form has at most the limit, it is whole characters, and the beginning of the text."""
    actual = cut(text, limit)

    assert utf16_length(stored(actual)) <= limit
    assert not has_lone_surrogate(actual)
    assert stored(cut(text, None)).startswith(stored(actual))
