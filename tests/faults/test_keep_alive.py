"""Connections that were kept, and are not there any more when they are needed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import anyio
import pytest

from aiotracker import HealthStatus
from tests.faults.collector import Collector
from tests.faults.conftest import FaultReport
from tests.faults.programs.launch import ROOT, command
from tests.faults.rig import Rigs
from tests.faults.script import Fault, close_unanswered, reset
from tests.faults.sizes import quick_and_full
from tests.stages import STAGES, Stage

ROUNDS: Final = 4


async def test_an_idle_connection_that_was_closed_costs_nothing(
    rigs: Rigs, fault_report: FaultReport
) -> None:
    """A server may close a connection that nobody uses; the next batch takes another one."""
    collector = Collector(idle_seconds=0.02)
    rig = await rigs.build(collector)

    for _ in range(ROUNDS):
        await rig.track(10)
        await rig.tracker.flush()
        await anyio.sleep(0.08)

    stats = rig.emitter.stats()
    assert len(rig.ids) == rig.kept
    assert {} == stats.retries
    assert stats.requests <= ROUNDS + 1
    fault_report(
        "the server closes idle connections",
        reaction="notices it before it sends, and connects again",
        bound="0 lost, no backoff, at most 1 immediate retry",
        figure=f"0 lost, {stats.requests - ROUNDS} retries",
    )


@pytest.mark.parametrize("fault", [close_unanswered(), reset()], ids=["closed", "reset"])
async def test_a_kept_connection_that_dies_with_its_request_costs_one_immediate_retry(
    rigs: Rigs, fault: Fault, fault_report: FaultReport
) -> None:
    """Every request on a reused connection is sent again at once, and no backoff is taken for it."""
    rig = await rigs(fault.on_reused_connections())

    for _ in range(ROUNDS):
        await rig.track(10)
        await rig.tracker.flush()

    stats = rig.emitter.stats()
    assert len(rig.ids) == rig.kept
    assert 0 == rig.collector.duplicates
    assert {} == stats.retries
    assert HealthStatus.OK == rig.tracker.health().status
    assert 2 * ROUNDS - 1 == stats.requests  # only the first found no connection to reuse
    fault_report(
        "the server closes or resets a kept connection when it receives a request",
        reaction="sends the batch again at once, which counts as nothing",
        bound="0 lost, 0 duplicates, no backoff, 1 immediate retry each",
        figure=f"0 lost, {stats.requests - ROUNDS} retries in {ROUNDS - 1} cases",
    )


@dataclass(frozen=True)
class Freeze:
    """How long a process is frozen.

    Attributes:
        seconds: for which it is stopped.
        idle_seconds: after which the collector closes an idle connection.
    """

    seconds: float
    idle_seconds: float


@pytest.mark.in_memory("its program builds emitters of its own, and it is about connections")
@pytest.mark.skipif(sys.platform == "win32", reason="only Unix can stop a process")
@quick_and_full("freeze", Freeze(0.6, idle_seconds=0.2), Freeze(60, idle_seconds=5))
def test_a_process_that_was_frozen_loses_nothing(freeze: Freeze, fault_report: FaultReport) -> None:
    """A function instance may be stopped between two calls, while its connections are closed."""
    with ExitStack() as stack:
        collectors = {
            stage: stack.enter_context(Collector(idle_seconds=freeze.idle_seconds)) for stage in STAGES
        }
        programs = {stage: stack.enter_context(running(stage, collectors[stage].url)) for stage in STAGES}
        for program in programs.values():
            assert "warm\n" == line_of(program)
            program.send_signal(signal.SIGSTOP)
        time.sleep(freeze.seconds)
        for program in programs.values():
            say_go(program)
            program.send_signal(signal.SIGCONT)
        accounts = {stage: json.loads(line_of(program)) for stage, program in programs.items()}

        for stage, account in accounts.items():
            assert 60 == len(collectors[stage].kept_ids)
            assert 60 == account["delivered"]
            assert {} == account["retries"]
            assert account["requests"] <= account["batches"] + 1
            assert account["seconds"] < 5
            fault_report(
                "the process is frozen for 60 s while the server closes its connections",
                reaction="connects again",
                bound="0 lost, no backoff, at most 1 immediate retry",
                figure=f"0 lost, {account['requests'] - account['batches']} retries",
                stage=stage,
            )


@contextmanager
def running(stage: Stage, url: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the program that is to be frozen."""
    with subprocess.Popen(
        command("frozen", stage, url),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def line_of(program: "subprocess.Popen[str]") -> str:
    """Return the next line that a program writes."""
    assert program.stdout is not None
    return program.stdout.readline()


def say_go(program: "subprocess.Popen[str]") -> None:
    """Let a program go on, as soon as it can."""
    assert program.stdin is not None
    program.stdin.write("go\n")
    program.stdin.flush()
