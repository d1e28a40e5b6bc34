"""The cookies of the JavaScript tracker and of the collector."""

import pytest

from aiotracker.integrations.browser_cookies import (
    NO_BROWSER,
    NO_COOKIES,
    BrowserCookies,
    BrowserId,
    cookie_pattern,
    domain_hash,
    domains,
    read_cookies,
)

USER = "6c33a6ad-dd67-4f24-9f6c-3d2ab1f1d6a1"
SESSION = "9c65e7f3-8e8e-470d-b243-910b5b300da0"
PREVIOUS = "3a1f0d3c-3d3b-4f57-8a64-7a4a3cf2b4de"
FIRST = "b1a3bb2c-0d5c-4b3f-8f0a-2ad3bba8a2c1"
NETWORK = "0f14d0ab-9605-4a62-a9e4-5ed26688389b"
OLD_VALUE = f"{USER}.1673957921.3.1673959786.1673950000.{SESSION}"
VALUE = f"{OLD_VALUE}.{PREVIOUS}.{FIRST}.1673957921210.38"
PATTERN = cookie_pattern("_sp_", "sp")

FULL = BrowserId(
    "1fff",
    user_id=USER,
    session_id=SESSION,
    session_index=3,
    seen=1673959786,
    previous_session_id=PREVIOUS,
    first_event_id=FIRST,
    first_event_ms=1673957921210,
    event_index=38,
)
OLD = BrowserId("1fff", user_id=USER, session_id=SESSION, session_index=3, seen=1673959786)


def read(header: str) -> BrowserCookies:
    """Return what a `Cookie` header says under the usual names."""
    return read_cookies(header, PATTERN)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (VALUE, FULL),
        (VALUE.upper(), BrowserId(
            "1fff", USER.upper(), session_id=SESSION, session_index=3, seen=1673959786,
            previous_session_id=PREVIOUS, first_event_id=FIRST, first_event_ms=1673957921210, event_index=38,
        )),
        (f"{VALUE}.more.to.come", FULL),
        (OLD_VALUE, OLD),
        (f"{OLD_VALUE}....", OLD),
        (f"{OLD_VALUE}.undefined.undefined.undefined.undefined", OLD),
        (f"{USER}.1673957921.3.1673959786..{SESSION}", OLD),
        (f"{USER}.1673957921.3.1673959786.", BrowserId("1fff", USER, session_index=3, seen=1673959786)),
        ("a1b2c3d4e5f60718.1.2.3.4", BrowserId("1fff", "a1b2c3d4e5f60718", session_index=2, seen=3)),
        (f".1.2.3.4.{SESSION}", BrowserId(
            "1fff", is_anonymous=True, session_id=SESSION, session_index=2, seen=3
        )),
        (f"{USER}.x.y.z.w.{SESSION}", BrowserId("1fff", USER, session_id=SESSION)),
        (f"{USER}.1.2147483648.3.4.{SESSION}", BrowserId("1fff", USER, session_id=SESSION, seen=3)),
        (f"{USER}.1.-1.3.4.{SESSION}", BrowserId("1fff", USER, session_id=SESSION, seen=3)),
        (f"{USER}.1.\u0662.3.4.{SESSION}", BrowserId("1fff", USER, session_id=SESSION, seen=3)),
        (f"{USER}.1.2.3.4.{SESSION[:-1]}", BrowserId("1fff", USER, session_index=2, seen=3)),
        (f"{'u' * 128}.1.2.3.4", BrowserId("1fff", "u" * 128, session_index=2, seen=3)),
        (f"{'u' * 129}.1.2.3.4.{SESSION}", BrowserId(
            "1fff", session_id=SESSION, session_index=2, seen=3
        )),
        (f"undefined.1.2.3.4.{SESSION}", BrowserId("1fff", session_id=SESSION, session_index=2, seen=3)),
        (f"{OLD_VALUE}.{USER[:-1]}.{USER[:-1]}.99999999999999999999.-1", OLD),
        (f"{OLD_VALUE}...253402300800000.2147483648", OLD),
    ],
)  # fmt: skip
def test_a_cookie_is_read(value: str, expected: BrowserId) -> None:
    """Field by field; one that lacks or is malformed is left out alone."""
    cookies = read(f"_sp_id.1fff={value}")

    assert (expected,) == cookies.ids


@pytest.mark.parametrize(
    "value",
    [
        "", "*", "garbage", USER, f"{USER}.1.2.3", ".....", f"{'u' * 129}.1.2.3.4", "ü.1.2.3.4.5",
        "a b.1.2.3.4", "a\x00.1.2.3.4", "a,b.1.2.3.4", "undefined.1.2.3.4",
        f"{USER}.1.2.3.4." + "." * 512, "." * 100_000,
    ],
)  # fmt: skip
def test_what_names_nobody_does_not_count(value: str) -> None:
    """A cookie of another kind, or of an attacker, is as if it were not there."""
    cookies = read(f"_sp_id.1fff={value}")

    assert NO_COOKIES == cookies


