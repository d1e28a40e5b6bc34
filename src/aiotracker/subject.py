"""Who an event is about and where it happened: the subject.

A `Subject` is the one thing a user may change in place; what travels is always a snapshot of it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Annotated, ClassVar, Self
from uuid import UUID

from pydantic import ConfigDict

from aiotracker.model import CheckedModel, Wire
from aiotracker.protocol import fields
from aiotracker.protocol.fields import Rule
from aiotracker.protocol.rules import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Subject"]


class Subject(CheckedModel):
    """Who and where: fields that a tracker, a scope or an event adds to what happens.

    Keyword arguments and the setters of the Snowplow Python tracker do the same; setters change the
    subject in place and return it. Every value is checked when it is set. A new subject sets nothing:
    the platform belongs to the tracker.

    Attributes:
        platform: one of web, mob, pc, srv, app, tv, cnsl, iot, headset; overrides the tracker's.
        user_id: the business's own id of the user, 255 characters.
        screen_resolution: `"1280x720"` or `(1280, 720)`, pixels.
        viewport: likewise, the part of the window that shows the page.
        color_depth: bits per pixel.
        timezone: IANA name, 255 characters.
        lang: language tag, 255 characters.
        ip_address: IPv4 or IPv6, without a port; wins over the address that the collector sees.
        useragent: 1,000 characters; wins over the request's header.
        domain_user_id: first-party id, from the `_sp_id` cookie; 128 characters.
        domain_session_id: a UUID, from the same cookie.
        domain_session_index: number of the session, 32 bits.
        network_user_id: the collector's `sp` cookie; 128 characters.
        fingerprint: 128 characters.
        document_size: width and height of the whole page, pixels.
        document_charset: 128 characters.
        cookies_enabled: whether the browser keeps cookies.
        page_url: the page of every event that has none of its own; 10,000 characters.
        page_referrer: likewise, where the page was reached from.
    Source: Snowplow tracker protocol (limits: Enrich 6.10, `reference.conf`).
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(validate_assignment=True)

    platform: Annotated[str | None, Wire(fields.PLATFORM)] = None
    user_id: Annotated[str | None, Wire(fields.USER_ID)] = None
    screen_resolution: Annotated[str | tuple[int, int] | None, Wire(fields.SCREEN_RESOLUTION)] = None
    viewport: Annotated[str | tuple[int, int] | None, Wire(fields.VIEWPORT)] = None
    color_depth: Annotated[int | str | None, Wire(fields.COLOR_DEPTH)] = None
    timezone: Annotated[str | None, Wire(fields.TIMEZONE)] = None
    lang: Annotated[str | None, Wire(fields.LANG)] = None
    ip_address: Annotated[str | IPv4Address | IPv6Address | None, Wire(fields.IP_ADDRESS)] = None
    useragent: Annotated[str | None, Wire(fields.USERAGENT)] = None
    domain_user_id: Annotated[str | None, Wire(fields.DOMAIN_USER_ID)] = None
    domain_session_id: Annotated[str | UUID | None, Wire(fields.DOMAIN_SESSION_ID)] = None
    domain_session_index: Annotated[int | None, Wire(fields.DOMAIN_SESSION_INDEX)] = None
    network_user_id: Annotated[str | None, Wire(fields.NETWORK_USER_ID)] = None
    fingerprint: Annotated[str | None, Wire(fields.FINGERPRINT)] = None
    document_size: Annotated[str | tuple[int, int] | None, Wire(fields.DOCUMENT_SIZE)] = None
    document_charset: Annotated[str | None, Wire(fields.DOCUMENT_CHARSET)] = None
    cookies_enabled: Annotated[bool | None, Wire(fields.COOKIES_ENABLED)] = None
    page_url: Annotated[str | None, Wire(fields.PAGE_URL)] = None
    page_referrer: Annotated[str | None, Wire(fields.REFERRER)] = None

    def set_platform(self, platform: str | None) -> Self:
        """Set the platform code."""
        self.platform = platform
        return self

    def set_user_id(self, user_id: str | None) -> Self:
        """Set the business's own id of the user."""
        self.user_id = user_id
        return self

    def set_screen_resolution(self, width: int, height: int) -> Self:
        """Set the screen's size in pixels."""
        self.screen_resolution = (width, height)
        return self

    def set_viewport(self, width: int, height: int) -> Self:
        """Set the viewport's size in pixels."""
        self.viewport = (width, height)
        return self

    def set_color_depth(self, depth: int | str | None) -> Self:
        """Set the bits per pixel."""
        self.color_depth = depth
        return self

    def set_timezone(self, timezone: str | None) -> Self:
        """Set the IANA name of the user's time zone."""
        self.timezone = timezone
        return self

    def set_lang(self, lang: str | None) -> Self:
        """Set the user's language."""
        self.lang = lang
        return self

    def set_ip_address(self, ip: str | IPv4Address | IPv6Address | None) -> Self:
        """Set the user's address."""
        self.ip_address = ip
        return self

    def set_useragent(self, ua: str | None) -> Self:
        """Set the user agent."""
        self.useragent = ua
        return self

    def set_user_agent(self, ua: str | None) -> Self:
        """Set the user agent, by the name in Snowplow's documentation."""
        return self.set_useragent(ua)

    def set_domain_user_id(self, duid: str | None) -> Self:
        """Set the first-party user id."""
        self.domain_user_id = duid
        return self

    def set_domain_session_id(self, sid: str | UUID | None) -> Self:
        """Set the session's id, a UUID."""
        self.domain_session_id = sid
        return self

    def set_domain_session_index(self, vid: int | None) -> Self:
        """Set the number of the session."""
        self.domain_session_index = vid
        return self

    def set_network_user_id(self, nuid: str | None) -> Self:
        """Set the third-party user id, the value of the collector's cookie."""
        self.network_user_id = nuid
        return self

    def set_fingerprint(self, fingerprint: str | None) -> Self:
        """Set the fingerprint of the device."""
        self.fingerprint = fingerprint
        return self

    def set_document_size(self, width: int, height: int) -> Self:
        """Set the page's whole size in pixels."""
        self.document_size = (width, height)
        return self

    def set_document_charset(self, charset: str | None) -> Self:
        """Set the page's character set."""
        self.document_charset = charset
        return self

    def set_cookies_enabled(self, enabled: bool | None) -> Self:  # noqa: FBT001 - a setter's one argument
        """Set whether the browser keeps cookies."""
        self.cookies_enabled = enabled
        return self

    def set_page_url(self, page_url: str | None) -> Self:
        """Set the page of every event that has none of its own."""
        self.page_url = page_url
        return self

    def set_page_referrer(self, referrer: str | None) -> Self:
        """Set where the page was reached from."""
        self.page_referrer = referrer
        return self

    @classmethod
    def from_pairs(cls, pairs: Mapping[str, str]) -> Self:
        """Return the subject that travels as these wire names and texts; other names are left out."""
        return cls.clipped(
            **{
                name: pairs[field.key] == "1" if field.rule is Rule.FLAG else pairs[field.key]
                for name, field in cls._wired
                if field.key in pairs
            }
        )

    def pairs(self) -> Mapping[str, str]:
        """Return a snapshot of what travels: wire names and texts."""
        values = self.__dict__
        return {field.key: wire(values[name]) for name, field in self._wired if values[name] is not None}
