"""Our contender and the limit that it is compared with make what the workloads say."""

import json

import pytest

from benchmarks.speed.contenders.limits import common_pairs, payload_of
from benchmarks.speed.contenders.ours import events_of, tracker_of
from benchmarks.speed.content import differences
from benchmarks.speed.workloads import WORKLOADS
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport

NUMBERS = range(100, 110)
"""All kinds of events that a mix has."""


def body(payloads: object) -> str:
    """Return a body with these payloads."""
    return json.dumps({"schema": "…", "data": payloads})


@pytest.mark.parametrize("workload", WORKLOADS)
async def test_our_contender_sends_what_the_workload_says(workload: str) -> None:
    """Its tracker has the subject where the workload wants that, and nowhere else."""
    transport = FakeTransport(FakeClock())
    build = events_of(workload)

    async with tracker_of({"workload": workload, "settings": {}}, transport=transport) as tracker:
        for number in NUMBERS:
            await tracker.track(build(number))
        await tracker.flush()

    sent = [event for request in transport.sent for event in request.events]
    assert len(NUMBERS) == len(sent)
    assert [[]] * len(NUMBERS) == [
        differences(body([event]), workload, [number]) for number, event in zip(NUMBERS, sent, strict=True)
    ]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_limit_makes_what_the_workload_says(workload: str) -> None:
    """A limit that left something out would be no limit."""
    build, common = events_of(workload), common_pairs(workload)

    made = [payload_of(build(number), "id", "1", common) for number in NUMBERS]

    assert [[]] * len(NUMBERS) == [
        differences(body([payload]), workload, [number])
        for number, payload in zip(NUMBERS, made, strict=True)
    ]