@pytest.mark.parametrize(
    ("header", "count"),
    [
        (f"_sp_id.1fff={VALUE}", 1),
        (f"a=b; _sp_id.1fff={VALUE}; c=d", 1),
        (f"a=b;_sp_id.1fff={VALUE};c=d", 1),
        (f' _sp_id.1fff = "{VALUE}" ', 1),
        (f"_sp_id.1fff={VALUE}; _sp_id.8809={VALUE}", 2),
        (f"_sp_id.1fff={VALUE}; _sp_id.1fff={VALUE}", 2),
        (f"_sp_id.1FFF={VALUE}", 0),
        (f"_sp_id.1ff={VALUE}", 0),
        (f"_sp_id.1fff0={VALUE}", 0),
        (f"_sp_id={VALUE}", 0),
        (f"my_sp_id.1fff={VALUE}", 0),
        (f"a=_sp_id.1fff={VALUE}", 0),
        (f"_spXid.1fff={VALUE}", 0),
        (f"_sp_id.1fff; {VALUE}", 0),
        ("; " * 10_000, 0),
        ("_sp_id.1fff" * 10_000, 0),
    ],
)
def test_cookies_are_found_by_their_names(header: str, count: int) -> None:
    """Whatever stands beside them."""
    cookies = read(header)

    assert count == len(cookies.ids)


def test_a_flood_of_cookies_is_not_read_to_its_end() -> None:
    """A few are all that a browser has."""
    cookies = read(f"_sp_id.1fff={VALUE}; " * 5000)

    assert 64 == len(cookies.ids)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"sp={NETWORK}", NETWORK),
        (f"a=b; sp={NETWORK.upper()}; c=d", NETWORK.upper()),
        (f"sp=garbage; sp={NETWORK}", NETWORK),
        (f"sp={NETWORK}; sp={USER}", NETWORK),
        (f"sp={NETWORK}x", None),
        (f"sp={NETWORK.replace('-', '')}", None),
        (f"spx={NETWORK}", None),
        ("sp=", None),
    ],
)
def test_the_collectors_cookie_is_a_uuid(header: str, expected: str | None) -> None:
    """The first that is one."""
    cookies = read(header)

    assert expected == cookies.network_user_id


def test_names_can_be_others() -> None:
    """What the trackers' settings say is taken to the letter."""
    pattern = cookie_pattern("_my.", "n")

    cookies = read_cookies(f"_my.id.1fff={VALUE}; _myXid.8809={VALUE}; _my.ses.1fff=*; n={NETWORK}", pattern)

    assert BrowserCookies((FULL,), frozenset({"1fff"}), NETWORK) == cookies


@pytest.mark.parametrize(("domain", "expected"), [("localhost", "1fff"), ("example.com", "8809")])
def test_a_domain_has_a_hash(domain: str, expected: str) -> None:
    """The first four digits of the SHA-1 of domain and path."""
    digits = domain_hash(domain)

    assert expected == digits


def test_a_domain_that_is_no_text_has_a_hash() -> None:
    """Half a surrogate pair in a host is no error."""
    assert domain_hash("?") == domain_hash("\ud800")


@pytest.mark.parametrize(
    ("host", "cookie_domain", "expected"),
    [
        ("localhost", None, ["localhost", ".localhost"]),
        ("a.b.com", None, ["a.b.com", ".a.b.com", "b.com", ".b.com", "com", ".com"]),
        ("a.com", ".b.com", [".b.com", "a.com", ".a.com", "com", ".com"]),
        ("", None, ["", "."]),
    ],
)
def test_domains_from_the_likeliest(host: str, cookie_domain: str | None, expected: list[str]) -> None:
    """As configured, the host, and what is above it."""
    actual = list(domains(host, cookie_domain))

    assert expected == actual


def test_a_deep_host_has_few_domains() -> None:
    """The host, and eight levels from the top."""
    actual = list(domains("a." * 100 + "acme.com", None))

    assert 2 * (1 + 8) == len(actual)
    assert "acme.com" in actual


def ids(*found: tuple[str, int]) -> BrowserCookies:
    """Return cookies with hashes, and the times when they were seen."""
    return BrowserCookies(
        tuple(BrowserId(hash_, f"u{number}", seen=seen) for number, (hash_, seen) in enumerate(found))
    )


LOCALHOST, EXAMPLE, ELSEWHERE = "1fff", "8809", "0000"


@pytest.mark.parametrize(
    ("cookies", "hosts", "expected"),
    [
        (ids((ELSEWHERE, 1)), ["localhost"], "u0"),
        (ids((ELSEWHERE, 9), (LOCALHOST, 1)), ["localhost"], "u1"),
        (ids((EXAMPLE, 9), (LOCALHOST, 1)), ["localhost", "example.com"], "u1"),
        (ids((EXAMPLE, 9), (LOCALHOST, 1)), ["example.com", "localhost"], "u0"),
        (ids((LOCALHOST, 1), (LOCALHOST, 2), (ELSEWHERE, 9)), ["localhost"], "u1"),
        (ids((LOCALHOST, 2), (LOCALHOST, 2)), ["localhost"], "u0"),
        (ids((ELSEWHERE, 1), (EXAMPLE, 3), (ELSEWHERE, 2)), ["localhost"], "u1"),
        (ids((ELSEWHERE, 0), (EXAMPLE, 0)), [], "u0"),
    ],
)
def test_one_of_several_is_chosen(cookies: BrowserCookies, hosts: list[str], expected: str) -> None:
    """That of the first domain, else the most recent."""
    browser = cookies.chosen(hosts)

    assert expected == browser.user_id


def test_without_cookies_there_is_nobody() -> None:
    """A browser of which nothing is known."""
    assert NO_BROWSER == NO_COOKIES.chosen(["localhost"])
