"""Contenders are compared by what they send: it has to be the same."""

import base64
import json

import pytest

from benchmarks.speed.content import differences
from benchmarks.speed.workloads import WORKLOADS, expected_payload

NUMBERS = range(100, 120)
OWN = {"eid": "11111111-2222-4333-8444-555555555555", "dtm": "1", "stm": "2", "tv": "x-1"}


def body(*payloads: dict[str, str]) -> str:
    """Return a body as it arrives."""
    return json.dumps({"schema": "…", "data": [payload | OWN for payload in payloads]})


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_workload_itself_does_not_differ(workload: str) -> None:
    """Ids, times and the tracker's version are its own; all else is the same."""
    sent = body(expected_payload(workload, 107), expected_payload(workload, 103))

    assert [] == differences(sent, workload, NUMBERS)


def test_base64_does_not_differ() -> None:
    """Encoded data is decoded first."""
    payload = expected_payload("self_describing_1", 100)
    payload["ue_px"] = base64.urlsafe_b64encode(payload.pop("ue_pr").encode()).decode()
    payload["cx"] = base64.b64encode(payload.pop("co").encode()).decode().rstrip("=")

    assert [] == differences(body(payload), "self_describing_1", NUMBERS)


def test_another_value_and_a_missing_one_differ() -> None:
    """The names of all that differs are told."""
    payload = expected_payload("page_view", 100) | {"ip": "203.0.113.0"}
    del payload["uid"]

    assert ["ip", "uid"] == differences(body(payload), "page_view", NUMBERS)
