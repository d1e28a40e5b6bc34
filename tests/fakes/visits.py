"""Visitors of web applications under test: who they are, and what their requests left behind."""

from typing import Any

from aiotracker import StructuredEvent, Subject, current_scope
from aiotracker.integrations.identity import Identity, WebRequest
from aiotracker.integrations.requests import RequestInfo
from tests.fakes.bench import Bench


def by_user(request: WebRequest) -> Identity:
    """Identify a visitor by the header `x-user`, a request without it as nobody's."""
    name = dict(request.headers).get(b"x-user")
    return Identity(Subject(user_id=name.decode() if name else None))


def by_token(request: WebRequest) -> Identity:
    """Identify a visitor by the header `x-token`, one without it as `nobody`."""
    return Identity(Subject(user_id=dict(request.headers).get(b"x-token", b"nobody").decode()))


def with_token(name: str) -> dict[str, Any]:
    """Return the arguments of a request by a visitor."""
    return {"headers": [(b"host", b"shop.acme.com"), (b"x-token", name.encode())]}


def user() -> str | None:
    """Return the user of the current scope."""
    layer = current_scope()
    return None if layer is None else layer.pairs.get("uid")


def labelled(request: RequestInfo) -> StructuredEvent:
    """Return an event that says which route was taken, and how it went."""
    action = f"{request.method} {request.route}"
    return StructuredEvent(category="request", action=action, label=str(request.status))


def did(action: str) -> StructuredEvent:
    """Return an event that the tests tell apart by its action."""
    return StructuredEvent(category="test", action=action)


def deeds(bench: Bench) -> list[tuple[str, str | None]]:
    """Return what was done by whom, in order."""
    return [(event["se_ac"], event.get("uid")) for event in bench.transport.events if "se_ac" in event]
