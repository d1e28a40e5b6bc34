"""What is known of one collector: whether it may be sent to, how much it takes, whether it is picky."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from aiotracker.policy.byte_limit import ByteLimit, after_clean, after_too_large
from aiotracker.policy.circuit import Circuit, after_failure, after_success, probed, without_backoff
from aiotracker.policy.outcome import Delivered, Rejected, Retry, Split, SplitCause
from aiotracker.protocol.exchange import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotracker.clock import Clock
    from aiotracker.delivery.log import DeliveryLog
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.policy.outcome import Outcome

__all__ = ["Destination"]

LARGE_BODY: Final = 180_000  # bytes; larger ones may be refused by a server that does not read them
MAX_LARGE_BREAKS: Final = 2  # running


class Destination:
    """Learns from outcomes; the rules are those of the policies."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        clock: Clock,
        random: Callable[[], float],
        log: DeliveryLog,
        on_circuit: Callable[[bool], None],
    ) -> None:
        """Begin with the best assumptions.

        Args:
            settings: of the emitter.
            clock: what time it is.
            random: uniform in 0..1, for the jitter.
            log: where to tell.
            on_circuit: told whether the circuit is open, at every change.
        """
        self._settings = settings
        self._clock = clock
        self._random = random
        self._log = log
        self._on_circuit = on_circuit
        self.circuit: Circuit = Circuit()
        self.limit: ByteLimit = ByteLimit(settings.byte_limit)
        self.may_bisect: bool = True
        self.last_cause: str = ""
        """Why the last request that failed did so, for a person."""
        self._large_breaks = 0

    def probe(self) -> None:
        """Note that a probe begins."""
        self._set(probed(self.circuit))

    def hurry(self) -> None:
        """Cut a backoff short, as far as the server's own wish allows."""
        self._set(without_backoff(self.circuit, self._clock.now()))

    def forget_probe(self) -> None:
        """Begin anew after a crash: a probe may have gone down with it."""
        if self.circuit.is_open:
            self._set(Circuit(opened_at=self.circuit.opened_at))

    def judged(self, outcome: Outcome, *, began_at: float, body_bytes: int) -> Outcome:
        """Learn from an outcome, and return it, reconsidered where it says something else than it seems.

        Args:
            outcome: of one request.
            began_at: clock seconds.
            body_bytes: of the request.
        """
        outcome = self._reconsidered(outcome, body_bytes)
        now = self._clock.now()
        match outcome:
            case Retry():
                self.last_cause = outcome.detail or f"status {outcome.cause}"
                self._fail(began_at, outcome.retry_after, is_refusal=False)
                self._tell(outcome)
            case Rejected(is_refusal=True):
                self.last_cause = f"status {outcome.status}"
                self._fail(began_at, outcome.retry_after, is_refusal=True)
            case Split(cause=SplitCause.TOO_LARGE):
                self.limit = after_too_large(self.limit, body_bytes)
                self._set(after_success(self.circuit, now=now, began_at=began_at))
            case Delivered():
                self.limit = after_clean(self.limit)
                self.may_bisect = True
                self._set(after_success(self.circuit, now=now, began_at=began_at))
            case _:  # it answered, whatever it thinks of the events
                self._set(after_success(self.circuit, now=now, began_at=began_at))
        return outcome

    def _reconsidered(self, outcome: Outcome, body_bytes: int) -> Outcome:
        """Take a large request that breaks twice running for one that is too large.

        A server that refuses a body without reading it resets the connection before its answer arrives.
        """
        if isinstance(outcome, Retry) and outcome.cause == FailureKind.BROKEN and body_bytes > LARGE_BODY:
            self._large_breaks += 1
            if self._large_breaks >= MAX_LARGE_BREAKS:
                self._large_breaks = 0
                return Split(SplitCause.TOO_LARGE, "broken")
        elif not isinstance(outcome, Retry):
            self._large_breaks = 0
        return outcome

    def _fail(self, began_at: float, retry_after: float | None, *, is_refusal: bool) -> None:
        self._set(
            after_failure(
                self.circuit,
                now=self._clock.now(),
                began_at=began_at,
                random=self._random(),
                retry_after=retry_after,
                is_refusal=is_refusal,
                max_delay=self._settings.max_retry_delay,
            )
        )

    def _set(self, circuit: Circuit) -> None:
        has_closed = self.circuit.is_open and not circuit.is_open
        self.circuit = circuit
        self._on_circuit(circuit.is_open)
        if has_closed:
            self._log.say(logging.INFO, "send", "recovered", "the collector takes events again")

    def _tell(self, outcome: Retry) -> None:
        level = logging.ERROR if outcome.is_misconfigured else logging.WARNING
        detail = f" ({outcome.detail})" if outcome.detail else ""
        message = f"a request failed: {outcome.cause}{detail}; its events are kept and sent again"
        self._log.say(level, "send", outcome.cause, message)
