"""Who takes part: every contender, how it is started and with which settings.

A contender in another language is built by `languages/`; its `contender.json` there has the title and the
number of warm-up rounds.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.speed.languages import LANGUAGES, build
from benchmarks.speed.protocol import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONTENDERS", "ROOT", "Contender", "NotAvailable", "language_contenders"]

ROOT: Final = Path(__file__).parents[2]


class NotAvailable(Exception):  # noqa: N818 - a fact for the report, not a failure
    """A contender cannot take part here."""


@dataclass(frozen=True)
class Contender:
    """One tracker with one choice of settings.

    Attributes:
        key: by which the measures and the goals know it.
        title: for readers.
        module: of `contenders/`; empty for a program in another language.
        settings: what its tracker is built with; `{}` are its defaults.
        arguments: of the program.
        peer: folder with the packages that it needs, inside the folder of all peers; empty for ours.
        folder: where the program of another language lives.
        warm_ups: rounds that are played and thrown away; a compiler at run time wants many.
    """

    key: str
    title: str
    module: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)  # Any: JSON
    arguments: tuple[str, ...] = ()
    peer: str = ""
    folder: Path | None = None
    warm_ups: int = 1

    def command(self) -> list[str]:
        """Return how it is started."""
        if self.folder is None:
            return [sys.executable, "-m", f"benchmarks.speed.contenders.{self.module}", *self.arguments]
        return list(self.arguments)

    def environment(self, peers: Path, inherited: str) -> dict[str, str]:
        """Return what its process finds in the environment.

        Args:
            peers: the folder of all peers.
            inherited: the search path of this process.
        Raises:
            NotAvailable: its packages are not installed.
        """
        paths = [str(ROOT)]
        if self.peer:
            if not (peers / self.peer).is_dir():
                raise NotAvailable(f"{self.peer} is not installed in {peers}")
            paths.insert(0, str(peers / self.peer))
        return {"PYTHONPATH": ":".join([*paths, *filter(None, [inherited])]), "PYTHONUNBUFFERED": "1"}


def _ours(key: str, title: str, *arguments: str, **settings: object) -> Contender:
    return Contender(key, f"aiotracker, {title}", "ours", settings, arguments)


def _official(key: str, title: str, **settings: object) -> Contender:
    return Contender(key, f"snowplow-tracker, {title}", "official", settings, peer="official")


_WIDE: Final = {"byte_limit": 900_000}
"""A batch of 500 events has to be one: at the defaults, 180,000 bytes end a batch earlier."""

_UVLOOP: Final = ("--loop", "uvloop")

CONTENDERS: Final = (
    _ours("ours", "defaults"),
    *(
        _ours(f"ours-{name}-{size}", f"{name}, batch {size}", transport=name, batch_size=size, **_WIDE)
        for name in ("httpx", "aiohttp")
        for size in (10, 100, 500)
    ),
    _ours("ours-aiohttp", "aiohttp, other defaults", transport="aiohttp"),
    _ours(
        "ours-httpx-500-uvloop",
        "httpx, batch 500, uvloop",
        *_UVLOOP,
        transport="httpx",
        batch_size=500,
        **_WIDE,
    ),
    _ours(
        "ours-aiohttp-500-uvloop",
        "aiohttp, batch 500, uvloop",
        *_UVLOOP,
        transport="aiohttp",
        batch_size=500,
        **_WIDE,
    ),
    _official("official", "Emitter, defaults"),
    *(
        _official(
            f"official-{size}",
            f"Emitter, session, batch {size}, no base64",
            session=True,
            batch_size=size,
            base64=False,
            logs=False,
        )
        for size in (10, 500)
    ),
    _official(
        "official-10-logs",
        "Emitter, session, batch 10, no base64, its logs on",
        session=True,
        batch_size=10,
        base64=False,
    ),
    _official("official-async", "AsyncEmitter, defaults", emitter="async"),
    _official(
        "official-async-500",
        "AsyncEmitter, session, batch 500, no base64",
        emitter="async",
        session=True,
        batch_size=500,
        base64=False,
        logs=False,
    ),
    Contender("aio-official", "aio-snowplow-tracker, defaults (GET)", "aio_official", peer="aio_official"),
    Contender(
        "aio-official-500",
        "aio-snowplow-tracker, POST, session, batch 500, no base64",
        "aio_official",
        {"method": "post", "session": True, "batch_size": 500, "base64": False},
        peer="aio_official",
    ),
    Contender("posthog", "posthog, defaults", "posthog", peer="posthog"),
    Contender(
        "posthog-async", "posthog, AsyncPosthog, defaults", "posthog", {"client": "async"}, peer="posthog"
    ),
    Contender("segment", "segment-analytics-python, defaults", "segment", peer="segment"),
    Contender("limit-sending", "limit: prepared requests, raw sockets", "limits"),
    Contender("limit-encoding", "limit: construct, id and encoding alone", "limits"),
)
"""All that are written in Python."""


def language_contenders(folder: Path) -> tuple[list[Contender], dict[str, str]]:
    """Build the contenders in other languages.

    Args:
        folder: takes what is built.
    Returns:
        Those that could be built, and why the others could not, by key.
    """
    found: list[Contender] = []
    missing: dict[str, str] = {}
    for language in LANGUAGES:
        says = json.loads((ROOT / "benchmarks/speed/languages" / language / "contender.json").read_text())
        try:
            command = build(language, folder)
        except Unavailable as reason:
            missing[language] = str(reason)
            continue
        found.append(
            Contender(
                language,
                says["title"],
                settings={"batch_size": 500, "base64": False},
                arguments=tuple(command),
                folder=folder / language,
                warm_ups=says["warm_ups"],
            )
        )
    return found, missing
