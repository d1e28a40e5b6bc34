"""URLs of pages and referrers: what fails an event, and what can be saved."""

import pytest

from aiotracker.protocol.page_url import clip_url, is_for_new_enrich, url_violation

PAGE = "https://acme.com/"


def path_of(length: int) -> str:
    """Return a URL whose path has so many characters."""
    return PAGE + "x" * (length - 1)


@pytest.mark.parametrize(
    "url",
    [
        "https://www.snowplow.io/products?id=7&size=m#reviews",
        "http://acme.com:8080",
        "https://user:secret@acme.com/",
        "https://acme.com:/",
        "https://acme.com:99999999999/",
        "https://acme.com:http/",
        "//acme.com/x",
        "/products/7",
        "products",
        "?q=1",
        "#top",
        "http:?q",
        "http:///x",
        "file:///etc/hosts",
        "mailto:a@b.c",
        "myapp://screen/home",
        "android-app://com.acme/https/acme.com",
        "http://[2001:db8::1]:8080/",
        "http://user@[::1]/",
        # encoded by the pipeline outside of the host part
        "https://acme.com/a b?q=c d#e f",
        'https://acme.com/|{}<>"^\\`[]?|{}<>"^\\`#|{}<>"^\\`',
        "https://acme.com/100%?q=%zz",
        "https://acme.com/\u2028\u0085?q=\u3000",
        "https://acme.com/#a#b",
        # read as a relative path
        "ht!tp://a.com",
        "my_app://x",
        "1http://x",
        # without a column for the host, but good
        "http://a_b.com/",
        "http://bücher.example/",
        "http://\U0001f600.example/",
        "http://a..b/",
        "http://1.2.3.4.5/",
        "http://a b.com/",
        "http://a%20b.com/",
        # controls are deleted, tabs become spaces
        "https://acme.com/\x00\n\ta",
        "\x01",
    ],
)
def test_what_enrich_reads_is_taken(url: str) -> None:
    """The pipeline reads nearly every text as a URL; nothing that it takes is refused without need."""
    assert (None, None) == (url_violation(url), url_violation(url, is_referrer=True))


@pytest.mark.parametrize(
    ("url", "phrase"),
    [
        ("//", "has no host after //"),
        ("http://", "has no host after //"),
        ("http:", "has nothing after http:"),
        ("mailto:", "has nothing after mailto:"),
        ("x:#", "has nothing after x:"),
        ("://acme.com", "begins with a colon"),
        ("http://acme.com[/", "has brackets in its host part"),
        ("http://]acme.com/", "has brackets in its host part"),
        ("http://[::1/", "has brackets in its host part"),
        ("http://[acme]/", "that hold no IPv6 address"),
        ("http://[::1]x/", "has brackets in its host part"),
        ("http://a|b.com/", "has '|' in its host part"),
        ("http://a{b.com/", "has '{' in its host part"),
        ("http://a}b.com/", "has '}' in its host part"),
        ("http://a<b.com/", "has '<' in its host part"),
        ("http://a>b.com/", "has '>' in its host part"),
        ('http://a"b.com/', "has '\"' in its host part"),
        ("http://a^b.com/", "has '^' in its host part"),
        ("http://a\\b.com/", "in its host part"),
        ("http://a`b.com/", "has '`' in its host part"),
        ("http://a%.com/", "has '%' in its host part"),
        ("http://a%4.com/", "has '%' in its host part"),
        ("http://a\u2028b.com/", "has the unprintable character"),
        ("http://a\u0085b.com/", "has the unprintable character"),
        ("http://\n", "has no host after //"),
    ],
)
def test_what_enrich_fails_is_named(url: str, phrase: str) -> None:
    """An event fails where both of Enrich's parsers give up, nearly always in the host part."""
    violation = url_violation(url)

    assert violation is not None
    assert phrase in violation


@pytest.mark.parametrize(
    ("longest", "part"),
    [
        ("a" * 16 + "://acme.com/", "scheme"),
        ("https://" + "a" * 255 + "/", "host"),
        (path_of(3000), "path"),
        (PAGE + "?" + "q" * 6000, "query"),
        (PAGE + "#" + "f" * 3000, "fragment"),
        # as the pipeline stores them: encoded
        (PAGE + "?" + " " * 2000, "query"),
        (PAGE + "?" + "\t" * 500, "query"),
        (PAGE + "?" + "|" * 2000, "query"),
        (PAGE + "#" + "%" * 1000, "fragment"),
        (PAGE + "?" + "ü" * 6000, "query"),
        (PAGE + "?|" + "ü" * 999, "query"),
    ],
    ids=str,
)
def test_each_part_has_a_limit(longest: str, part: str) -> None:
    """Enrich splits a URL, and every part has a column of its own; it counts what it stores, encoded."""
    index = longest.index("://") if part == "scheme" else -1 if part == "host" else len(longest)
    too_long = longest[:index] + longest[index - 1] + longest[index:]

    taken, refused = url_violation(longest), url_violation(too_long)

    assert taken is None
    assert refused is not None
    assert f"the limit of a {part} is" in refused


def test_the_path_of_a_referrer_may_be_longer() -> None:
    """The limit of a page's path is 3,000 characters, that of a referrer's 6,000."""
    assert "the limit of a path is 3,000" in str(url_violation(path_of(3001)))
    assert url_violation(path_of(6000), is_referrer=True) is None
    assert "the limit of a path is 6,000" in str(url_violation(path_of(6001), is_referrer=True))


