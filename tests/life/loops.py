"""The three event loops by name, for whatever starts one itself."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import pytest
import trio

T = TypeVar("T")

Backend = tuple[str, dict[str, Any]]


def run(loop: str, program: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run a program on a loop that begins and ends with it."""
    return anyio.run(
        program,
        *args,
        backend="trio" if loop == "trio" else "asyncio",
        backend_options={} if loop == "trio" else {"use_uvloop": loop == "uvloop"},
    )


def name_of(backend: Backend) -> str:
    """Return the name of the loop that a test is to run on."""
    name, options = backend
    return "uvloop" if options.get("use_uvloop") else name


def only_asyncio() -> None:
    """Skip a test of what asyncio alone offers."""
    if trio.lowlevel.in_trio_run():
        pytest.skip("trio has nothing like it")
