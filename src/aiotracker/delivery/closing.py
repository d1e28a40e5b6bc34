"""How long the end of an emitter may take beyond its deadline, part by part: trouble takes time to tell."""

from __future__ import annotations

from typing import Final

from aiotracker.stores.base import CLOSE_GRACE_SECONDS as STORE_GRACE_SECONDS

__all__ = [
    "CALLBACKS_CLOSE_SECONDS",
    "CALLBACKS_GRACE_SECONDS",
    "CLOSE_GRACE",
    "STORE_CLOSE_SECONDS",
    "STORE_GRACE_SECONDS",
    "TRANSPORT_CLOSE_SECONDS",
]

STORE_CLOSE_SECONDS: Final = 0.2  # to make safe what is volatile, should closing have run out of time
CALLBACKS_CLOSE_SECONDS: Final = 1.0  # for what callbacks are still to be told, within the closing budget
CALLBACKS_GRACE_SECONDS: Final = 0.1  # beyond it, or nobody would be told of what the deadline cost
TRANSPORT_CLOSE_SECONDS: Final = 0.2  # closing sockets is local; the rest is left to the garbage collector

CLOSE_GRACE: Final = (
    STORE_CLOSE_SECONDS + STORE_GRACE_SECONDS + CALLBACKS_GRACE_SECONDS + TRANSPORT_CLOSE_SECONDS
)
"""Seconds for all of it: whoever left earlier would not see what the deadline cost."""
