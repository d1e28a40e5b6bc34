"""A local collector over a real socket, for development and tests.

Needs the extra: `pip install 'aiotracker[micro]'`.
"""

try:
    from aiotracker.micro.server import Micro, serve
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
        raise
    raise ModuleNotFoundError(
        "aiotracker.micro needs starlette and uvicorn: pip install 'aiotracker[micro]'",
        name=_missing.name,
    ) from _missing

__all__ = ["Micro", "serve"]
