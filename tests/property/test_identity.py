"""Any request: somebody or nobody made it, the pipeline takes what is said of them, and no stranger lies."""

import re
from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aiotracker import PageView, SelfDescribing, SelfDescribingJson
from aiotracker.integrations.forwarding import UNSAID, is_host
from aiotracker.integrations.identity import Identity, IdentityOptions, WebRequest, identify, page_origin
from aiotracker.integrations.requests import origin_of
from aiotracker.protocol.envelope import post_body
from tests.property.strategies import hostile_texts, urls
from tests.property.test_payloads import NOW_MS, complaints, record_of, request

PAGE = "https://acme.com/"
PROXY = "10.0.0.1"
TRUSTED = ["10.0.0.0/8", "fd00::/8"]
EVERYTHING: dict[str, Any] = {
    "client_session": True,
    "header_entities": ["traceparent", "user-agent", "x-request-id", "accept-language"],
}
OPTIONS = [
    IdentityOptions(),
    IdentityOptions(**EVERYTHING, active_session_only=True),
    IdentityOptions(**EVERYTHING, trusted_proxies="*"),
    IdentityOptions(**EVERYTHING, trusted_proxies=TRUSTED, cookie_domain="acme.com"),
    IdentityOptions(trusted_proxies=["unix"], forwarding_headers=["forwarded", "x-request-id"]),
]

# -- requests -------------------------------------------------------------------------------------------

addresses = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map("[{}]:80".format),
    st.ip_addresses(v=4).map("::ffff:{}".format),
    st.sampled_from(
        ["10.0.0.2", "fd00::2", "10.0.0.3:80", "unknown", "_hidden", "fe80::1%eth0", "", "1.2.3"]
    ),
)
node_lists = st.lists(addresses, max_size=5).map(", ".join)
ids = st.one_of(
    st.uuids().map(str),
    st.sampled_from(["", "undefined", "a1b2c3d4e5f60718", "*", "x" * 129, "0" * 36]),
    st.text(max_size=5),
)
numbers = st.one_of(st.integers(0, 2**31 - 1), st.integers()).map(str) | ids
id_values = st.one_of(
    st.tuples(ids, numbers, numbers, numbers, numbers, ids, ids, ids, numbers, numbers).map(".".join),
    st.lists(st.one_of(ids, numbers), max_size=12).map(".".join),
)
hashes = st.sampled_from(["1fff", "8809", "d827", "0000"])
cookies = st.one_of(
    st.builds("_sp_id.{}={}".format, hashes, id_values),
    st.builds("_sp_ses.{}=*".format, hashes),
    st.builds("sp={}".format, ids),
    st.builds("{}={}".format, st.text(max_size=5), st.text(max_size=5)),
)
pieces = st.sampled_from(
    [b'"', b"\\", b",", b";", b"=", b"for=", b" ", b"\x00", b"\xff", b"%", b"q=", b"_sp_id.d827=", b".", b"["]
)
noise = st.one_of(
    st.binary(max_size=30),
    st.lists(pieces, max_size=20).map(b"".join),
    st.builds(lambda raw, times: raw * times, st.binary(min_size=1, max_size=4), st.integers(1, 20_000)),
)


