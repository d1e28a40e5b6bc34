"""The matrix of event loops is real: each id runs the loop that it names."""

import asyncio
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st


def running_loop() -> str:
    """Return the library whose loop runs the caller; the libraries themselves are asked."""
    if trio.lowlevel.in_trio_run():
        return "trio"
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


async def test_each_id_runs_the_loop_that_it_names(request: pytest.FixtureRequest) -> None:
    """An async test without any mark runs on asyncio's own loop, on uvloop's and on trio's."""
    backend_id = request.node.callspec.id

    running = running_loop()

    assert backend_id == running


@given(st.none())
async def test_property_tests_run_the_loop_that_they_name(
    anyio_backend: tuple[str, dict[str, Any]], nothing: None
) -> None:
    """An async test under Hypothesis runs on the same loops as any other."""
    name, options = anyio_backend

    running = running_loop()

    assert ("uvloop" if options.get("use_uvloop") else name) == running


@pytest.mark.asyncio
async def test_the_asyncio_mark_chooses_pytest_asyncio(request: pytest.FixtureRequest) -> None:
    """A test marked for pytest-asyncio runs once, on asyncio; anyio's plugin leaves it alone."""
    fixtures = request.fixturenames

    running = running_loop()

    assert "anyio_backend" not in fixtures
    assert "asyncio" == running
