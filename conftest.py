"""Executes the fenced Python examples of README.md and docs/*.md: `pytest README.md docs`.

The blocks of a page share their names, top to bottom, and may use `await` outside of a function, as
in `python -m asyncio`. They reach no network: the collectors of the examples are played here, and
only this machine answers otherwise.
"""

import ast
import asyncio
import inspect
from collections.abc import Iterator

import pytest
import respx
from sybil import Example, Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser

COLLECTORS = r".+\.acme\.com"
THIS_MACHINE = r"127\.0\.0\.1|localhost"


def evaluate(example: Example) -> None:
    """Run one block in the names of its page; a block that awaits gets an event loop of its own."""
    code = compile(
        pad(example.parsed, example.line + example.parsed.line_offset),  # true lines in tracebacks
        example.path,
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        dont_inherit=True,
    )
    example.namespace.setdefault("__name__", "__main__")  # a page is a program
    block = eval(code, example.namespace)  # noqa: S307 - running what the page says is the point
    if inspect.iscoroutine(block):
        asyncio.run(block)


@pytest.fixture
def acme_collector() -> Iterator[respx.MockRouter]:
    """Answer 200 in the name of the collectors on acme.com, and refuse every other host."""
    with respx.mock(assert_all_called=False) as router:
        router.route(host__regex=COLLECTORS).respond(200)
        router.route(host__regex=THIS_MACHINE).pass_through()
        yield router


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser(language, evaluate) for language in ("python", "py")],
    patterns=["README.md", "docs/*.md"],
    fixtures=["acme_collector"],
).pytest()
