"""A real Redis of one's own: on a free port, in a folder of its own, gone with the test.

Use `redis_server` for what any test may share, each with a `name` of its own, and `RedisServer` as a context
for what is stopped, filled or protected; `TLSRedisServer` speaks TLS.
"""

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import pytest
import redis
import trustme

__all__ = ["RedisServer", "TLSRedisServer", "knows_tls", "needs_redis", "redis_server"]

PROGRAM = (
    os.environ.get("AIOTRACKER_REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
)

SOCKET = "redis.sock"  # by which a test reaches it whatever becomes of its port

MISSING = "redis-server is not installed: apt-get install redis-server, or valkey-server"

needs_redis = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


class RedisServer:
    """A Redis that a test may do anything to."""

    def __init__(self, *options: str) -> None:
        """Describe a server.

        Args:
            options: of its command line, as in `--appendonly yes`.
        """
        self.port = free_port()
        self._options = [word for option in options for word in option.split(" ")]
        self._folder = Path(tempfile.mkdtemp(prefix="aiotracker-redis-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def password(self) -> str | None:
        """What its default user has to say."""
        options = self._options
        return options[options.index("--requirepass") + 1] if "--requirepass" in options else None

    @property
    def client(self) -> redis.Redis:
        """A client to look at it, which knows its password."""
        if self._client is None:
            path = str(self._folder / SOCKET)
            self._client = redis.Redis(unix_socket_path=path, password=self.password, socket_timeout=10)
        return self._client

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAM is not None, MISSING
        options = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--unixsocket": str(self._folder / SOCKET),
            "--dir": str(self._folder),
            "--save": "",
        }
        self._process = subprocess.Popen(
            [PROGRAM, *(word for option in options.items() for word in option), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                self.client.ping()
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                assert self._process.poll() is None, "redis-server ended"
                assert time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def pause(self) -> None:
        """Have it stand still: connections stay open, and nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def refuse_connections(self) -> None:
        """Have it drop every connection, and take no more."""
        self.execute("CONFIG", "SET", "port", 0)
        self.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def take_connections(self) -> None:
        """Have it take connections again."""
        self.execute("CONFIG", "SET", "port", self.port)

    def execute(self, *command: str | int) -> Any:  # noqa: ANN401 - whatever it replies
        """Do a command, and return its reply."""
        return self.client.execute_command(*command)  # type: ignore[no-untyped-call]  # as redis-py has it

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class TLSRedisServer(RedisServer):
    """A Redis that speaks TLS as well, with a certificate of an authority that nobody knows.

    Attributes:
        tls_port: where it does.
        authority: the file with the certificate of the authority.
        certificate: a file with the certificate of a client, and its key.
    """

    def __init__(self, *names: str, asks: str = "no") -> None:
        """Describe a server.

        Args:
            names: which its certificate is for.
            asks: `yes` for one that wants a certificate of its clients, too.
        """
        super().__init__()
        self.tls_port = free_port()
        self.authority = self._folder / "authority.pem"
        self.certificate = self._folder / "client.pem"
        own = self._folder / "server.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(self.certificate)
        authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(own)
        options = {
            "--tls-port": str(self.tls_port),
            "--tls-cert-file": str(own),
            "--tls-key-file": str(own),
            "--tls-ca-cert-file": str(self.authority),
            "--tls-auth-clients": asks,
        }
        self._options += [word for option in options.items() for word in option]

    def tls_url(self, host: str = "127.0.0.1", **query: str) -> str:
        """Return where it speaks TLS; its own authority is trusted unless the query says otherwise."""
        query = {"ssl_ca_certs": str(self.authority)} | query
        return f"rediss://{host}:{self.tls_port}/0?{urlencode(query)}"


@functools.cache
def knows_tls() -> bool:
    """Tell whether the server was built with TLS: then it wants a certificate, and ends without one."""
    assert PROGRAM is not None, MISSING
    command = [PROGRAM, "--port", "0", "--tls-port", str(free_port())]
    said = subprocess.run(command, stdout=subprocess.PIPE, timeout=10, check=False).stdout
    return b"tls-cert-file" in said


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Return a server that keeps nothing on disk, for tests that leave it as it is."""
    if PROGRAM is None:
        pytest.skip(MISSING)
    with RedisServer() as server:
        yield server
