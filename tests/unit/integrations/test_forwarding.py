"""The visitor's address and the page's host: what proxies write, and whose word counts."""

import pytest

from aiotracker import ConfigurationError
from aiotracker.integrations.forwarding import (
    MAX_FORWARDED_BYTES,
    UNSAID,
    Origin,
    TrustedProxies,
    forwarded_nodes,
    forwarded_origin,
    is_host,
    parse_address,
    visitor_address,
)

VISITOR = "203.0.113.7"
NOBODY = TrustedProxies()
LOCAL = TrustedProxies.parse(["10.0.0.0/8", "fd00::/8"])
EVERYBODY = TrustedProxies.parse(["*"])


def found(
    header: str | list[str], *, name: str = "x-forwarded-for", peer: str | None = "10.0.0.1",
    proxies: TrustedProxies = LOCAL,
) -> str | None:  # fmt: skip
    """Return the visitor's address behind a trusted peer."""
    values = [header] if isinstance(header, str) else header
    nodes = forwarded_nodes(name, [value.encode("latin-1") for value in values])
    return visitor_address(peer, nodes, proxies)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("203.0.113.7:_port", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[203.0.113.7]:4711", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:cb00:7107]:80", "203.0.113.7"),
        ("::1", "::1"),
    ],
)
def test_an_address_has_one_form(node: str, expected: str) -> None:
    """Ports, brackets and zones are left out, an IPv4 address in IPv6 becomes itself."""
    address = parse_address(node)

    assert expected == str(address)


@pytest.mark.parametrize(
    "node",
    [
        "", " ", "unknown", "_hidden", "_SEVKISEK", "localhost", "acme.com", "unix:", "12345",
        "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4:", "1.2.3.4:123456", "1.2.3.4:http",
        "1.2.3.4/8", "1.2.3.4\n", "1.2.3.4\x00", "\u0661.2.3.4", "1.2.3.4, 5.6.7.8",
        "2001:db8::1::", "[2001:db8::1", "2001:db8::1]", "[2001:db8::1]4711",
        "fe80::1%", "fe80::1%e th", "fe80::1%\x00", "::" + "0" * 50, "a" * 100_000, "\ud800",
    ],
)  # fmt: skip
def test_what_is_no_address(node: str) -> None:
    """Names, obfuscated names and whatever is malformed are none."""
    address = parse_address(node)

    assert address is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (VISITOR, VISITOR),
        (f"{VISITOR}:4711", VISITOR),
        (f"{VISITOR}, 10.0.0.2", VISITOR),
        (f"{VISITOR},10.0.0.3,fd00::2", VISITOR),
        (f"1.1.1.1, {VISITOR}", VISITOR),
        (f"10.0.0.9, {VISITOR}, 10.0.0.2", VISITOR),
        ([f"1.1.1.1, {VISITOR}", "10.0.0.2, 10.0.0.3"], VISITOR),
        ("2001:db8::1, 10.0.0.2", "2001:db8::1"),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ("::ffff:203.0.113.7, ::ffff:10.0.0.2", VISITOR),
        ("10.0.0.4, 10.0.0.3", "10.0.0.4"),
        (f"{VISITOR}, garbage", "10.0.0.1"),
        (f"{VISITOR}, garbage, 10.0.0.2", "10.0.0.2"),
        (f"{VISITOR}, unknown, 10.0.0.2", "10.0.0.2"),
        (f"{VISITOR}, , 10.0.0.2", "10.0.0.2"),
        (f"{VISITOR},", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("\xff\x00", "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_a_list_is_read_from_the_right(header: str | list[str], expected: str) -> None:
    """As far as trusted proxies wrote it; an element that names no address is the end."""
    address = found(header)

    assert expected == address


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"for={VISITOR}", VISITOR),
        (f"For={VISITOR};proto=http;by=10.0.0.1", VISITOR),
        (f"by=10.0.0.1; FOR={VISITOR} ;host=acme.com", VISITOR),
        (f'for="{VISITOR}:4711"', VISITOR),
        (f"for={VISITOR}:4711", VISITOR),
        ('for="[2001:db8::1]"', "2001:db8::1"),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ("for=[2001:db8::1]", "2001:db8::1"),
        (f"for={VISITOR}, for=10.0.0.2", VISITOR),
        (f'for=1.1.1.1, for={VISITOR};host="a,b;for=9.9.9.9", for=10.0.0.2', VISITOR),
        ([f"for=1.1.1.1, for={VISITOR}", "for=10.0.0.2"], VISITOR),
        ("for=unknown", "10.0.0.1"),
        (f"for={VISITOR}, for=unknown, for=10.0.0.2", "10.0.0.2"),
        (f'for={VISITOR}, for="_hidden", for=10.0.0.2', "10.0.0.2"),
        (f"for={VISITOR}, proto=https, for=10.0.0.2", "10.0.0.2"),
        (f"for={VISITOR};for=1.1.1.1", "10.0.0.1"),
        (f"for = {VISITOR}", VISITOR),
        (f'for="{VISITOR}', "10.0.0.1"),
        (f'for={VISITOR}"', "10.0.0.1"),
        (f'for=1.1.1.1", for={VISITOR}', VISITOR),
        (f'for="1.1.1.1, for={VISITOR}', VISITOR),
        (f'for={VISITOR};host="\\", for=9.9.9.9;by=\\""', "10.0.0.1"),
        (f'for=10.0.0.2;host="x\\", for=9.9.9.9;by=\\"", for={VISITOR}', VISITOR),
        ("for", "10.0.0.1"),
        ("for=", "10.0.0.1"),
        ('for=""', "10.0.0.1"),
        (VISITOR, "10.0.0.1"),
        ("", "10.0.0.1"),
        (";;;,,,", "10.0.0.1"),
        ('"', "10.0.0.1"),
    ],
)
def test_the_standard_header_is_read_from_the_right(header: str | list[str], expected: str) -> None:
    """With quotes, brackets and names; nothing on the left changes how the right is read."""
    address = found(header, name="forwarded")

    assert expected == address


