"""A tracker in a web application, under the servers that people use: nothing is mixed up, nothing is lost."""

from pathlib import Path

import pytest

from aiotracker.micro import Micro
from tests.faults.collector import Collector
from tests.faults.script import hang
from tests.servers.load import mixed, play
from tests.servers.matrix import Program, Server, pairs
from tests.servers.process import running

ANSWERS = 10_000  # under each server
CLOSE_SECONDS = 5.0
MORE_SECONDS = 1.0  # for the process around it

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


@pytest.mark.parametrize(("server", "program"), pairs())
def test_nothing_is_mixed_up_and_nothing_is_lost(server: Server, program: Program, tmp_path: Path) -> None:
    """50 visitors at once, SIGTERM under their load: each answered event is there, with its own visitor."""
    with Micro() as micro, running(server, program, micro.url, tmp_path / "log") as process:
        load = play(process.url, program.kinds, answers=ANSWERS, terminate=process.terminate)
        ended = process.end()
        summary = micro.all()
        arrived = micro.event_ids()
        events = [found["event"] for found in micro.good()]

    of_visitors = {
        event["event_id"]: event["se_action"] for event in events if event["se_category"] == "visit"
    }
    print(
        f"{server.name}-{program.name}: {len(load.answers)} answers, {load.unanswered} requests without one, "
        f"{len(events)} events, ended {ended.stopping_seconds:.2f} s after it began to stop"
    )
    assert ended.code in server.codes, ended.log
    assert set() == load.answers.keys() - arrived, ended.log
    assert load.answers == {event_id: of_visitors[event_id] for event_id in load.answers}
    assert [] == mixed(events)
    assert {"total": len(arrived), "good": len(arrived), "bad": 0} == summary
    assert (server.workers, set()) == (len(ended.last_ids), set(ended.last_ids) - arrived), ended.log
    assert [] == load.statuses, ended.log
    assert "Traceback" not in ended.log, ended.log


@pytest.mark.parametrize(("server", "program"), pairs())
def test_a_collector_that_hangs_does_not_hold_up_the_end(
    server: Server, program: Program, tmp_path: Path
) -> None:
    """From the moment when the application begins to stop, the process has 5 seconds, and one for itself."""
    with (
        Collector(hang()) as collector,
        running(server, program, collector.url, tmp_path / "log") as process,
    ):
        load = play(process.url, program.kinds, answers=200, terminate=process.terminate)
        ended = process.end()

    print(f"{server.name}-{program.name}: ended {ended.stopping_seconds:.2f} s after it began to stop")
    assert 200 <= len(load.answers)
    assert (server.workers, True) == (len(ended.last_ids), ended.code in server.codes), ended.log
    assert ended.stopping_seconds <= CLOSE_SECONDS + MORE_SECONDS, ended.log
