"""Pages: that one was viewed, and that it is still being read."""

from __future__ import annotations

from typing import Annotated, ClassVar

from aiotracker.events.base import Event
from aiotracker.model import Wire
from aiotracker.protocol import fields

__all__ = ["PagePing", "PageView"]


class PageView(Event):
    """A page was viewed.

    Attributes:
        page_url: the page, 10,000 characters (4,096 on Enrich before 6.0); required.
        page_title: 2,000 characters.
        referrer: where the page was reached from, a URL.
    """

    event_code: ClassVar[str] = "pv"

    page_url: Annotated[str, Wire(fields.PAGE_URL)]
    page_title: Annotated[str | None, Wire(fields.PAGE_TITLE)] = None
    referrer: Annotated[str | None, Wire(fields.REFERRER)] = None


class PagePing(Event):
    """A page is still open and being read.

    Attributes:
        page_url: the page; required.
        page_title: 2,000 characters.
        referrer: where the page was reached from, a URL.
        min_x: leftmost horizontal scroll offset since the last ping, pixels.
        max_x: rightmost horizontal offset.
        min_y: topmost vertical offset.
        max_y: lowest vertical offset.
    """

    event_code: ClassVar[str] = "pp"

    page_url: Annotated[str, Wire(fields.PAGE_URL)]
    page_title: Annotated[str | None, Wire(fields.PAGE_TITLE)] = None
    referrer: Annotated[str | None, Wire(fields.REFERRER)] = None
    min_x: Annotated[int | None, Wire(fields.MIN_X)] = None
    max_x: Annotated[int | None, Wire(fields.MAX_X)] = None
    min_y: Annotated[int | None, Wire(fields.MIN_Y)] = None
    max_y: Annotated[int | None, Wire(fields.MAX_Y)] = None
