"""The visitor's address and the page's host behind proxies: what they write, and whose word counts. Pure.

A proxy adds the address of whoever is connected to it at the right end of a header, and passes on what
stands there already. So the header is read from the right, for as long as whoever wrote the next address is
a trusted proxy. Invariant: nothing is believed that an untrusted address could have written.

Sources: RFC 7239 (`Forwarded`); `X-Forwarded-For`, `-Proto` and `-Host` and `X-Real-IP` have no standard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from aiotracker import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "FORWARDED_HOST",
    "FORWARDED_PROTO",
    "UNSAID",
    "Address",
    "Origin",
    "TrustedProxies",
    "forwarded_nodes",
    "forwarded_origin",
    "is_host",
    "parse_address",
    "visitor_address",
]

Address: TypeAlias = IPv4Address | IPv6Address

EVERYBODY: Final = "*"
UNIX: Final = "unix"
"""In a list of trusted proxies: whoever connects without an address, over a Unix socket."""

FORWARDED: Final = "forwarded"
FORWARDED_PROTO: Final = b"x-forwarded-proto"
FORWARDED_HOST: Final = b"x-forwarded-host"
KNOWN_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})  # Traefik writes the last two of a websocket
MAX_PORT: Final = 65_535
MAX_FORWARDED_BYTES: Final = 2048  # from the right: thirty proxies, when they write much
MAPPED_PREFIX: Final = 96  # bits of ::ffff:0:0, behind which an IPv4 address stands in an IPv6 one
NOT_A_NETWORK: Final = (
    'must have addresses and networks such as 10.0.0.0/8, "unix" for a Unix socket, or "*" for everybody'
)

_PORT: Final = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]{1,64}))?"
_ZONE: Final = r"(?:%[A-Za-z0-9._~-]{1,64})?"
_IPV4: Final = r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})"
_IPV6: Final = r"([0-9A-Fa-f:.]{2,45})"
_NODE = re.compile(rf"{_IPV4}{_PORT}|\[{_IPV6}{_ZONE}\]{_PORT}|{_IPV6}{_ZONE}")

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|[A-Za-z0-9._~-]{1,255})(?::(?P<port>[0-9]{1,5}))?")

# Read backwards, an element is whatever comes before a comma that stands in no quotes.
_BACKWARDS_ELEMENT = re.compile(r'(?:[^",]++|"[^"]*")*+')
_PAIRS = re.compile(r'(?:[^";]++|"[^"]*")++')


def parse_address(node: str) -> Address | None:
    """Return the address that a text names, None when it names none.

    Takes a port, brackets and an IPv6 zone, and leaves them out; an IPv4 address that is written as an IPv6
    one becomes itself. `unknown` and obfuscated names are no addresses.
    """
    match = _NODE.fullmatch(node)
    if match is None:
        return None
    try:
        address = ip_address(match[1] or match[2] or match[3])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Whose word counts about whom it speaks for.

    Attributes:
        everybody: trust whatever is connected, and whatever it says.
        unix: trust a peer that has no address.
        ipv4: networks as pairs of numbers, address and mask.
        ipv6: likewise.
    """

    everybody: bool = False
    unix: bool = False
    ipv4: tuple[tuple[int, int], ...] = ()
    ipv6: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, entries: Sequence[str]) -> Self:
        """Read addresses, networks, `"unix"` and `"*"`.

        Raises:
            ConfigurationError: an entry is none of them, or a network with bits beyond its mask.
        """
        networks = [_network(entry) for entry in entries if entry not in (EVERYBODY, UNIX)]
        return cls(
            EVERYBODY in entries,
            UNIX in entries,
            tuple((int(n.network_address), int(n.netmask)) for n in networks if isinstance(n, IPv4Network)),
            tuple((int(n.network_address), int(n.netmask)) for n in networks if isinstance(n, IPv6Network)),
        )

    @property
    def is_nobody(self) -> bool:
        """Whether no forwarding header counts at all."""
        return not (self.everybody or self.unix or self.ipv4 or self.ipv6)

    def include(self, address: Address | None) -> bool:
        """Tell whether the one with this address, None for a peer without one, is trusted."""
        if self.everybody:
            return True
        if address is None:
            return self.unix
        networks = self.ipv4 if isinstance(address, IPv4Address) else self.ipv6
        number = int(address)
        return any(number & mask == network for network, mask in networks)


def visitor_address(peer: str | None, nodes: Iterator[str], proxies: TrustedProxies) -> str | None:
    """Return the address of the visitor, as far as trusted proxies vouch for it.

    Args:
        peer: address of whoever is connected; None when it has none.
        nodes: what proxies wrote, the last one's word first.
        proxies: whom to believe.
    Returns:
        The address farthest away for which only trusted proxies vouch: the peer's when that is no
        trusted proxy; the last good one before an element that names no address; None without any.
    """
    address = _peer_address(peer)
    while proxies.include(address):
        named = parse_address(next(nodes, ""))
        if named is None:
            break
        address = named
    return None if address is None else str(address)


