"""The web application around Micro: from ASGI to plain values and back, nothing more.

Source of the time limit: collector 3.4, `networking.responseHeaderTimeout`.
"""

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Final

import anyio
from anyio.lowlevel import checkpoint
from starlette.requests import ClientDisconnect
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from aiotracker.micro.collector import DROP_PAYLOAD_BYTES
from aiotracker.micro.exchange import Request, Response
from aiotracker.micro.log import ReceivedLog
from aiotracker.micro.service import respond

__all__ = ["App"]

BODY_TIMEOUT: Final = 30.0
MAX_READ_BYTES: Final = 64 * 1024 * 1024  # beyond the limit, so that a client gets its 413


class App:
    """ASGI application that fills and shows a log; plain ASGI, since no router keeps raw paths.

    Args:
        log: where received events are kept.
        body_timeout: seconds that a client may take to send its body; one that is slower gets 408.
    """

    def __init__(self, log: ReceivedLog, *, body_timeout: float = BODY_TIMEOUT) -> None:
        self._log = log
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        web_request = WebRequest(scope, receive)
        try:
            with anyio.fail_after(self._body_timeout):
                body = await _body(web_request)
        except TimeoutError:
            response = Response(408, b"the body took too long")
        except ClientDisconnect:
            return  # half an event is none: nothing is kept, and nobody waits for an answer
        else:
            response = respond(_request(web_request, body), self._log)
        await _web_response(response)(scope, receive, send)


async def _body(web_request: WebRequest) -> bytes:
    """Read a body, of one that is too large only what shows that it is."""
    parts = []
    kept = read = 0
    async with aclosing(web_request.stream()) as stream:
        async for part in stream:
            read += len(part)
            if kept < DROP_PAYLOAD_BYTES:
                parts.append(part)
                kept += len(part)
            elif read > MAX_READ_BYTES:
                break
    return b"".join(parts)


def _request(web_request: WebRequest, body: bytes) -> Request:
    scope = web_request.scope
    return Request(
        method=web_request.method,
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple(web_request.headers.items()),
        body=body,
        peer=web_request.client.host if web_request.client else "",
        received_ms=time.time_ns() // 1_000_000,
    )


def _web_response(response: Response) -> WebResponse:
    if isinstance(response.body, bytes):
        return WebResponse(response.body, response.status, response.headers)
    return StreamingResponse(_in_turns(response.body), response.status, response.headers)


async def _in_turns(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await checkpoint()  # making a part may take 50 ms, and others wait
