"""Micro's own endpoints, `/micro/all`, `/micro/good`, `/micro/bad` and `/micro/reset`.

Answers are those of Micro 3.0, whose lists of events can be large: they are encoded part by part.

Source: Micro 3.0, `Routing.scala`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar

from aiotracker.micro.exchange import Request, Response
from aiotracker.micro.filters import BadFilter, FilterError, GoodFilter, find_bad, find_good
from aiotracker.micro.log import ReceivedLog
from aiotracker.micro.receipt import Receipt

__all__ = ["PREFIX", "answer"]

PREFIX: Final = "micro"
JSON: Final = MappingProxyType({"Content-Type": "application/json"})
HINT: Final = "this Micro knows /micro/all, /micro/good, /micro/bad and /micro/reset, GET or POST"

_Filter = TypeVar("_Filter")


def answer(request: Request, path: Sequence[str], log: ReceivedLog) -> Response:
    """Answer a request whose path begins with `PREFIX`.

    Args:
        request: of any method.
        path: the decoded segments, `PREFIX` included.
        log: what is shown, and what a reset empties.
    """
    match request.method, path:
        case "GET" | "POST", [_, "all"]:
            return _json(log.summary())
        case "GET" | "POST", [_, "good"]:
            return _list(request, log, GoodFilter.from_json, find_good)
        case "GET" | "POST", [_, "bad"]:
            return _list(request, log, BadFilter.from_json, find_bad)
        case "GET" | "POST", [_, "reset"]:
            return _json(log.reset())
        case _:
            return _json(HINT, status=404)


def _list(
    request: Request,
    log: ReceivedLog,
    read_filter: Callable[[object], _Filter],
    find: Callable[[Sequence[Receipt], _Filter], Iterator[Sequence[Mapping[str, Any]]]],
) -> Response:
    wanted: object = {}
    if request.method == "POST":
        try:
            wanted = json.loads(request.body)
        except (ValueError, RecursionError):
            return _json("the body is not JSON", status=400)
    try:
        found = find(log.newest_first(), read_filter(wanted))
    except FilterError as error:
        return _json(str(error), status=422)
    return Response(200, _array(found), JSON)


def _array(parts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    """Encode a JSON array; a part without items is empty bytes."""
    before = "["
    for part in parts:
        items = ",".join(map(json.dumps, part))
        yield (before + items).encode() if items else b""
        before = "," if items else before
    yield b"]" if before == "," else b"[]"


def _json(value: object, *, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), JSON)
