"""Where a relay shows how it goes: a line on a terminal, log lines elsewhere."""

import io
import logging
from collections.abc import Iterator

import pytest

from aiotracker.cli.relay_screen import CLEAR_LINE, LOGGER, Screen


class Terminal(io.StringIO):
    """A terminal in memory."""

    def isatty(self) -> bool:
        """Be one."""
        return True


@pytest.fixture
def logged() -> Iterator[list[Screen]]:
    """Have screens that are put in here show the log, as the command does."""
    screens: list[Screen] = []

    class Adding(list[Screen]):
        def append(self, screen: Screen) -> None:
            LOGGER.addHandler(screen)
            screens.append(screen)

    level = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield Adding()
    LOGGER.setLevel(level)
    for screen in screens:
        LOGGER.removeHandler(screen)


def test_a_terminal_shows_one_line_that_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress takes the place of the progress before, and no more than one line."""
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    screen = Screen(terminal)

    screen.show("one")
    screen.show("two " * 10)
    screen.leave()
    screen.leave()

    assert f"{CLEAR_LINE}one{CLEAR_LINE}two two two two two{CLEAR_LINE}" in terminal.getvalue()
    assert 3 == terminal.getvalue().count(CLEAR_LINE)


def test_log_lines_stand_above_the_line_of_a_terminal(logged: list[Screen]) -> None:
    """The line is taken away for a log line, and is there again below it."""
    terminal = Terminal()
    screen = Screen(terminal)
    logged.append(screen)

    LOGGER.warning("before")
    screen.show("progress")
    LOGGER.warning("careful")

    lines = terminal.getvalue().split("\n")
    assert lines[0].endswith("WARNING before")
    assert lines[1].startswith(f"{CLEAR_LINE}progress{CLEAR_LINE}")
    assert lines[1].endswith("WARNING careful")
    assert "progress" == lines[2]


def test_elsewhere_progress_is_a_log_line(logged: list[Screen]) -> None:
    """A file or a pipe gets whole lines with the time, and no escapes."""
    file = io.StringIO()
    screen = Screen(file)
    logged.append(screen)

    screen.show("progress")
    screen.leave()

    assert file.getvalue().endswith(" INFO progress\n")
    assert "\x1b" not in file.getvalue()
