"""The examples of the "Event Tracking" page of the Snowplow Python tracker, against a collector.

Each block stands as on the page, with the imports that the page leaves out and with `await` before
`tracker.track`. Where the page says something that the pipeline refuses, a test says what comes of it.
"""

import ast
import inspect
import warnings
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from aiotracker import InvalidEventError, PipelineWarning, StructuredEvent, Tracker
from aiotracker.micro import Micro

IMPORTS = """
from aiotracker import (
    PagePing, PageView, ScreenView, SelfDescribing, SelfDescribingJson, StructuredEvent, Subject
)
"""
PAGE_VIEW = """
page_view = PageView(
    page_url="https://www.snowplow.io",
    page_title="Homepage",
)
await tracker.track(page_view)
"""
SELF_DESCRIBING = """
link_click = SelfDescribing(
    SelfDescribingJson(
        "iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1",
        {"targetUrl": "https://www.snowplow.io"},
    )
)
await tracker.track(link_click)
"""
PAGE_VIEW_WITH_ALL = """
page_view = PageView(
    page_url="https://www.snowplow.io",
    page_title="Homepage",
    referrer="https://www.google.com",
)
await tracker.track(page_view)
"""
PAGE_PING = """
page_ping = PagePing(
    page_url="https://www.snowplow.io",
    page_title="Homepage",
    referrer="https://www.google.com",
)
await tracker.track(page_ping)
"""
SCREEN_VIEW = """
screen_view = ScreenView(
    id_=tracker.get_uuid(),
    name="HUD > Save Game",
    type="feed",
    previous_name="Home",
    previous_id="1368725287000",
    previous_type="feed",
)
await tracker.track(screen_view)
"""
STRUCTURED = """
struct_event = StructuredEvent(
    category="shop",
    action="add-to-basket",
    label="web-shop",
    property_="pcs",
    value=2,
)
await tracker.track(struct_event)
"""
EVENT_SUBJECT = """
event_subject = Subject().set_user_id("1234")
page_view = PageView(
    page_url="https://www.snowplow.io",
    page_title="Homepage",
    event_subject=event_subject,
)
await tracker.track(page_view)
"""
GEOLOCATION = """
geo_context = SelfDescribingJson(
    "iglu:com.snowplowanalytics.snowplow/geolocation_context/jsonschema/1-0-0",
    {"latitude": -23.2, "longitude": 43.0},
)
"""
POSTER = """
poster_context = SelfDescribingJson(
    "iglu:com.acme_company/movie_poster/jsonschema/2-1-1",
    {
        "movie_name": "Solaris",
        "poster_country": "JP",
        "poster_year": "1978",
    },
)
"""
ENTITIES = """
page_view = PageView(
    page_url="https://www.snowplow.io",
    page_title="Homepage",
    context=[poster_context, geo_context],
)
await tracker.track(page_view)
"""
TRUE_TIMESTAMP = """
struct_event = StructuredEvent(
    category="shop",
    action="add-to-basket",
    label="web-shop",
    property_="pcs",
    value=2,
    true_timestamp=1368725287000,
)
await tracker.track(struct_event)
"""

PAGE_COLUMNS = {"event_name": "page_view", "page_url": "https://www.snowplow.io", "page_title": "Homepage"}
SHOP_COLUMNS = {
    "event_name": "event",
    "se_category": "shop",
    "se_action": "add-to-basket",
    "se_label": "web-shop",
    "se_property": "pcs",
    "se_value": 2.0,
}
GEOLOCATION_SCHEMA = "iglu:com.snowplowanalytics.snowplow/geolocation_context/jsonschema/1-0-0"
POSTER_SCHEMA = "iglu:com.acme_company/movie_poster/jsonschema/2-1-1"
LINK_CLICK_SCHEMA = "iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1"
SCREEN_VIEW_SCHEMA = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"


@pytest.fixture(scope="module")
def running() -> Iterator[Micro]:
    """Run one local collector for all tests of the module."""
    with Micro(port=0) as micro:
        yield micro


@pytest.fixture
def micro(running: Micro) -> Micro:
    """Return a collector that has received nothing."""
    running.reset()
    return running


