"""A request, and what came of it: the values that cross the transport seam."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Failure", "FailureKind", "Reply", "Request", "Response"]

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: `GET` or `POST`.
        url: complete, the query of a GET included.
        headers: names and values.
        body: of a POST; empty for a GET.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; its body says nothing and is not kept.

    Attributes:
        status: 100 to 599, or whatever the server made up.
        headers: lower-case names and values.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)


class FailureKind(StrEnum):
    """Why there was no response."""

    CONNECT = "connect"  # no connection: refused, unreachable, name not found
    TLS = "tls"  # no trust: certificate or handshake
    TIMEOUT = "timeout"  # the deadline of the attempt passed
    BROKEN = "broken"  # the connection broke while sending or receiving
    PROTOCOL = "protocol"  # what came back is not HTTP
    ERROR = "error"  # anything else that a transport raised


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a response.

    Attributes:
        kind: why.
        detail: for a log line.
        is_reused: whether the connection had carried a request before.
        has_response_started: whether a byte of the response had arrived.
    """

    kind: FailureKind
    detail: str = ""
    is_reused: bool = field(default=False, kw_only=True)
    has_response_started: bool = field(default=False, kw_only=True)


Reply = Response | Failure
