"""A web application on a real socket, served by a thread with an event loop of its own.

Usable beside any event loop, or none: uvicorn brings its own. Invariant: after `stop` neither
thread nor socket is left, whatever the clients do.
"""

import ipaddress
import os
import socket
import threading
from contextlib import suppress
from typing import Final

import uvicorn
from starlette.types import ASGIApp

__all__ = ["ServerThread"]

MAX_REQUEST_HEAD_BYTES: Final = 64 * 1024  # room for the longest line and headers of a collector
KEEP_ALIVE_S: Final = 610  # the collector's `idleTimeout`
START_TIMEOUT: Final = 10.0
GRACE: Final = 0.5  # for requests that are under way when the server stops
STOP_TIMEOUT: Final = 5  # for connections to end once their sockets are shut


class ServerThread:
    """One server from its start to its end.

    Args:
        app: what answers.
        host: name or address to bind to.
        port: 0 for any free one.
    Raises:
        OSError: the address cannot be bound: it is in use, or not of this machine.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._ready = threading.Event()
        config = uvicorn.Config(
            app,
            loop="asyncio",  # always there; a faster one would gain little
            ws="none",
            lifespan="off",
            access_log=False,  # a line per request would drown what the program around us says
            log_config=None,  # logging belongs to the program around us
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_TIMEOUT,
            h11_max_incomplete_event_size=MAX_REQUEST_HEAD_BYTES,
            callback_notify=self._notify,  # called first when the server is up
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="aiotracker-micro", daemon=True)
        self._socket = _bound(host, port)
        self._address = self._socket.getsockname()

    @property
    def url(self) -> str:
        """The root of the server, `http://127.0.0.1:9090`."""
        host, port = self._address[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return ipaddress.ip_address(self._address[0].partition("%")[0]).is_loopback

    @property
    def is_running(self) -> bool:
        """Whether the thread is there."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Serve; return when requests are answered.

        Raises:
            RuntimeError: the server ended at once, or did not come up in time.
        """
        self._thread.start()
        try:
            self._ready.wait(START_TIMEOUT)
        except BaseException:  # Ctrl-C must not leave the thread behind
            self.stop()
            raise
        if not self._server.started:
            self.stop()
            raise RuntimeError("the server did not start: uvicorn's log says why")

    def stop(self) -> None:
        """End the server: let requests finish for `GRACE` seconds, then break them off."""
        self._server.should_exit = True
        self._thread.join(GRACE)
        if self._thread.is_alive():
            # From here the loop sees clients that went away, and ends each request in order;
            # uvicorn itself would cancel the requests and leave the sockets open.
            for connection in list(self._server.server_state.connections):
                with suppress(OSError):
                    connection.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            self._thread.join(2 * STOP_TIMEOUT)
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._ready.set()

    async def _notify(self) -> None:
        self._ready.set()


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    # With its protocol named, unlike by `socket.create_server`: only then asyncio turns off Nagle's
    # algorithm, which costs 40 ms per answer.
    bound = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()
    except OSError:
        bound.close()
        raise
    return bound
