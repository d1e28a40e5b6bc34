"""Programs that a signal ends: the first in order, the second at once, on every loop."""

import signal
import sys

import pytest

from tests.faults.collector import Collector
from tests.faults.script import hang
from tests.life.processes import Program
from tests.stages import Stage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")

INT, TERM = signal.SIGINT, signal.SIGTERM
FULL = pytest.mark.faults


@pytest.mark.parametrize(
    ("stage", "shape", "number"),
    [
        ("httpx-asyncio", "around", TERM),
        pytest.param("httpx-asyncio", "inside", INT, marks=FULL),
        ("httpx-uvloop", "inside", INT),
        pytest.param("httpx-uvloop", "around", TERM, marks=FULL),
        ("httpx-trio", "inside", TERM),
        pytest.param("httpx-trio", "around", INT, marks=FULL),
    ],
)
def test_the_first_signal_ends_a_program_in_order(
    collector: Collector, stage: str, shape: str, number: signal.Signals
) -> None:
    """What was tracked until then and on the way out is delivered, and the program ends as by itself."""
    program = Program("shutdown", Stage.named(stage), collector.url, shape)
    program.wait_for("ready")

    program.send(number)
    ended = program.end()

    assert (0, "") == (ended.code, ended.err)
    assert ["cancelled", f"ended by {number.name}"] == ended.out.splitlines()[:2]
    assert 251 == len(collector.kept_ids)


@pytest.mark.parametrize(
    ("stage", "shape", "first", "second"),
    [
        ("httpx-asyncio", "around", TERM, TERM),
        ("httpx-uvloop", "stuck", INT, INT),
        pytest.param("httpx-asyncio", "stuck", TERM, INT, marks=FULL),
        pytest.param("httpx-uvloop", "around", INT, TERM, marks=FULL),
        pytest.param("httpx-trio", "around", INT, INT, marks=FULL),
        pytest.param("httpx-trio", "inside", TERM, INT, marks=FULL),
        pytest.param("httpx-trio", "stuck", TERM, TERM, marks=FULL),
    ],
)
def test_the_second_signal_ends_a_program_at_once(
    stage: str, shape: str, first: signal.Signals, second: signal.Signals
) -> None:
    """Also one that waits for a collector that hangs, and one whose loop stands still."""
    with Collector(hang()) as collector:
        program = Program("shutdown", Stage.named(stage), collector.url, shape)
        program.wait_for("ready")

        program.send(first)
        program.wait_for("handled" if shape == "stuck" else "cancelled")  # and now it closes its tracker
        program.send(second)
        ended = program.end()

    assert -second == ended.code
    assert "leaving" not in ended.out
