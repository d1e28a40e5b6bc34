"""Events that a collector refuses, from there to a person and back: a store, a file, and the command."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from aiotracker import DeadLetterFile, Emitter, PageView, Tracker
from aiotracker.cli import main
from aiotracker.micro import Micro
from aiotracker.stores import store_of
from tests.fakes.redis_server import needs_redis, redis_server
from tests.faults.collector import Collector
from tests.faults.script import answer

__all__ = ["redis_server"]  # a fixture

COMMAND = "dead-letters"
COUNT = 30


async def track(emitter: Emitter, numbers: Sequence[int]) -> list[str | None]:
    """Track events, and wait until it is known what became of them."""
    async with Tracker("web", emitter, app_id="shop") as tracker:
        ids = [await tracker.track(PageView(page_url=f"https://acme.com/{number}")) for number in numbers]
        await tracker.flush()
    return ids


def refused(url: str, numbers: Sequence[int] = range(COUNT)) -> list[str | None]:
    """Have a collector refuse events that wait in a store; return their ids."""
    with Collector(answer(403)) as collector:
        return anyio.run(track, Emitter(collector.url, event_store=store_of(url)), numbers)


def sent(url: str, numbers: Sequence[int] = ()) -> list[str]:
    """Have a collector take everything that is in a store; return the ids that arrived."""
    with Micro() as micro:
        anyio.run(track, Emitter(micro.url, event_store=store_of(url)), numbers)
        return [found["event"]["event_id"] for found in micro.good()]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Name a store."""
    return f"sqlite:///{tmp_path}/events.db"


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("redis", marks=needs_redis)])
def test_what_was_refused_is_sent_after_all(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token lapses; events are refused, seen, and replayed when there is a new one."""
    url = f"sqlite:///{tmp_path}/events.db"
    if kind == "redis":
        url = f"{request.getfixturevalue('redis_server').url}?name={secrets.token_hex(8)}"
    ids = refused(url)

    listed = main([COMMAND, "list", "--store", url, "--reason", "rejected"])
    lines = capsys.readouterr().out.splitlines()
    shown = main([COMMAND, "show", "--store", url, str(ids[3])])
    letter = json.loads(capsys.readouterr().out)
    replayed = main([COMMAND, "replay", "--store", url, "--all"])
    arrived = sent(url, [99])

    assert (0, 0, 0) == (listed, shown, replayed)
    assert ids == [line.split()[4] for line in lines[1:]]
    assert all("page_view" in line and "403" in line for line in lines[1:])
    assert ("https://acme.com/3", ids[3]) == (letter["event"]["url"], letter["event"]["eid"])
    assert (COUNT + 1, True) == (len(arrived), {*ids} < {*arrived})


def test_a_file_of_refused_events_is_sent_after_all(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store in memory keeps no dead letters: `DeadLetterFile` does, and the command reads it."""
    letters = DeadLetterFile(tmp_path / "letters.jsonl")
    with Collector(answer(403)) as collector:
        emitter = Emitter(collector.url, on_failure=letters, on_drop=letters)
        ids = anyio.run(track, emitter, range(COUNT))

    replayed = main([COMMAND, "replay", "--store", url, "--file", letters.path])
    arrived = sent(url)

    assert (0, COUNT, 0) == (replayed, letters.written, letters.unwritten)
    assert f"{COUNT} events of {letters.path} will be sent\n" == capsys.readouterr().err
    assert {*ids} == {*arrived}
    assert COUNT == len(arrived)


def test_letters_move_from_one_store_to_another(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exported, purged here, and replayed there."""
    ids = refused(url)
    exported, other = tmp_path / "letters.jsonl", f"sqlite:///{tmp_path}/other.db"

    codes = [
        main([COMMAND, "export", "--store", url, str(exported)]),
        main([COMMAND, "export", "--store", url, str(exported)]),
        main([COMMAND, "purge", "--store", url, "--older-than", "1h"]),
        main([COMMAND, "purge", "--store", url, "--all"]),
        main([COMMAND, "list", "--store", url]),
        main([COMMAND, "replay", "--store", other, "--file", str(exported)]),
    ]

    assert [0, 1, 1, 0, 1, 0] == codes
    assert ids == [json.loads(line)["event"]["eid"] for line in exported.read_bytes().splitlines()]
    said = capsys.readouterr().err.splitlines()
    assert f"aiotracker dead-letters: {exported} is there already: choose another name" in said
    assert f"{COUNT} dead letters are gone for good" in said
    assert f"{COUNT} events of {exported} will be sent" in said


def test_nothing_to_export_leaves_no_file(url: str, tmp_path: Path) -> None:
    """And no reason to wonder about an empty one."""
    refused(url, [1])

    code = main([COMMAND, "export", "--store", url, "--reason", "expired", str(tmp_path / "letters.jsonl")])

    assert (1, False) == (code, (tmp_path / "letters.jsonl").exists())


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_the_command_fits_into_a_pipe(url: str, tmp_path: Path) -> None:
    """Export goes to standard output, replay reads standard input, and a reader may have had enough."""
    refused(url, range(300))
    command = [sys.executable, "-m", "aiotracker", COMMAND]
    environment = {**os.environ, "AIOTRACKER_STORE": url}

    other = {**environment, "AIOTRACKER_STORE": f"sqlite:///{tmp_path}/other.db"}
    with subprocess.Popen([*command, "export"], stdout=subprocess.PIPE, env=environment) as exporting:
        replaying = [*command, "replay", "--file", "-"]
        replayed = subprocess.run(
            replaying, stdin=exporting.stdout, env=other, capture_output=True, check=False
        )
    with closed_pipe() as pipe:
        listing = [*command, "list", "--limit", "1000"]
        ended = subprocess.run(listing, env=environment, stdout=pipe, stderr=subprocess.PIPE, check=False)

    assert (0, 0) == (exporting.returncode, replayed.returncode)
    assert b"300 events of - will be sent\n" == replayed.stderr
    assert (1, b"") == (ended.returncode, ended.stderr)


@contextmanager
def closed_pipe() -> Iterator[int]:
    """Open the end to write to of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)
