"""Whether what arrived is what the workload says: all contenders must send the same. Pure."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from benchmarks.speed.workloads import expected_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["differences"]

OWN: Final = {"eid", "dtm", "stm", "tv"}  # differ from run to run, or from tracker to tracker
ENCODED: Final = {"ue_px": "ue_pr", "cx": "co"}
JSON_KEYS: Final = {"ue_pr", "co"}
SAMPLES: Final = 5  # payloads of a body that are looked at


def differences(body: str, workload: str, numbers: Sequence[int]) -> list[str]:
    """Return the wire names whose values are not those of the workload, sorted.

    Args:
        body: of a POST to a Snowplow collector.
        workload: the workload that was played.
        numbers: of the events that may be in the body.
    """
    expected = [_normal(expected_payload(workload, number)) for number in numbers]
    found: set[str] = set()
    for payload in json.loads(body)["data"][:SAMPLES]:
        sent = _normal(payload)
        found |= min((_differing(sent, one) for one in expected), key=len)
    return sorted(found)


def _differing(sent: Mapping[str, Any], expected: Mapping[str, Any]) -> set[str]:  # Any: JSON
    return {key for key in sent.keys() | expected.keys() if sent.get(key) != expected.get(key)}


def _normal(payload: Mapping[str, str]) -> dict[str, Any]:  # Any: JSON
    normal: dict[str, Any] = {}
    for name, text in payload.items():
        key, value = name, text
        if name in ENCODED:
            key, value = ENCODED[name], _decoded(text)
        if key in JSON_KEYS:
            normal[key] = json.loads(value)["data"]  # the envelope's version is the tracker's choice
        elif key not in OWN:
            normal[key] = value
    return normal


def _decoded(text: str) -> str:
    padded = text + "=" * (-len(text) % 4)
    return base64.b64decode(padded.replace("-", "+").replace("_", "/")).decode()
