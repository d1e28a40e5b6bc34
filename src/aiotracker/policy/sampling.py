"""Which events are left out to save their cost. Pure: the same visitor is always in or always out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Sampling", "is_kept"]

HASH_BYTES: Final = 8
_SPACE: Final = 1 << (8 * HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many events of which schema are kept.

    Attributes:
        rates: shares from 0 to 1 by patterns of Iglu URIs, where `*` stands for anything; the first
            pattern that matches counts, and what none matches is kept.
    """

    rates: Mapping[str, float]

    def rate(self, schema: str) -> float:
        """Return the share of the events with a schema that is kept, 0 to 1."""
        for pattern, rate in self.rates.items():
            if fnmatchcase(schema, pattern):
                return rate
        return 1.0


def is_kept(key: str, rate: float) -> bool:
    """Tell whether a key is among the share that is kept.

    By a hash that is the same in every process and on every machine, so that whoever is in at 10 % is in
    at 20 %, too.

    Args:
        key: who or what is sampled: a visitor's id, or an event's.
        rate: share of all keys, 0 to 1.
    """
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=HASH_BYTES).digest()
    return int.from_bytes(digest, "big") < rate * _SPACE
