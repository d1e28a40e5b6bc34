"""From a request to who made it."""

import copy
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from aiotracker import ConfigurationError, PageView, Subject, scope
from aiotracker.integrations.forwarding import UNSAID, Origin
from aiotracker.integrations.identity import Identity, IdentityOptions, WebRequest, identify, page_origin
from tests.fakes.bench import TrackWith

URL = "https://shop.acme.com/products/42?q=tea"
USER = "6c33a6ad-dd67-4f24-9f6c-3d2ab1f1d6a1"
OTHER = "a1b2c3d4e5f60718"
SESSION = "9c65e7f3-8e8e-470d-b243-910b5b300da0"
NETWORK = "0f14d0ab-9605-4a62-a9e4-5ed26688389b"
ID_COOKIE = f"{USER}.1673957921.3.1673959786..{SESSION}"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SHOP_HASH, ACME_HASH = "6074", "d827"  # of shop.acme.com and acme.com
PROXIES = IdentityOptions(trusted_proxies=["10.0.0.0/8"])


def asked(
    *headers: tuple[str, str | bytes],
    url: str = URL,
    client: str | None = "203.0.113.7",
    options: IdentityOptions | None = None,
) -> Identity:
    """Return who made a request with these headers."""
    raw = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
    request = WebRequest(url, raw, client)
    return identify(request) if options is None else identify(request, options)


def data(identity: Identity) -> list[object]:
    """Return the data of the entities."""
    return [entity.data for entity in identity.entities]


def test_an_ordinary_request_says_who_made_it() -> None:
    """Address, browser, language, page, where from, and the ids of its cookies."""
    identity = asked(
        ("host", "shop.acme.com"),
        ("user-agent", AGENT),
        ("accept", "text/html"),
        ("accept-language", "de-DE,de;q=0.9,en;q=0.8"),
        ("referer", "https://www.google.com/"),
        ("cookie", f"theme=dark; _sp_id.{ACME_HASH}={ID_COOKIE}; _sp_ses.{ACME_HASH}=*; sp={NETWORK}"),
    )

    assert identity == Identity(
        Subject(
            ip_address="203.0.113.7",
            useragent=AGENT,
            lang="de-DE",
            page_url=URL,
            page_referrer="https://www.google.com/",
            domain_user_id=USER,
            domain_session_id=SESSION,
            domain_session_index=3,
            network_user_id=NETWORK,
        )
    )


def test_an_empty_request_is_nobodys() -> None:
    """Nothing is known, and nothing is made up."""
    assert Identity(Subject()) == identify(WebRequest("", []))


async def test_what_is_known_travels_with_an_event(track_with: TrackWith) -> None:
    """Subject and entities are those of a scope."""
    bench = await track_with()
    identity = asked(
        ("cookie", f"_sp_id.{ACME_HASH}={ID_COOKIE}"),
        ("traceparent", "00-a-b-01"),
        options=IdentityOptions(client_session=True, header_entities=["traceparent"]),
    )

    with scope(subject=identity.subject, context=identity.entities):
        await bench.tracker.track(PageView(page_url="https://shop.acme.com/cart"))
    await bench.flush()

    (event,) = bench.transport.sent[0].events
    assert "https://shop.acme.com/cart" == event["url"]
    assert {"ip": "203.0.113.7", "duid": USER, "sid": SESSION, "vid": "3"}.items() <= event.items()
    assert "client_session/jsonschema/1-0-2" in event["co"]
    assert "http_header/jsonschema/1-0-0" in event["co"]


