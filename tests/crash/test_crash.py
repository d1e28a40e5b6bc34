"""A round of the crash session on each store, in every run; `nox -s crash` plays hundreds."""

import random
import sys
from pathlib import Path

import pytest

from tests.crash.__main__ import session
from tests.fakes.redis_server import PROGRAM
from tests.places import KINDS

ROUNDS = 1


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_committed_survives_kill_9(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Services and relays are killed at random moments: nothing is lost, every store ends whole and empty."""
    if kind == "redis" and PROGRAM is None:
        pytest.skip("redis-server is not installed")
    seed = random.randrange(10**6)

    tally = session(kind, seed, ROUNDS, tmp_path)

    told = f"python -m tests.crash --store {kind} --seed {seed}\n{capsys.readouterr().out}"
    assert [] == tally.sum.complaints, told
    assert ROUNDS == tally.rounds
