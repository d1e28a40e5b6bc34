"""A page URL as Java reads it: strictly first, then leniently.

The strict grammar is that of `java.net.URI`. What it refuses gets a second chance: illegal
characters behind the host are percent-encoded, and a text without a legal scheme is a relative
path. In the authority nothing is repaired, so such a URL fails its event.

Sources: Enrich 6.10, `ConversionUtils.scala` (`stringToUri`, `explodeUri`); the behaviour of Enrich
3.9 and of `java.net.URI` when run.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote

__all__ = ["SplitURL", "split_url"]

HTTPS_PORT: Final = 443
DEFAULT_PORT: Final = 80  # for every other scheme, and without one
MAX_PORT: Final = 2**31 - 1  # Java reads an int and asks no further
MAX_PORT_DIGITS: Final = 10
MAX_IPV4_BYTE: Final = 255
MAX_IPV4_DIGITS: Final = 10

_ESCAPE = "%[0-9A-Fa-f]{2}"
# Non-ASCII but for controls and spaces: what Java calls the "other" category.
_OTHER = (
    r"\u00a1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff"
    r"\u3001-\U0010ffff"
)
_UNRESERVED = r"A-Za-z0-9_\-!.~'()*" + _OTHER
_PATH = rf"[{_UNRESERVED}:@&=+$,;/]|{_ESCAPE}"
_ANY = rf"[{_UNRESERVED}:@&=+$,;/?\[\]]|{_ESCAPE}"

# RFC 3986, appendix B: every text has these parts, if only empty ones.
_PARTS = re.compile(r"(?:([^:/?#]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_IN_PATH = re.compile(f"(?:{_PATH})*")
_IN_QUERY = re.compile(f"(?:{_ANY})*")
_NOT_IN_PATH = re.compile(rf"(?:{_PATH})+|(.)", re.DOTALL)
_NOT_IN_QUERY = re.compile(rf"(?:{_ANY})+|(.)", re.DOTALL)
_REGISTRY_NAME = re.compile(rf"(?:[{_UNRESERVED}$,;:@&=+]|{_ESCAPE})+")
_SERVER = re.compile(
    rf"(?:(?:[{_UNRESERVED};:&=+$,]|{_ESCAPE})*@)?(\[[^\[\]]*\]|[A-Za-z0-9.\-]+)(?::([0-9]*))?"
)
_IPV4 = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"(?:(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9\-]*[A-Za-z0-9])?|{_LABEL})\.?")


@dataclass(frozen=True, slots=True)
class SplitURL:
    """A URL and its parts, as they fill the columns.

    Attributes:
        text: the whole URL, rewritten where it had to be repaired.
        scheme: None for a relative URL.
        host: None without an authority, and for one that is no host name, `a_b.com`.
        port: 443 for https and else 80 where the URL names none.
        path: as it stands in the URL, still encoded.
        query: likewise, without the question mark.
        fragment: likewise, without the hash.
    """

    text: str
    scheme: str | None
    host: str | None
    port: int
    path: str | None
    query: str | None
    fragment: str | None


def split_url(text: str) -> SplitURL | None:
    """Return the parts of a URL, None when the pipeline would fail it.

    Args:
        text: not empty, control characters already removed.
    """
    text = text.replace(" ", "%20")
    return _split(text) or _split(_repaired(text))


def _split(text: str) -> SplitURL | None:
    scheme, authority, path, query, fragment = parts = _parts(text)
    if not _is_legal(*parts):
        return None
    place = _host_and_port(authority) if authority else (None, None)
    if place is None:
        return None
    host, port = place
    if port is None:
        port = HTTPS_PORT if scheme == "https" else DEFAULT_PORT
    if scheme is not None and authority is None and not path.startswith("/"):
        # Opaque, as `mailto:a@b.c`: Java sees no path in it.
        return SplitURL(text, scheme, None, port, None, None, fragment)
    return SplitURL(text, scheme, host, port, path or None, query, fragment)


def _is_legal(
    scheme: str | None, authority: str | None, path: str, query: str | None, fragment: str | None
) -> bool:
    """Say whether the parts fit together, the inside of the authority aside."""
    has_more = bool(path) or query is not None
    if authority is None and scheme is not None and not has_more:
        return False  # `http:`, `x:#`
    if authority == "" and not has_more and fragment is None:
        return False  # `http://`
    return (
        (scheme is None or _SCHEME.fullmatch(scheme) is not None)
        and _IN_PATH.fullmatch(path) is not None
        and (query is None or _IN_QUERY.fullmatch(query) is not None)
        and (fragment is None or _IN_QUERY.fullmatch(fragment) is not None)
    )


def _parts(text: str) -> tuple[str | None, str | None, str, str | None, str | None]:
    """Return scheme, authority, path, query and fragment, of which every text has the path."""
    scheme, authority, path, query, fragment = next(_PARTS.finditer(text)).groups()
    return scheme, authority, path, query, fragment


def _host_and_port(authority: str) -> tuple[str | None, int | None] | None:
    """Return host and port, twice None for a legal authority without a host name, else None."""
    server = _SERVER.fullmatch(authority)
    if server is not None and _is_host(server[1]):
        digits = (server[2] or "").lstrip("0")
        if len(digits) <= MAX_PORT_DIGITS and int(digits or "0") <= MAX_PORT:
            return server[1], int(digits or "0") if server[2] else None
    return (None, None) if _REGISTRY_NAME.fullmatch(authority) else None


def _is_host(text: str) -> bool:
    if text.startswith("["):
        try:
            IPv6Address(text[1:-1])
        except ValueError:
            return False
        return True
    numbers = _IPV4.fullmatch(text)
    if numbers is not None:
        return all(
            len(number) <= MAX_IPV4_DIGITS and int(number) <= MAX_IPV4_BYTE for number in numbers.groups()
        )
    return _HOST_NAME.fullmatch(text) is not None


def _repaired(text: str) -> str:
    """Percent-encode what is illegal outside of the authority."""
    scheme, authority, path, query, fragment = _parts(text)
    start = ""
    if scheme is not None and not _SCHEME.fullmatch(scheme):
        # No scheme, so all of it is a relative path; a colon there would make it one again.
        path = f"{scheme}%3A{'' if authority is None else '//' + authority}{path}"
        path = path.replace(":", "%3A")
    else:
        start += "" if scheme is None else f"{scheme}:"
        start += "" if authority is None else f"//{authority}"
    return (
        start
        + _encoded(_NOT_IN_PATH, path)
        + ("" if query is None else "?" + _encoded(_NOT_IN_QUERY, query))
        + ("" if fragment is None else "#" + _encoded(_NOT_IN_QUERY, fragment))
    )


def _encoded(legal_or_not: re.Pattern[str], part: str) -> str:
    return legal_or_not.sub(
        lambda found: quote(found[1], safe="", errors="replace") if found[1] else found[0], part
    )
