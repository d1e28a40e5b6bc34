"""How long things took."""

from __future__ import annotations

from typing import Final

from aiotracker.events.self_describing import SelfDescribingEvent

__all__ = ["Timing"]

SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/timing/jsonschema/1-0-0"


class Timing(SelfDescribingEvent, schema=SCHEMA):
    """Something took a while.

    `timed()` measures and tracks it.

    Attributes:
        category: the group of things that this belongs to; required.
        variable: what was timed; required.
        timing: milliseconds; required.
        label: more of it.
    Source: Iglu Central, `com.snowplowanalytics.snowplow/timing/jsonschema/1-0-0`; milliseconds are
        what the other Snowplow trackers send.
    """

    category: str
    variable: str
    timing: float
    label: str | None = None
