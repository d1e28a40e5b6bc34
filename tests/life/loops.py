"""The three event loops by name, for whatever starts one itself."""

import pytest
import trio

from tests.stages import Backend


def name_of(backend: Backend) -> str:
    """Return the name of the loop that a test is to run on."""
    name, options = backend
    return "uvloop" if options.get("use_uvloop") else name


def only_asyncio() -> None:
    """Skip a test of what asyncio alone offers."""
    if trio.lowlevel.in_trio_run():
        pytest.skip("trio has nothing like it")
