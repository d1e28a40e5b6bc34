"""What cannot be beaten: `python -m benchmarks.speed.contenders.limits`.

`round` writes bodies that were encoded before the clock started to raw sockets, four at a time: what this
machine's loopback and the sink can take. `make` constructs aiotracker's event, makes an id, and encodes the
final payload with `pydantic_core.to_json`, and does nothing else: no buffer, no batch, no request.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import time
import uuid
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic_core import to_json

from aiotracker import Event, PageView, SelfDescribing, SelfDescribingJson, StructuredEvent, Subject
from benchmarks.speed.contenders.ours import events_of
from benchmarks.speed.protocol import Command, Reply, Stopwatch, Unavailable, runtime, serve
from benchmarks.speed.workloads import APP_ID, NAMESPACE, PLATFORM, expected_payload, tracker_subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECTIONS: Final = 4  # as many as our emitter uses
TRACKER_VERSION: Final = "raw-1.0.0"
MAX_ANSWER_BYTES: Final = 4096
POST_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
EVENT_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
ENTITIES_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"


# -- requests -----------------------------------------------------------------------------------------


def requests(command: Command) -> Iterator[bytes]:
    """Yield whole requests with the events of a round, `batch_size` in each."""
    now = str(time.time_ns() // 1_000_000)
    host = urlsplit(command["collector"]).netloc
    numbers = iter(range(command["first"], command["first"] + command["events"]))
    while batch := list(itertools.islice(numbers, command["settings"].get("batch_size", 500))):
        stamps = {"tv": TRACKER_VERSION, "dtm": now, "stm": now}
        payloads = [
            expected_payload(command["workload"], number) | stamps | {"eid": str(uuid.uuid4())}
            for number in batch
        ]
        body = json.dumps({"schema": POST_SCHEMA, "data": payloads}, separators=(",", ":")).encode()
        head = (
            f"POST /com.snowplowanalytics.snowplow/tp2 HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


async def play_round(command: Command) -> Reply:
    """Write prepared requests to raw sockets, and read the answers."""
    address = urlsplit(command["collector"])
    prepared = list(requests(command))
    streams = [await asyncio.open_connection(address.hostname, address.port) for _ in range(CONNECTIONS)]

    async def send(share: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for request in share:
            writer.write(request)
            await reader.read(MAX_ANSWER_BYTES)

    with Stopwatch() as watch:
        shares = [prepared[index::CONNECTIONS] for index in range(CONNECTIONS)]
        await asyncio.gather(*[send(share, *pair) for share, pair in zip(shares, streams, strict=True)])
    for _, writer in streams:
        writer.close()
        await writer.wait_closed()
    return watch.reply(offered=command["events"])


# -- encoding -----------------------------------------------------------------------------------------


def common_pairs(workload: str) -> dict[str, str]:
    """Return what is the same in all payloads of a workload: the tracker's own, and its subject's, if any."""
    pairs = {"tv": TRACKER_VERSION, "tna": NAMESPACE, "p": PLATFORM, "aid": APP_ID}
    who = tracker_subject(workload)
    return pairs if who is None else {**pairs, **Subject(**who).pairs()}


def payload_of(event: Event, event_id: str, created_ms: str, common: Mapping[str, str]) -> dict[str, str]:
    """Return the final payload of an event of a workload, by the shortest way there is."""
    payload = {"eid": event_id, "dtm": created_ms, "e": event.event_code, **common}
    match event:
        case PageView():
            payload["url"] = event.page_url
            payload["page"] = str(event.page_title)
            payload["refr"] = str(event.referrer)
            who = event.event_subject
            if who is not None:
                payload["uid"] = str(who.user_id)
                payload["ip"] = str(who.ip_address)
                payload["ua"] = str(who.useragent)
                payload["lang"] = str(who.lang)
        case StructuredEvent():
            payload["se_ca"] = event.category
            payload["se_ac"] = event.action
            payload["se_la"] = str(event.label)
            payload["se_pr"] = str(event.property_)
            payload["se_va"] = str(event.value)
        case SelfDescribing():
            inner = {"schema": event.event_json.schema, "data": event.event_json.data}
            payload["ue_pr"] = to_json({"schema": EVENT_SCHEMA, "data": inner}).decode()
            entities = [
                {"schema": entity.schema, "data": entity.data}
                for entity in event.context or ()
                if isinstance(entity, SelfDescribingJson)
            ]
            payload["co"] = to_json({"schema": ENTITIES_SCHEMA, "data": entities}).decode()
        case _:
            raise Unavailable(f"no payload is known for {type(event).__name__}")
    return payload


def make(command: Command) -> Reply:
    """Construct, make an id, and encode."""
    gc.collect()
    build, common = events_of(command["workload"]), common_pairs(command["workload"])
    with Stopwatch() as watch:
        for number in range(command["first"], command["first"] + command["events"]):
            event = build(number)
            to_json(payload_of(event, str(uuid.uuid4()), str(time.time_ns() // 1_000_000), common))
    return watch.reply(offered=command["events"])


def hello(_: Command) -> Reply:
    """Say who this is."""
    return {"name": "limits", "version": version("pydantic-core"), "runtime": runtime()}


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        serve({"hello": hello, "round": lambda command: runner.run(play_round(command)), "make": make})
