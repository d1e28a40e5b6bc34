"""AWS Lambda: what is tracked in an invocation is delivered before it ends, in the time that is left."""

import inspect
import logging
from typing import assert_type

import anyio
import anyio.lowlevel
import pytest

from aiotracker import DeliveryReport, Statistics
from aiotracker.integrations.aws_lambda import flushed


class Hosted:
    """A hosted tracker: what waits, and what each flush leaves."""

    def __init__(self, *left: int) -> None:
        self._left = list(left)
        self.waiting = 0
        self.timeouts: list[float] = []

    def track(self) -> None:
        """Take an event."""
        self.waiting += 1

    def flush(self, timeout: float = 5.0) -> DeliveryReport:
        """Deliver all but what the script says."""
        self.timeouts.append(timeout)
        self.waiting = self._left.pop(0) if self._left else 0
        return DeliveryReport(remaining=self.waiting)

    def stats(self) -> Statistics:
        """Return the accounts."""
        return Statistics(self.waiting, self.waiting, {}, 0, {}, self.waiting, 0, 0, {})


class Invocation:
    """Knows how many milliseconds are left."""

    def __init__(self, remaining_ms: int) -> None:
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        """Return them."""
        return self._remaining_ms


def test_events_are_flushed_behind_the_handler() -> None:
    """Its result is what it was, and so are its name and its arguments."""
    hosted = Hosted()

    @flushed(hosted)
    def handler(event: dict[str, int], context: object) -> int:
        hosted.track()
        assert not hosted.timeouts
        return event["n"] + 1

    result = handler({"n": 1}, Invocation(60_000))

    assert_type(result, int)
    assert (2, [5.0], 0, "handler") == (result, hosted.timeouts, hosted.waiting, handler.__name__)


def test_a_handler_that_fails_is_flushed() -> None:
    """Its exception goes to Lambda."""
    hosted = Hosted()

    @flushed(hosted)
    def handler(event: object, context: object) -> None:
        hosted.track()
        raise ValueError("the handler's own")

    with pytest.raises(ValueError, match="the handler's own"):
        handler({}, Invocation(60_000))

    assert [5.0] == hosted.timeouts


@pytest.mark.parametrize(
    ("remaining_ms", "settings", "expected"),
    [
        (60_000, {}, [5.0]),
        (3_000, {}, [2.5]),
        (3_000, {"margin": 1.0}, [2.0]),
        (60_000, {"timeout": 1.0}, [1.0]),
        (400, {}, []),
        (0, {}, []),
    ],
)
def test_delivery_gets_what_is_left_of_the_time(
    remaining_ms: int, settings: dict[str, float], expected: list[float]
) -> None:
    """Less the margin, and never more than the timeout; without time nothing is begun."""
    hosted = Hosted()
    hosted.track()

    flushed(hosted, **settings)(lambda event, context: None)({}, Invocation(remaining_ms))

    assert expected == hosted.timeouts


def test_nothing_is_flushed_when_nothing_waits() -> None:
    """An invocation that tracks nothing takes no longer."""
    hosted = Hosted()

    flushed(hosted)(lambda event, context: None)({}, Invocation(60_000))

    assert [] == hosted.timeouts


def test_a_context_may_be_missing() -> None:
    """As when a test calls the handler."""
    hosted = Hosted()
    hosted.track()

    flushed(hosted)(lambda event, context: None)({}, None)

    assert [5.0] == hosted.timeouts


def test_what_is_left_is_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """It waits for the next invocation, which counts anew."""
    hosted = Hosted(2)
    flush = flushed(hosted)
    handler = flush(lambda event, context: hosted.track())

    with caplog.at_level(logging.WARNING, logger="aiotracker"):
        handler({}, Invocation(60_000))
        left = flush.left
        handler({}, Invocation(60_000))

    assert (2, 0) == (left, flush.left)
    assert ["2 events wait for the next invocation of this container"] == caplog.messages


def test_a_failure_of_delivery_changes_no_result(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged."""

    class Broken(Hosted):
        def flush(self, timeout: float = 5.0) -> DeliveryReport:
            raise RuntimeError("no thread")

    hosted = Broken()
    hosted.track()
    with caplog.at_level(logging.ERROR, logger="aiotracker"):
        result = flushed(hosted)(lambda event, context: "answer")({}, Invocation(60_000))

    assert "answer" == result
    assert [True] == ["no thread" in message for message in caplog.messages]


def test_an_async_handler_becomes_one_that_lambda_can_call() -> None:
    """It runs on a loop of its own and is flushed when that has ended."""
    hosted = Hosted()
    order = []

    @flushed(hosted)
    async def handler(event: str, context: Invocation) -> str:
        await anyio.lowlevel.checkpoint()
        hosted.track()
        order.append(len(hosted.timeouts))
        return event.upper()

    results = [handler("a", Invocation(60_000)), handler("b", Invocation(2_500))]

    assert_type(results, list[str])
    assert not inspect.iscoroutinefunction(handler)
    assert (["A", "B"], [0, 1], [5.0, 2.0]) == (results, order, hosted.timeouts)
