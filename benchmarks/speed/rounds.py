"""Rounds: interleaved, framed by a calibration, repeated when the machine was noisy. Pure but for the loop.

A round is noisy when the fixed loop before or after it took 15 % longer than its best in the whole run.
Noisy rounds are played again, up to a limit, and stay out of the medians when enough calm ones exist.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Calibration", "Case", "Round", "Summary", "calm", "interleave", "nice", "summary"]

NOISE: Final = 1.15
CALIBRATION_STEPS: Final = 1_500_000  # some 50 ms
FEWEST_CALM: Final = 2  # rounds that make a median of their own


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured in a row of rounds.

    Attributes:
        measure: which measure asks.
        contender: the contender's key.
        workload: one of `WORKLOADS`.
        do: the command.
        producers: tasks that track.
        delay: seconds until the sink answers.
        events: in a round; 0 for as many as fill the time of a round.
        latencies: whether single calls are timed.
    """

    measure: str
    contender: str
    workload: str
    do: str = "round"
    producers: int = 1
    delay: float = 0.0
    events: int = 0
    latencies: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one round.

    Attributes:
        wall_seconds: from the first event to the last answer.
        cpu_seconds: of the contender.
        events: that were offered.
        refused: of them, as the contender knows.
        arrived: distinct ids at the sink; for a round that sends nothing, the events that were accepted.
        calibration: seconds of the slower of the two fixed loops around it.
        sink_share: of the time that the sink's processor was busy, 0 to 1.
        requests: that the sink saw.
        body_bytes: that it got.
        latency_us: p50, p99 and max of `track()`, if asked for.
        note: the contender's remark.
    """

    wall_seconds: float
    cpu_seconds: float
    events: int
    refused: int
    arrived: int
    calibration: float
    sink_share: float = 0.0
    requests: int = 0
    body_bytes: int = 0
    latency_us: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def cpu_us(self) -> float:
        """Processor time per event that arrived, in microseconds; infinite if none did."""
        return self.cpu_seconds / self.arrived * 1e6 if self.arrived else math.inf

    @property
    def rate(self) -> float:
        """Events a second that arrived."""
        return self.arrived / self.wall_seconds

    @property
    def missing(self) -> int:
        """Events that the contender took and that did not arrive: a round with any is shown as an error.

        Negative when more arrived than it took, because some of an earlier round were late.
        """
        return self.events - self.refused - self.arrived


@dataclass(frozen=True, slots=True)
class Summary:
    """Some values in short.

    Attributes:
        median: of all.
        least: the smallest.
        spread: median absolute deviation, as a share of the median.
        count: how many there are.
    """

    median: float
    least: float
    spread: float
    count: int


def summary(values: Sequence[float]) -> Summary:
    """Return values in short.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no value, no summary")
    middle = median(values)
    deviation = median(abs(value - middle) for value in values)
    return Summary(middle, min(values), deviation / middle if middle else 0.0, len(values))


def is_calm(played: Round, best: float) -> bool:
    """Tell whether nobody disturbed a round, given the best time of the fixed loop."""
    return played.calibration <= best * NOISE


def calm(rounds: Sequence[Round], best: float) -> list[Round]:
    """Return the rounds that count: the calm ones, or all when hardly any was calm."""
    undisturbed = [played for played in rounds if is_calm(played, best)]
    return undisturbed if len(undisturbed) >= min(FEWEST_CALM, len(rounds)) else list(rounds)


def nice(events: float) -> int:
    """Return the next lower of 20, 50, 100, 200, 500 … 500,000, or 20."""
    steps = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
    return max((step for step in steps if step <= events), default=steps[0])


class Calibration:
    """The fixed loop, and the best time that it ever took.

    Attributes:
        best: seconds; infinite before the first time.
        all: every time, in order.
    """

    def __init__(self) -> None:
        """Begin without a time."""
        self.all: list[float] = []

    @property
    def best(self) -> float:
        """The best time so far, in seconds."""
        return min(self.all, default=float("inf"))

    def take(self) -> float:
        """Run the loop; return its time in seconds."""
        began = time.perf_counter()
        value = 0
        for step in range(CALIBRATION_STEPS):
            value = (value * 31 + step) & 0xFFFF
        self.all.append(time.perf_counter() - began)
        return self.all[-1]


def interleave(
    cases: Sequence[Case],
    play: Callable[[Case], Round | None],
    *,
    count: int,
    more: int,
    best: Callable[[], float],
) -> dict[Case, list[Round]]:
    """Play every case in turn, so many times; then those again that were disturbed.

    Args:
        cases: what to play.
        play: plays one round; None when the case cannot be played, and then it is left out.
        count: rounds of each case.
        more: times that the disturbed cases are played again at most.
        best: the best time of the fixed loop so far.
    """
    found: dict[Case, list[Round]] = {case: [] for case in cases}
    for turn in range(count + more):
        for case in cases:
            if case not in found or (turn >= count and _is_enough(found[case], count, best())):
                continue
            played = play(case)
            if played is None:
                del found[case]
            else:
                found[case].append(played)
    return found


def _is_enough(rounds: Sequence[Round], count: int, best: float) -> bool:
    return sum(is_calm(played, best) for played in rounds) >= (count + 1) // 2