def encoded(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Return texts as clients may send them, with noise on either side now and then."""
    whole = texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    return st.one_of(whole, st.builds(b"".join, st.tuples(noise, whole, noise)), noise)


schemes = st.sampled_from(["http", "https", "HTTPS", "wss", "gopher", ""])
hosts = st.sampled_from(["acme.com", "shop.acme.com:8443", "[::1]", "[::1", "a|b", ""]) | addresses
values = {
    "x-forwarded-for": encoded(node_lists),
    "x-real-ip": encoded(addresses),
    "forwarded": encoded(
        st.lists(st.builds('for="{}";proto={};host="{}"'.format, addresses, schemes, hosts), max_size=5).map(
            ", ".join
        )
    ),
    "x-forwarded-proto": encoded(st.lists(schemes, max_size=3).map(", ".join)),
    "x-forwarded-host": encoded(st.lists(hosts, max_size=3).map(", ".join)),
    "host": encoded(hosts),
    "user-agent": encoded(hostile_texts),
    "accept-language": encoded(
        st.lists(st.builds("{};q={}".format, st.text("de-*", max_size=9), st.floats(0, 2))).map(",".join)
    ),
    "referer": encoded(urls | hostile_texts),
    "cookie": encoded(st.lists(cookies, max_size=6).map("; ".join)),
    "traceparent": encoded(hostile_texts),
    "x-request-id": encoded(hostile_texts),
}  # fmt: skip
headers = st.sampled_from(sorted(values)).flatmap(
    lambda name: st.tuples(st.just(name.encode()), values[name])
) | st.tuples(noise, noise)
requests = st.builds(
    WebRequest,
    st.one_of(urls, hostile_texts, st.builds("https://acme.com/{}?{}".format, hostile_texts, hostile_texts)),
    st.lists(headers, max_size=8),
    st.none() | addresses | hostile_texts,
)

# -- what the schemas say, by hand ----------------------------------------------------------------------

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
USER_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16}")
REQUIRED = {"userId", "sessionId", "sessionIndex", "storageMechanism"}
OPTIONAL = {"eventIndex", "previousSessionId", "firstEventId", "firstEventTimestamp"}


def is_valid(entity: SelfDescribingJson) -> bool:
    """Tell whether an entity keeps to its schema: client_session 1-0-2 or http_header 1-0-0."""
    assert isinstance(entity.data, dict)
    data: dict[str, Any] = entity.data
    if entity.schema == "iglu:org.ietf/http_header/jsonschema/1-0-0":
        return data.keys() == {"name", "value"} and len(data["value"]) <= 4096
    assert "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2" == entity.schema
    counts = [data["sessionIndex"], data.get("eventIndex") or 0]
    uuids = [data["sessionId"], *(data.get(name) for name in ("previousSessionId", "firstEventId"))]
    moment = data.get("firstEventTimestamp")
    return (
        REQUIRED <= data.keys() <= REQUIRED | OPTIONAL
        and USER_ID.fullmatch(data["userId"]) is not None
        and data["storageMechanism"] == "COOKIE_1"
        and all(type(count) is int and 0 <= count <= 2147483647 for count in counts)
        and all(text is None or UUID.fullmatch(text) is not None for text in uuids)
        and (moment is None or datetime.fromisoformat(moment).tzinfo is not None)
    )


def complaints_about(identity: Identity) -> list[object]:
    """Return what the pipeline finds wrong with events of somebody, with a page of their own and without."""
    bare = SelfDescribingJson("iglu:com.acme/x/jsonschema/1-0-0", {})
    events = [
        PageView(page_url=PAGE, event_subject=identity.subject, context=identity.entities),
        SelfDescribing(bare, event_subject=identity.subject, context=identity.entities),
    ]
    return complaints(request(body=post_body([record_of(event).data for event in events], NOW_MS)))


@given(requests, st.sampled_from(OPTIONS))
def test_whoever_asks_the_pipeline_takes_it(web: WebRequest, options: IdentityOptions) -> None:
    """No request raises, warns, or makes an event that fails."""
    identity = identify(web, options)

    assert [] == complaints_about(identity)
    assert all(map(is_valid, identity.entities))


@given(requests, st.sampled_from(OPTIONS))
def test_the_same_request_is_the_same_person(web: WebRequest, options: IdentityOptions) -> None:
    """What is found depends on the request alone."""
    assert identify(web, options) == identify(web, options)


@given(requests, st.sampled_from(OPTIONS))
def test_whatever_proxies_say_a_page_has_a_scheme_and_a_host(
    web: WebRequest, options: IdentityOptions
) -> None:
    """No request raises; what is believed can stand in a URL."""
    named = page_origin(web.headers, web.client, options)
    origin = origin_of("ws", ("10.0.0.9", 8000), web.headers, web.client, options)

    assert named.scheme in {None, "http", "https", "ws", "wss"}
    assert named.host is None or is_host(named.host)
    scheme, _, host = origin.partition("://")
    assert scheme in {"http", "https"}
    assert is_host(host)


# -- spoofing -------------------------------------------------------------------------------------------

forwarding = st.sampled_from(["x-forwarded-for", "forwarded", "x-real-ip"])
strangers = st.ip_addresses().filter(
    lambda address: (
        not any(address in ip_network(network) for network in TRUSTED)
        and getattr(address, "ipv4_mapped", None) is None
    )
)
PROXIES = IdentityOptions(trusted_proxies=TRUSTED)
forged = st.one_of(noise, node_lists.map(str.encode), st.just(b"for=1.1.1.1"), st.just(b'for="1.1.1.1'))


@given(requests, strangers.map(str))
def test_without_trusted_proxies_the_peer_is_the_visitor(web: WebRequest, peer: str) -> None:
    """Whatever the request says."""
    identity = identify(WebRequest(web.url, web.headers, peer))

    assert str(ip_address(peer)) == identity.subject.ip_address


@given(requests, strangers.map(str) | st.none(), st.sampled_from([IdentityOptions(), PROXIES]))
def test_what_strangers_say_of_the_page_changes_nothing(
    web: WebRequest, peer: str | None, options: IdentityOptions
) -> None:
    """It is that of the same request without their headers."""
    silent = [(name, value) for name, value in web.headers if b"forwarded" not in name]

    assert UNSAID == page_origin(web.headers, peer, options)
    assert origin_of("http", None, silent, peer) == origin_of("http", None, web.headers, peer, options)


@given(
    name=forwarding,
    lies=st.lists(forged, max_size=3),
    stranger=strangers,
    hops=st.integers(0, 4),
    in_one_header=st.booleans(),
)
def test_a_stranger_cannot_lie_to_a_trusted_proxy(
    name: str, lies: Sequence[bytes], stranger: IPv4Address | IPv6Address, hops: int, *, in_one_header: bool
) -> None:
    """Whatever is sent, the address that the first trusted proxy saw is the visitor's."""
    seen = [str(stranger), *(f"10.0.0.{hop + 2}" for hop in range(hops))]
    written = [node_of(name, address) for address in seen]
    honest = [b", ".join([*lies, *written])] if in_one_header else [*lies, *written]

    identity = identify(
        WebRequest(PAGE, [(name.encode(), value) for value in honest], PROXY),
        IdentityOptions(trusted_proxies=TRUSTED, forwarding_headers=[name]),
    )

    assert str(stranger) == identity.subject.ip_address


page_lies = st.one_of(
    noise,
    st.sampled_from([b"http", b"evil.example", b"for=10.0.0.9;proto=http;host=evil.example", b'host="']),
)


@given(
    lies=st.lists(page_lies, max_size=3),
    stranger=strangers,
    hops=st.integers(0, 4),
    is_standard=st.booleans(),
)
def test_a_stranger_cannot_lie_about_the_page(
    lies: Sequence[bytes], stranger: IPv4Address | IPv6Address, hops: int, *, is_standard: bool
) -> None:
    """Whatever is sent, the page is what the trusted proxies say, where they add to it."""
    seen = [str(stranger), *(f"10.0.0.{hop + 2}" for hop in range(hops))]
    said = b";proto=https;host=acme.com"
    written = {
        b"forwarded": [node_of("forwarded", address).partition(b";")[0] + said for address in seen],
        b"x-forwarded-proto": [b"https"],
        b"x-forwarded-host": [b"acme.com"],
    }
    options = IdentityOptions(
        trusted_proxies=TRUSTED, forwarding_headers=["forwarded" if is_standard else "x-forwarded-for"]
    )

    headers = [(name, b", ".join([*lies, *honest])) for name, honest in written.items()]

    assert "https://acme.com" == origin_of("http", None, headers, PROXY, options)


def node_of(name: str, address: str) -> bytes:
    """Return what a proxy writes of whoever is connected to it."""
    if name != "forwarded":
        return address.encode()
    return f'for="[{address}]:80"'.encode() if ":" in address else f"for={address};proto=http".encode()
