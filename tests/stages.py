"""Where delivery is tried: which transport, on which event loop.

A test takes the fixture `stage`; a program that a test starts is given one by name, in its first argument.
"""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio
import pytest

from aiotracker import AiohttpTransport, Emitter, HttpxTransport

T = TypeVar("T")

Backend = tuple[str, dict[str, Any]]

MEMORY: Final = "memory"
LOOPS: Final = ("asyncio", "uvloop", "trio")


@dataclass(frozen=True)
class Stage:
    """One transport on one event loop, before one kind of store.

    Attributes:
        transport: `httpx` or `aiohttp`.
        loop: `asyncio`, `uvloop` or `trio`.
        store: `memory`, `sqlite` or `redis`.
    """

    transport: str
    loop: str
    store: str = MEMORY

    def __str__(self) -> str:
        return "-".join([self.transport, self.loop, *([self.store] if self.is_durable else [])])

    @property
    def is_durable(self) -> bool:
        """Whether its store survives the process."""
        return self.store != MEMORY

    @classmethod
    def named(cls, text: str) -> "Stage":
        """Return the stage of a name such as `httpx-trio`."""
        return cls(*text.split("-"))

    @property
    def backend(self) -> Backend:
        """The loop, in the form that anyio takes."""
        return backend(self.loop)

    @property
    def transport_class(self) -> type[AiohttpTransport | HttpxTransport]:
        """What carries requests."""
        return AiohttpTransport if self.transport == "aiohttp" else HttpxTransport

    def emitter(self, url: str, **settings: Any) -> Emitter:
        """Return an emitter: with its own transport for httpx, with one that is given for aiohttp."""
        if self.transport == "httpx":
            return Emitter(url, **settings)
        names = ("ssl_context", "connect_timeout")
        own = {name: settings.pop(name) for name in names if name in settings}
        return Emitter(url, transport=AiohttpTransport(**own), **settings)

    def run(self, program: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Run a program on a loop that begins and ends with it."""
        return run(self.loop, program, *args)


STAGES: Final = (
    *(Stage("httpx", loop) for loop in LOOPS),
    *(Stage("aiohttp", loop) for loop in LOOPS if loop != "trio"),
)

ON_STORES: Final = (
    Stage("httpx", "asyncio", "sqlite"),
    Stage("httpx", "trio", "sqlite"),
    Stage("httpx", "asyncio", "redis"),
)
"""What durable stores are tried on, in full runs; redis-py knows asyncio only."""

RARE: Final = Stage("aiohttp", "uvloop")
"""A second one would tell little more of aiohttp where a test takes long: it is tried in full runs only."""


def params(*, with_rare: bool) -> list[pytest.ParameterSet]:
    """Return all stages as parameters of a fixture; the rare one is marked `faults` unless it is wanted."""
    return [
        pytest.param(
            stage,
            id=str(stage),
            marks=[on_unix(stage.loop), *([] if with_rare or stage != RARE else [pytest.mark.faults])],
        )
        for stage in STAGES
    ]


def on_unix(loop: str) -> pytest.MarkDecorator:
    """Return the mark that skips uvloop where it does not run."""
    is_missing = loop == "uvloop" and sys.platform == "win32"
    return pytest.mark.skipif(is_missing, reason="uvloop is for Unix")


def backend(loop: str) -> Backend:
    """Return a loop by name, in the form that anyio takes."""
    return ("trio", {}) if loop == "trio" else ("asyncio", {"use_uvloop": loop == "uvloop"})


def run(loop: str, program: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run a program on a loop, by name, that begins and ends with it."""
    name, options = backend(loop)
    return anyio.run(program, *args, backend=name, backend_options=options)
