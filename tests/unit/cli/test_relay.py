"""How `aiotracker relay` reads arguments and environment, and what it says when they make no sense."""

import argparse
import sys
from pathlib import Path

import pytest

from aiotracker.cli import main
from aiotracker.cli.command import _parser

COLLECTOR = "https://collector.acme.com"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what this machine has set out of it."""
    for name in ("AIOTRACKER_STORE", "AIOTRACKER_COLLECTOR", "AIOTRACKER_HEADERS"):
        monkeypatch.delenv(name, raising=False)


def parsed(*arguments: str) -> argparse.Namespace:
    """Read the arguments of a relay."""
    return _parser().parse_args(["relay", *arguments])


def test_the_defaults_are_those_of_an_emitter() -> None:
    """What is not said is decided where it is decided for all."""
    arguments = parsed()

    assert (4, None, None, "post", 10.0, None) == (
        arguments.concurrency,
        arguments.batch_size,
        arguments.byte_limit,
        arguments.method,
        arguments.request_timeout,
        arguments.max_age,
    )
    assert (False, 0.0, 5.0) == (arguments.until_empty, arguments.drain, arguments.stop_timeout)
    assert ("asyncio", "httpx") == (arguments.loop, arguments.transport)


def test_a_header_ends_its_name_at_the_first_equals_sign() -> None:
    """Values may have more of them, as base64 has."""
    arguments = parsed("--header", "X-Api-Key=a=b==", "--header", "X-Empty=")

    assert [("X-Api-Key", "a=b=="), ("X-Empty", "")] == arguments.headers


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--header", "X-Api-Key"], "must be NAME=VALUE"),
        (["--stop-timeout", "-1"], "must be a number of seconds, not '-1'"),
        (["--stop-timeout", "inf"], "must be a number of seconds, not 'inf'"),
        (["--drain", "soon"], "must be a number of seconds, not 'soon'"),
        (["--progress-interval", "0"], "must be above 0"),
        (["--method", "put"], "invalid choice"),
        (["--loop", "gevent"], "invalid choice"),
        (["--batch-size", "many"], "invalid int value"),
    ],
)
def test_a_senseless_argument_is_explained(
    options: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments are checked before anything starts."""
    with pytest.raises(SystemExit) as ended:
        main(["relay", *options])

    assert 2 == ended.value.code
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "give --store URL, or set AIOTRACKER_STORE"),
        (["--store", "sqlite:///e.db"], "give --collector URL, or set AIOTRACKER_COLLECTOR"),
        (
            ["--store", "sqlite:///e.db", "--collector", "ftp://c.acme.com"],
            "a collector speaks http or https",
        ),
        (["--store", "memory://", "--collector", COLLECTOR], "memory"),
        (["--store", "mysql://db/events", "--collector", COLLECTOR], "mysql"),
        (["--store", "events.db", "--collector", COLLECTOR], "sqlite:///"),
        (["--store", "sqlite:///e.db", "--collector", COLLECTOR, "--concurrency", "0"], "concurrency=0"),
        (["--store", "sqlite:///e.db", "--collector", COLLECTOR, "--lease-seconds", "0"], "lease_seconds=0"),
        (
            ["--store", "sqlite:///e.db", "--collector", COLLECTOR, "--byte-limit", "950000"],
            "byte_limit=950000",
        ),
        (["--store", "sqlite:///e.db", "--collector", COLLECTOR, "--header", "Cookie=x"], "Cookie"),
        (
            [
                "--store",
                "sqlite:///e.db",
                "--collector",
                COLLECTOR,
                "--loop",
                "trio",
                "--transport",
                "aiohttp",
            ],
            "knows asyncio and uvloop only",
        ),
        (["--store", "redis://h/0", "--collector", COLLECTOR, "--loop", "trio"], "is not for Redis"),
        (
            ["--store", "redis://:made-up@h/0?nonsense=1&lease_seconds=x", "--collector", COLLECTOR],
            "lease_seconds",
        ),
    ],
)
def test_what_can_never_work_ends_the_command_in_one_line(
    options: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exit code is that of wrong arguments: starting it again would not help."""
    monkeypatch.chdir(tmp_path)

    code = main(["relay", *options])

    _, errors = capsys.readouterr()
    assert (2, 1) == (code, errors.count("\n"))
    assert errors.startswith("aiotracker relay: ")
    assert expected in errors
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("missing", "options", "expected"),
    [
        ("uvloop", ["--loop", "uvloop"], "pip install uvloop"),
        ("trio", ["--loop", "trio"], "pip install 'aiotracker[trio]'"),
        ("aiohttp", ["--transport", "aiohttp"], "pip install 'aiotracker[aiohttp]'"),
        ("redis", ["--store", "redis://127.0.0.1/0"], "pip install 'aiotracker[redis]'"),
    ],
)
def test_what_is_not_installed_is_named(
    missing: str,
    options: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what to do about it."""
    monkeypatch.setitem(sys.modules, missing, None)  # as Python has it for "not there"

    code = main(["relay", "--store", "sqlite:///e.db", "--collector", COLLECTOR, *options])

    assert 2 == code
    assert expected in capsys.readouterr().err


def test_headers_of_the_environment_are_checked_without_being_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are there because they are secret."""
    monkeypatch.setenv("AIOTRACKER_STORE", "sqlite:///e.db")
    monkeypatch.setenv("AIOTRACKER_COLLECTOR", COLLECTOR)
    monkeypatch.setenv("AIOTRACKER_HEADERS", "made-up-secret")

    code = main(["relay"])

    errors = capsys.readouterr().err
    assert 2 == code
    assert "AIOTRACKER_HEADERS" in errors
    assert "made-up-secret" not in errors
