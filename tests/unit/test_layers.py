"""The floors of the house: which module may import which.

`LAYERS` is the one place that says it. A module imports from its own layer and from those to its
left; an import under TYPE_CHECKING or inside a function counts like any other. The walker reads the
sources and imports none of them.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import aiotracker

PACKAGE = "aiotracker"
SOURCE = Path(aiotracker.__file__).parent

# Leftmost first; one string is one layer. A name stands for a module and all that is inside it;
# where a part is listed by itself, as in protocol, every part is. "" is the package that users see.
LAYERS = (
    "_version",
    "errors",
    # Whoever imports a part of protocol runs its __init__: it stands with the lowest of its parts.
    (
        "protocol protocol.fields protocol.page_url protocol.rules protocol.schema_key"
        " protocol.shortcuts protocol.text protocol.url"
    ),
    "normalise model",
    "subject entities",
    "events",
    "protocol.encoding protocol.envelope protocol.exchange protocol.layer protocol.record",
    "policy",
    "runtime clock event_ids",
    "stores",
    "delivery",
    "scope hooks signals",
    "tracker",
    "hosted",
    "instrument",
    "",
    "integrations testing micro cli __main__",
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names.split() or [""]}

SOLE_IMPORTERS = {
    "asyncio": "runtime",
    "trio": "runtime",
    "httpx": "delivery.httpx_transport",
    "aiohttp": "delivery.aiohttp_transport integrations.aiohttp",
    "redis": "stores.redis.link",
}
PURE = {"policy", "protocol"}  # they decide and encode; time, chance and the world are arguments
IMPURE = {"aiohttp", "anyio", "asyncio", "httpx", "logging", "random", "redis", "time"}
GUESTS = set(LAYERS[-1].split())  # built on what users have, so that users can build the same


def modules(source: Path) -> dict[str, Path]:
    """Return the file of every module of a package, by its name inside the package."""
    files = {}
    for path in source.rglob("*.py"):
        parts = path.relative_to(source).with_suffix("").parts
        files[".".join(parts).removesuffix("__init__").removesuffix(".")] = path
    return files


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of everything that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                prefix = "." * level + (base or "")
                yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name
            case _:
                pass


def rank(module: str) -> int | None:
    """Return the layer in which a module stands, counted from the left; None if it has none."""
    if module in RANKS:
        return RANKS[module]
    package = module.rpartition(".")[0]
    if not package or any(name.startswith(f"{package}.") for name in RANKS):
        return None
    return rank(package)


def objections(importer: str, name: str, known: Mapping[str, object]) -> Iterator[str]:
    """Yield every rule that one import breaks.

    Args:
        importer: name of the importing module inside the package.
        name: full dotted name of what is imported.
        known: the modules of the package; what is none of them is a name inside one.
    """
    if name.startswith("."):
        yield "is relative: write the whole name"
        return

    family = importer.partition(".")[0]
    top, _, target = name.partition(".")
    if top == PACKAGE:
        while target not in known:
            target = target.rpartition(".")[0]
        here, there = rank(importer), rank(target)
        if here is not None and there is not None and here < there:
            yield "stands to the right: move what both need to the left"

    owners = SOLE_IMPORTERS.get(top, importer).split() or [""]
    if importer not in owners:
        yield f"belongs to {' and '.join(owners)} alone"
    if family in PURE and top in IMPURE:
        yield f"has no place in {family}, which decides without the world"
    is_private = any(p.startswith("_") and not p.startswith("__") for p in name.split("."))
    if family in GUESTS and is_private and not name.startswith(f"{PACKAGE}.{family}."):
        yield f"is private, and {family} lives on public names"


def violations(source: Path) -> list[str]:
    """Return every broken rule of a package, as lines that say where and what to do."""
    known = modules(source)
    homeless = [
        f"{PACKAGE}.{module} stands in no layer: add it to LAYERS in tests/unit/test_layers.py"
        for module in sorted(known)
        if rank(module) is None
    ]
    return homeless + [
        f"{path.relative_to(source)}:{line} {name} {objection}"
        for module, path in sorted(known.items())
        for line, name in imports(path)
        for objection in objections(module, name, known)
    ]


def test_every_import_goes_to_the_left() -> None:
    """No module of the package breaks a rule of the layers."""
    broken = violations(SOURCE)

    assert [] == broken, "\n".join(["", *broken])


def test_the_walker_sees_the_whole_package() -> None:
    """The walk above is not empty by mistake."""
    known = modules(SOURCE)

    assert {"", "_version", "errors", "protocol", "protocol.fields"} <= known.keys()


# What stands in the package of the tests below, beside the one file that a test is about.
SCENERY = ("__init__", "_version", "errors", "protocol/__init__", "policy/__init__", "tracker")


def planted(root: Path, file: str, code: str) -> Path:
    """Return the folder of a small package with `code` in one file and nothing in the others."""
    for name in (*SCENERY, file):
        path = root / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code if name == file else "")
    return root


@pytest.mark.parametrize(
    ("file", "code", "expected"),
    [
        ("errors", "import aiotracker.tracker", "stands to the right"),
        ("errors", "from aiotracker import tracker", "stands to the right"),
        ("errors", "from aiotracker.tracker import Tracker", "stands to the right"),
        ("errors", "from aiotracker import Tracker", "stands to the right"),
        ("errors", "if TYPE_CHECKING:\n    import aiotracker.policy", "stands to the right"),
        ("errors", "def late():\n    from aiotracker import policy", "stands to the right"),
        ("errors", "import_module('aiotracker.policy')", "stands to the right"),
        ("errors", "from . import tracker", "is relative"),
        ("protocol/fields", "import aiotracker.policy", "stands to the right"),
        ("protocol/__init__", "import aiotracker.policy", "stands to the right"),
        ("tracker", "import asyncio", "belongs to runtime alone"),
        ("tracker", "from trio.lowlevel import checkpoint", "belongs to runtime alone"),
        ("runtime", "import httpx", "belongs to delivery.httpx_transport alone"),
        ("delivery/engine", "importlib.import_module('httpx')", "belongs to delivery.httpx_tr"),
        ("delivery/httpx_transport", "import aiohttp", "belongs to delivery.aiohttp_transport and integ"),
        ("policy/circuit", "from random import random", "has no place in policy"),
        ("policy/__init__", "import time", "has no place in policy"),
        ("protocol/encoding", "import logging.config", "has no place in protocol"),
        ("cli/__init__", "from aiotracker._version import __version__", "is private"),
        ("micro/app", "from aiotracker.tracker import _merge", "is private"),
        ("integrations/web", "from starlette._utils import is_async_callable", "is private"),
        ("helpers", "", "stands in no layer: add it to LAYERS"),
        ("protocol/helpers", "", "stands in no layer: add it to LAYERS"),
    ],
)
def test_the_walker_catches(tmp_path: Path, file: str, code: str, expected: str) -> None:
    """Every rule, broken once, is named once."""
    package = planted(tmp_path, file, code)

    broken = violations(package)

    assert [True] == [expected in line for line in broken], broken


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("__init__", "from aiotracker._version import __version__"),
        ("tracker", "from aiotracker.errors import TrackerError"),
        ("tracker", "from __future__ import annotations"),
        ("policy/circuit", "from aiotracker.policy.batching import Batch"),
        ("runtime", "import asyncio\nimport trio"),
        ("delivery/httpx_transport", "import httpx"),
        ("delivery/aiohttp_transport", "import aiohttp"),
        ("cli/__init__", "from aiotracker import Tracker\nfrom aiotracker.cli._table import rows"),
    ],
)
def test_the_walker_allows(tmp_path: Path, file: str, code: str) -> None:
    """What the layers allow passes."""
    package = planted(tmp_path, file, code)

    broken = violations(package)

    assert [] == broken
