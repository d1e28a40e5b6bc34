"""Many visitors at once, each with a browser, an address and cookies, and what must be true afterwards.

A visitor goes from path to path with two requests at a time, over connections that all visitors share. The
token in a path says who asked: an event that names anybody else was mixed up.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import aiohttp

VISITORS: Final = 50
REQUESTS_AT_A_TIME: Final = 2  # of each visitor
CONNECTIONS: Final = 64
REQUEST_SECONDS: Final = 20.0
MAX_UNANSWERED: Final = 1_000  # a server that answers nobody is given up

_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser.

    Attributes:
        number: 1 to 250.
    """

    number: int

    @property
    def token(self) -> str:
        """What paths call them."""
        return f"v{self.number}"

    @property
    def identity(self) -> tuple[str, str, str, str, int]:
        """Address, user agent, first-party id, session and its number: what each of their events has."""
        return (
            f"203.0.113.{self.number}",
            f"Browser/{self.number}.0",
            self._uuid("user"),
            self._uuid("session"),
            self.number,
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """What their requests say, behind a proxy on this machine."""
        address, user_agent, user, session, visits = self.identity
        cookies = f"theme=dark; _sp_id.1fff={user}.1673957921.{visits}.1673959786.1673957900.{session}"
        return {"X-Forwarded-For": address, "User-Agent": user_agent, "Cookie": cookies}

    def _uuid(self, what: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{what} {self.number}"))


@dataclass
class Load:
    """What was asked and answered.

    Attributes:
        answers: the event id of each answer, and the token of the visitor who got it.
        statuses: of the answers that were no success.
        unanswered: how many requests ended without an answer.
    """

    answers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    unanswered: int = 0


def play(url: str, kinds: Sequence[str], *, answers: int, terminate: Callable[[], None]) -> Load:
    """Load a server until it has given so many answers, end it under the load, and go on until it is gone.

    Args:
        url: its root.
        kinds: first parts of paths, taken in turn.
        answers: how many it takes.
        terminate: tells the server to end.
    """
    return asyncio.run(_play(url, kinds, answers, terminate))


async def _play(url: str, kinds: Sequence[str], answers: int, terminate: Callable[[], None]) -> Load:
    load = Load()
    is_ended = False

    async def visit(session: aiohttp.ClientSession, visitor: Visitor, turns: Iterator[int]) -> None:
        nonlocal is_ended
        while True:
            kind = kinds[next(turns) % len(kinds)]
            try:
                async with session.get(f"{url}/{kind}/{visitor.token}", headers=visitor.headers) as response:
                    text = await response.text()
            except (aiohttp.ClientError, OSError):
                load.unanswered += 1
                if is_ended or load.unanswered > MAX_UNANSWERED:
                    return
                continue
            if response.status != 200:
                load.statuses.append(response.status)
                if is_ended or len(load.statuses) > MAX_UNANSWERED:
                    return
                continue
            load.answers[text] = visitor.token
            if len(load.answers) >= answers and not is_ended:
                is_ended = True
                terminate()

    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=jar) as session,
        asyncio.TaskGroup() as tasks,
    ):
        turns = count()
        for number in range(1, VISITORS + 1):
            for _ in range(REQUESTS_AT_A_TIME):
                tasks.create_task(visit(session, Visitor(number), turns))
    return load


def mixed(events: Sequence[Mapping[str, Any]]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the token and the identity of every event that has another visitor's, or none.

    Args:
        events: in the form of Micro's `good()["event"]`; those without a token are left out.
    """
    expected = {visitor.token: visitor.identity for visitor in map(Visitor, range(1, VISITORS + 1))}
    columns = ("user_ipaddress", "useragent", "domain_userid", "domain_sessionid", "domain_sessionidx")
    seen = [
        (str(event["se_action"]), tuple(event[column] for column in columns))
        for event in events
        if event["se_category"] == "visit"
    ]
    return [(token, identity) for token, identity in seen if identity != expected.get(token)]
