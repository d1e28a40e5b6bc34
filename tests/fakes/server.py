"""A server of raw bytes on a real socket, for what no HTTP library would ever answer."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

TLS_HANDSHAKE = b"\x16"

Answer = Callable[[socket.socket], bool] | bytes | None
"""What one request gets: bytes, nothing but the end of the connection, or whatever a function does.

A function returns whether the connection stays open."""


class RawServer:
    """Gives one answer per request, the last one for ever; or reads nothing at all."""

    def __init__(self, *answers: Answer, reads: bool = True) -> None:
        self._answers = list(answers)
        self._reads = reads
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Listen."""
        self._run(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all connections."""
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)

    def _run(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(connection)
            if self._reads:
                self._run(lambda connection=connection: self._serve(connection))  # type: ignore[misc]  # bound now

    def _serve(self, connection: socket.socket) -> None:
        try:
            while (request := _read(connection)) and self._answer(connection, request):
                pass
        except OSError:
            return
        finally:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _answer(self, connection: socket.socket, request: bytes) -> bool:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            return False
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return True
        return answer(connection)


def _read(connection: socket.socket) -> bytes:
    """Return one request with a Content-Length, empty when the peer is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        data += chunk
        if data.startswith(TLS_HANDSHAKE):
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        body += chunk
    return head + b"\r\n\r\n" + body


def send_and_close(data: bytes) -> Answer:
    """Return an answer that writes some bytes and ends the connection."""

    def answer(connection: socket.socket) -> bool:
        connection.sendall(data)
        return False

    return answer


def endless(connection: socket.socket) -> bool:
    """Write a body without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)
