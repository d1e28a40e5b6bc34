"""What the demo shows, in a terminal and outside of one."""

import io

import pytest
from rich.console import Console

from aiotracker.cli.demo_screen import Screen


def screen_of(*, terminal: bool, encoding: str = "utf-8") -> tuple[Screen, io.BytesIO]:
    """Return a screen and what it writes to."""
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding=encoding, write_through=True)
    console = Console(
        file=file, force_terminal=terminal, width=100, highlight=False, markup=False, _environ={}
    )
    return Screen(console), written


def test_progress_outside_of_a_terminal_is_a_line_per_tenth() -> None:
    """A log file gets few lines, and no control characters."""
    screen, written = screen_of(terminal=False)

    with screen.progress(1_000) as progress:
        for done in (50, 100, 150, 450, 1_000):
            progress.show(done)

    assert [
        "Burst: 100 of 1,000 events delivered",
        "Burst: 450 of 1,000 events delivered",
        "Burst: 1,000 of 1,000 events delivered",
    ] == written.getvalue().decode().splitlines()


def test_progress_in_a_terminal_is_a_bar() -> None:
    """A person sees one line that moves."""
    screen, written = screen_of(terminal=True)

    with screen.progress(1_000) as progress:
        progress.show(1_000)

    text = written.getvalue().decode()
    assert "\x1b" in text
    assert "1000/1000" in text


def test_an_event_that_did_not_arrive_is_shown_as_nothing() -> None:
    """A gap in the table is seen, whether the tracker refused the event or the collector lost it."""
    screen, written = screen_of(terminal=False)

    screen.show_events({"PageView": "id-1", "PagePing": None}, {})

    lines = written.getvalue().decode().splitlines()
    assert [["PageView", "nothing"], ["PagePing", "nothing"]] == [
        line.split() for line in lines if "nothing" in line
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_tables_can_be_written_in_every_encoding(encoding: str) -> None:
    """A terminal without Unicode gets a table in plain characters, not an error."""
    screen, written = screen_of(terminal=False, encoding=encoding)

    screen.show_events({"PageView": None}, {})

    assert "PageView" in written.getvalue().decode(encoding)


def test_success_is_one_line_and_exit_code_0() -> None:
    """What is shown and what the shell gets are the same."""
    screen, written = screen_of(terminal=False)

    code = screen.conclude([], "all is well.")

    assert (0, "OK: all is well.\n") == (code, written.getvalue().decode())


def test_every_problem_is_a_line_and_the_exit_code_1() -> None:
    """No problem hides behind another, and long ones are not broken."""
    screen, written = screen_of(terminal=False)
    long = "x" * 300

    code = screen.conclude(["[this] is lost", long], "all is well.")

    assert (1, f"FAILED: [this] is lost\nFAILED: {long}\n") == (code, written.getvalue().decode())
