"""Many visitors at once, each with an address of their own, whose requests must not be mixed up.

The token in a path says who asked. An answer is the id of the event that the request tracked.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

VISITORS: Final = 50
REQUEST_SECONDS: Final = 20.0


@dataclass
class Visits:
    """What visitors saw.

    Attributes:
        answers: event id of each answer, and the token of the visitor who got it.
        statuses: of answers that were no success.
        unanswered: how many requests got none.
    """

    answers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    unanswered: int = 0


def address_of(token: str) -> str:
    """Return where a visitor comes from."""
    return f"203.0.113.{token.removeprefix('v')}"


def visit(url: str, kinds: Sequence[str], *, answers: int, terminate: Callable[[], None]) -> Visits:
    """Load a server until it gave so many answers, end it under the load, and go on until it is gone.

    Args:
        url: its root.
        kinds: first parts of paths, taken in turn.
        answers: how many it takes.
        terminate: tells the server to end.
    """
    visits = Visits()
    turns = itertools.cycle(kinds)
    is_ended = False

    async def browse(session: aiohttp.ClientSession, token: str) -> None:
        nonlocal is_ended
        headers = {"X-Forwarded-For": address_of(token)}
        while True:
            try:
                async with session.get(f"{url}/{next(turns)}/{token}", headers=headers) as response:
                    text = await response.text()
            except (aiohttp.ClientError, OSError):
                visits.unanswered += 1
                if is_ended:
                    return
                continue
            if response.status == 200:
                visits.answers[text] = token
            else:
                visits.statuses.append(response.status)
            if len(visits.answers) >= answers and not is_ended:
                is_ended = True
                terminate()

    async def browse_together() -> None:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            for number in range(1, VISITORS + 1):
                tasks.create_task(browse(session, f"v{number}"))

    asyncio.run(browse_together())
    return visits
