"""What a package exports: `__all__` is sorted, complete and true."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import aiotracker

SOURCE = Path(aiotracker.__file__).parent
PACKAGES = sorted(
    ".".join(["aiotracker", *init.parent.relative_to(SOURCE).parts]) for init in SOURCE.rglob("__init__.py")
)


def order(name: str) -> tuple[bool, bool, str]:
    """Sort CONSTANTS, then Classes, then functions: the order that ruff's RUF022 keeps."""
    return not (len(name) > 1 and name.isupper()), not name[0].isupper(), name


def public_imports(init: Path) -> Iterator[str]:
    """Yield every public name of ours that an `__init__` imports, under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(init.read_bytes())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("aiotracker"):
            names = (alias.asname or alias.name for alias in node.names)
            yield from (name for name in names if not name.startswith("_"))


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted(package: str) -> None:
    """Names stand in one order, each once."""
    exported = importlib.import_module(package).__all__

    assert sorted(set(exported), key=order) == list(exported)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_complete(package: str) -> None:
    """What an `__init__` imports is what it exports: nothing public is left out."""
    module = importlib.import_module(package)

    imported = set(public_imports(Path(str(module.__file__))))

    assert set() == imported.difference(module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_true(package: str) -> None:
    """Every exported name is there when asked for, lazy ones included."""
    module = importlib.import_module(package)

    missing = [name for name in module.__all__ if not hasattr(module, name)]

    assert [] == missing
