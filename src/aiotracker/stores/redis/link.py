"""Connections to Redis, how they are made and how they end: the one file that names the library.

The library's own retries are switched off, and every wait of it has an end: when to try again is decided
elsewhere. It is imported when a store is opened, in a thread, because the import takes longer than an event
loop should stand still.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiotracker.errors import ConfigurationError
from aiotracker.stores.redis.address import address_of, connection_settings, has_tls, refusal
from aiotracker.stores.redis.trouble import trouble

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from redis import SSLConnection
    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from aiotracker.stores.redis.streams import Command

__all__ = ["Link", "load_redis", "send_now"]

_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Arguments of a URL that name files."""


def load_redis() -> None:
    """Import the library.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import redis.asyncio  # noqa: F401 - this is what takes long
    except ImportError as error:
        raise ConfigurationError(
            "event_store", "RedisStore", 'redis is not installed: pip install "aiotracker[redis]"'
        ) from error


class _Writer(Protocol):
    """What is needed of an `asyncio.StreamWriter`, which only `runtime` may name."""

    @property
    def transport(self) -> _Transport: ...

    def get_extra_info(self, name: str) -> Any: ...  # noqa: ANN401 - whatever the name means


class _Transport(Protocol):
    def abort(self) -> None: ...


class Link:
    """A way to one Redis, for one event loop. Connects when it is used."""

    def __init__(self, url: str, timeout: float) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: of the Redis.
            timeout: seconds to connect, and for an answer.
        Raises:
            ConfigurationError: the URL has something that the library does not understand.
        """
        self.address: str = address_of(url)
        self._url = url
        self._timeout = timeout
        self.peer: tuple[str, int] | None = None
        """Address and port of the last connection; None for a socket in the file system."""
        self._pid = os.getpid()
        self._sockets: list[tuple[AbstractConnection, _Writer]] = []
        """Of every connection, those too that the library has left: over TLS they wait for a last answer."""
        self._client = self._build()
        for name in _FILES:  # here alone: one that is missing later is a trouble of the world
            path = self._client.connection_pool.connection_kwargs.get(name)
            if path is not None and not Path(path).is_file():
                raise ConfigurationError("url", self.address, f"its {name} is no file: {path}")

    def _build(self) -> Redis:
        import redis.asyncio
        import redis.asyncio.connection
        import redis.exceptions
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        try:
            parsed = redis.asyncio.connection.parse_url(self._url)
        except ValueError as error:
            raise refusal(self._url, error) from None
        settings = connection_settings(self._url, parsed, self._timeout, Retry(NoBackoff(), 0))
        pool = redis.asyncio.ConnectionPool(**settings, redis_connect_func=self._connected)
        try:
            pool.connection_class(**pool.connection_kwargs)  # connects to nothing
        except (TypeError, redis.exceptions.RedisError) as error:  # the query is handed to it as it comes
            raise refusal(self._url, error) from None
        return redis.asyncio.Redis(connection_pool=pool)

    async def _connected(self, connection: AbstractConnection) -> None:
        """Take note of a connection before its first command."""
        known, self._sockets = self._sockets, []
        for earlier, its_writer in known:
            if _writer(earlier) is its_writer:
                self._sockets.append((earlier, its_writer))
            else:
                _drop(earlier, its_writer)
        writer = _writer(connection)
        if writer is not None:
            self._sockets.append((connection, writer))
        await connection.on_connect()
        peer = writer and writer.get_extra_info("peername")
        self.peer = tuple(peer[:2]) if isinstance(peer, tuple) else None

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands and return their replies, for those that Redis refused why.

        Raises:
            RedisTrouble: there was no connection, or it broke: nobody knows what was done.
        """
        import redis.exceptions

        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                replies = await pipeline.execute(raise_on_error=False)
        except (redis.exceptions.RedisError, OSError, ValueError) as error:
            raise trouble(error) from error
        return [trouble(reply) if isinstance(reply, Exception) else reply for reply in replies]

    async def aclose(self) -> None:
        """Close every connection."""
        client, self._client = self._client, self._build()
        try:
            await client.connection_pool.disconnect()
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop every connection at once, without a word to Redis. On the loop of the connections."""
        if (
            os.getpid() != self._pid
        ):  # even to forget a socket on a loop that a fork has copied would reach the parent
            return
        dropped, self._sockets = self._sockets, []
        for connection, writer in dropped:
            _drop(connection, writer)

    def leave(self) -> None:
        """End the connections of a loop that runs no more, as far as that goes; in a forked child, none."""
        _left.append(self)
        if os.getpid() != self._pid:
            return
        for _, writer in self._sockets:
            with contextlib.suppress(Exception):
                writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


_left: Final[list[Link]] = []
"""Links that cannot be closed, of loops that ended before them and of parents: collected, they would be."""


def send_now(
    url: str, commands: Sequence[Command], by: float, peer: tuple[str, int] | None = None
) -> list[bool]:
    """Send commands without an event loop; return which of them were done.

    Args:
        url: of the Redis.
        commands: sent one after the other.
        by: moment of `time.monotonic()`.
        peer: address and port of an earlier connection: a name look-up would have no end.
    """
    import redis.connection
    import redis.exceptions
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    done = [False] * len(commands)
    remaining = by - time.monotonic()
    if remaining <= 0:
        return done
    parsed = redis.connection.parse_url(url)  # type: ignore[no-untyped-call]  # as the library has it
    settings = connection_settings(url, parsed, remaining / 2, Retry(NoBackoff(), 0))
    if peer is not None:
        if has_tls(url):
            settings["connection_class"] = _certified_as(settings.get("host", "localhost"))
        settings |= {"host": peer[0], "port": peer[1]}
    pool = redis.ConnectionPool(**settings)
    client = redis.Redis(connection_pool=pool)
    try:
        for i, command in enumerate(commands):
            if time.monotonic() >= by:
                break
            client.execute_command(*command)  # type: ignore[no-untyped-call]  # as the library has it
            done[i] = True
    except (redis.exceptions.RedisError, OSError, ValueError):
        pass  # what was not done is lost, and said
    finally:
        pool.disconnect()
    return done


def _certified_as(name: str) -> type[SSLConnection]:
    """Return the kind of a connection to an address whose certificate is for a name."""
    import redis

    class Connection(redis.SSLConnection):
        def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
            self.host = name  # the socket is connected: from here on it is compared with the certificate
            wrapped: ssl.SSLSocket = super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]  # as the library has it
            return wrapped

    return Connection


def _writer(connection: AbstractConnection) -> _Writer | None:
    """Return the stream of a connection; None when it is closed."""
    return getattr(connection, "_writer", None)


def _drop(connection: AbstractConnection, writer: _Writer) -> None:
    """End a connection at once, and have the library forget it if it has not."""
    with contextlib.suppress(Exception):
        writer.transport.abort()
    if _writer(connection) is writer:
        with contextlib.suppress(Exception):
            # Or it complains of being open when it is collected.
            connection._close()  # type: ignore[no-untyped-call]  # noqa: SLF001
