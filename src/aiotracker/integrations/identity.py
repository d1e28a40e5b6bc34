"""From a web request to who made it: a subject and entities. Pure; used by every integration.

A request is written by strangers. Nothing in it raises, nothing of it becomes a field that the pipeline
would fail, and no address is believed that a proxy has not vouched for. Work is bounded: no more of a header
is looked at than an event could hold.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiotracker import ConfigurationError, InvalidEventError, SelfDescribingJson, Subject
from aiotracker.integrations.accept_language import preferred_language
from aiotracker.integrations.browser_cookies import (
    NO_COOKIES,
    BrowserCookies,
    BrowserId,
    cookie_pattern,
    domains,
    read_cookies,
)
from aiotracker.integrations.forwarding import (
    FORWARDED_HOST,
    FORWARDED_PROTO,
    UNSAID,
    Origin,
    TrustedProxies,
    forwarded_nodes,
    forwarded_origin,
    visitor_address,
)
from aiotracker.integrations.header_text import gathered, head, text
from aiotracker.integrations.request_entities import client_session, http_headers

__all__ = ["Identity", "IdentityOptions", "WebRequest", "identify", "page_origin"]

MAX_COOKIE_BYTES: Final = 32_768  # four times what servers take by default
MAX_LANGUAGE_BYTES: Final = 1024
MAX_URL: Final = 8192  # characters; as many as servers take of a request's first line by default
MAX_ORDINARY_URL: Final = 340  # characters; however it is encoded, no Enrich fails it, and nobody is warned

USER_AGENT: Final = b"user-agent"
LANGUAGE: Final = b"accept-language"
REFERRER: Final = b"referer"
COOKIE: Final = b"cookie"
ALWAYS_READ: Final = (USER_AGENT, LANGUAGE, REFERRER, COOKIE)

CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that are no entities: whoever reads events could act in the visitor's name."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_PAGE = re.compile(
    r"https?://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[\w.~%-]{1,255})(?::[0-9]{0,5})?(?![^/?#])", re.IGNORECASE
)
# Android and iOS name the app that a link was opened in.
_REFERRER = re.compile(r"(?:https?|android-app|ios-app)://[^\x00-\x20\x7f/?#@\\]", re.IGNORECASE)
_USER_INFO = re.compile(r"[^/?#]*//[^/?#]*@")


@dataclass(frozen=True, slots=True)
class WebRequest:
    """What an integration knows of a request.

    Attributes:
        url: the page, as the visitor's browser knows it, with scheme, host and query; empty when unknown.
        headers: names in lower case and values, as they came; a name may repeat.
        client: address of the peer that is connected, without a port; None when it has none.
    """

    url: str
    headers: Sequence[tuple[bytes, bytes]]
    client: str | None = None


def _listed(setting: str, given: object) -> tuple[str, ...]:
    """Return a setting that is a list of texts as a tuple; one text may hold several, between commas."""
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise ConfigurationError(setting, given, "must be a list of texts")
    entries = tuple(given.split(",") if isinstance(given, str) else given)
    for entry in entries:
        if not isinstance(entry, str):
            raise ConfigurationError(setting, entry, f"must be text, not {type(entry).__name__}")
    return tuple(stripped for entry in entries if (stripped := entry.strip()))


def _header_names(setting: str, given: object) -> tuple[str, ...]:
    names = tuple(name.lower() for name in _listed(setting, given))
    for name in names:
        _check_token(setting, name, "a header")
    return tuple(dict.fromkeys(names))  # each once, in order


def _check_token(setting: str, name: object, what: str) -> None:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ConfigurationError(setting, name, f"must be the name of {what}: ASCII without spaces")


def _encoded(names: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(name.encode() for name in names)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How requests are read: the options, checked and made ready once."""

    names: frozenset[bytes]
    proxies: TrustedProxies
    forwarding: tuple[tuple[str, bytes], ...]
    cookies: re.Pattern[str]
    entities: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class IdentityOptions:
    """What is read from requests, and who is believed.

    Attributes:
        trusted_proxies: addresses and networks (`10.0.0.0/8`) whose forwarding headers are believed;
            none by default, `"*"` for everybody, `"unix"` for whoever connects over a Unix socket. One text
            may hold several, between commas.
        cookie_prefix: of the JavaScript tracker's cookies, its `cookieName`.
        cookie_domain: the JavaScript tracker's `cookieDomain`, to choose among several of its cookies.
        network_cookie: name of the collector's cookie.
        client_session: add the browser's session as an entity.
        header_entities: names of headers to add as entities, such as `traceparent`.
        forwarding_headers: where trusted proxies write the visitor's address. The first of them that a
            request has counts, so name the one that your proxies write. `forwarded` has the syntax of
            RFC 7239; any other is an address, or a list of them. Scheme and host of the page are read from
            `forwarded` if that is the one that counts, else from `X-Forwarded-Proto` and `-Host`.
        active_session_only: leave the browser's session out, its id, number and entity, once it has been
            idle for so long that the browser will begin another one.
    Raises:
        ConfigurationError: an option that cannot work.
    """

    trusted_proxies: Sequence[str] = ()
    cookie_prefix: str = "_sp_"
    cookie_domain: str | None = None
    network_cookie: str = "sp"
    client_session: bool = False
    header_entities: Sequence[str] = ()
    forwarding_headers: Sequence[str] = ("x-forwarded-for", "forwarded", "x-real-ip")
    active_session_only: bool = False
    _reading: _Reading = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the options and keep them in their normal form."""
        trusted = _listed("trusted_proxies", self.trusted_proxies)
        entities = _header_names("header_entities", self.header_entities)
        forwarding = _header_names("forwarding_headers", self.forwarding_headers)
        for name in CREDENTIALS.intersection(entities):
            rule = "holds what a visitor signs in with, which belongs in no event"
            raise ConfigurationError("header_entities", name, rule)
        for setting in ("cookie_prefix", "network_cookie"):
            _check_token(setting, getattr(self, setting), "a cookie")
        if self.cookie_domain is not None and not isinstance(self.cookie_domain, str):
            raise ConfigurationError("cookie_domain", self.cookie_domain, "must be a domain, or None")
        proxies = TrustedProxies.parse(trusted)
        believed = () if proxies.is_nobody else (*_encoded(forwarding), FORWARDED_PROTO, FORWARDED_HOST)
        reading = _Reading(
            frozenset((*ALWAYS_READ, *_encoded(entities), *believed)),
            proxies,
            tuple(zip(forwarding, _encoded(forwarding), strict=True)),
            cookie_pattern(self.cookie_prefix, self.network_cookie),
            _encoded(entities),
        )
        # Assignments of a frozen instance being built.
        object.__setattr__(self, "trusted_proxies", trusted)
        object.__setattr__(self, "header_entities", entities)
        object.__setattr__(self, "forwarding_headers", forwarding)
        object.__setattr__(self, "_reading", reading)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who made a request.

    Attributes:
        subject: for a scope around the handler.
        entities: likewise.
    """

    subject: Subject
    entities: tuple[SelfDescribingJson, ...] = ()


