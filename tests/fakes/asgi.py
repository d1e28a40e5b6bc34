"""A server for ASGI applications without a socket: requests, websockets and the lifespan, spoken raw.

Runs on every loop that anyio knows.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

SERVER = ("shop.acme.com", 80)
VISITOR = ("192.0.2.1", 50_000)


@dataclass
class Told:
    """What an application sent.

    Attributes:
        messages: all of them, in order.
    """

    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The status of the answer."""
        return int(self.messages[0]["status"])

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return b"".join(message.get("body", b"") for message in self.messages[1:])


def http_scope(
    path: str = "/",
    *,
    method: str = "GET",
    headers: Headers = ((b"host", b"shop.acme.com"),),
    client: tuple[str, int] | None = VISITOR,
    **more: Any,
) -> dict[str, Any]:
    """Return the scope of a request."""
    bare, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": list(headers),
        "client": client,
        "server": SERVER,
        "state": {},
        **more,
    }


async def ask(app: ASGIApp, path: str = "/", **scope: Any) -> Told:
    """Make a request with an empty body; raises what the application raises."""
    told = Told()
    sent = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if sent:
            return sent.pop()
        await anyio.sleep_forever()
        raise AssertionError("for ever is over")

    async def send(message: Message) -> None:
        told.messages.append(message)
        await anyio.lowlevel.checkpoint()  # as a socket that has to wait

    await app(http_scope(path, **scope), receive, send)
    return told


async def talk(app: ASGIApp, path: str, *texts: str, **scope: Any) -> list[str]:
    """Open a websocket, say some texts, close it, and return what the application said."""
    told = Told()
    sent: list[Message] = [
        {"type": "websocket.disconnect", "code": 1000},
        *({"type": "websocket.receive", "text": text} for text in reversed(texts)),
        {"type": "websocket.connect"},
    ]

    async def receive() -> Message:
        await anyio.lowlevel.checkpoint()
        return sent.pop()

    async def send(message: Message) -> None:
        told.messages.append(message)

    spoken = {**http_scope(path, **scope), "type": "websocket", "scheme": "wss"}
    del spoken["method"]
    await app(spoken, receive, send)
    return [message["text"] for message in told.messages if message["type"] == "websocket.send"]


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[Mapping[str, Any]]:
    """Start an application, hand out the state of its lifespan, and stop it.

    Raises:
        RuntimeError: the application says that it could not start, or not stop.
    """
    state: dict[str, Any] = {}
    told: list[Message] = []
    is_asked_to_stop, is_up, is_down = anyio.Event(), anyio.Event(), anyio.Event()
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        if asked == 1:
            return {"type": "lifespan.startup"}
        await is_asked_to_stop.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        told.append(message)
        (is_up if message["type"].startswith("lifespan.startup") else is_down).set()

    async def live() -> None:
        try:
            await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}, receive, send)
        except Exception as error:  # noqa: BLE001 - most applications have said so in a message
            if not failures():
                told.append({"type": "lifespan.failed", "message": repr(error)})
        is_up.set()
        is_down.set()

    def failures() -> list[str]:
        return [message["message"] for message in told if message["type"].endswith("failed")]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live)
        await is_up.wait()
        if not failures():
            try:
                yield state
            finally:
                is_asked_to_stop.set()
                await is_down.wait()
    if failures():
        raise RuntimeError(failures()[0])