# -- address --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-for", "1.1.1.1, 198.51.100.9")], "198.51.100.9"),
        ([("forwarded", 'for="[2001:db8::1]:80"')], "2001:db8::1"),
        ([("x-real-ip", "198.51.100.9")], "198.51.100.9"),
        ([("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "198.51.100.9")], "198.51.100.9"),
        ([("x-real-ip", "1.1.1.1"), ("forwarded", "for=198.51.100.9")], "198.51.100.9"),
        ([("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.9")], "198.51.100.9"),
        ([("x-forwarded-for", ""), ("x-real-ip", "1.1.1.1")], "10.0.0.1"),
        ([("x-forwarded-for", "10.0.0.2"), ("x-real-ip", "1.1.1.1")], "10.0.0.2"),
        ([("x-forwarded-for", b"\xff\x00")], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_a_trusted_proxy_vouches_for_the_visitor(
    headers: Sequence[tuple[str, str | bytes]], expected: str
) -> None:
    """In the first forwarding header that the request has."""
    identity = asked(*headers, client="10.0.0.1", options=PROXIES)

    assert expected == identity.subject.ip_address


@pytest.mark.parametrize(
    ("forwarding", "headers", "expected"),
    [
        (None, {"x-forwarded-proto": "https"}, Origin("https")),
        (None, {"x-forwarded-for": "1.1.1.1", "x-forwarded-host": "a.b"}, Origin(None, "a.b")),
        (None, {"forwarded": "proto=https"}, Origin("https")),
        (None, {"forwarded": "proto=https", "x-forwarded-proto": "http"}, Origin("https")),
        (None, {"forwarded": "host=a.b", "x-forwarded-for": "1.1.1.1"}, UNSAID),
        (None, {"forwarded": "host=a.b", "x-real-ip": "1.1.1.1"}, Origin(None, "a.b")),
        (["forwarded"], {"forwarded": "proto=https", "x-forwarded-host": "a.b"}, Origin("https")),
        (["forwarded"], {"x-forwarded-proto": "https", "x-forwarded-host": "a.b"}, UNSAID),
        (["forwarded", "x-real-ip"], {"x-real-ip": "1.1.1.1", "x-forwarded-proto": "https"}, Origin("https")),
        (["x-real-ip"], {"forwarded": "host=a.b", "x-forwarded-proto": "https"}, Origin("https")),
        ([], {"forwarded": "host=a.b", "x-forwarded-proto": "https"}, UNSAID),
    ],
)
def test_scheme_and_host_stand_beside_the_address(
    forwarding: Sequence[str] | None, headers: dict[str, str], expected: Origin
) -> None:
    """In `Forwarded` when that is the header that counts, or would; in their own headers otherwise."""
    options = PROXIES if forwarding is None else replace(PROXIES, forwarding_headers=forwarding)
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    assert expected == page_origin(raw, "10.0.0.1", options)
    assert UNSAID == page_origin(raw, "203.0.113.7", options)
    assert UNSAID == page_origin(raw, "10.0.0.1")


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-real-ip", "forwarded"])
def test_nobody_is_trusted_by_default(name: str) -> None:
    """Everybody can send a header."""
    identity = asked((name, "for=1.1.1.1" if name == "forwarded" else "1.1.1.1"), client="10.0.0.1")

    assert "10.0.0.1" == identity.subject.ip_address


def test_other_headers_can_hold_the_address() -> None:
    """Only those that are named count then."""
    options = replace(PROXIES, forwarding_headers=["CF-Connecting-IP"])

    identity = asked(
        ("x-forwarded-for", "1.1.1.1"),
        ("cf-connecting-ip", "198.51.100.9"),
        client="10.0.0.1",
        options=options,
    )

    assert "198.51.100.9" == identity.subject.ip_address


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", None),
        ("\ud800\x00", None),
        ("1" * 10_000, None),
        (None, None),
    ],
)
def test_the_peer_is_an_address_or_nothing(client: str | None, expected: str | None) -> None:
    """In the form that the pipeline reads."""
    identity = asked(client=client)

    assert expected == identity.subject.ip_address


# -- page, referrer, browser ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, URL),
        ("http://localhost:8000/", "http://localhost:8000/"),
        ("HTTPS://Shop.acme.com", "HTTPS://Shop.acme.com"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("https://shop.acme.com?q=1", "https://shop.acme.com?q=1"),
        ("https://bücher.example/ä", "https://bücher.example/ä"),
        (f"https://shop.acme.com/?_sp={USER}.1673957921210", f"https://shop.acme.com/?_sp={USER}.1673957921210"),
        ("https://shop.acme.com/?a=1&_sp=forged.soon&b=2", "https://shop.acme.com/?a=1&b=2"),
        ("https://shop.acme.com/?_s%70=forged.soon", "https://shop.acme.com/"),
        ("https://shop.acme.com/" + "x" * 9000, "https://shop.acme.com/" + "x" * 2999),
        ("https://shop.acme.com/\ud800", "https://shop.acme.com/\ufffd"),
        ("wss://shop.acme.com/chat", None),
        ("ftp://shop.acme.com/", None),
        ("/products/42", None),
        ("https://", None),
        ("https:///x", None),
        ("https://user:password@shop.acme.com/", None),
        ("https://shop.acme.com:port/", None),
        ("https://shop.acme.com:123456/", None),
        ('https://shop"acme.com/', None),
        ("https://shop acme.com/", None),
        ("https://shop\x00.acme.com/", None),
        ("https://[::1/", None),
        ("https://[:::::]/", None),
        ("https://a%zz.com/", None),
        ("https://\\evil/", None),
        ("javascript:alert(1)", None),
        ("\ud800", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_page_is_a_web_address_or_nothing(url: str, expected: str | None) -> None:
    """What the pipeline would fail, and what no browser shows, is left out."""
    identity = asked(url=url)

    assert expected == identity.subject.page_url


@pytest.mark.parametrize(
    ("referrer", "expected"),
    [
        ("https://www.google.com/", "https://www.google.com/"),
        ("http://acme.com/?q=a b", "http://acme.com/?q=a b"),
        ("android-app://com.google.android.gm/", "android-app://com.google.android.gm/"),
        ("https://example.com/?_sp=forged.soon", "https://example.com/?_sp=forged.soon"),
        ("https://example.com/ü", "https://example.com/ü"),
        ("https://example.com/ü".encode("latin-1"), "https://example.com/ü"),
        ("https://exa|mple.com/", None),
        ("https://user:password@example.com/", None),
        ("https://@example.com/", None),
        ("about:blank", None),
        ("javascript:alert(1)", None),
        ("garbage", None),
        ("https://", None),
        ("", None),
        (b"\xff\xfe\x00", None),
    ],
)
def test_the_referrer_is_an_address_or_nothing(referrer: str | bytes, expected: str | None) -> None:
    """Of a page or an app; without the name and password that a link may hold."""
    identity = asked(("referer", referrer))

    assert expected == identity.subject.page_referrer


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (AGENT, AGENT),
        (f"  {AGENT} ", AGENT),
        ("x" * 100_000, "x" * 1000),
        ("\U0001f600" * 600, "\U0001f600" * 500),
        ("\t" * 5 + "x", "x"),
        ("Bücher".encode("latin-1"), "Bücher"),
        (b"a\xff\xfe", "aÿþ"),
        (b"\x00\x01", None),
        ("", None),
        ("   ", None),
    ],
)
def test_a_user_agent_is_cut(agent: str | bytes, expected: str | None) -> None:
    """To 1,000 characters, as the pipeline counts them."""
    identity = asked(("user-agent", agent), ("user-agent", "another"))

    assert expected == identity.subject.useragent


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("accept-language", "en;q=0.5, de")], "de"),
        ([("accept-language", "en;q=0.5"), ("accept-language", "de")], "de"),
        ([("accept-language", "x" * 100_000)], None),
        ([("accept-language", "en;q=0.5," * 100 + "de" + "," * 1000)], "en"),
        ([("accept-language", b"\xff")], None),
        ([], None),
    ],
)
def test_the_language_is_what_the_visitor_likes_best(
    headers: Sequence[tuple[str, str | bytes]], expected: str | None
) -> None:
    """Over all headers of the name, as far as they are read."""
    identity = asked(*headers)

    assert expected == identity.subject.lang


