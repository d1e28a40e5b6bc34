"""An event that spoils its batch."""

import math

from tests.faults.conftest import FaultReport
from tests.faults.rig import Rigs
from tests.faults.script import answer


async def test_one_poison_event_costs_one_event(rigs: Rigs, fault_report: FaultReport) -> None:
    """400 for the batch that holds it: 399 of 400 arrive, in 2·⌈log2 n⌉ extra requests at most."""
    rig = await rigs()
    ids = await rig.track(137)
    poison = ids[-1]
    rig.collector.plays(answer(400).holding(poison))
    await rig.track(263)

    await rig.settled()

    extra = len(rig.collector.seen) - 1
    assert set(rig.ids) - {poison} == rig.collector.kept_ids
    assert {"rejected": 1} == rig.emitter.stats().dropped
    assert 400 == len(rig.collector.seen[0].event_ids)
    assert extra <= 2 * math.ceil(math.log2(400))
    assert 0 == rig.collector.duplicates
    [failure] = rig.told("failure")
    assert (poison,) == failure.event_ids
    assert ("rejected", "status 400") == (failure.reason, failure.detail)
    fault_report(
        "400 for every batch that holds one event of 400",
        reaction="halves the batch until the event stands alone, drops it as `rejected`",
        bound="399 delivered, at most 2·⌈log₂ n⌉ = 18 extra requests",
        figure=f"{rig.kept}, {extra} extra requests",
    )


async def test_a_gateway_that_answers_400_to_everything_is_not_asked_for_every_event(
    rigs: Rigs, fault_report: FaultReport
) -> None:
    """The search for a bad event has a budget, and is not repeated before something arrives."""
    rig = await rigs(answer(400), batch_size=100)

    await rig.track(1_000)
    await rig.settled()

    assert {"rejected": 1_000} == rig.emitter.stats().dropped
    budget = 4 * math.ceil(math.log2(100))
    assert len(rig.collector.seen) <= 10 + 4 * budget  # four senders may begin to search at once
    fault_report(
        "400 to everything",
        reaction="gives up the search after 4·⌈log₂ n⌉ requests, drops the batches as `rejected`",
        bound="1,000 events in 10 batches: no request per event",
        figure=f"{len(rig.collector.seen)} requests",
    )