@pytest.mark.parametrize("header", [VISITOR, f" {VISITOR} ", f'"{VISITOR}"', f"{VISITOR}:80"])
def test_a_single_address_is_a_list_of_one(header: str) -> None:
    """So `X-Real-IP` and its like need no syntax of their own."""
    address = found(header, name="x-real-ip")

    assert VISITOR == address


@pytest.mark.parametrize(
    ("peer", "proxies", "expected"),
    [
        ("198.51.100.9", NOBODY, "198.51.100.9"),
        ("10.0.0.1", NOBODY, "10.0.0.1"),
        ("198.51.100.9", LOCAL, "198.51.100.9"),
        ("11.0.0.1", LOCAL, "11.0.0.1"),
        ("10.255.255.255", LOCAL, VISITOR),
        ("::ffff:10.0.0.1", LOCAL, VISITOR),
        ("fd00::1%eth0", LOCAL, VISITOR),
        ("fe80::1%eth0", LOCAL, "fe80::1"),
        ("fe80::1%eth0", TrustedProxies.parse(["fe80::1%eth0"]), VISITOR),
        ("fe80::1%eth1", TrustedProxies.parse(["fe80::/10"]), VISITOR),
        ("198.51.100.9", EVERYBODY, "1.1.1.1"),
        (None, EVERYBODY, "1.1.1.1"),
        (None, LOCAL, None),
        (None, NOBODY, None),
        ("testclient", LOCAL, None),
        ("", LOCAL, None),
        (None, TrustedProxies.parse(["unix"]), VISITOR),
        ("", TrustedProxies.parse(["unix"]), VISITOR),
        ("198.51.100.9", TrustedProxies.parse(["unix"]), "198.51.100.9"),
        ("198.51.100.9", TrustedProxies.parse(["198.51.100.9"]), VISITOR),
        ("198.51.100.8", TrustedProxies.parse(["198.51.100.9"]), "198.51.100.8"),
        ("10.1.2.3", TrustedProxies.parse(["::ffff:10.0.0.0/104"]), VISITOR),
        ("10.1.2.3", TrustedProxies.parse(["0.0.0.0/0"]), "1.1.1.1"),
        ("10.1.2.3", TrustedProxies.parse(["::/0"]), "10.1.2.3"),
    ],
)
def test_only_trusted_peers_are_believed(
    peer: str | None, proxies: TrustedProxies, expected: str | None
) -> None:
    """Whoever is no trusted proxy speaks for nobody else."""
    address = found(f"1.1.1.1, {VISITOR}", peer=peer, proxies=proxies)

    assert expected == address


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
def test_a_very_long_header_is_read_from_the_right(name: str) -> None:
    """What a stranger sends, however much, hides nobody, and the piece that was cut in two is no address."""
    node = f"for={VISITOR}" if name == "forwarded" else VISITOR

    assert VISITOR == found("x" * 100_000 + f",{node}", name=name)
    assert "10.0.0.1" == found("9" + "," * MAX_FORWARDED_BYTES, name=name)
    for padding in range(10):  # the cut falls anywhere in an address, also where a shorter one remains
        address = found("91.1.1.1," + "10.0.0.2," * 300 + " " * padding + "10.0.0.3", name="x-forwarded-for")
        assert "10.0.0.2" == address