async def run(micro: Micro, *blocks: str) -> dict[str, Any]:
    """Run blocks of the page, one after the other in the same names; return the one event that arrived."""
    async with Tracker("cf", micro.url, app_id="page") as tracker:
        names: dict[str, Any] = {"tracker": tracker}
        for block in (IMPORTS, *blocks):
            code = compile(block, "<page>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            awaitable = eval(code, names)
            if inspect.isawaitable(awaitable):
                await awaitable
    assert {"total": 1, "good": 1, "bad": 0} == micro.all(), micro.bad()
    (good,) = micro.good()
    return good


def columns_of(good: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Return some of the columns of an event."""
    return {name: good["event"][name] for name in names}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (PAGE_VIEW, PAGE_COLUMNS | {"page_referrer": None}),
        (PAGE_VIEW_WITH_ALL, PAGE_COLUMNS | {"page_referrer": "https://www.google.com"}),
        (PAGE_PING, PAGE_COLUMNS | {"event_name": "page_ping", "page_referrer": "https://www.google.com"}),
        (STRUCTURED, SHOP_COLUMNS | {"true_tstamp": None}),
        (EVENT_SUBJECT, PAGE_COLUMNS | {"user_id": "1234", "platform": "srv"}),
        (
            TRUE_TIMESTAMP,
            SHOP_COLUMNS | {"true_tstamp": "2013-05-16T17:28:07Z", "derived_tstamp": "2013-05-16T17:28:07Z"},
        ),
    ],
    ids=["page view", "page view with all", "page ping", "structured", "event subject", "true timestamp"],
)
async def test_the_example_arrives(micro: Micro, block: str, expected: dict[str, Any]) -> None:
    """The columns of the enriched event have what the block says, and the tracker's own platform."""
    good = await run(micro, block)

    assert expected == columns_of(good, expected)
    assert {"app_id": "page", "name_tracker": "cf"} == columns_of(good, {"app_id": 0, "name_tracker": 0})
    assert UUID(good["event"]["event_id"]).version == 4


async def test_the_self_describing_example_arrives(micro: Micro) -> None:
    """The positional argument is the data, under its own schema."""
    good = await run(micro, SELF_DESCRIBING)

    assert LINK_CLICK_SCHEMA == good["schema"]
    assert {
        "schema": LINK_CLICK_SCHEMA,
        "data": {"targetUrl": "https://www.snowplow.io"},
    } == good["event"]["unstruct_event"]["data"]


async def test_the_example_with_entities_arrives(micro: Micro) -> None:
    """Three blocks in a row: two entities are built, and travel with a page view in their order."""
    good = await run(micro, GEOLOCATION, POSTER, ENTITIES)

    assert PAGE_COLUMNS == columns_of(good, PAGE_COLUMNS)
    assert [
        {
            "schema": POSTER_SCHEMA,
            "data": {"movie_name": "Solaris", "poster_country": "JP", "poster_year": "1978"},
        },
        {"schema": GEOLOCATION_SCHEMA, "data": {"latitude": -23.2, "longitude": 43.0}},
    ] == good["event"]["contexts"]["data"]


async def test_the_screen_view_example_arrives_with_a_warning(micro: Micro) -> None:
    """Its `previous_id` is no UUID, which the schema wants: it runs as published, and says so."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PipelineWarning)
        good = await run(micro, SCREEN_VIEW)

    data = good["event"]["unstruct_event"]["data"]["data"]
    assert ["<page>"] == [warning.filename for warning in caught]
    assert "previous_id must be a UUID" in str(caught[0].message)
    assert SCREEN_VIEW_SCHEMA == good["schema"]
    assert UUID(data.pop("id")).version == 4
    assert {
        "name": "HUD > Save Game",
        "type": "feed",
        "previousName": "Home",
        "previousId": "1368725287000",
        "previousType": "feed",
    } == data


def test_the_tables_property_is_explained() -> None:
    """The table of the page says `property` where its code says `property_`."""
    with pytest.raises(InvalidEventError, match=r"property = 'pcs': .*did you mean property_\?"):
        StructuredEvent(category="shop", action="add", property="pcs")  # type: ignore[call-arg]  # as in the table
