"""The visitor's address behind proxies: what proxies write, and whose word counts. Pure.

A proxy adds the address of whoever is connected to it at the right end of a header, and passes on what
stands there already. So the header is read from the right, for as long as whoever wrote the next address is
a trusted proxy. Invariant: nothing is believed that an untrusted address could have written.

Sources: RFC 7239 (`Forwarded`); `X-Forwarded-For` and `X-Real-IP` have no standard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from aiotracker import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Address", "TrustedProxies", "forwarded_nodes", "parse_address", "visitor_address"]

Address: TypeAlias = IPv4Address | IPv6Address

EVERYBODY: Final = "*"
UNIX: Final = "unix"
"""In a list of trusted proxies: whoever connects without an address, over a Unix socket."""

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
    address = None if peer is None else parse_address(peer)
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
    whole = values[0] if len(values) == 1 else b",".join(values)
    written = whole[-MAX_FORWARDED_BYTES:].decode("latin-1")
    if len(whole) > MAX_FORWARDED_BYTES:
        written = written.partition(",")[2]  # the first of them was cut in two
    if name == "forwarded":
        yield from map(_forwarded_for, _elements(written))
    else:
        # An empty element is no address, and so the end: something stood there that nobody knows.
        yield from (element.strip(' \t"') for element in reversed(written.split(",")))


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


def _forwarded_for(element: str) -> str:
    """Return the node that an element is `for`, without quotes; empty when there is not exactly one."""
    if "\\" in element:
        return ""  # no address needs an escape, and whoever wrote the host might have
    nodes: list[str] = []
    for pair in _PAIRS.findall(element):
        name, _, value = pair.partition("=")
        if name.strip(" \t").lower() == "for":
            nodes.append(value.strip(" \t"))
    if len(nodes) != 1:
        return ""
    (node,) = nodes
    is_quoted = len(node) > 1 and node[0] == node[-1] == '"'
    return node[1:-1] if is_quoted else node
