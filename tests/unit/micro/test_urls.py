"""Page URLs as Java reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.micro.urls import SplitURL, split_url


def test_a_url_has_six_parts() -> None:
    """Scheme, host, port, path, query and fragment, still encoded."""
    url = "https://user:pw@www.acme.com:8443/a%20b/c?x=1&y=%C3%BC#top"

    parts = split_url(url)

    expected = SplitURL(url, "https", "www.acme.com", 8443, "/a%20b/c", "x=1&y=%C3%BC", "top")
    assert expected == parts


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://a.com/", 443),
        ("http://a.com/", 80),
        ("ftp://a.com/", 80),
        ("HTTPS://a.com/", 80),
        ("/relative", 80),
        ("http://a.com:/", 80),
        ("https://a.com:/", 443),
        ("https://a.com:80/", 80),
        ("https://a.com:" + "0" * 5000 + "81/", 81),
    ],
)
def test_a_missing_port_is_filled_in(url: str, port: int) -> None:
    """443 for https and 80 for all others, even for a relative URL."""
    parts = split_url(url)

    assert parts is not None
    assert port == parts.port


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost/", "localhost"),
        ("http://a-b.com/", "a-b.com"),
        ("http://a.com./", "a.com."),
        ("http://123/", "123"),
        ("http://1.2.3.4/", "1.2.3.4"),
        ("http://[::1]/", "[::1]"),
        ("http://[2001:db8::1]:8080/", "[2001:db8::1]"),
        ("//a.com/x", "a.com"),
        ("http://a_b.com/", None),
        ("http://müller.de/", None),
        ("http://a..b/", None),
        ("http://-a.com/", None),
        ("http://1.2.3.4.5/", None),
        ("http://1.2.3.256/", None),
        ("http://a.com:port/", None),
        ("http://a.com:99999999999/", None),
        ("http://a@b@c.com/", None),
        ("http://x%20y.com/", None),
        ("http:///path", None),
        ("path", None),
    ],
)
def test_a_host_is_a_host_name_or_nothing(url: str, host: str | None) -> None:
    """An authority that is no host name is legal, and has no host."""
    parts = split_url(url)

    assert parts is not None
    assert host == parts.host


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://a.com/a b", "http://a.com/a%20b"),
        ("http://a b.com/", "http://a%20b.com/"),
        ("http://a.com/a|b", "http://a.com/a%7Cb"),
        ("http://a.com/[x]", "http://a.com/%5Bx%5D"),
        ("http://a.com/?q=[x]", "http://a.com/?q=[x]"),
        ("http://a.com/?q={x}", "http://a.com/?q=%7Bx%7D"),
        ('http://a.com/<>"^`\\', "http://a.com/%3C%3E%22%5E%60%5C"),
        ("http://a.com/%", "http://a.com/%25"),
        ("http://a.com/%zz", "http://a.com/%25zz"),
        ("http://a.com/%20", "http://a.com/%20"),
        ("http://a.com/ü", "http://a.com/ü"),
        ("http://a.com/\u2028", "http://a.com/%E2%80%A8"),
        ("http://a.com/\u0085", "http://a.com/%C2%85"),
        ("http://a.com/#a#b", "http://a.com/#a%23b"),
        ("mailto:a@b.c", "mailto:a@b.c"),
        ("ht!tp://a.com", "ht!tp%3A//a.com"),
        (":a", "%3Aa"),
    ],
)
def test_illegal_characters_behind_the_host_are_encoded(url: str, text: str) -> None:
    """Spaces always, other characters when Java refuses them."""
    parts = split_url(url)

    assert parts is not None
    assert text == parts.text


@pytest.mark.parametrize("url", ["ht!tp://a.com/x", "1http://a.com/x", "a b://a.com/x"])
def test_without_a_legal_scheme_all_is_a_path(url: str) -> None:
    """What Java cannot take for a scheme makes a relative path of the rest."""
    parts = split_url(url)

    assert parts is not None
    assert (None, None) == (parts.scheme, parts.host)
    assert parts.path is not None


def test_an_opaque_url_has_neither_path_nor_query() -> None:
    """Java sees no path behind `mailto:`."""
    parts = split_url("mailto:a@b.c?subject=x")

    assert SplitURL("mailto:a@b.c?subject=x", "mailto", None, 80, None, None, None) == parts


@pytest.mark.parametrize("url", ["#top", "?q", "x?y#z", "/"])
def test_a_relative_url_is_legal(url: str) -> None:
    """A fragment or a query alone is a URL."""
    assert split_url(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        "//",
        "http://",
        "http:",
        "mailto:",
        "x:#",
        "http://[::1/",
        "http://::1]/",
        "http://[]/",
        "http://[1.2.3.4]/",
        "http://a[b].com/",
        *(f"http://a{character}b.com/" for character in '|{}<>"^\\`\u2028\u0085\xa0'),
        "http://a%zzb.com/",
        "http://a%.com/",
    ],
)
def test_what_java_cannot_read_at_all_is_none(url: str) -> None:
    """Nothing inside of an authority is repaired, and nothing that is missing is made up."""
    assert split_url(url) is None


@given(st.text(st.characters(categories=None)))
def test_no_text_makes_it_raise(text: str) -> None:
    """Whatever arrives, it is a URL or it is none."""
    split_url(text)


@given(st.from_regex(r"\A(https?:)?(//)?[a-z0-9.:\[\]@|%_-]{0,20}[/?#]?[^\x00-\x1f]{0,20}\Z"))
def test_what_was_repaired_needs_no_repair(text: str) -> None:
    """The rewritten text is one that the strict grammar takes, with the same parts."""
    parts = split_url(text)

    if parts is not None:
        assert parts == split_url(parts.text)
