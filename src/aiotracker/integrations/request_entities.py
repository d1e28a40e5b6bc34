"""Entities of a request: the browser's session, and headers. Pure.

Each is built only where it is valid under its schema: one that is not fails the event. Sources: Iglu Central,
`com.snowplowanalytics.snowplow/client_session` 1-0-2, `org.ietf/http_header` 1-0-0; the mapping of the
session's fields: Snowplow JavaScript tracker 4, `id_cookie.ts` (`clientSessionFromIdCookie`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiotracker import SelfDescribingJson
from aiotracker.integrations.header_text import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiotracker.integrations.browser_cookies import BrowserId

__all__ = ["client_session", "http_headers"]

CLIENT_SESSION: Final = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
HTTP_HEADER: Final = "iglu:org.ietf/http_header/jsonschema/1-0-0"

NOBODY: Final = "00000000-0000-0000-0000-000000000000"  # the user id of a browser that tracks without
MAX_HEADER_VALUE: Final = 4096  # characters, by the schema
MAX_ALL_HEADERS: Final = 16_384  # characters of all values: however encoded, they leave room in a request

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_USER_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16}")
_CONTROLS: Final = dict.fromkeys((*range(0x20), 0x7F)) | {ord("\t"): " "}


def client_session(browser: BrowserId) -> SelfDescribingJson | None:
    """Return the browser's session, None when the cookie says too little of it."""
    user_id = NOBODY if browser.is_anonymous else browser.user_id
    if user_id is None or not _USER_ID.fullmatch(user_id):
        return None
    if browser.session_id is None or browser.session_index is None:
        return None
    session: dict[str, object] = {
        "userId": user_id,
        "sessionId": browser.session_id,
        "sessionIndex": browser.session_index,
        "storageMechanism": "COOKIE_1",
        "previousSessionId": browser.previous_session_id,
    }
    if browser.event_index is not None:
        session["eventIndex"] = browser.event_index
    if browser.first_event_id is not None:
        session["firstEventId"] = browser.first_event_id
    if browser.first_event_ms is not None:
        session["firstEventTimestamp"] = _iso(browser.first_event_ms)
    return SelfDescribingJson(CLIENT_SESSION, session)


def http_headers(
    names: Sequence[bytes], headers: Mapping[bytes, Sequence[bytes]]
) -> Iterator[SelfDescribingJson]:
    """Yield an entity for each header that is there, its value cut, up to a limit for all of them.

    Args:
        names: of the headers, in lower case, the most important first.
        headers: values by name; several of one name are one list.
    """
    room = MAX_ALL_HEADERS
    for name in names:
        if name not in headers:
            continue
        value = text(b", ".join(headers[name]))
        if not value.isprintable():
            value = value.translate(_CONTROLS)
        value = value[:MAX_HEADER_VALUE]
        room -= len(value)
        if room < 0:
            return
        yield SelfDescribingJson(HTTP_HEADER, {"name": name.decode(), "value": value})


def _iso(epoch_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=epoch_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
