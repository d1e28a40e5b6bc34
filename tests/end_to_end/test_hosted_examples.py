"""The examples of programs without a loop work as they stand, with a real collector behind them."""

import urllib.request
from pathlib import Path

from aiotracker.micro import Micro
from tests.end_to_end.test_examples import DEADLINE, ODD, STOPPED, VISITORS, asked, ended, running
from tests.life.processes import without_slowness

DJANGO_UVICORN = ["-m", "uvicorn", "examples.django_app:application", "--port", "0"]
SHIP = "from examples.celery_tasks import ship_order as s; s.apply(('o-1', 'tea-1', 2, 'u-1')).get()"


def run(command: list[str], collector: str) -> str:
    """Run a program to its end; return what it complained of, other than a busy machine."""
    result = ended(collector, *command)
    result.check_returncode()
    return without_slowness(result.stderr)


def shown(url: str) -> str:
    """Return the page that a visitor sees."""
    with urllib.request.urlopen(url, timeout=DEADLINE) as response:
        return str(response.read().decode())


def test_the_script_delivers_all_it_tracked() -> None:
    """It is over in a moment, and says nothing odd."""
    with Micro() as micro:
        complaints = run(["examples/script.py"], micro.url)
        events = [found["event"]["unstruct_event"]["data"]["data"] for found in micro.good()]
        summary = micro.all()

    assert "" == complaints
    assert {"total": 3, "good": 3, "bad": 0} == summary
    assert {("tea-1", 120, False), ("tea-2", 0, True), ("tea-3", 7, True)} == {
        (event["sku"], event["count"], event["is_low"]) for event in events
    }


def test_a_task_tracks_for_the_user_of_its_order() -> None:
    """Celery runs it here and now; `tests/life` has it run by worker processes."""
    with Micro() as micro:
        run(["-c", SHIP], micro.url)
        (event,) = [found["event"] for found in micro.good()]

    assert {"order_id": "o-1", "total": 9} == event["unstruct_event"]["data"]["data"]
    assert "u-1" == event["user_id"]


def test_every_event_of_the_django_example_arrives_although_it_is_stopped_at_once(tmp_path: Path) -> None:
    """Pages and an order, then SIGTERM: all events are there, all good, and nothing odd is said."""
    with Micro() as micro, running(DJANGO_UVICORN, micro.url, tmp_path / "log") as example:
        pages = [shown(f"{example.url}/products/tea-1?visitor={n}") for n in range(VISITORS)]
        placed = asked(f"{example.url}/orders", {"sku": "tea-2", "quantity": 2})
        health = asked(f"{example.url}/health")
        exit_code = example.stop()

        summary = micro.all()
        views = [found["event"] for found in micro.good(event_type="page_view")]
        (order,) = [found["event"] for found in micro.good(event_type="unstruct")]

    assert VISITORS * ["<h1>tea-1</h1><p>4.50</p>"] == pages
    assert {"tracking": "ok"} == health
    assert {"total": VISITORS + 1, "good": VISITORS + 1, "bad": 0} == summary
    assert {f"{example.url}/products/tea-1?visitor={n}" for n in range(VISITORS)} == {
        view["page_url"] for view in views
    }
    assert {"order_id": placed["order_id"], "total": 12} == order["unstruct_event"]["data"]["data"]
    assert "127.0.0.1" == order["user_ipaddress"]
    assert exit_code in STOPPED
    assert [] == [line for line in example.log.read_text().splitlines() if ODD.search(line)]
