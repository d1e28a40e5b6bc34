"""All that Micro does with a request: show what arrived, or collect, check and keep it.

The request is processed before it is answered, so a test that got its 200 finds the event at once.
"""

from uuid import uuid4

from aiotracker.micro import api
from aiotracker.micro.collector import collect, cors_headers, segments
from aiotracker.micro.exchange import Request, Response
from aiotracker.micro.log import ReceivedLog
from aiotracker.micro.receipt import receive
from aiotracker.micro.record_size import records

__all__ = ["respond"]


def respond(request: Request, log: ReceivedLog) -> Response:
    """Answer a request and keep what it brings."""
    path = segments(request.path)
    if path[0] == api.PREFIX and request.method != "OPTIONS":
        shown = api.answer(request, path, log)
        return Response(shown.status, shown.body, {**shown.headers, **cors_headers(request)})
    collected = collect(request, lambda: str(uuid4()))
    if collected.payload is not None:
        log.add([receive(record, uuid4) for record in records(collected.payload)])
    return collected.response