@pytest.mark.parametrize(
    "text", ['"', '",', "\\", '\\"', ";", "for=", ",", '"\\', 'for="', "=", " ", "[", ":"]
)
def test_no_header_takes_long(text: str) -> None:
    """However often something is repeated, the end comes soon, and is no address but the proxy's."""
    for name in ("forwarded", "x-forwarded-for"):
        address = found(text * 100_000, name=name)

        assert "10.0.0.1" == address


# -- scheme and host of the page ----------------------------------------------------------------------

SHOP = Origin("https", "shop.acme.com")


def named(
    name: str = "x-forwarded-for", *, peer: str | None = "10.0.0.1", proxies: TrustedProxies = LOCAL,
    **values: str | list[str],
) -> Origin:  # fmt: skip
    """Return what is believed of headers, each given by its name with underscores."""
    lists = {key: [value] if isinstance(value, str) else value for key, value in values.items()}
    headers = {
        key.replace("_", "-").encode(): [value.encode("latin-1") for value in listed]
        for key, listed in lists.items()
    }
    return forwarded_origin(peer, name, headers, proxies)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        (" Http ", "http"),
        ("wss", "wss"),
        ("http, https", "https"),
        ("https,http", "http"),
        (["https", "http"], "http"),
        (["http", "gopher,https"], "https"),
        ("https,", None),
        (["https", ""], None),
        ("https, gopher", None),
        ("https://", None),
        ("javascript", None),
        ("", None),
        ("\xff\x00", None),
        ([], None),
    ],
)
def test_the_peer_says_the_scheme(header: str | list[str], expected: str | None) -> None:
    """It is the last of a list; those before it a visitor may have sent."""
    origin = named(x_forwarded_proto=header)

    assert Origin(expected) == origin


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("shop.acme.com", "shop.acme.com"),
        ("shop.acme.com:8443", "shop.acme.com:8443"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("evil.example, shop.acme.com", "shop.acme.com"),
        (["evil.example", "shop.acme.com"], "shop.acme.com"),
        ("shop.acme.com, ", None),
        ("shop.acme.com, a|b", None),
        ("", None),
        ([], None),
    ],
)
def test_the_peer_says_the_host(header: str | list[str], expected: str | None) -> None:
    """Likewise; what is no host is not believed."""
    origin = named(x_forwarded_host=header)

    assert Origin(None, expected) == origin


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("proto=https;host=shop.acme.com", SHOP),
        ('For=203.0.113.7 ; Proto=HTTPS; HOST="shop.acme.com"', SHOP),
        ('host="shop.acme.com:8443"', Origin(None, "shop.acme.com:8443")),
        ("for=203.0.113.7;proto=https;host=shop.acme.com, for=10.0.0.2;proto=http;host=inner", SHOP),
        (["for=203.0.113.7;proto=https;host=shop.acme.com", "for=10.0.0.2;proto=http;host=inner"], SHOP),
        ("for=203.0.113.7, for=10.0.0.2;proto=https;host=shop.acme.com", SHOP),
        ("for=203.0.113.7;proto=gopher;host=a|b, for=10.0.0.2;proto=https;host=shop.acme.com", SHOP),
        ("proto=http;host=evil.example, for=203.0.113.7;proto=https;host=shop.acme.com", SHOP),
        ("for=10.0.0.3;proto=http;host=evil.example, proto=https;host=shop.acme.com", SHOP),
        ("proto=http;host=evil.example, for=unknown;proto=https;host=shop.acme.com", SHOP),
        ('proto=http", for=203.0.113.7;proto=https;host=shop.acme.com', SHOP),
        ("proto=http;proto=https;host=shop.acme.com;host=evil.example", UNSAID),
        ('proto=https;host="shop\\.acme.com"', UNSAID),
        ("for=203.0.113.7", UNSAID),
        ("https", UNSAID),
        ("", UNSAID),
        ([], UNSAID),
    ],
)
def test_the_standard_header_says_scheme_and_host(header: str | list[str], expected: Origin) -> None:
    """Each as the trusted proxy nearest to the visitor wrote it, as far as addresses show who that is."""
    origin = named("forwarded", forwarded=header)

    assert expected == origin


