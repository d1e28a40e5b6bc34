"""The events of the demo: one of every type, and those of the burst.

All schemas are public ones of Iglu Central, so that any pipeline takes these events.
"""

from decimal import Decimal
from typing import Final

from pydantic import Field

from aiotracker import (
    Entity,
    PagePing,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingEvent,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
    scope,
)

__all__ = ["APP_ID", "NAMESPACE", "SERVICE", "LinkClick", "Product", "burst_event", "track_one_of_each"]

NAMESPACE: Final = "aiotracker-demo"
APP_ID: Final = "demo-shop"
SHOP: Final = "https://shop.example/"
SERVICE: Final = Subject(user_id="service", lang="en-GB", timezone="Europe/London")
"""Who every event is about, unless a scope or the event itself knows better."""


class LinkClick(
    SelfDescribingEvent, schema="iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1"
):
    """A link was clicked."""

    target_url: str = Field(serialization_alias="targetUrl")


class Product(Entity, schema="iglu:com.snowplowanalytics.snowplow.ecommerce/product/jsonschema/1-0-0"):
    """A product that an event was about."""

    id: str
    category: str
    price: Decimal
    currency: str


async def track_one_of_each(tracker: Tracker) -> dict[str, str | None]:
    """Track one event of every type; return their ids by what they show, None for a refused one."""
    ids = {}
    visit = SelfDescribingJson(
        "iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0", {"id": tracker.get_uuid()}
    )
    with scope(subject=Subject(user_id="ada"), context=[visit]):
        ids["PageView"] = await tracker.track(PageView(page_url=SHOP, page_title="Shop"))
        ids["PagePing"] = await tracker.track(PagePing(page_url=SHOP, min_y=0, max_y=640))
        ids["StructuredEvent"] = await tracker.track(
            StructuredEvent(category="cart", action="add", label="tea-1", property_="250 g", value=4.5)
        )
        ids["SelfDescribing"] = await tracker.track(
            SelfDescribing(
                SelfDescribingJson(
                    "iglu:com.snowplowanalytics.snowplow/site_search/jsonschema/1-0-0",
                    {"terms": ["green", "tea"], "totalResults": 12},
                )
            )
        )
        ids["LinkClick, a typed event"] = await tracker.track(
            LinkClick(
                target_url=f"{SHOP}tea-1",
                event_subject=Subject(user_id="grace"),
                context=[Product(id="tea-1", category="tea", price=Decimal("4.50"), currency="GBP")],
            )
        )
    ids["ScreenView"] = await tracker.track(ScreenView(name="Basket", type="feed"))
    with scope(anonymous=True):
        ids["PageView, anonymous"] = await tracker.track(PageView(page_url=SHOP, page_title="Shop"))
    return ids


def burst_event(number: int) -> PageView:
    """Return one event of the burst."""
    return PageView(page_url=f"{SHOP}tea-{number}", page_title=f"Tea number {number}", referrer=SHOP)