def forwarded_nodes(name: str, values: Sequence[bytes]) -> Iterator[str]:
    """Yield what a forwarding header names, the last one first; empty text for a malformed element.

    Args:
        name: `forwarded` for the syntax of RFC 7239; every other header is a list of addresses.
        values: in the order in which they came; none for a header that is not there.
    """
    written = _written(values)
    if name == FORWARDED:
        yield from (_parameter(element, "for") for element in _elements(written))
    else:
        # An empty element is no address, and so the end: something stood there that nobody knows.
        yield from (element.strip(' \t"') for element in reversed(written.split(",")))


@dataclass(frozen=True, slots=True)
class Origin:
    """What proxies say of the page that a visitor's browser shows.

    Attributes:
        scheme: `http`, `https`, `ws` or `wss`; None when nobody believed says so.
        host: that a URL can have, perhaps with a port; None likewise.
    """

    scheme: str | None = None
    host: str | None = None


UNSAID: Final = Origin()


def forwarded_origin(
    peer: str | None, name: str, headers: Mapping[bytes, Sequence[bytes]], proxies: TrustedProxies
) -> Origin:
    """Return scheme and host of the page, as far as trusted proxies vouch for them.

    Args:
        peer: address of whoever is connected; None when it has none.
        name: the forwarding header that counts: with `forwarded`, its `proto` and `host` are read; with
            every other, `X-Forwarded-Proto` and `X-Forwarded-Host`.
        headers: values by names in lower case, in the order in which they came.
        proxies: whom to believe.
    Returns:
        What each header says, without what is no scheme of a page, or no host.
    """
    address = _peer_address(peer)
    if not proxies.include(address):
        return UNSAID
    if name == FORWARDED:
        return _standard_origin(address, _written(headers.get(FORWARDED.encode(), ())), proxies)
    return Origin(
        _known_scheme(_rightmost(headers.get(FORWARDED_PROTO, ()))),
        _known_host(_rightmost(headers.get(FORWARDED_HOST, ()))),
    )


def is_host(text: str) -> bool:
    """Tell whether a text names a host that a URL can have, perhaps with a port."""
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > MAX_PORT:
        return False
    if match["ipv6"] is None:
        return True
    try:
        IPv6Address(match["ipv6"])
    except ValueError:
        return False
    return True


def _peer_address(peer: str | None) -> Address | None:
    return None if peer is None else parse_address(peer)


def _standard_origin(address: Address | None, written: str, proxies: TrustedProxies) -> Origin:
    """Return what a trusted peer's `Forwarded` says, of the trusted proxy nearest to the visitor."""
    origin = UNSAID
    for element in _elements(written):
        origin = Origin(
            _known_scheme(_parameter(element, "proto")) or origin.scheme,
            _known_host(_parameter(element, "host")) or origin.host,
        )
        address = parse_address(_parameter(element, "for"))
        if address is None or not proxies.include(address):  # without an address: nobody knows who it was
            break
    return origin


def _rightmost(values: Sequence[bytes]) -> str:
    """Return the last element of a list, empty without one."""
    # The peer wrote it. What stands left of it a visitor may have sent, to a proxy that appends, and no
    # element tells who did. Tornado and Werkzeug's ProxyFix take the last one by default, too.
    return _written(values).rpartition(",")[2].strip(' \t"')


def _known_scheme(text: str) -> str | None:
    scheme = text.lower()
    return scheme if scheme in KNOWN_SCHEMES else None


def _known_host(text: str) -> str | None:
    return text if is_host(text) else None


def _written(values: Sequence[bytes]) -> str:
    """Return the right end of a header that is a list, without an element that was cut in two."""
    whole = values[0] if len(values) == 1 else b",".join(values)
    written = whole[-MAX_FORWARDED_BYTES:].decode("latin-1")
    return written.partition(",")[2] if len(whole) > MAX_FORWARDED_BYTES else written


def _network(entry: object) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(entry if isinstance(entry, str) else "")
    except ValueError as error:
        has_host_bits = "host bits" in str(error)
        rule = f"{error}: write the first address of the network" if has_host_bits else NOT_A_NETWORK
        raise ConfigurationError("trusted_proxies", entry, rule) from error
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED_PREFIX:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((int(mapped), network.prefixlen - MAPPED_PREFIX))
    return network


def _elements(header: str) -> Iterator[str]:
    """Yield the elements of a `Forwarded` header, the last one first, up to a quote without its partner.

    Backwards, because what a stranger wrote on the left must not change how the right is read.
    """
    backwards = header[::-1]
    position = 0
    while position <= len(backwards):
        match = _BACKWARDS_ELEMENT.match(backwards, position)
        end = position if match is None else match.end()
        if end < len(backwards) and backwards[end] != ",":
            return
        yield backwards[position:end][::-1]
        position = end + 1


def _parameter(element: str, wanted: str) -> str:
    """Return what an element gives a name, without quotes; empty when there is not exactly one."""
    if "\\" in element:
        return ""  # no address and no host needs an escape, and whoever wrote the host might have
    values: list[str] = []
    for pair in _PAIRS.findall(element):
        name, _, value = pair.partition("=")
        if name.strip(" \t").lower() == wanted:
            values.append(value.strip(" \t"))
    if len(values) != 1:
        return ""
    (value,) = values
    is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if is_quoted else value
