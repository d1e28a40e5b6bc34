"""The address of a collector: every form that users write, brought into one.

Owns what a collector's address is and where its endpoints are. The fragments of an address that cannot
be right are refused here, because the collector answers 200 or 404 for ever to the wrong path.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from aiotracker.errors import CollectorURLError, ConfigurationError, shown

__all__ = ["DEFAULT_POST_PATH", "CollectorURL"]

DEFAULT_POST_PATH: Final = "/com.snowplowanalytics.snowplow/tp2"
GET_PATH: Final = "/i"
LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain"})
MAX_HOST_LENGTH: Final = 253  # of a domain name, and 63 between dots: no name server knows a longer one
MAX_LABEL_LENGTH: Final = 63
MAX_PORT: Final = 65_535
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
BAD_BRACKETS: Final = "has a host that cannot be read: brackets belong to an IPv6 address"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BROKEN_SCHEME = re.compile(r"https?:(?!//|[0-9]+(?:/|$))", re.IGNORECASE)  # `http:80` is host and port
_NETLOC = re.compile(r"(?:.*@)?(?:\[[^\[\]]*:[^\[\]]*\](?::[^\[\]]*)?|[^\[\]]*)")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?", re.ASCII)
_SEGMENT = r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+"
_PATH = re.compile(f"(?:{_SEGMENT})*", re.ASCII)
_POST_PATH = re.compile(_SEGMENT * 2, re.ASCII)
_ONLY_PORT = re.compile(r"(?:\[[^\]]*\]|[^:]*):([^:/?#]*)")


@dataclass(frozen=True, slots=True)
class CollectorURL:
    """Where a collector listens.

    Attributes:
        scheme: `http` or `https`.
        host: name or address, an IPv6 address without brackets.
        port: 1 to 65,535.
        prefix: path before the collector's own, without a trailing slash; mostly empty.
        post_path: two segments, `/vendor/version`, of the POST endpoint.
    """

    scheme: str
    host: str
    port: int
    prefix: str = ""
    post_path: str = DEFAULT_POST_PATH

    @classmethod
    def parse(cls, text: str, *, post_path: str | None = None) -> CollectorURL:
        """Read the address of a collector.

        Takes `host`, `host:port`, `http(s)://host[:port][/prefix]`, IPv6 in brackets, a trailing
        slash, and the full address of the POST endpoint. Without a scheme it is https, except for a
        loopback host, which is http (a local collector has no certificate).

        Args:
            text: the address.
            post_path: the POST endpoint where the collector maps another path to it: two segments,
                `/com.acme/track`.
        Raises:
            CollectorURLError: the text cannot be the address of a collector; the message says why.
            ConfigurationError: the POST path is none.
        Source: collector 3.4, `Routes.scala` (paths have exactly two segments; a trailing slash is
            404) and `collector.paths` of its configuration.
        """
        if not isinstance(text, str):
            raise CollectorURLError(text, f"must be text, not {type(text).__name__}")
        parts, scheme = _split(text)
        port = _port(text, parts)
        host = _host(text, parts)
        if not scheme:
            scheme = "http" if _is_loopback(host) else "https"
        if parts.username is not None or parts.password is not None:
            raise CollectorURLError(
                text, "has credentials in it: pass auth=(user, password) to the Emitter instead"
            )
        if parts.query or parts.fragment or text.endswith(("?", "#")):
            raise CollectorURLError(
                text,
                "has a query or fragment: the collector would merge it into every event of a request",
            )
        prefix = parts.path.rstrip("/")
        if prefix.endswith(DEFAULT_POST_PATH):
            prefix = prefix.removesuffix(DEFAULT_POST_PATH)
        if not _PATH.fullmatch(prefix):
            raise CollectorURLError(text, f"has a path that no server takes as it stands: {prefix!r}")
        own_path = DEFAULT_POST_PATH if post_path is None else _post_path(post_path)
        return cls(scheme, host, port or DEFAULT_PORTS[scheme], prefix, own_path)

    @property
    def is_loopback(self) -> bool:
        """Whether the collector runs on this machine."""
        return _is_loopback(self.host)

    @property
    def is_secure(self) -> bool:
        """Whether requests are encrypted."""
        return self.scheme == "https"

    @property
    def origin(self) -> str:
        """Scheme, host and, unless it is the scheme's own, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def post_url(self) -> str:
        """Where batches are posted."""
        return f"{self.origin}{self.prefix}{self.post_path}"

    @property
    def get_url(self) -> str:
        """Where single events are sent in a query string."""
        return f"{self.origin}{self.prefix}{GET_PATH}"

    def __str__(self) -> str:
        """Return the address without endpoint."""
        return f"{self.origin}{self.prefix}"


def _split(text: str) -> tuple[SplitResult, str]:
    """Return the parts of the address and its scheme, empty when it has none."""
    if not text.strip():
        raise CollectorURLError(text, "is empty: pass the address of your collector")
    if text != text.strip() or any(character.isspace() for character in text):
        raise CollectorURLError(text, "has white space in it")
    has_scheme = _SCHEME.match(text) is not None
    if text.startswith("//"):
        raise CollectorURLError(text, "has no scheme before //: write https://…")
    if _BROKEN_SCHEME.match(text):
        raise CollectorURLError(text, "has no // after its scheme: write https://…")
    try:
        parts = urlsplit(text if has_scheme else f"//{text}")
    except ValueError:  # whose message may hold credentials
        raise CollectorURLError(text, BAD_BRACKETS) from None
    if not _NETLOC.fullmatch(parts.netloc):
        raise CollectorURLError(text, BAD_BRACKETS)
    scheme = parts.scheme.lower()
    if scheme not in ("", "http", "https"):
        raise CollectorURLError(text, f"has the scheme {scheme}: a collector speaks http or https")
    return parts, scheme


def _host(text: str, parts: SplitResult) -> str:
    host = parts.hostname or ""
    if not host:
        raise CollectorURLError(text, "has no host")
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise CollectorURLError(text, f"has no valid IPv6 address: {error}") from error
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise CollectorURLError(text, f"has a host that is no domain name: {error}") from error
    labels = host.removesuffix(".").split(".")
    if (
        not _HOST.fullmatch(host)
        or len(host) > MAX_HOST_LENGTH
        or not all(0 < len(label) <= MAX_LABEL_LENGTH for label in labels)
    ):
        raise CollectorURLError(text, f"has a host that is no domain name: {shown(host)}")
    if host.replace(".", "").isdigit():
        try:
            ipaddress.IPv4Address(host)
        except ValueError as error:
            raise CollectorURLError(text, f"has no valid IPv4 address: {error}") from error
    return host


def _port(text: str, parts: SplitResult) -> int | None:
    netloc = parts.netloc.rpartition("@")[2]
    match = _ONLY_PORT.fullmatch(netloc)
    if match is None:
        if ":" in netloc and not netloc.startswith("["):
            raise CollectorURLError(text, "has more than one port; an IPv6 address needs brackets")
        return None
    digits = match[1].lstrip("0")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_PORT))
    if not is_number or int(digits) > MAX_PORT:
        raise CollectorURLError(text, f"has a port that is not from 1 to {MAX_PORT}: {shown(match[1])}")
    return int(digits)


def _post_path(given: str) -> str:
    path = "/" + given.strip("/") if isinstance(given, str) else ""
    if not _POST_PATH.fullmatch(path):
        rule = "must be /vendor/version: a collector takes POSTs on two segments, no more and no less"
        raise ConfigurationError("post_path", given, rule)
    return path


def _is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
