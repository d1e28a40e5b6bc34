"""The `Retry-After` header, in every form that servers write. Pure."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["MAX_RETRY_AFTER", "retry_after"]

MAX_RETRY_AFTER: Final = 300.0  # seconds; a longer wait is a misconfiguration more often than a wish

_SECONDS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)


def retry_after(header: str | None, now_ms: int) -> float | None:
    """Return the seconds that a server wants to be left alone.

    Args:
        header: the header's value, None when there is none.
        now_ms: milliseconds since 1970, now: a date is relative to it.
    Returns:
        0 to 300 seconds; None when there is no header, or one that makes no sense.
    Source: RFC 9110, section 10.2.3 (seconds or an HTTP date).
    """
    if header is None:
        return None
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - now_ms / 1000
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
