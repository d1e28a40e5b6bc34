"""What became of the events that a flush, a close or a probe was about."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiotracker.policy.reasons import DropReason

__all__ = ["DeliveryReport", "Health", "HealthStatus"]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of the events that were accepted before `flush()` or `aclose()` was called.

    Attributes:
        delivered: events that arrived while it waited.
        dropped: events that were given up while it waited, by reason.
        remaining: events that are still queued or being sent.
    """

    delivered: int = 0
    dropped: Mapping[DropReason, int] = field(default_factory=lambda: MappingProxyType({}))
    remaining: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every event arrived."""
        return not self.remaining and not sum(self.dropped.values())

    @classmethod
    def total(cls, reports: Iterable[DeliveryReport]) -> DeliveryReport:
        """Return the sums of several emitters' reports."""
        parts = list(reports)
        dropped: Counter[DropReason] = Counter()
        for part in parts:
            dropped.update(part.dropped)
        return cls(
            sum(part.delivered for part in parts),
            MappingProxyType(dict(dropped)),
            sum(part.remaining for part in parts),
        )


class HealthStatus(StrEnum):
    """How delivery fares, the worst last."""

    OK = "ok"
    DEGRADED = "degraded"  # the circuit is open: the collector is away, events are kept
    FAILING = "failing"  # the engine keeps crashing: a defect, events are kept


@dataclass(frozen=True, slots=True)
class Health:
    """How delivery fares now.

    Attributes:
        status: in one word.
        details: per collector URL that is not well, why.
    """

    status: HealthStatus
    details: Mapping[str, str]

    @classmethod
    def worst(cls, parts: Iterable[Health]) -> Health:
        """Return the health of several emitters: the worst status, all details."""
        order = list(HealthStatus)
        found = list(parts)
        status = max((part.status for part in found), key=order.index, default=HealthStatus.OK)
        details = {url: why for part in found for url, why in part.details.items()}
        return cls(status, MappingProxyType(details))
