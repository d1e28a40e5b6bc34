"""Which programs run under which servers: two tables, joined by the interface that both speak.

A new server is a row of `SERVERS`, a new program one of `PROGRAMS`.
"""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pytest

Command = Callable[["Program", int], Sequence[str]]
"""Takes a program and a port of 127.0.0.1, and returns what follows `python -m`."""


@dataclass(frozen=True)
class Program:
    """Something to serve.

    Attributes:
        name: in the name of its tests.
        interface: what it speaks: `asgi`, or any other name that a server has, too.
        target: module and variable, as servers take them.
        kinds: first parts of its paths; each `GET /<kind>/<token>` tracks an event under the token and
            answers the event's id.
        without: names of the servers that cannot run it.
    """

    name: str
    interface: str
    target: str
    kinds: Sequence[str]
    without: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Server:
    """Something that serves.

    Attributes:
        name: in the name of its tests.
        interface: what it serves.
        package: that must be installed.
        command: how it is started.
        workers: how many processes serve.
        codes: exit codes of a server that was told to end and did.
    """

    name: str
    interface: str
    package: str
    command: Command
    workers: int = 1
    codes: frozenset[int] = frozenset({0, -15})  # uvicorn raises the signal again when it has done its duty


def _uvicorn(program: Program, port: int) -> Sequence[str]:
    return ("uvicorn", program.target, "--port", str(port), "--log-level", "warning")


def _hypercorn(program: Program, port: int) -> Sequence[str]:
    return ("hypercorn", program.target, "--bind", f"127.0.0.1:{port}")


def _hypercorn_on_trio(program: Program, port: int) -> Sequence[str]:
    return (*_hypercorn(program, port), "--worker-class", "trio")


def _granian(program: Program, port: int) -> Sequence[str]:
    return ("granian", program.target, "--interface", "asgi", "--port", str(port), "--log-level", "warning")


def _gunicorn(program: Program, port: int) -> Sequence[str]:
    return (
        *("gunicorn", "--preload", "--workers", "2", "--worker-class", "uvicorn_worker.UvicornWorker"),
        *("--no-control-socket", "--bind", f"127.0.0.1:{port}", program.target),
    )


def _itself(program: Program, port: int) -> Sequence[str]:
    return (program.target.partition(":")[0], str(port))


def _gunicorn_aiohttp(program: Program, port: int) -> Sequence[str]:
    return (
        *("gunicorn", "--workers", "2", "--worker-class", "aiohttp.GunicornWebWorker"),
        *("--no-control-socket", "--bind", f"127.0.0.1:{port}", program.target),
    )


def _gunicorn_wsgi(program: Program, port: int) -> Sequence[str]:
    module = program.target.partition(":")[0]  # has the hooks of gunicorn, too
    return (
        *("gunicorn", "--preload", "--workers", "2", "--threads", "8", "--config", f"python:{module}"),
        *("--no-control-socket", "--bind", f"127.0.0.1:{port}", program.target),
    )


SERVERS: Final = (
    Server("uvicorn", "asgi", "uvicorn", _uvicorn),
    Server("hypercorn", "asgi", "hypercorn", _hypercorn),
    Server("hypercorn-trio", "asgi", "hypercorn", _hypercorn_on_trio),
    Server("granian", "asgi", "granian", _granian),
    Server("gunicorn", "asgi", "uvicorn_worker", _gunicorn, workers=2),
    Server("run_app", "aiohttp", "aiohttp", _itself),
    Server("gunicorn", "aiohttp", "aiohttp", _gunicorn_aiohttp, workers=2),
    Server("gunicorn", "wsgi", "gunicorn", _gunicorn_wsgi, workers=2),
)

PROGRAMS: Final = (
    Program(
        "fastapi", "asgi", "tests.servers.programs.fastapi_program:app", ("await", "block", "stream", "after")
    ),
    Program(
        "litestar",
        "asgi",
        "tests.servers.programs.litestar_program:app",
        ("await", "block", "stream", "after"),
    ),
    Program(
        "aiohttp",
        "aiohttp",
        "tests.servers.programs.aiohttp_program:create_app()",
        ("await", "write", "stream", "after"),
    ),
    Program(
        "django",
        "asgi",
        "tests.servers.programs.django_program:application",
        ("block", "await", "stream", "astream"),
        without=frozenset({"hypercorn-trio"}),  # Django runs on asyncio
    ),
    Program(
        "django-wsgi",
        "wsgi",
        "tests.servers.programs.django_program:wsgi",
        ("block", "await", "stream"),
    ),
)


def pairs() -> list[pytest.ParameterSet]:
    """Return every server with every program that it can serve, as parameters of a test."""
    return [
        pytest.param(server, program, id=f"{server.name}-{program.name}", marks=_marks(server))
        for server in SERVERS
        for program in PROGRAMS
        if server.interface == program.interface and server.name not in program.without
    ]


def _marks(server: Server) -> list[pytest.MarkDecorator]:
    is_missing = importlib.util.find_spec(server.package) is None
    return [
        pytest.mark.skipif(is_missing, reason=f"{server.package} is not installed: nox -s servers does it"),
        pytest.mark.skipif(sys.platform == "win32", reason="the test ends servers with SIGTERM"),
    ]
