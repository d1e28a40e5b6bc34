"""URLs of pages and referrers: what fails an event, and what can be saved of a bad one.

Enrich parses `url` and `refr` with Java's strict URI parser and falls back to a lenient one that
percent-encodes; an event fails only where both give up, which is almost always in the authority.

Sources: Enrich 6.10, `ConversionUtils.scala`, `PageEnrichments.scala` and
`CrossNavigationEnrichment.scala`; 500 requests run against Enrich 3.9. Lengths of the parts: the
`validation.atomicFieldsLimits` of Enrich 6.10.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_plus

from aiotracker.protocol.fields import MAX_EPOCH_MS
from aiotracker.protocol.text import cut, stored, utf16_length

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clip_url", "is_for_new_enrich", "url_violation"]

MAX_LENGTH: Final = 10_000
OLD_MAX_LENGTH: Final = 4096  # on Enrich 3.9; 6.x takes 10,000
MAX_SCHEME: Final = 16
MAX_HOST: Final = 255
MAX_PAGE_PATH: Final = 3000
MAX_REFERRER_PATH: Final = 6000
MAX_QUERY: Final = 6000
MAX_FRAGMENT: Final = 3000
MAX_CROSS_DOMAIN_PARTS: Final = 7  # of `_sp`; with more Enrich ignores it
MAX_CROSS_DOMAIN_USER: Final = 128
MAX_EXPANSION: Final = 12  # of one character when it is encoded: a tab is four spaces, an emoji four bytes

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_COLON_FIRST = re.compile(r"[^/?#]*:")
_AUTHORITY_END = re.compile(r"[/?#]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BAD_IN_AUTHORITY = re.compile(rf'[|{{}}<>"^\\`]|{_BAD_ESCAPE.pattern}')
_ADDRESS_IN_BRACKETS = re.compile(r"(?:[^\[\]]*@)?\[([^\[\]%]+)\](?::[0-9]*)?")
_KEPT: Final = "-_!.~'()*:@&=+$,;/?%"  # beside letters and digits, in path, query and fragment
# Java's "other" characters are those beyond ASCII that are neither controls nor spaces.
_CHARACTERS: Final = (
    r"(?:[A-Za-z0-9\-_!.~'()*:@&=+$,;/?]|%[0-9A-Fa-f]{2}"
    r"|[^\x00-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000])*"
)
_LEGAL = re.compile(f"{_CHARACTERS}(?:#{_CHARACTERS})?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def url_violation(url: str, *, is_referrer: bool = False) -> str | None:
    """Return the rule that a URL breaks, or None when the pipeline takes it.

    Args:
        url: any text; relative URLs are good, as they are to Enrich.
        is_referrer: True for `refr`, whose path may be longer.
    """
    scheme, rest = _split_scheme(stored(url))
    if scheme is None and rest.startswith(":"):
        return "begins with a colon where a scheme such as https belongs"
    if scheme is not None and (not rest or rest.startswith("#")):
        return f"has nothing after {scheme}:"
    authority, rest = _split_authority(rest)
    if authority is not None:
        if not authority and not rest:
            return "has no host after //"
        broken = _authority_violation(authority)
        if broken is not None:
            return broken
    broken = _length_violation(url, is_referrer=is_referrer)
    return broken or (None if is_referrer else _cross_domain_violation(rest))


def is_for_new_enrich(url: str) -> bool:
    """Tell whether a URL is so long that it fails on Enrich before 6.0."""
    return MAX_EXPANSION * len(url) > OLD_MAX_LENGTH and utf16_length(_rewritten(url)) > OLD_MAX_LENGTH


def clip_url(url: str, *, is_referrer: bool = False) -> str | None:
    """Return the URL cut to what every Enrich takes, or None when nothing of it can be valid.

    A malformed `_sp` parameter is removed: whoever sends a link can forge it, and it would fail the
    event.
    """
    max_path = MAX_REFERRER_PATH if is_referrer else MAX_PAGE_PATH
    text = cut(stored(url.replace("\t", "")), OLD_MAX_LENGTH)
    for clipped in _clippings(text, max_path):
        is_good = url_violation(clipped, is_referrer=is_referrer) is None
        if clipped and is_good and not is_for_new_enrich(clipped):
            return clipped
    return None


def _clippings(text: str, max_path: int) -> Iterator[str]:
    """Yield ever shorter forms of a URL."""
    yield text
    yield _without_cross_domain(text)
    without_fragment = text.partition("#")[0]
    yield without_fragment
    yield _without_cross_domain(without_fragment)
    yield without_fragment.partition("?")[0]
    yield _cut_path(text, max_path)
    yield _cut_path(text, max_path // MAX_EXPANSION)  # short enough in whatever script


def _rewritten(url: str) -> str:
    """Return the longest form in which Enrich may store a URL; the limits apply to that.

    It encodes spaces. What Java's strict parser refuses even then goes to the lenient one, which encodes
    whatever is no legal ASCII, and the colons of a path that would look like a scheme.
    """
    text = stored(url).replace(" ", "%20")
    kept = _KEPT if _SCHEME.match(text) or not _COLON_FIRST.match(text) else _KEPT.replace(":", "")
    if _LEGAL.fullmatch(text) and kept is _KEPT:
        return text
    whole, mark, fragment = _BAD_ESCAPE.sub("%25", text).partition("#")
    return quote(whole, safe=kept) + mark + quote(fragment, safe=kept)


def _split_scheme(text: str) -> tuple[str | None, str]:
    match = _SCHEME.match(text)
    if match is None:
        return None, text
    return match[1], text[match.end() :]


def _split_authority(rest: str) -> tuple[str | None, str]:
    if not rest.startswith("//"):
        return None, rest
    end = _AUTHORITY_END.search(rest, 2)
    stop = end.start() if end else len(rest)
    return rest[2:stop], rest[stop:]


def _authority_violation(authority: str) -> str | None:
    bad = _BAD_IN_AUTHORITY.search(authority)
    if bad is not None:
        return f"has {bad[0]!r} in its host part"
    if "[" in authority or "]" in authority:
        match = _ADDRESS_IN_BRACKETS.fullmatch(authority)
        if match is None or not _is_ipv6(match[1]):
            return "has brackets in its host part that hold no IPv6 address"
    for character in authority:
        if character != " " and not character.isascii() and not character.isprintable():
            return f"has the unprintable character {character!r} in its host part"
    return None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _length_violation(url: str, *, is_referrer: bool) -> str | None:
    text = _rewritten(url)
    scheme, rest = _split_scheme(text)
    authority, rest = _split_authority(rest)
    before_fragment, _, fragment = rest.partition("#")
    path, _, query = before_fragment.partition("?")
    for name, part, limit in (
        ("URL", text, MAX_LENGTH),
        ("scheme", scheme or "", MAX_SCHEME),
        ("host", authority or "", MAX_HOST),
        ("path", path, MAX_REFERRER_PATH if is_referrer else MAX_PAGE_PATH),
        ("query", query, MAX_QUERY),
        ("fragment", fragment, MAX_FRAGMENT),
    ):
        length = utf16_length(part)
        if length > limit:
            what = "has" if part is text else f"has a {name} of"
            encoded = "" if text == url else " as it is stored, encoded"
            return f"{what} {length:,} characters{encoded}, the limit of a {name} is {limit:,}"
    return None


def _cross_domain_violation(rest: str) -> str | None:
    """Check `_sp`, the cross-domain link parameter: `user.epoch_ms[.session…]`."""
    query = rest.partition("#")[0].partition("?")[2]
    for pair in re.split(r"[&;]", query):
        name, _, value = pair.partition("=")
        if unquote_plus(name) != "_sp":
            continue
        parts = unquote_plus(value).split(".")
        if len(parts) > MAX_CROSS_DOMAIN_PARTS:
            continue
        if utf16_length(stored(parts[0])) > MAX_CROSS_DOMAIN_USER:
            return f"has an _sp parameter whose user has more than {MAX_CROSS_DOMAIN_USER} characters"
        time = parts[1] if len(parts) > 1 else ""
        if time and not (_INTEGER.fullmatch(time) and 0 <= int(time) <= MAX_EPOCH_MS):
            return f"has an _sp parameter whose time {time[:20]!r} is not milliseconds"
    return None


def _without_cross_domain(text: str) -> str:
    head, question, tail = text.partition("?")
    query, mark, fragment = tail.partition("#")
    kept = [pair for pair in re.split(r"[&;]", query) if unquote_plus(pair.partition("=")[0]) != "_sp"]
    return head + (question if kept else "") + "&".join(kept) + mark + fragment


def _cut_path(text: str, max_path: int) -> str:
    _, rest = _split_scheme(text)
    _, rest = _split_authority(rest)
    path = re.split(r"[?#]", rest)[0]
    start = len(text) - len(rest)
    return text[:start] + cut(path, max_path)
