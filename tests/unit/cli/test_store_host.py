"""A command as the host of a store."""

import logging

import pytest

from aiotracker import DropReason, StoreHost
from aiotracker.cli.store_host import CommandHost


def test_it_says_what_goes_wrong_once(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, with the name of the command; what is no trouble is not said."""
    command = CommandHost("aiotracker dead-letters")
    host: StoreHost = command

    host.changed()
    host.say(logging.INFO, "opened", "the file is open")
    host.say(logging.WARNING, "locked", "the file is locked")
    host.say(logging.WARNING, "locked", "the file is locked")
    command.complain("the file is locked")
    host.lost(2, DropReason.STORE_ERROR, "the file is damaged")

    assert [
        "aiotracker dead-letters: the file is locked",
        "aiotracker dead-letters: 2 events were dropped as store_error: the file is damaged",
    ] == capsys.readouterr().err.splitlines()


def test_it_has_the_clocks_of_the_machine() -> None:
    """As a tracker has."""
    clock = CommandHost("aiotracker dead-letters").clock

    assert clock.now() <= clock.now()
    assert clock.wall_ms() > 1_700_000_000_000
