"""The collector of the demo: a program of its own, so that it runs on another core than the tracker.

Speaks JSON lines: says `{"url": …}` when requests are answered, then answers each line of standard
input, `events` or `totals`. Ends with standard input, so that it never outlives the demo, whatever
becomes of that.
"""

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

from aiotracker.cli.demo_account import Received
from aiotracker.micro.app import App
from aiotracker.micro.filters import BadFilter, GoodFilter, find_bad, find_good
from aiotracker.micro.log import ReceivedLog
from aiotracker.micro.receipt import Receipt
from aiotracker.micro.record_size import Oversize
from aiotracker.micro.server_thread import ServerThread

__all__ = ["main"]

LOOPBACK: Final = "127.0.0.1"
CAPACITY: Final = 2_000_000  # events, none of which may be forgotten: the longest burst and a few more
MAX_SHOWN: Final = 100
MAX_REASONS: Final = 100


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to both; the demo decides what it means
    log = ReceivedLog(max_events=CAPACITY)
    server = ServerThread(App(log), LOOPBACK, 0)
    server.start()
    try:
        _say({"url": server.url})
        for question in sys.stdin:
            _say(ANSWERS[question.strip()](log))
    finally:
        server.stop()


def events(log: ReceivedLog) -> dict[str, Any]:
    """Return `{event id: event}` of the newest good events, in the form of `/micro/good`."""
    found = find_good(log.newest_first(), GoodFilter(limit=MAX_SHOWN))
    return {shown["event"]["event_id"]: shown for shown in chain.from_iterable(found)}


def totals(log: ReceivedLog) -> dict[str, Any]:
    """Return a `Received` as a JSON object."""
    receipts = log.newest_first()
    summary = log.summary()
    found = find_bad(receipts, BadFilter(limit=MAX_REASONS))
    received = Received(
        good=summary["good"],
        bad=summary["bad"],
        event_ids=sorted(log.event_ids()),
        reasons=dict(map(_reason, chain.from_iterable(found))),
        requests=len(receipts),
        largest_body_bytes=max(map(_body_bytes, receipts), default=0),
    )
    return asdict(received)


ANSWERS: Final = MappingProxyType[str, Callable[[ReceivedLog], dict[str, Any]]](
    {"events": events, "totals": totals}
)


def _reason(entry: dict[str, Any]) -> tuple[str, str]:
    raw = entry["rawEvent"] or {"parameters": {}}
    return raw["parameters"].get("eid", ""), entry["errors"][-1]


def _body_bytes(receipt: Receipt) -> int:
    record = receipt.record
    return record.actual_bytes if isinstance(record, Oversize) else len(record.body or b"")


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
