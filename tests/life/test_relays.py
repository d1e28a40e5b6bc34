"""Relays and services that are killed again and again: what was safe arrives."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aiotracker.micro import Micro
from tests.end_to_end.test_relay import ROOT, arrived, relaying

ROUNDS = 12
EVENTS = 3_000  # of one round
BATCH, CONCURRENCY = 20, 4
LEASE = ("--lease-seconds", "1")


@pytest.mark.faults
@pytest.mark.timeout(180)
def test_relays_and_services_that_are_killed_lose_nothing_that_was_safe(tmp_path: Path) -> None:
    """Every id that a service got back before it was killed arrives, a few of them twice."""
    store = f"sqlite:///{tmp_path}/events.db"
    service = [sys.executable, "-m", "tests.end_to_end.storing", store, str(EVENTS), "--slowly"]
    slowly = ("--batch-size", str(BATCH), "--concurrency", str(CONCURRENCY), *LEASE)
    ids: list[str] = []

    with Micro() as micro:
        for number in range(ROUNDS):
            with relaying(store, micro.url, *slowly, log=tmp_path / f"{number}") as relay:
                shop = subprocess.Popen(service, cwd=ROOT, stdout=subprocess.PIPE, text=True)
                time.sleep(random.uniform(0.8, 2.0))
                shop.kill()
                time.sleep(random.uniform(0.0, 0.3))
                relay.end(signal.SIGKILL)
                printed, _ = shop.communicate()
                ids += printed.split("\n")[:-1]  # the last line may be half of one
        with relaying(store, micro.url, "--until-empty", *LEASE, log=tmp_path / "last") as relay:
            code = relay.end()
        received = arrived(micro)

    assert 0 == code
    assert len(ids) > 1_000
    assert set() == set(ids) - set(received)
    assert len(received) - len(set(received)) <= ROUNDS * BATCH * CONCURRENCY
