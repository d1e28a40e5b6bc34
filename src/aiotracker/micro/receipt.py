"""What is kept of one collected request: the request, and how each of its events fared.

Everything that Micro shows is worked out again from here when it is asked for, so that a burst
costs the bytes of its bodies and little else. Invariant: reading a receipt twice shows the same,
for what is not in the request (generated event ids, the time) is in the receipt.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiotracker.micro.enriched import Enriched, enrich, shared_columns
from aiotracker.micro.payload import CollectorPayload, FailedRequest, Parameters, raw_events
from aiotracker.micro.record_size import Oversize
from aiotracker.protocol import fields

__all__ = ["EVENT_ID_BYTES", "Receipt", "ShownEvent", "events", "receive"]

EVENT_ID_BYTES: Final = 16
OVERHEAD_BYTES: Final = 1_000  # of the objects and texts around a body, as measured
_NO_ID: Final = bytes(EVENT_ID_BYTES)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request and its verdicts.

    Attributes:
        record: the request, or what is left of an oversize one.
        event_ids: `EVENT_ID_BYTES` for each raw event, in order; zeros for one that cannot be read;
            empty when the request failed as a whole.
        failed: positions of the events that are not good.
    """

    record: CollectorPayload | Oversize
    event_ids: bytes
    failed: tuple[int, ...]

    @property
    def good(self) -> int:
        """Number of good events."""
        return len(self.event_ids) // EVENT_ID_BYTES - len(self.failed)

    @property
    def bad(self) -> int:
        """Number of bad entries: one per failed event, one for a request that failed as a whole."""
        return len(self.failed) if self.event_ids else 1

    @property
    def size_bytes(self) -> int:
        """Roughly the memory that this takes."""
        record = self.record
        if isinstance(record, Oversize):
            return OVERHEAD_BYTES + len(record.head)
        return OVERHEAD_BYTES + len(self.event_ids) + len(record.query) + len(record.body or b"")

    def good_ids(self) -> Iterator[bytes]:
        """Yield the id of each good event, `EVENT_ID_BYTES` long."""
        for n in range(len(self.event_ids) // EVENT_ID_BYTES):
            if n not in self.failed:
                yield self.event_ids[n * EVENT_ID_BYTES : (n + 1) * EVENT_ID_BYTES]


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """One raw event and what became of it."""

    payload: CollectorPayload
    parameters: Parameters
    enriched: Enriched


def receive(record: CollectorPayload | Oversize, new_id: Callable[[], UUID]) -> Receipt:
    """Check every event of a request and note what came of it.

    Args:
        record: what the collector passed on.
        new_id: called for each event that brings no id.
    """
    opened = _opened(record)
    if opened is None:
        return Receipt(record, b"", ())
    payload, raw = opened
    shared = shared_columns(payload)
    ids = bytearray()
    failed: list[int] = []
    for n, parameters in enumerate(raw):
        generated = "" if parameters.get(fields.EVENT_ID.key) is not None else str(new_id())
        enriched = enrich(parameters, payload, shared, generated)
        event_id = enriched.columns.get("event_id")
        ids += bytes.fromhex(str(event_id).replace("-", "")) if event_id is not None else _NO_ID
        if enriched.failure is not None:
            failed.append(n)
    return Receipt(record, bytes(ids), tuple(failed))


def events(receipt: Receipt, *, good: bool) -> Iterator[ShownEvent]:
    """Yield the good or the failed events of a request, last one first."""
    has_any = receipt.good if good else receipt.failed
    opened = _opened(receipt.record) if has_any else None
    if opened is None:
        return
    payload, raw = opened
    shared = shared_columns(payload)
    for n in reversed(range(len(raw))):
        if (n not in receipt.failed) is good:
            stored = UUID(bytes=receipt.event_ids[n * EVENT_ID_BYTES : (n + 1) * EVENT_ID_BYTES])
            yield ShownEvent(payload, raw[n], enrich(raw[n], payload, shared, str(stored)))


def _opened(
    record: CollectorPayload | Oversize,
) -> tuple[CollectorPayload, Sequence[Parameters]] | None:
    if isinstance(record, Oversize):
        return None
    raw = raw_events(record)
    return None if isinstance(raw, FailedRequest) else (record, raw)
