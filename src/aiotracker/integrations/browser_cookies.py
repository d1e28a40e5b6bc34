"""The cookies of Snowplow's JavaScript tracker and of the collector: who the browser says it is. Pure.

`_sp_id.<hash>` holds ten fields between dots: user id, time of the first visit (s), number of the session,
time of the last event (s), of the visit before (s), session id, id of the previous session, id and time (ms)
of the session's first event, index of the last event in the session. Those after the fifth came later than
the others and may lack; each may be empty. `_sp_ses.<hash>` is there as long as the session is active. The
hash says for which domain the cookies were set. `sp` holds the network user id.

Sources: Snowplow JavaScript tracker 4, `browser-tracker-core/src/tracker/id_cookie.ts` and `index.ts`;
collector 3.4, `Service.scala`; RFC 6265, section 4.1.1 (the characters of a value).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BrowserCookies", "BrowserId", "cookie_pattern", "domain_hash", "domains", "read_cookies"]

MAX_COOKIES: Final = 64  # of ours in one request; more than a few is an attack
MAX_ID_COOKIE: Final = 512  # characters; the tracker writes 250
MAX_USER_ID: Final = 128  # characters of `domain_userid`
MAX_DOMAIN_LEVELS: Final = 8  # from the top, beside the host itself
LEAST_FIELDS: Final = 5  # of the first versions, which had no session id
ALL_FIELDS: Final = 10
MAX_INT32: Final = 2**31 - 1
MAX_EPOCH_MS: Final = 253_402_300_799_999  # the end of the year 9999

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_USER_ID = re.compile(rf"[!#-+\--:<-\[\]-~]{{1,{MAX_USER_ID}}}")
_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class BrowserId:
    """What one `_sp_id` cookie says; a field that lacks or is malformed is None.

    Attributes:
        hash: of the domain that the cookie was set for.
        user_id: up to 128 visible ASCII characters.
        is_anonymous: the browser tracks without user ids.
        session_id: a UUID in lower case, as all ids of sessions and events.
        session_index: number of the session, 32 bits.
        seen: seconds since 1970 at the last event; 0 when it lacks.
        previous_session_id: of the session before.
        first_event_id: of the first event in the session.
        first_event_ms: when that was, milliseconds since 1970.
        event_index: of the last event in the session.
    """

    hash: str
    user_id: str | None = None
    is_anonymous: bool = False
    session_id: str | None = None
    session_index: int | None = None
    seen: int = 0
    previous_session_id: str | None = None
    first_event_id: str | None = None
    first_event_ms: int | None = None
    event_index: int | None = None

    @classmethod
    def parse(cls, hash_: str, value: str) -> Self | None:
        """Read a cookie's value; None when it names neither a user nor a session."""
        if len(value) > MAX_ID_COOKIE:
            return None
        parts = value.split(".")
        if len(parts) < LEAST_FIELDS:
            return None
        parts += [""] * (ALL_FIELDS - len(parts))
        user, _, index, seen, _, session, previous, first_id, first_ms, event_index = parts[:ALL_FIELDS]
        user_id = user if _USER_ID.fullmatch(user) and user != "undefined" else None
        session_id = _uuid(session)
        if user_id is None and session_id is None:
            return None
        return cls(
            hash_,
            user_id,
            not user,
            session_id,
            _number(index, MAX_INT32),
            _number(seen, MAX_EPOCH_MS) or 0,
            _uuid(previous),
            _uuid(first_id),
            _number(first_ms, MAX_EPOCH_MS) or None,
            _number(event_index, MAX_INT32),
        )


NO_BROWSER: Final = BrowserId("")


@dataclass(frozen=True, slots=True)
class BrowserCookies:
    """What the cookies of one request say.

    Attributes:
        ids: of every good `_sp_id` cookie, in the order in which they came.
        active: hashes of the domains whose session is active.
        network_user_id: the collector's id of the browser, a UUID as it came.
    """

    ids: tuple[BrowserId, ...] = ()
    active: frozenset[str] = frozenset()
    network_user_id: str | None = None

    def chosen(self, hosts: Iterable[str]) -> BrowserId:
        """Return the one that is most likely this site's; `NO_BROWSER` without any.

        Args:
            hosts: the domains that the cookie may be set for, the likeliest first.
        Returns:
            The only one there is. Of several the one for the first domain that has one; the most recent
            one when none of them does, or when one domain has several.
        """
        if len(self.ids) < 2:  # noqa: PLR2004 - of one there is no choice
            return self.ids[0] if self.ids else NO_BROWSER
        recent = sorted(self.ids, key=lambda found: found.seen, reverse=True)
        by_hash = {found.hash: found for found in reversed(recent)}
        for host in hosts:
            found = by_hash.get(domain_hash(host))
            if found is not None:
                return found
        return recent[0]


NO_COOKIES: Final = BrowserCookies()


def cookie_pattern(prefix: str, network_cookie: str) -> re.Pattern[str]:
    """Return what finds our cookies in a `Cookie` header that begins with a semicolon.

    Args:
        prefix: of the JavaScript tracker's cookies.
        network_cookie: name of the collector's cookie.
    """
    names = rf"{re.escape(prefix)}(?P<kind>id|ses)\.(?P<hash>[0-9a-f]{{4}})|{re.escape(network_cookie)}"
    return re.compile(rf";[ \t]*+(?:{names})[ \t]*+=(?P<value>[^;]*)")


def read_cookies(header: str, pattern: re.Pattern[str]) -> BrowserCookies:
    """Return what the cookies of a request say; what is malformed is left out.

    Args:
        header: the value of `Cookie`.
        pattern: of `cookie_pattern`.
    """
    ids: list[BrowserId] = []
    active: set[str] = set()
    network_user_id = None
    for match in islice(pattern.finditer(";" + header), MAX_COOKIES):
        value = match["value"].strip(" \t").removeprefix('"').removesuffix('"')
        match match["kind"]:
            case "id":
                found = BrowserId.parse(match["hash"], value)
                if found is not None:
                    ids.append(found)
            case "ses":
                active.add(match["hash"])
            case _:
                if network_user_id is None and _UUID.fullmatch(value):
                    network_user_id = value
    return BrowserCookies(tuple(ids), frozenset(active), network_user_id)


def domains(host: str, cookie_domain: str | None) -> Iterator[str]:
    """Yield the domains that a cookie may be set for: as configured, the host, the domains above it.

    Each also with a dot before it, as it used to be written.

    Args:
        host: of the page, in lower case, without a port.
        cookie_domain: the tracker's `cookieDomain`, verbatim.
    """
    if cookie_domain:
        yield cookie_domain
    labels = host.split(".")
    above = range(max(1, len(labels) - MAX_DOMAIN_LEVELS), len(labels))
    for level in (0, *above):
        domain = ".".join(labels[level:])
        yield domain
        yield f".{domain}"


def domain_hash(domain: str) -> str:
    """Return the four hexadecimal digits that stand for a domain in names of cookies.

    Source: `browser-tracker-core/src/tracker/index.ts` (`updateDomainHash`); the path is `/` by default.
    """
    digest = hashlib.sha1(f"{domain}/".encode("utf-8", "replace"), usedforsecurity=False)
    return digest.hexdigest()[:4]


def _uuid(text: str) -> str | None:
    return text.lower() if _UUID.fullmatch(text) else None


def _number(text: str, limit: int) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if number <= limit else None