# -- cookies --------------------------------------------------------------------------------------------


def test_cookies_of_http2_come_in_several_headers() -> None:
    """They are one list."""
    identity = asked(("cookie", f"sp={NETWORK}"), ("cookie", f"_sp_id.{ACME_HASH}={ID_COOKIE}"))

    assert (NETWORK, USER) == (identity.subject.network_user_id, identity.subject.domain_user_id)


def several(first: str, second: str, *, now: tuple[int, int] = (1, 2)) -> tuple[str, str]:
    """Return a `Cookie` header with two ids, the user's and another one's."""
    return (
        "cookie",
        f"_sp_id.{first}={USER}.1.2.{now[0]}..{SESSION}; _sp_id.{second}={OTHER}.1.2.{now[1]}..{SESSION}",
    )


@pytest.mark.parametrize(
    ("cookie", "options", "expected"),
    [
        (several(SHOP_HASH, "0000"), {}, USER),
        (several(ACME_HASH, "0000"), {}, USER),
        (several(SHOP_HASH, ACME_HASH), {}, USER),
        (several(SHOP_HASH, ACME_HASH), {"cookie_domain": "acme.com"}, OTHER),
        (several("8809", SHOP_HASH), {"cookie_domain": "example.com"}, USER),
        (several("0000", "0001"), {}, OTHER),
        (several("0000", "0001", now=(3, 2)), {}, USER),
        (several(ACME_HASH, ACME_HASH), {}, OTHER),
    ],
)
def test_one_of_several_cookies_is_the_sites(
    cookie: tuple[str, str], options: dict[str, Any], expected: str
) -> None:
    """By the hash of its domain; else the most recent."""
    identity = asked(cookie, options=IdentityOptions(**options))

    assert expected == identity.subject.domain_user_id


