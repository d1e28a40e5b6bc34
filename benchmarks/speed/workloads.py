"""What is tracked: the content of every event of every workload, as a function of its number.

Plain data, the same for all contenders. The keys of `page_view` and `structured` are the arguments of the
event classes that the Snowplow trackers for Python share; `subject` is who viewed the page. Page views come
in two ways. In the workload `page_view` the subject belongs to the tracker, which is built with it; in no
other workload does the tracker have one. In `visitor_page_view`, and in a mix, every page view has a subject
of its own, as a web service makes one per request. Nothing is imported here but the standard library.

    python -m benchmarks.speed.workloads --workload mix --first 0 --events 10

prints the payloads that must reach the collector, one JSON object per line, without what differs from run
to run: `eid`, `dtm`, `stm` and `tv`. In `ue_pr` and `co` the order of keys and the spaces are free.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "APP_ID",
    "FIXED_NUMBER",
    "NAMESPACE",
    "PLATFORM",
    "WORKLOADS",
    "expected_payload",
    "kind",
    "order",
    "page_view",
    "product",
    "shopper",
    "structured",
    "subject",
    "tracker_subject",
]

NAMESPACE: Final = "bench"
APP_ID: Final = "speed"
PLATFORM: Final = "srv"

ORDER_SCHEMA: Final = "iglu:com.acme/order_placed/jsonschema/1-0-0"
PRODUCT_SCHEMA: Final = "iglu:com.acme/product/jsonschema/1-0-0"
SHOPPER_SCHEMA: Final = "iglu:com.acme/shopper/jsonschema/1-0-0"

USER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

WORKLOADS: Final = (
    "page_view",
    "visitor_page_view",
    "structured",
    "self_describing_1",
    "self_describing_2",
    "mix",
)
"""Self-describing events have one or two entities."""

FIXED_NUMBER: Final = 0
"""Of the subject that belongs to the tracker."""

MIX: Final = (
    *("visitor_page_view",) * 6,
    *("structured",) * 2,
    "self_describing_1",
    "self_describing_2",
)
"""A mix repeats these ten, by the last digit of the event's number."""


def kind(workload: str, number: int) -> str:
    """Return the workload whose event has this number: of a mix, one of those that it repeats."""
    return MIX[number % 10] if workload == "mix" else workload


def page_view(number: int) -> dict[str, Any]:  # Any: keyword arguments of several trackers
    """Return the arguments of a page view."""
    return {
        "page_url": f"https://shop.example.com/products/{number}?ref=list&page={number % 50}",
        "page_title": f"Product {number}",
        "referrer": f"https://shop.example.com/catalogue/{number % 100}",
    }


def subject(number: int) -> dict[str, Any]:  # Any: likewise
    """Return who viewed a page."""
    return {
        "user_id": f"user-{number % 10_000}",
        "ip_address": f"203.0.113.{number % 250 + 1}",
        "useragent": USER_AGENT,
        "lang": "en-GB",
    }


def tracker_subject(workload: str) -> dict[str, Any] | None:  # Any: likewise
    """Return the subject of the tracker that plays a workload; None where it has none."""
    return subject(FIXED_NUMBER) if workload == "page_view" else None


def structured(number: int) -> dict[str, Any]:  # Any: likewise
    """Return the arguments of a structured event."""
    return {
        "category": f"department-{number % 20}",
        "action": "add-to-basket",
        "label": f"sku-{number}",
        "property_": f"list-{number % 7}",
        "value": number % 1000 + 0.5,
    }


def order(number: int) -> dict[str, object]:
    """Return the data of a self-describing event."""
    return {
        "orderId": f"order-{number}",
        "customer": f"customer-{number % 10_000}",
        "currency": "EUR",
        "total": number % 500 + 0.25,
        "express": number % 2 == 0,
        "voucher": None,
        "items": [
            {"sku": f"sku-{number}", "quantity": number % 9 + 1, "price": number % 90 + 0.5},
            {"sku": f"sku-{number + 1}", "quantity": 1, "price": 12.75},
        ],
        "address": {"street": f"Main Street {number % 300}", "city": "Köln", "country": "DE"},
    }


def product(number: int) -> dict[str, object]:
    """Return the data of the first entity."""
    return {
        "sku": f"sku-{number}",
        "name": f"Product {number}",
        "category": f"department-{number % 20}",
        "price": number % 90 + 0.5,
        "inStock": number % 3 != 0,
        "tags": ["new", "garden", f"list-{number % 7}"],
    }


def shopper(number: int) -> dict[str, object]:
    """Return the data of the second entity."""
    return {
        "customer": f"customer-{number % 10_000}",
        "visits": number % 40,
        "segment": f"segment-{number % 12}",
        "isMember": number % 4 == 0,
    }


# -- what must arrive ---------------------------------------------------------------------------------

_COMMON: Final = {"p": PLATFORM, "tna": NAMESPACE, "aid": APP_ID}
_ENVELOPE: Final = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
_ENTITIES: Final = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"


def _page_view_pairs(number: int, who: Mapping[str, str]) -> dict[str, str]:
    page = page_view(number)
    return {
        "e": "pv",
        "url": page["page_url"],
        "page": page["page_title"],
        "refr": page["referrer"],
        "uid": who["user_id"],
        "ip": who["ip_address"],
        "ua": who["useragent"],
        "lang": who["lang"],
    }


def _structured_pairs(number: int) -> dict[str, str]:
    event = structured(number)
    return {
        "e": "se",
        "se_ca": str(event["category"]),
        "se_ac": str(event["action"]),
        "se_la": str(event["label"]),
        "se_pr": str(event["property_"]),
        "se_va": str(event["value"]),
    }


def _self_describing_pairs(number: int, entities: list[Mapping[str, object]]) -> dict[str, str]:
    inner = {"schema": ORDER_SCHEMA, "data": order(number)}
    return {
        "e": "ue",
        "ue_pr": _json({"schema": _ENVELOPE, "data": inner}),
        "co": _json({"schema": _ENTITIES, "data": entities}),
    }


def _product_entity(number: int) -> Mapping[str, object]:
    return {"schema": PRODUCT_SCHEMA, "data": product(number)}


def _shopper_entity(number: int) -> Mapping[str, object]:
    return {"schema": SHOPPER_SCHEMA, "data": shopper(number)}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_PAIRS: Final[Mapping[str, Callable[[int], dict[str, str]]]] = {
    "page_view": lambda n: _page_view_pairs(n, subject(FIXED_NUMBER)),
    "visitor_page_view": lambda n: _page_view_pairs(n, subject(n)),
    "structured": _structured_pairs,
    "self_describing_1": lambda n: _self_describing_pairs(n, [_product_entity(n)]),
    "self_describing_2": lambda n: _self_describing_pairs(n, [_product_entity(n), _shopper_entity(n)]),
}


def expected_payload(workload: str, number: int) -> dict[str, str]:
    """Return the payload of an event, without `eid`, `dtm`, `stm` and `tv`; base64 off."""
    return _COMMON | _PAIRS[kind(workload, number)](number)


def main() -> None:
    """Print payloads."""
    parser = argparse.ArgumentParser(description="Print the payloads that must reach the collector.")
    parser.add_argument("--workload", choices=WORKLOADS, default="mix")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--events", type=int, default=10)
    options = parser.parse_args()
    for number in range(options.first, options.first + options.events):
        print(_json(expected_payload(options.workload, number)))


if __name__ == "__main__":
    main()
