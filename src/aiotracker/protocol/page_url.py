"""URLs of pages and referrers: what fails an event, and what can be saved of a bad one.

Enrich parses `url` and `refr` with Java's strict URI parser and falls back to a lenient one that
percent-encodes; an event fails only where both give up, which is almost always in the authority.

Sources: Enrich 6.10, `ConversionUtils.scala`, `PageEnrichments.scala` and
`CrossNavigationEnrichment.scala`; 500 requests run against Enrich 3.9. Lengths of the parts: the
`validation.atomicFieldsLimits` of Enrich 6.10.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from aiotracker.protocol.text import cut, deleted_controls, utf16_length

__all__ = ["OLD_MAX_LENGTH", "clip_url", "url_violation"]

MAX_LENGTH: Final = 10_000
OLD_MAX_LENGTH: Final = 4096  # on Enrich 3.9; 6.x takes 10,000
MAX_SCHEME: Final = 16
MAX_HOST: Final = 255
MAX_PAGE_PATH: Final = 3000
MAX_REFERRER_PATH: Final = 6000
MAX_QUERY: Final = 6000
MAX_FRAGMENT: Final = 3000
MAX_CROSS_DOMAIN_PARTS: Final = 7  # of `_sp`; with more Enrich ignores it
MAX_EPOCH_MS: Final = 253_402_300_799_999

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY_END = re.compile(r"[/?#]")
_BAD_IN_AUTHORITY = re.compile(r'[|{}<>"^\\`]|%(?![0-9A-Fa-f]{2})')
_ENCODED_BY_ENRICH = re.compile(r'[ |{}<>"^\\`]')
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def url_violation(url: str, *, is_referrer: bool = False) -> str | None:
    """Return the rule that a URL breaks, or None when the pipeline takes it.

    Args:
        url: any text; relative URLs are good, as they are to Enrich.
        is_referrer: True for `refr`, whose path may be longer.
    """
    length = utf16_length(url)
    if length > MAX_LENGTH:
        return f"has {length:,} characters, the limit of a URL is {MAX_LENGTH:,}"
    text = deleted_controls(url)
    scheme, rest = _split_scheme(text)
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
    return _part_violation(scheme, authority, rest, is_referrer=is_referrer)


def clip_url(url: str, *, is_referrer: bool = False) -> str | None:
    """Return the URL cut to what every Enrich takes, or None when nothing of it can be valid.

    A malformed `_sp` parameter is removed: whoever sends a link can forge it, and it would fail the
    event.
    """
    max_path = MAX_REFERRER_PATH if is_referrer else MAX_PAGE_PATH
    text = cut(deleted_controls(url), OLD_MAX_LENGTH)
    candidates = (
        text,
        _without_cross_domain(text),
        text.partition("#")[0],
        _without_cross_domain(text.partition("#")[0]),
        re.split(r"[?#]", text)[0],
        _cut_path(text, max_path),
    )
    for clipped in candidates:
        if clipped and url_violation(clipped, is_referrer=is_referrer) is None:
            return clipped
    return None


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
    depth = 0
    for character in authority:
        depth += (character == "[") - (character == "]")
        if depth not in (0, 1):
            break
    if depth != 0:
        return "has unbalanced brackets in its host part"
    for character in authority:
        if character != " " and not character.isascii() and not character.isprintable():
            return f"has the unprintable character {character!r} in its host part"
    return None


def _part_violation(scheme: str | None, authority: str | None, rest: str, *, is_referrer: bool) -> str | None:
    before_fragment, _, fragment = rest.partition("#")
    path, _, query = before_fragment.partition("?")
    max_path = MAX_REFERRER_PATH if is_referrer else MAX_PAGE_PATH
    for name, part, limit in (
        ("scheme", scheme or "", MAX_SCHEME),
        ("host", authority or "", MAX_HOST),
        ("path", path, max_path),
        ("query", query, MAX_QUERY),
        ("fragment", fragment, MAX_FRAGMENT),
    ):
        # The lenient parser triples each of these characters before the limit is applied.
        length = utf16_length(part) + 2 * len(_ENCODED_BY_ENRICH.findall(part))
        if length > limit:
            return f"has a {name} of {length:,} characters, the limit is {limit:,}"
    return None if is_referrer else _cross_domain_violation(query)


def _cross_domain_violation(query: str) -> str | None:
    """Check `_sp`, the cross-domain link parameter: `user.epoch_ms[.session…]`."""
    for pair in re.split(r"[&;]", query):
        name, _, value = pair.partition("=")
        if unquote(name) != "_sp":
            continue
        parts = unquote(value).split(".")
        if len(parts) < 2 or len(parts) > MAX_CROSS_DOMAIN_PARTS or not parts[1]:  # noqa: PLR2004
            continue
        if not _INTEGER.fullmatch(parts[1]) or not 0 <= int(parts[1]) <= MAX_EPOCH_MS:
            return f"has an _sp parameter whose time {parts[1][:20]!r} is not milliseconds"
    return None


def _without_cross_domain(text: str) -> str:
    head, question, tail = text.partition("?")
    query, hash_, fragment = tail.partition("#")
    kept = [pair for pair in re.split(r"[&;]", query) if unquote(pair.partition("=")[0]) != "_sp"]
    return head + (question if kept else "") + "&".join(kept) + hash_ + fragment


def _cut_path(text: str, max_path: int) -> str:
    _, rest = _split_scheme(text)
    _, rest = _split_authority(rest)
    path = re.split(r"[?#]", rest)[0]
    start = len(text) - len(rest)
    # A third of the limit is safe even if every character is percent-encoded.
    return text[:start] + cut(path, max_path // 3)
