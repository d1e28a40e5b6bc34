"""The command as a user has it: in a process of its own, with signals, ports and missing extras."""

import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aiotracker import __version__

DEADLINE = 30.0  # for what takes a second on an idle machine
AIOTRACKER = [sys.executable, "-m", "aiotracker"]


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)


def ran_without(missing: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `aiotracker` where some modules are not installed."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing}))\n"
        f"from aiotracker.cli import main; sys.exit(main({list(arguments)}))"
    )
    return ran(sys.executable, "-c", code)


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command that is killed when it is still there at the deadline, or at the end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = threading.Timer(DEADLINE, process.kill)
    deadline.start()
    try:
        yield process
    finally:
        deadline.cancel()
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str], start: str) -> str:
    """Return the first line of the output that starts so, without its end."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return line.strip()
    pytest.fail(f"ended without a line that starts with {start!r}")


def test_help_names_every_command_without_any_extra() -> None:
    """Whoever installed nothing but the tracker can ask what there is."""
    result = ran_without(["rich", "starlette", "uvicorn", "trio", "uvloop", "aiohttp"], "--help")

    assert (0, "") == (result.returncode, result.stderr)
    assert "demo" in result.stdout
    assert "micro" in result.stdout


def test_version_is_that_of_the_package() -> None:
    """`--version` says name and version, and nothing else."""
    result = ran(*AIOTRACKER, "--version")

    assert (0, f"aiotracker {__version__}\n", "") == (result.returncode, result.stdout, result.stderr)


@pytest.mark.parametrize(
    ("command", "missing", "named"),
    [
        ("demo", ["rich"], "rich"),
        ("demo", ["rich", "starlette", "uvicorn"], "rich, starlette, uvicorn"),
        ("micro", ["starlette"], "starlette"),
        ("micro", ["uvicorn"], "uvicorn"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(command: str, missing: list[str], named: str) -> None:
    """A command without its extra says what to install, and shows no traceback."""
    result = ran_without(missing, command)

    assert (2, "") == (result.returncode, result.stdout)
    assert f"aiotracker {command} needs {named}: pip install 'aiotracker[cli,micro]'\n" == result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_micro_serves_until_a_signal_ends_it(number: signal.Signals) -> None:
    """`aiotracker micro` announces its address, answers there, and ends in order."""
    with started(*AIOTRACKER, "micro", "--port", "0") as process:
        url = line_of(process, "aiotracker micro listening on ").split()[-1]
        with urllib.request.urlopen(f"{url}/micro/all", timeout=DEADLINE) as response:
            shown = response.read()

        process.send_signal(number)
        _, errors = process.communicate(timeout=DEADLINE)

    assert b'{"total": 0, "good": 0, "bad": 0}' == shown
    assert (0, "") == (process.returncode, errors)


def test_micro_says_that_its_port_is_in_use() -> None:
    """A port that another program has is an error in one line."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        result = ran(*AIOTRACKER, "micro", "--port", str(port))

    assert 1 == result.returncode
    assert 1 == result.stderr.count("\n")
    assert f"127.0.0.1:{port}" in result.stderr


def test_ctrl_c_ends_the_demo_and_its_collector() -> None:
    """An interrupted demo says so, and leaves no process behind."""
    with started(*AIOTRACKER, "demo", "--events", "300000") as process:
        url = line_of(process, "A collector listens on ").split()[4].strip(",")
        line_of(process, "Burst: ")

        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE)

    assert (130, "aiotracker demo: interrupted\n") == (process.returncode, errors)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=DEADLINE)
