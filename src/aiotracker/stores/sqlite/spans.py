"""What is leased of one kind: ranges of sequences, and what waits between and above them. Pure.

A lease is a range and not a mark on every record, so that leasing and settling rewrite no records. Invariant:
every record up to the cursor is in exactly one span, leased or free; every record above it waits. Numbers are
given out once and grow, so no new record ever falls into a span.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["HIGHEST", "Lane", "Read", "Rows", "Span"]

HIGHEST: Final = 2**63 - 1  # no sequence is larger


class Rows(NamedTuple):
    """What is known of consecutive records without their bytes.

    Attributes:
        sequences: their numbers, growing.
        put_ms: when each was put, in milliseconds since 1970.
        sizes: what each adds to the body of a request, in bytes.
    """

    sequences: Sequence[int]
    put_ms: Sequence[int]
    sizes: Sequence[int]

    def part(self, start: int, end: int) -> Rows:
        """Return some of them."""
        return Rows(self.sequences[start:end], self.put_ms[start:end], self.sizes[start:end])


@dataclass(frozen=True, slots=True)
class Span:
    """Records between two sequences.

    Attributes:
        first: number of the first one.
        last: number of the last one.
        events: how many there are.
        size_bytes: what they add to bodies.
        put_ms: when the first was put.
        holder: who leased them; empty when they wait again.
        until_ms: when the lease ends, in milliseconds since 1970.
        lease_ms: how long the holder's leases last.
    """

    first: int
    last: int
    events: int
    size_bytes: int
    put_ms: int
    holder: str = ""
    until_ms: int = 0
    lease_ms: int = 0

    @classmethod
    def over(cls, rows: Rows, holder: str = "", until_ms: int = 0, lease_ms: int = 0) -> Span:
        """Return the span of some rows."""
        return cls(
            rows.sequences[0],
            rows.sequences[-1],
            len(rows.sequences),
            sum(rows.sizes),
            rows.put_ms[0],
            holder,
            until_ms,
            lease_ms,
        )

    def freed(self) -> Span:
        """Return it as one that waits again."""
        return replace(self, holder="", until_ms=0, lease_ms=0)


class Read:
    """How to read rows between two sequences; at most so many."""

    def __init__(self, rows: Callable[[int, int, int], Rows]) -> None:
        """Wrap a function of first, last and limit."""
        self._rows = rows

    def all(self, first: int, last: int) -> Rows:
        """Return every row in between."""
        return self._rows(first, last, HIGHEST)

    def next_after(self, sequence: int) -> tuple[int, int] | None:
        """Return number and time of the first row above a sequence."""
        rows = self._rows(sequence + 1, HIGHEST, 1)
        return (rows.sequences[0], rows.put_ms[0]) if rows.sequences else None


class Lane:
    """The records of one kind, as one transaction sees and changes them."""

    def __init__(
        self,
        events: int = 0,
        size_bytes: int = 0,
        cursor: int = 0,
        head: tuple[int, int] | None = None,
        spans: Iterable[Span] = (),
    ) -> None:
        """Describe what is stored.

        Args:
            events: records, leased ones included.
            size_bytes: what they add to bodies, likewise.
            cursor: up to where every record is in a span.
            head: number and time of the first record above the cursor.
            spans: in their order.
        """
        self.events: int = events
        self.size_bytes: int = size_bytes
        self.cursor: int = cursor
        self.head = head
        self.spans: list[Span] = list(spans)

    # -- what it says of itself -----------------------------------------------------------------------

    @property
    def leased_events(self) -> int:
        """Records that are leased, by whomever."""
        return sum([span.events for span in self.spans if span.holder])

    @property
    def waiting_events(self) -> int:
        """Records that can be leased."""
        return self.events - self.leased_events

    @property
    def waiting_bytes(self) -> int:
        """What those add to bodies."""
        return self.size_bytes - sum([span.size_bytes for span in self.spans if span.holder])

    def held_by(self, holder: str) -> int:
        """Return how many records somebody has leased."""
        return sum([span.events for span in self.spans if span.holder == holder])

    def oldest_waiting(self) -> tuple[int, int] | None:
        """Return number and time of the oldest record that can be leased."""
        for span in self.spans:
            if not span.holder:
                return span.first, span.put_ms
        return self.head

    def first_sequence(self) -> int | None:
        """Return the number of the oldest record, leased ones included."""
        if self.spans:
            return self.spans[0].first
        return None if self.head is None else self.head[0]

    # -- time -----------------------------------------------------------------------------------------

    def expire(self, now_ms: int, holder: str) -> bool:
        """Free what others leased and neither settled nor renewed; return whether anything changed.

        A lease that ends later than it can was made before the clock was set back: it begins anew, so that
        a jump locks no record away for long. The caller's own leases never expire: he is alive.
        """
        changed = False
        for index, span in enumerate(self.spans):
            if not span.holder or span.holder == holder:
                continue
            if span.until_ms <= now_ms:
                self.spans[index] = span.freed()
                changed = True
            elif span.until_ms > now_ms + span.lease_ms:
                self.spans[index] = replace(span, until_ms=now_ms + span.lease_ms)
                changed = True
        if changed:
            self._tidy()
        return changed

    def renew(self, holder: str, now_ms: int) -> bool:
        """Let the leases of a holder begin anew; return whether there are any."""
        self.spans = [
            replace(span, until_ms=now_ms + span.lease_ms) if span.holder == holder else span
            for span in self.spans
        ]
        return any(span.holder == holder for span in self.spans)

    def expires_at(self, holder: str) -> int | None:
        """Return when the first lease of others ends, in milliseconds since 1970."""
        return min([span.until_ms for span in self.spans if span.holder not in ("", holder)], default=None)

    # -- changes --------------------------------------------------------------------------------------

    def append(self, rows: Rows) -> None:
        """Note new records, which come last."""
        self.events += len(rows.sequences)
        self.size_bytes += sum(rows.sizes)
        if self.head is None:
            self.head = (rows.sequences[0], rows.put_ms[0])

    def source(self) -> tuple[int, int]:
        """Return between which sequences the oldest records wait that can be leased together."""
        for span in self.spans:
            if not span.holder:
                return span.first, span.last
        return self.cursor + 1, HIGHEST

    def take(self, rows: Rows, count: int, holder: str, until_ms: int, lease_ms: int) -> None:
        """Lease records to a holder.

        Args:
            rows: the first ones of `source()`, and the one after those that are taken if there is one.
            count: how many are taken.
            holder: who takes them.
            until_ms: when the lease ends.
            lease_ms: how long it lasts.
        """
        taken = Span.over(rows.part(0, count), holder, until_ms, lease_ms)
        following = (rows.sequences[count], rows.put_ms[count]) if len(rows.sequences) > count else None
        for index, span in enumerate(self.spans):
            if span.holder:
                continue
            rest = [] if following is None else [_without(span, taken, following)]
            self.spans[index : index + 1] = [taken, *rest]
            return
        self.spans.append(taken)
        self.cursor = taken.last
        self.head = following

    def has(self, first: int, last: int, events: int) -> bool:
        """Tell whether a span is exactly these records, so that nothing needs to be read."""
        return any(span.first == first and span.last == last and span.events == events for span in self.spans)

    def cut(self, first: int, last: int, read: Read) -> None:
        """Let spans begin and end where a range of records does."""
        if last > self.cursor:
            rows = read.all(self.cursor + 1, last)
            self.cursor = last
            self.head = read.next_after(last)
            if rows.sequences:
                self.spans.append(Span.over(rows))
        pieces: list[Span] = []
        for span in self.spans:
            if span.last < first or last < span.first or (first <= span.first and span.last <= last):
                pieces.append(span)
                continue
            rows = read.all(span.first, span.last)
            before = len([number for number in rows.sequences if number < first])
            until = len([number for number in rows.sequences if number <= last])
            pieces += [
                Span.over(rows.part(start, end), span.holder, span.until_ms, span.lease_ms)
                for start, end in ((0, before), (before, until), (until, len(rows.sequences)))
                if start < end
            ]
        self.spans = pieces

    def remove(self, first: int, last: int) -> int:
        """Forget the spans of a range, which was cut; return how many records they had."""
        gone = [span for span in self.spans if first <= span.first and span.last <= last]
        self.spans = [span for span in self.spans if span not in gone]
        events = sum([span.events for span in gone])
        self.events -= events
        self.size_bytes -= sum([span.size_bytes for span in gone])
        self._tidy()
        return events

    def free(self, first: int, last: int, holder: str) -> int:
        """Take back what a holder leased of a range, which was cut; return how many records it was."""
        count = 0
        for index, span in enumerate(self.spans):
            if span.holder == holder and first <= span.first and span.last <= last:
                self.spans[index] = span.freed()
                count += span.events
        self._tidy()
        return count

    def _tidy(self) -> None:
        """Join free spans that stand side by side; those at the end are above the cursor again."""
        joined: list[Span] = []
        for span in self.spans:
            if joined and not span.holder and not joined[-1].holder:
                joined[-1] = replace(
                    joined[-1],
                    last=span.last,
                    events=joined[-1].events + span.events,
                    size_bytes=joined[-1].size_bytes + span.size_bytes,
                )
            else:
                joined.append(span)
        if joined and not joined[-1].holder:
            span = joined.pop()
            self.cursor = span.first - 1
            self.head = (span.first, span.put_ms)
        self.spans = joined


def _without(span: Span, taken: Span, following: tuple[int, int]) -> Span:
    """Return what is left of a free span when its first records were taken."""
    return replace(
        span,
        first=following[0],
        events=span.events - taken.events,
        size_bytes=span.size_bytes - taken.size_bytes,
        put_ms=following[1],
    )