def test_the_whole_has_a_limit_too() -> None:
    """Parts that fit can still be more than the 10,000 characters of a URL."""
    url = path_of(3000) + "?" + "q" * 5980

    longest = url + "#" + "f" * (10_000 - len(url) - 1)

    assert url_violation(longest) is None
    assert "has 10,001 characters, the limit of a URL is 10,000" == url_violation(longest + "f")
    assert "characters as it is stored, encoded" in str(url_violation(longest[:-1] + " "))


def test_length_is_counted_in_utf16_units() -> None:
    """An emoji is two."""
    assert url_violation(PAGE + "?" + "\U0001f600" * 3000) is None
    assert url_violation(PAGE + "?" + "\U0001f600" * 3001) is not None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (path_of(2000), False),
        (PAGE + "?" + "x" * (4096 - len(PAGE) - 1), False),
        (PAGE + "?" + "x" * (4096 - len(PAGE)), True),
        (PAGE + "?" + " " * 1400, True),
    ],
    ids=["short", "longest", "longer", "encoded"],
)
def test_older_enrich_takes_less(url: str, expected: bool) -> None:  # noqa: FBT001
    """Before 6.0 the limit was 4,096 characters, counted likewise."""
    actual = is_for_new_enrich(url)

    assert expected is actual


@pytest.mark.parametrize(
    "query",
    [
        "_sp=6de9024e-17b9-4026-bd4d-efec50ae84cb.1629114985000",
        "a=1&_sp=user.1629114985000.session.user.source.web.reason",
        "_sp=user",
        "_sp=user.",
        "_sp=.1629114985000",
        "_sp=user.1.5",
        "_sp=",
        "_sp",
        "_sp=user.-1.a.b.c.d.e.f",  # more than seven parts are ignored
        "_sp=user.%2B1629114985000",
        "_sp=" + "u" * 128 + ".0",
        "sp=user.never",
        "x=_sp=user.never",
    ],
)
def test_a_cross_domain_link_is_taken(query: str) -> None:
    """`_sp` names a user and a time in milliseconds; what Enrich ignores does not matter."""
    assert url_violation(f"{PAGE}?{query}#_sp=a.b") is None


@pytest.mark.parametrize(
    ("query", "phrase"),
    [
        ("_sp=user.never", "whose time 'never' is not milliseconds"),
        ("_sp=user.1e3", "whose time '1e3' is not milliseconds"),
        ("_sp=user.+1629114985000", "whose time ' 1629114985000' is not milliseconds"),
        ("_sp=user.-1", "whose time '-1' is not milliseconds"),
        ("_sp=user.253402300800000", "is not milliseconds"),
        ("_sp=user." + "9" * 500, "is not milliseconds"),
        ("_sp=user.%D9%A1", "is not milliseconds"),
        ("a;_sp=user.x", "whose time 'x' is not milliseconds"),
        ("%5Fsp=user.x", "whose time 'x' is not milliseconds"),
        ("_sp=user%2Ex", "whose time 'x' is not milliseconds"),
        ("_sp=user.1&_sp=user.x", "whose time 'x' is not milliseconds"),
        ("_sp=" + "u" * 129 + ".0", "whose user has more than 128 characters"),
        ("_sp=" + "u" * 129, "whose user has more than 128 characters"),
    ],
)
def test_a_forged_cross_domain_link_is_named(query: str, phrase: str) -> None:
    """A time that is none fails the event, and so does a user id that is too long."""
    violation = url_violation(f"{PAGE}?{query}")

    assert violation is not None
    assert phrase in violation


def test_a_referrer_may_hold_any_cross_domain_link() -> None:
    """Enrich reads `_sp` of the page only."""
    assert url_violation(f"{PAGE}?_sp=user.never", is_referrer=True) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (PAGE, PAGE),
        ("https://acme.com/\x00a\nb\t", "https://acme.com/ab"),
        (f"{PAGE}?a=1&_sp=user.never&b=2#top", f"{PAGE}?a=1&b=2#top"),
        (f"{PAGE}?_sp=user.never", PAGE),
        (f"{PAGE}?q=1#{'f' * 3001}", f"{PAGE}?q=1"),
        (f"{PAGE}?_sp=user.never#{'f' * 3001}", PAGE),
        (f"{PAGE}?{'q' * 6001}", PAGE + "?" + "q" * (4096 - len(PAGE) - 1)),
        (f"{PAGE}?{' ' * 2001}#top", PAGE),
        (path_of(5000), path_of(3000)),
        (PAGE + "|" * 2000, PAGE + "|" * 249),
        ("http://a|b.com/", None),
        ("//", None),
        ("", None),
        ("\n", None),
    ],
    ids=range(14),
)
def test_what_can_be_saved_of_a_url_is(url: str, expected: str | None) -> None:
    """Fragment, query and the end of the path go, in this order, until the rest is good everywhere."""
    actual = clip_url(url)

    assert expected == actual


def test_a_clipped_referrer_keeps_a_longer_path() -> None:
    """The path of a referrer is cut at 4,096 characters with its host, which every Enrich takes."""
    actual = clip_url(path_of(7000), is_referrer=True)

    assert path_of(7000)[:4096] == actual
