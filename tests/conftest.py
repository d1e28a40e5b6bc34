"""What holds for every test: three event loops, and how hard Hypothesis tries.

Every `async def` test runs once per loop, driven by anyio's plugin, without a mark of its own. A
test marked `asyncio` belongs to pytest-asyncio instead: it shows use from a user's own project.
"""

import inspect
import os
import signal

import pytest
from hypothesis import settings

from tests import stages

pytest.register_assert_rewrite("aiotracker.testing")  # the promises of stores are tests, in the package

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has its background jobs ignore Ctrl-C, and programs inherit it: those that tests interrupt, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

BACKENDS = [pytest.param(stages.backend(loop), id=loop, marks=stages.on_unix(loop)) for loop in stages.LOOPS]

# No deadlines: a shared machine stutters, and that is no counterexample.
settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=2_000, deadline=None)
# `nox -s fuzz`: a counterexample is worth a line that repeats it.
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("AIOTRACKER_FUZZ_EXAMPLES", "5000")),
    deadline=None,
    print_blob=True,
)
settings.load_profile("default")  # the others: --hypothesis-profile=thorough


# Module scope, as anyio has it: async fixtures of a module share its loop, and Hypothesis refuses
# function-scoped fixtures.
@pytest.fixture(scope="module", params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Name the event loop under the test, in the form that anyio's plugin takes."""
    return request.param


@pytest.fixture(scope="module", params=stages.params(with_rare=False))
def stage(request: pytest.FixtureRequest) -> object:
    """Name a transport and its loop; where a whole folder needs one, its `anyio_backend` is the stage's."""
    return request.param


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> None:
    """Hand async tests to anyio; its own auto mode would take pytest-asyncio's away, too."""
    if not collector.istestfunction(obj, name):
        return
    test = obj.hypothesis.inner_test if hasattr(obj, "hypothesis") else obj
    marks = [*collector.iter_markers(), *getattr(obj, "pytestmark", [])]
    if inspect.iscoroutinefunction(test) and all(mark.name != "asyncio" for mark in marks):
        pytest.mark.anyio(obj)
