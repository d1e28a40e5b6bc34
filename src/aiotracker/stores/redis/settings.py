"""How a `RedisStore` is used, checked when it is described."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final

from aiotracker.errors import ConfigurationError
from aiotracker.stores.redis.address import check_url

__all__ = ["Settings"]

_NAME: Final = re.compile(r"[^{}\s]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a store was told; `RedisStore` says what each of it means."""

    url: str = field(repr=False)  # it may hold a password
    name: str
    max_events: int
    lease_seconds: float
    buffer_events: int
    buffer_bytes: int
    max_dead_letters: int
    max_deliveries: int
    timeout: float

    def __post_init__(self) -> None:
        """Raise a ConfigurationError for a setting that cannot work."""
        check_url(self.url)
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError("name", self.name, "must be a text without spaces and braces")
        for setting, count in (
            ("max_events", self.max_events),
            ("buffer_events", self.buffer_events),
            ("buffer_bytes", self.buffer_bytes),
            ("max_dead_letters", self.max_dead_letters),
            ("max_deliveries", self.max_deliveries),
        ):
            if type(count) is not int or count < 1:
                raise ConfigurationError(setting, count, "must be a whole number above 0")
        for setting, seconds in (("lease_seconds", self.lease_seconds), ("timeout", self.timeout)):
            if (
                isinstance(seconds, bool)
                or not isinstance(seconds, int | float)
                or not 0 < seconds < math.inf
            ):
                raise ConfigurationError(setting, seconds, "must be a number of seconds above 0")
