"""How an emitter delivers: every setting, checked together when the emitter is built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from aiotracker.errors import ConfigurationError
from aiotracker.policy.overflow import Overflow

__all__ = ["MAX_GET_URL_BYTES", "DeliverySettings", "Method"]

Method = Literal["get", "post"]

DEFAULT_BYTE_LIMIT: Final = 180_000
"""Below the smallest sink, SQS with 192,000 bytes: the collector stores the request as one record.

Source: collector 3.4, `application.conf` of its SQS sink and `SplitBatch.scala`."""

MAX_BYTE_LIMIT: Final = 900_000
"""Above 1,048,576 bytes, headers included, the collector answers 200 and loses the whole request.

Source: collector 3.4, `SplitBatch.scala` and `networking.maxPayloadSize`."""

MIN_BYTE_LIMIT: Final = 1000  # the envelope and one small event

MAX_GET_URL_BYTES: Final = 20_000
"""Source: collector 3.4, `networking.maxRequestLineLength` 20,480."""

SUCCESS_CODES: Final = range(200, 300)
STATUS_CODES: Final = range(100, 600)
DEFAULT_MAX_WAIT: Final = 0.25  # seconds
NO_CODES: Final[Mapping[int, bool]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Settings of one emitter; the defaults suit a web service.

    Attributes:
        method: `post` sends batches, `get` one event per request.
        batch_size: events of a full batch.
        byte_limit: bytes of a POST body, at most 900,000.
        flush_interval: seconds that an event may wait for company.
        first_flush_interval: the same for the first batch after opening, so that a script sees events
            at once.
        concurrency: requests at a time; 1 keeps events in order.
        overflow: what a full buffer does with the next event.
        max_wait: seconds that `track()` may wait for room; `inf` for batch jobs.
        connect_timeout: seconds to get a connection.
        request_timeout: seconds of one attempt, whole.
        max_retry_delay: cap of the backoff in seconds.
        max_age: seconds after which an event is given up; `inf`: never, a full buffer decides. None for
            that in memory, and for a day in a durable store.
        custom_retry_codes: per status code, True to retry it, False to give up.
        exit_flush: whether what is left is sent in the last second of a program that did not close.
        commit_timeout: seconds that `track()` waits for a durable store to make the event safe.
    """

    method: Method = "post"
    batch_size: int = 500
    byte_limit: int = DEFAULT_BYTE_LIMIT
    flush_interval: float = 0.5
    first_flush_interval: float = 0.1
    concurrency: int = 4
    overflow: Overflow = Overflow.WAIT
    max_wait: float = DEFAULT_MAX_WAIT
    connect_timeout: float = 3.0
    request_timeout: float = 10.0
    max_retry_delay: float = 60.0
    max_age: float | None = None
    custom_retry_codes: Mapping[int, bool] = field(default_factory=lambda: NO_CODES)
    exit_flush: bool = True
    commit_timeout: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot work, and keep them in their normal form.

        Raises:
            ConfigurationError: one is of the wrong type, out of range, or contradicts another.
        """
        if self.method not in ("get", "post"):
            raise ConfigurationError("method", self.method, 'must be "post" or "get"')
        _require_int("batch_size", self.batch_size, 1)
        _require_int("byte_limit", self.byte_limit, MIN_BYTE_LIMIT)
        _require_int("concurrency", self.concurrency, 1)
        if self.byte_limit > MAX_BYTE_LIMIT:
            raise ConfigurationError(
                "byte_limit",
                self.byte_limit,
                f"must be at most {MAX_BYTE_LIMIT:,}: a collector answers 200 to a request above "
                "1,048,576 bytes and loses all of its events",
            )
        for name in ("connect_timeout", "request_timeout", "max_retry_delay"):
            _require_seconds(name, getattr(self, name), above=0.0)
        for name in ("flush_interval", "first_flush_interval", "commit_timeout"):
            _require_seconds(name, getattr(self, name), at_least=0.0)
        first = min(self.first_flush_interval, self.flush_interval)  # never slower than the others
        object.__setattr__(self, "first_flush_interval", first)
        if self.max_age is not None:
            _require_seconds("max_age", self.max_age, above=0.0, may_be_inf=True)
        _require_seconds("max_wait", self.max_wait, at_least=0.0, may_be_inf=True)
        self._check_overflow()
        self._check_retry_codes()

    def _check_overflow(self) -> None:
        try:
            object.__setattr__(self, "overflow", Overflow(self.overflow))  # a plain text is taken too
        except ValueError:
            raise ConfigurationError(
                "overflow", self.overflow, f"must be one of {', '.join(Overflow)}"
            ) from None
        if self.overflow is not Overflow.WAIT and self.max_wait != DEFAULT_MAX_WAIT:
            raise ConfigurationError(
                "max_wait",
                self.max_wait,
                f'means nothing with overflow="{self.overflow}": leave it out',
            )

    def _check_retry_codes(self) -> None:
        if not isinstance(self.custom_retry_codes, Mapping):
            raise ConfigurationError(
                "custom_retry_codes",
                self.custom_retry_codes,
                "must map codes to True or False, as {404: False}",
            )
        for code, verdict in self.custom_retry_codes.items():
            if type(code) is not int or code not in STATUS_CODES:
                raise ConfigurationError("custom_retry_codes", code, "must be a status from 100 to 599")
            if code in SUCCESS_CODES:
                raise ConfigurationError("custom_retry_codes", code, "is success and cannot be retried")
            if not isinstance(verdict, bool):
                raise ConfigurationError("custom_retry_codes", verdict, f"must say True or False for {code}")
        copy = MappingProxyType(dict(self.custom_retry_codes))
        object.__setattr__(self, "custom_retry_codes", copy)

    @property
    def batch_events(self) -> int:
        """Events of a full batch: a GET carries one."""
        return 1 if self.method == "get" else self.batch_size


def _require_int(name: str, value: int, least: int) -> None:
    if type(value) is not int or value < least:
        raise ConfigurationError(name, value, f"must be a whole number, {least:,} or more")


def _require_seconds(
    name: str,
    value: float,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    may_be_inf: bool = False,
) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise ConfigurationError(name, value, "must be a number of seconds")
    if math.isinf(value) and not (may_be_inf and value > 0):
        raise ConfigurationError(name, value, "must be finite: nothing may wait for ever")
    if value < at_least or value <= above:
        least = f"{at_least:g} or more" if above == -math.inf else f"above {above:g}"
        raise ConfigurationError(name, value, f"must be {least} seconds")
