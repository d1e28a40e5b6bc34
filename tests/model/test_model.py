"""Random programs against a model: whatever happens in whichever order, every event is accounted for."""

import os

from hypothesis import given, settings

from tests.model.steps import Step, emitters, programs
from tests.model.world import World

EXAMPLES = int(os.environ.get("AIOTRACKER_MODEL_EXAMPLES", "170"))  # per loop; `nox -s model` asks for more


@settings(max_examples=EXAMPLES)
@given(emitters(), programs)
async def test_every_event_is_accounted_for(emitter: dict[str, object], program: list[Step]) -> None:
    """Accounts, order, limits, deadlines and callbacks agree after every step of a random program."""
    world = World(emitter)

    await world.play(program)

    assert world.accepted <= set(world.fates)
