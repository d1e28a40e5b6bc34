"""A connection to Redis: the one file that names the library.

Owns how it is configured, what its exceptions mean, and how a connection ends. Its own retries are switched
off, and every wait of it has an end: when to try again is decided elsewhere. It is imported when a store is
opened, in a thread, because the import takes longer than an event loop should stand still.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from aiotracker.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import SSLConnection
    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from aiotracker.stores.redis.streams import Command

__all__ = ["Link", "RedisTrouble", "address_of", "check_url", "load_redis", "send_now"]

STARTS: Final = ("redis://", "rediss://", "unix://")
FORM: Final = "must be a URL as in redis://host:6379/0, rediss:// or unix://"
ESCAPES: Final = (
    "has a character where none of its kind can be: in users, passwords, paths and arguments write "
    "%2F for /, %3F for ?, %23 for #, %40 for @ and %5B for ["
)

_START: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

_CODES: Final = {
    "OOM": ("out_of_memory", "has no memory left for events: raise maxmemory, with the policy noeviction"),
    "NOAUTH": ("refused", "wants a user and a password: put them into the URL"),
    "WRONGPASS": ("refused", "refuses the user or the password of the URL"),
    "NOPERM": ("refused", "does not allow this user what a store needs: EVAL and the commands of streams"),
    "READONLY": ("read_only", "is a replica, which takes no events"),
    "LOADING": ("loading", "is still loading its data"),
    "MISCONF": ("read_only", "takes no events because it cannot save its data"),
    "NOREPLICAS": ("read_only", "takes no events because too few replicas follow it"),
    "MASTERDOWN": ("read_only", "has lost its primary"),
    "CLUSTERDOWN": ("read_only", "is a cluster that is down"),
    "MOVED": ("refused", "is a cluster that keeps these streams elsewhere: give the URL of that node"),
    "WRONGTYPE": ("refused", "has something else under a key of this store: choose another name for it"),
    "NOGROUP": ("lost", "has lost a consumer group"),
}
"""What an error's code means: why, from a closed set, and what Redis does, for a person."""

_CLASSES: Final = {
    "AuthenticationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
}
"""The codes that the library takes off a message, by the name of the exception that it makes of it."""

_CODE: Final = re.compile(r"\b(" + "|".join(_CODES) + r")\b")
_ERRORS: Final = frozenset({"refused", "untrusted", "error"})  # what does not pass by itself

_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Arguments of a URL that name files."""


class RedisTrouble(Exception):  # noqa: N818 - it is the world's, and never reaches a user
    """Something that Redis, or the way to it, did wrong.

    Attributes:
        reason: from a closed set.
        level: of `logging`.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Say what happened, in the form `Redis at … <message>`."""
        super().__init__(message)
        self.reason = reason
        self.level: int = logging.ERROR if reason in _ERRORS else logging.WARNING


def check_url(url: object) -> str:
    """Return the URL of a Redis; for anything else raise a ConfigurationError without what is secret."""
    if not isinstance(url, str):
        raise ConfigurationError("url", url, FORM)
    start, authority, rest = _parts(url)
    is_ambiguous = "@" in rest or "#" in rest or "[" in authority.rpartition("@")[0]
    if is_ambiguous and start.lower() in STARTS:
        raise ConfigurationError("url", address_of(url), ESCAPES)
    try:
        parts = urlsplit(url)
        is_fine = start.lower() in STARTS and bool(parts.port or parts.netloc or parts.path)
    except ValueError:
        is_fine = False
    if not is_fine:
        raise ConfigurationError("url", address_of(url), FORM)
    return url


def address_of(url: str) -> str:
    """Return what may be shown of a URL, or of what should be one: where, and nothing that is secret.

    A password that nobody has escaped holds any character: what stands before the last @ may belong to it.
    """
    start, authority, rest = _parts(url)
    path, *query = re.split("[?#]", rest, maxsplit=1)
    if query and "@" in query[0]:  # it may stand before a host, or in a password
        return f"{start}…"
    return start + (authority + path).rpartition("@")[2]


def _parts(url: str) -> tuple[str, str, str]:
    """Return the scheme of a URL with its slashes, what is there before the path, and the rest."""
    found = _START.match(url)
    start = found[0] if found else ""
    authority = re.split("[/?#]", url[len(start) :], maxsplit=1)[0]
    return start, authority, url[len(start) + len(authority) :]


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
            raise _refusal(self._url, error) from None
        settings = _settings(self._url, parsed, self._timeout, Retry(NoBackoff(), 0))
        pool = redis.asyncio.ConnectionPool(**settings, redis_connect_func=self._connected)
        try:
            pool.connection_class(**pool.connection_kwargs)  # connects to nothing
        except (TypeError, redis.exceptions.RedisError) as error:  # the query is handed to it as it comes
            raise _refusal(self._url, error) from None
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
    settings = _settings(url, parsed, remaining / 2, Retry(NoBackoff(), 0))
    if peer is not None:
        if _has_tls(url):
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


def _has_tls(url: str) -> bool:
    return urlsplit(url).scheme == "rediss"


def _settings(url: str, parsed: Mapping[str, object], timeout: float, retry: object) -> dict[str, Any]:
    """Return the settings of a connection whose waits all have an end.

    Above what the URL says: what we rely on is not for it to choose.
    """
    # Releases of the library differ in whether they compare names if nobody says so.
    names = {"ssl_check_hostname": parsed.get("ssl_cert_reqs") != "none"} if _has_tls(url) else {}
    return {
        **names,
        **parsed,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": retry,
        "retry_on_timeout": False,
        "retry_on_error": [],
        "health_check_interval": 0,
        "decode_responses": False,
        "protocol": 2,
    }


def _refusal(url: str, error: Exception) -> ConfigurationError:
    # A password with an & that nobody has escaped looks like arguments, which errors name.
    why = "something behind its question mark" if "password" in _parts(url)[2] else str(error)
    return ConfigurationError("url", address_of(url), f"cannot be used: {why}")


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


def trouble(error: BaseException) -> RedisTrouble:
    """Return what an exception of the library means."""
    if (why := _distrust(error)) is not None:
        return RedisTrouble(
            "untrusted",
            f"is not trusted, its certificate cannot be verified: {why}; an authority of your own is named "
            "by ssl_ca_certs=path in the URL",
        )
    text = " ".join(str(error).split())
    kind = type(error).__name__
    found = _CODE.search(text)
    code = found[1] if found else _CLASSES.get(kind)
    if code == "NOAUTH" and "required" not in text:
        code = "WRONGPASS"
    if code is not None:
        return RedisTrouble(*_CODES[code])
    if kind == "TimeoutError":
        return RedisTrouble("timeout", "does not answer in time")
    if kind == "ConnectionError" or isinstance(error, OSError):
        return RedisTrouble("unreachable", f"is away: {text}")
    return RedisTrouble("error", f"answered with an error: {text}")


def _distrust(error: BaseException | None) -> str | None:
    """Return why a certificate was not trusted, if that is at the root of an error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message.rstrip(".")
        error = error.__cause__ or error.__context__
    return None
