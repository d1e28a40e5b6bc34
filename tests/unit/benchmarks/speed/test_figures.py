"""Goals are judged by the medians of one run."""

from typing import Any

import pytest

from benchmarks.speed.figures import Figure, Results, figures
from benchmarks.speed.report import goals_table


def series(measure: str, contender: str, workload: str, cpu_us: float, rate: float = 1.0) -> dict[str, Any]:
    """Return a series as it stands in the results."""
    return {
        "measure": measure,
        "contender": contender,
        "workload": workload,
        "producers": 1,
        "delay": 0.0,
        "events": 1_000,
        "cpu_us": {"median": cpu_us},
        "rate": {"median": rate},
    }


def figure(key: str, *entries: dict[str, Any], **found: Any) -> Figure:
    """Return one line of the table, for results with these series."""
    lines = {line.key: line for line in figures(Results({"series": entries, **found}))}
    return lines[key]


@pytest.mark.parametrize(("ours", "is_met"), [(4.5, True), (4.6, False)])
def test_a_cost_may_be_a_share_of_the_peers(ours: float, is_met: bool) -> None:  # noqa: FBT001 - a parameter
    """Processor time per event is judged by its ratio."""
    found = figure(
        "cpu-500-structured-httpx",
        series("delivery", "ours-httpx-500", "structured", ours),
        series("delivery", "official-500", "structured", 10.0),
    )

    assert is_met is found.is_met
    assert f"{ours / 10.0:.2f}x ({ours:.1f} against 10.0 µs)" == found.reached


def test_a_rate_must_be_a_multiple() -> None:
    """Events a second are judged the other way round."""
    found = figure(
        "rate-0",
        series("delivery", "ours", "page_view", 1.0, rate=40_000.0),
        series("delivery", "official", "page_view", 1.0, rate=1_000.0),
    )

    assert (True, "40.00x (40,000 against 1,000 events/s)") == (found.is_met, found.reached)


def test_the_fastest_transport_is_found() -> None:
    """The goals of the fastest transport go to the one that costs least for page views."""
    entries = [
        series("delivery", "ours-httpx-500", "page_view", 9.0),
        series("delivery", "ours-aiohttp-500", "page_view", 3.0),
        series("delivery", "official-500", "page_view", 10.0),
    ]

    assert "aiohttp" == Results({"series": entries}).fastest()
    assert figure("cpu-500-page_view-fastest", *entries).is_met


@pytest.mark.parametrize(
    ("key", "measure", "ours", "theirs"),
    [
        ("cpu-500-{}-httpx", "delivery", "ours-httpx-500", "official-500"),
        ("cpu-10-{}-httpx", "delivery", "ours-httpx-10", "official-10"),
        ("encoding-{}", "delivery", "ours-httpx-500", "limit-encoding"),
        ("languages-java-{}", "languages", "ours-httpx-500", "java"),
        ("languages-rust-{}", "languages", "ours-httpx-500", "rust"),
    ],
)
def test_both_ways_of_page_views_are_judged(key: str, measure: str, ours: str, theirs: str) -> None:
    """Each has a line of its own, which says whose subject it is."""
    ways = {"page_view": 4.0, "visitor_page_view": 6.0}
    entries = [
        series(measure, contender, way, cost)
        for way, ours_us in ways.items()
        for contender, cost in ((ours, ours_us), (theirs, 20.0))
    ]

    lines = {way: figure(key.format(way), *entries) for way in ways}

    assert "page view (the tracker's subject)" in lines["page_view"].measure
    assert "page view (a subject each)" in lines["visitor_page_view"].measure
    assert ["0.20x (4.0 against 20.0 µs)", "0.30x (6.0 against 20.0 µs)"] == [
        line.reached for line in lines.values()
    ]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    """A goal without results says so."""
    line = figure("languages-java-page_view")

    assert None is line.is_met
    assert "| not measured | – |" in goals_table([line])


def test_a_stall_is_judged_above_the_idle_loop() -> None:
    """A loop that stands still by itself is not our doing; an event that is refused is."""
    run = {"contender": "ours", "rate": 1_000, "above_idle_ms": 9.0, "stall_ms": 30.0, "refused": 0}

    assert figure("stall", stall=[run]).is_met
    assert not figure("stall", stall=[run | {"refused": 1}]).is_met
    assert not figure("stall", stall=[run | {"above_idle_ms": 11.0}]).is_met


def test_a_burst_has_to_arrive_whole() -> None:
    """One event too few is a failure."""
    run = {"contender": "ours", "arrived": 50_000, "wall_seconds": 2.0}

    assert figure("burst", burst=[run]).is_met
    assert not figure("burst", burst=[run, run | {"arrived": 49_999}]).is_met
