"""From a lease to the request that carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiotracker._version import __version__
from aiotracker.protocol.envelope import CONTENT_TYPE, get_query, post_body
from aiotracker.protocol.exchange import Request
from aiotracker.protocol.record import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotracker.delivery.settings import Method
    from aiotracker.protocol.url import CollectorURL
    from aiotracker.stores.base import Lease

__all__ = ["USER_AGENT", "RequestBuilder"]

USER_AGENT: Final = f"aiotracker/{__version__}"

ANONYMOUS_HEADER: Final = ("SP-Anonymous", "*")
"""Any value has the effect; trackers send `*`. Source: collector 3.4, `Service.scala`."""


class RequestBuilder:
    """Builds the requests of one destination."""

    def __init__(
        self,
        url: CollectorURL,
        method: Method,
        headers: Mapping[str, str],
        *,
        user_agent: str,
        get_base64: bool,
    ) -> None:
        """Prepare what all requests have in common.

        Args:
            url: the collector.
            method: `post` or `get`.
            headers: the user's own, sent with every request; they win over the tracker's.
            user_agent: of the tracker.
            get_base64: whether a GET encodes self-describing data as base64.
        """
        own = {"user-agent": ("User-Agent", user_agent)}
        if method == "post":
            own["content-type"] = ("Content-Type", CONTENT_TYPE)
        own.update({name.lower(): (name, value) for name, value in headers.items()})
        self._headers = tuple(own.values())
        self._url = url.post_url if method == "post" else url.get_url
        self._method = method
        self._get_base64 = get_base64

    def build(self, lease: Lease, sent_ms: int) -> Request:
        """Return the request for a lease, stamped with the time of sending.

        Args:
            lease: one or more records; exactly one for a GET.
            sent_ms: milliseconds since 1970, now.
        """
        headers = self._headers
        if lease.kind is Kind.ANONYMOUS:
            headers = (*headers, ANONYMOUS_HEADER)
        if self._method == "get":
            query = get_query(lease.data[0], sent_ms, base64=self._get_base64)
            return Request("GET", f"{self._url}?{query}", headers)
        return Request("POST", self._url, headers, post_body(lease.data, sent_ms))