def test_only_one_kind_of_header_is_read() -> None:
    """A proxy that writes one kind may pass on the other as visitors sent it."""
    believed = {
        name: named(
            name,
            forwarded="proto=https;host=shop.acme.com",
            x_forwarded_proto="http",
            x_forwarded_host="www.acme.com",
        )
        for name in ("forwarded", "x-forwarded-for", "cf-connecting-ip")
    }

    other = Origin("http", "www.acme.com")
    assert {"forwarded": SHOP, "x-forwarded-for": other, "cf-connecting-ip": other} == believed


@pytest.mark.parametrize(
    ("peer", "proxies", "expected"),
    [
        ("10.0.0.1", LOCAL, SHOP),
        ("::ffff:10.0.0.1", LOCAL, SHOP),
        ("198.51.100.9", LOCAL, UNSAID),
        ("10.0.0.1", NOBODY, UNSAID),
        ("testclient", LOCAL, UNSAID),
        (None, LOCAL, UNSAID),
        (None, NOBODY, UNSAID),
        (None, TrustedProxies.parse(["unix"]), SHOP),
        ("10.0.0.1", TrustedProxies.parse(["unix"]), UNSAID),
        ("198.51.100.9", EVERYBODY, SHOP),
        (None, EVERYBODY, SHOP),
    ],
)
def test_only_a_trusted_peer_says_scheme_and_host(
    peer: str | None, proxies: TrustedProxies, expected: Origin
) -> None:
    """Of anybody else nothing is believed."""
    standard = named("forwarded", forwarded="proto=https;host=shop.acme.com", peer=peer, proxies=proxies)
    usual = named(x_forwarded_proto="https", x_forwarded_host="shop.acme.com", peer=peer, proxies=proxies)

    assert expected == standard == usual


@pytest.mark.parametrize("text", ['"', ",", "\\", ";", "proto=", 'host="', "https", "a.", "[", ":", " "])
def test_no_page_takes_long(text: str) -> None:
    """However long a header is, the right end counts."""
    long = text * 100_000

    assert UNSAID == named(x_forwarded_proto=long, x_forwarded_host=long)
    assert UNSAID == named("forwarded", forwarded=long)
    assert SHOP == named(x_forwarded_proto=f"{long},https", x_forwarded_host=f"{long},shop.acme.com")
    assert SHOP == named("forwarded", forwarded=f"{long},for=203.0.113.7;proto=https;host=shop.acme.com")


@pytest.mark.parametrize(
    "text", ["acme.com", "acme.com:0", "acme.com:65535", "10.0.0.1", "[::1]", "a_b", "~"]
)
def test_what_is_a_host(text: str) -> None:
    """Names and addresses, an IPv6 one in brackets, with a port or without."""
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "acme.com:", "acme.com:65536", "a b", "a/b", "u:p@acme.com", "a,b", "acme.com\n", "\xe4",
        "[::1", "[::1::2]", "::1", "a" * 256,
    ],
)  # fmt: skip
def test_what_is_no_host(text: str) -> None:
    """Nothing that would make another URL."""
    assert not is_host(text)


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ("10.0.0.1/8", "has host bits set: write the first address"),
        ("localhost", "addresses and networks"),
        ("10.0.0.0/33", "addresses and networks"),
        ("10.0.0.0/255.0.255.0", "addresses and networks"),
        ("300.0.0.1", "addresses and networks"),
        ("**", "addresses and networks"),
    ],
)
def test_a_malformed_network_is_refused(entry: str, part: str) -> None:
    """At once, with what belongs there."""
    with pytest.raises(ConfigurationError, match="trusted_proxies") as caught:
        TrustedProxies.parse(["10.0.0.0/8", entry])

    assert entry == caught.value.value
    assert part in caught.value.rule
