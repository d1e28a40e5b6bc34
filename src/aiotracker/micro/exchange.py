"""An HTTP request and its response as plain values, between the web framework and the decisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["Request", "Response"]


@dataclass(frozen=True, slots=True)
class Request:
    """What came over the wire.

    Attributes:
        method: in capitals.
        path: as it came, still percent-encoded, without the query.
        query: as it came, without the question mark.
        headers: name and value each, in order, names in lower case.
        body: as it came; of one that is far too large only the beginning, still too large.
        peer: address of the sender.
        received_ms: epoch milliseconds.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    peer: str = "127.0.0.1"
    received_ms: int = 0

    def header(self, name: str) -> str | None:
        """Return the first value of a header, given in lower case."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back.

    Attributes:
        status: the HTTP status.
        body: all of it, or its parts as they are made.
        headers: name to value.
    """

    status: int
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
