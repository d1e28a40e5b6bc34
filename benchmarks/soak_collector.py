"""The other side of the soak: a collector in a process of its own, whose mood changes all the time.

Run as a program it prints its port, then changes its script every few seconds by a seed, until a line
arrives on its standard input; then it prints what it kept, as JSON, and ends. Events have numbers for ids
(`event_id`), so that millions of them are remembered in a bit each.
"""

from __future__ import annotations

import json
import random
import select
import sys
import time
import uuid
from typing import Final

from tests.faults.collector import Collector
from tests.faults.script import (
    Fault,
    answer,
    answer_unread,
    close_unanswered,
    drip,
    hang,
    lose_acknowledgement,
    reset,
)

NAMESPACE: Final = 0x50AC << 112  # the upper bits of every id of a soak
LONGEST_MOOD: Final = 12.0  # seconds
POISON_AHEAD: Final = 4_000  # events: what is poisoned has not been tracked yet


def event_id(number: int) -> str:
    """Return the id of the event with a number."""
    return str(uuid.UUID(int=NAMESPACE | number))


def number_of(event_id: str) -> int:
    """Return the number of the event with an id."""
    return uuid.UUID(event_id).int - NAMESPACE


class Kept:
    """The events that were kept, a byte each, and how often one came again."""

    def __init__(self) -> None:
        """Begin with none."""
        self.counts = bytearray()
        self.duplicates = 0
        self.read = 0

    def take(self, collector: Collector) -> None:
        """Take over what a collector has recorded since the last time, and have it forget that."""
        for request in collector.drain():
            for event in request.event_ids if request.is_kept else ():
                number = number_of(event)
                if number >= len(self.counts):
                    self.counts.extend(bytes(number + 1 - len(self.counts) + 100_000))
                self.duplicates += self.counts[number] > 0
                self.counts[number] = 1
                self.read = max(self.read, number)


def moods(chances: random.Random, latest: int) -> list[tuple[str, list[Fault]]]:
    """Return everything that the collector may be like for a while."""
    return [
        ("well", []),
        ("well", []),
        ("slow", [answer(delay=chances.uniform(0.02, 0.3))]),
        ("503 now and then", [answer(503).one_in(chances.randint(2, 20))]),
        ("down", [answer(503)]),
        ("wants to be left alone", [answer(429, retry_after=str(chances.randint(0, 3))).one_in(5)]),
        ("resets", [reset().one_in(4)]),
        ("loses acknowledgements", [lose_acknowledgement().one_in(4)]),
        ("closes", [close_unanswered().one_in(3)]),
        ("hangs", [hang().one_in(6)]),
        ("hangs in the body", [hang("half").one_in(6)]),
        ("drips", [drip(0.01).one_in(4)]),
        ("takes little", [answer(413).above(events=chances.choice([20, 60, 200]))]),
        ("takes little, unread", [answer_unread(413).above(size_bytes=chances.choice([20_000, 60_000]))]),
        ("is picky", [answer(400).holding(event_id(latest + POISON_AHEAD))]),
        ("is behind a broken proxy", [answer(502, b"<html>oops</html>").one_in(2)]),
    ]


def main() -> None:
    """Collect until told to stop."""
    chances = random.Random(int(sys.argv[1]))
    kept = Kept()
    with Collector(seed=chances.randrange(2**31)) as collector:
        print(collector.port, flush=True)
        is_over = False
        while not is_over:
            name, faults = chances.choice(moods(chances, kept.read))
            is_refusing = chances.random() < 1 / 16
            print(f"mood: {'refuses connections' if is_refusing else name}", file=sys.stderr, flush=True)
            if is_refusing:
                collector.refuse()
            collector.plays(*faults)
            until = time.monotonic() + chances.uniform(1.0, LONGEST_MOOD)
            while time.monotonic() < until and not is_over:
                is_over = bool(select.select([sys.stdin], [], [], 0.2)[0])
                kept.take(collector)
            if is_refusing:
                collector.listen()
        sys.stdin.readline()
        # Told before the tracker closes: what is left is to arrive.
        collector.plays()
        print("well", flush=True)
        sys.stdin.readline()
        kept.take(collector)
    numbers = [number for number, is_kept in enumerate(kept.counts) if is_kept]
    print(json.dumps({"kept": _ranges(numbers), "duplicates": kept.duplicates}), flush=True)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Return growing numbers as half-open ranges, which are few."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number:
            ranges[-1] = (ranges[-1][0], number + 1)
        else:
            ranges.append((number, number + 1))
    return ranges


if __name__ == "__main__":
    main()