def test_cookies_can_have_other_names() -> None:
    """As the settings of the trackers say."""
    options = IdentityOptions(cookie_prefix="_my_", network_cookie="n")

    identity = asked(("cookie", f"_my_id.0000={ID_COOKIE}; n={NETWORK}; sp={USER}"), options=options)

    assert (USER, NETWORK) == (identity.subject.domain_user_id, identity.subject.network_user_id)


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (f"_sp_id.{ACME_HASH}={ID_COOKIE}", Subject(domain_user_id=USER)),
        (f"_sp_id.{ACME_HASH}={ID_COOKIE}; _sp_ses.0000=*", Subject(domain_user_id=USER)),
        (
            f"_sp_id.{ACME_HASH}={ID_COOKIE}; _sp_ses.{ACME_HASH}=*",
            Subject(domain_user_id=USER, domain_session_id=SESSION, domain_session_index=3),
        ),
        ("a=b", Subject()),
    ],
)
def test_an_idle_session_can_be_left_out(cookie: str, expected: Subject) -> None:
    """It is over once its cookie is gone; the user stays the same."""
    options = IdentityOptions(active_session_only=True, client_session=True)

    identity = asked(("cookie", cookie), url="", client=None, options=options)

    assert expected == identity.subject
    assert bool(expected.domain_session_id) == bool(identity.entities)


@pytest.mark.parametrize(
    "cookie",
    [
        b"\xff\xfe=\x00; _sp_id.d827=\xff.\x00.\xff.1.2.3",
        f"_sp_id.{ACME_HASH}={'x' * 200}.1.99999999999.2.3.not-a-uuid; sp=not-a-uuid".encode(),
        b"_sp_id.d827=" + b"." * 60_000,
        b";" * 60_000,
        b"=" * 60_000,
        b"_sp_id." * 10_000,
        b"sp=; " * 10_000,
    ],
)
def test_malformed_cookies_are_nobodys(cookie: bytes) -> None:
    """Nothing of them is taken."""
    identity = asked(("cookie", cookie), url="", client=None, options=IdentityOptions(client_session=True))

    assert Identity(Subject()) == identity


# -- entities -------------------------------------------------------------------------------------------


def test_entities_are_added_only_when_asked_for() -> None:
    """The session and the headers, in this order."""
    headers = (("cookie", f"_sp_id.{ACME_HASH}={ID_COOKIE}"), ("traceparent", "00-a-b-01"))
    options = IdentityOptions(client_session=True, header_entities=["Traceparent", "tracestate"])

    assert [] == data(asked(*headers))
    assert [
        {
            "userId": USER,
            "sessionId": SESSION,
            "sessionIndex": 3,
            "storageMechanism": "COOKIE_1",
            "previousSessionId": None,
        },
        {"name": "traceparent", "value": "00-a-b-01"},
    ] == data(asked(*headers, options=options))


# -- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("trusted_proxies", ["10.0.0.1/8"]),
        ("trusted_proxies", ["localhost"]),
        ("trusted_proxies", "10.0.0.0/8;fd00::/8"),
        ("trusted_proxies", None),
        ("trusted_proxies", b"*"),
        ("trusted_proxies", 7),
        ("trusted_proxies", [7]),
        ("header_entities", ["trace parent"]),
        ("header_entities", ["ü"]),
        ("header_entities", ["x" * 257]),
        ("header_entities", [b"traceparent"]),
        ("header_entities", ["Cookie"]),
        ("header_entities", ["Authorization"]),
        ("forwarding_headers", ["x forwarded for"]),
        ("forwarding_headers", None),
        ("cookie_prefix", ""),
        ("cookie_prefix", "a;b"),
        ("network_cookie", ""),
        ("network_cookie", None),
        ("cookie_domain", 7),
    ],
)
def test_an_option_that_cannot_work_is_refused(setting: str, value: object) -> None:
    """When it is set, not when a request comes."""
    options: dict[str, Any] = {setting: value}

    with pytest.raises(ConfigurationError) as caught:
        IdentityOptions(**options)

    assert setting == caught.value.setting


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("*", ("*",)),
        ("10.0.0.0/8, fd00::/8,", ("10.0.0.0/8", "fd00::/8")),
        ("", ()),
        ([" 10.0.0.1 ", ""], ("10.0.0.1",)),
        (("unix", "*"), ("unix", "*")),
    ],
)
def test_one_text_may_hold_several_proxies(given: Sequence[str], expected: tuple[str, ...]) -> None:
    """As an environment variable does."""
    options = IdentityOptions(trusted_proxies=given)

    assert expected == options.trusted_proxies


def test_options_are_values() -> None:
    """They can be compared, kept in sets, changed, copied and sent to another process."""
    options = IdentityOptions(trusted_proxies=["10.0.0.0/8"], header_entities=["TraceParent"])
    same = IdentityOptions(trusted_proxies="10.0.0.0/8", header_entities=("traceparent",))

    assert {options} == {same, copy.deepcopy(options), pickle.loads(pickle.dumps(options))}
    assert ("*",) == replace(options, trusted_proxies="*").trusted_proxies
    assert "_reading" not in repr(options)