DEFAULTS: Final = IdentityOptions()


def identify(request: WebRequest, options: IdentityOptions = DEFAULTS) -> Identity:
    """Return who made a request. Raises nothing, whatever the request holds."""
    reading = options._reading  # noqa: SLF001 - of this file's own class
    headers = gathered(request.headers, reading.names)
    url = request.url[:MAX_URL]
    page = _PAGE.match(url)
    cookies = _cookies(headers, reading.cookies)
    browser = cookies.chosen(domains(page["host"].lower() if page else "", options.cookie_domain))
    if options.active_session_only and browser.hash not in cookies.active:
        browser = replace(browser, session_id=None, session_index=None)
    subject = _subject(
        ip_address=visitor_address(request.client, _nodes(headers, reading), reading.proxies),
        useragent=text(headers[USER_AGENT][0]) if USER_AGENT in headers else None,
        lang=_language(headers),
        page_url=url if page else None,
        page_referrer=_referrer(headers),
        domain_user_id=browser.user_id,
        domain_session_id=browser.session_id,
        domain_session_index=browser.session_index,
        network_user_id=cookies.network_user_id,
    )
    return Identity(subject, tuple(_entities(headers, browser, options)))


def page_origin(
    headers: Sequence[tuple[bytes, bytes]], client: str | None, options: IdentityOptions = DEFAULTS
) -> Origin:
    """Return what trusted proxies say of the page's scheme and host. Raises nothing, as `identify()`.

    Args:
        headers: names in lower case and values, as they came.
        client: address of the peer that is connected, without a port; None when it has none.
        options: who is believed, and which header counts; without one, the first that could have.
    """
    reading = options._reading  # noqa: SLF001 - of this file's own class
    if reading.proxies.is_nobody or not reading.forwarding:
        return UNSAID
    found = gathered(headers, reading.names)
    present = (name for name, key in reading.forwarding if key in found)
    return forwarded_origin(client, next(present, options.forwarding_headers[0]), found, reading.proxies)


def _subject(
    *,
    page_url: str | None,
    page_referrer: str | None,
    **others: Any,  # the keywords of the class itself
) -> Subject:
    """Return a subject with what the pipeline takes of these values.

    Strictly first, which takes a fifth of the time and is all that an ordinary request needs.
    """
    if max(len(page_url or ""), len(page_referrer or "")) <= MAX_ORDINARY_URL:
        with contextlib.suppress(InvalidEventError):
            return Subject(page_url=page_url, page_referrer=page_referrer, **others)
    return Subject.clipped(page_url=page_url, page_referrer=page_referrer, **others)


def _entities(
    headers: Mapping[bytes, Sequence[bytes]], browser: BrowserId, options: IdentityOptions
) -> Iterator[SelfDescribingJson]:
    session = client_session(browser) if options.client_session else None
    if session is not None:
        yield session
    yield from http_headers(options._reading.entities, headers)  # noqa: SLF001 - as above


def _nodes(headers: Mapping[bytes, Sequence[bytes]], reading: _Reading) -> Iterator[str]:
    """Yield what the first forwarding header of the request names; nobody asks unless a proxy is trusted."""
    for name, key in reading.forwarding:
        if key in headers:
            yield from forwarded_nodes(name, headers[key])
            return


def _cookies(headers: Mapping[bytes, Sequence[bytes]], pattern: re.Pattern[str]) -> BrowserCookies:
    values = headers.get(COOKIE)
    return NO_COOKIES if values is None else read_cookies(head(values, b";", MAX_COOKIE_BYTES), pattern)


def _language(headers: Mapping[bytes, Sequence[bytes]]) -> str | None:
    values = headers.get(LANGUAGE)
    return None if values is None else preferred_language(head(values, b",", MAX_LANGUAGE_BYTES))


def _referrer(headers: Mapping[bytes, Sequence[bytes]]) -> str | None:
    """Return the page that was left; None for what no browser sends, and where a password may stand."""
    values = headers.get(REFERRER)
    if values is None:
        return None
    referrer = text(values[0])[:MAX_URL]
    return referrer if _REFERRER.match(referrer) and not _USER_INFO.match(referrer) else None
