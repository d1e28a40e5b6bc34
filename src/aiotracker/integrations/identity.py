"""From a web request to who made it: a subject and entities. Pure; used by every integration.

A request is written by strangers. Nothing in it raises, nothing of it becomes a field that the pipeline
would fail, and no address is believed that a proxy has not vouched for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiotracker import SelfDescribingJson, Subject

__all__ = ["Identity", "IdentityOptions", "WebRequest", "identify"]


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


@dataclass(frozen=True, slots=True)
class IdentityOptions:
    """What is read from requests, and who is believed.

    Attributes:
        trusted_proxies: addresses and networks (`10.0.0.0/8`) whose forwarding headers are believed;
            none by default, `"*"` for everybody.
        cookie_prefix: of the JavaScript tracker's cookies, its `cookieName`.
        cookie_domain: the JavaScript tracker's `cookieDomain`, to choose among several of its cookies.
        network_cookie: name of the collector's cookie.
        client_session: add the browser's session as an entity.
        header_entities: names of headers to add as entities, such as `traceparent`.
    """

    trusted_proxies: Sequence[str] = ()
    cookie_prefix: str = "_sp_"
    cookie_domain: str | None = None
    network_cookie: str = "sp"
    client_session: bool = False
    header_entities: Sequence[str] = ()


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
    return Identity(Subject.clipped(ip_address=request.client, page_url=request.url or None))
