"""What `Micro` and its module promise before anything is served."""

import importlib
import sys
from typing import Any

import pytest

from aiotracker.errors import ConfigurationError
from aiotracker.micro import Micro


@pytest.mark.parametrize("settings", [{"port": -1}, {"port": 65_536}, {"max_events": 0}, {"max_bytes": 0}])
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    """At once, and by name."""
    with pytest.raises(ConfigurationError) as caught:
        Micro(**settings)

    assert settings == {caught.value.setting: caught.value.value}


def test_a_micro_that_never_ran_has_no_address() -> None:
    """The error says how to run it."""
    micro = Micro()

    with pytest.raises(RuntimeError, match=r"with Micro\(\)"):
        _ = micro.url


def test_a_micro_that_never_ran_shows_nothing() -> None:
    """Reading and stopping are harmless."""
    micro = Micro()

    micro.stop()

    assert not micro.is_running
    assert ([], [], set()) == (micro.good(), micro.bad(), micro.event_ids())
    assert micro.all() == micro.reset() == {"total": 0, "good": 0, "bad": 0}


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_missing_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    for name in [*sys.modules]:
        if name.partition(".")[0] == missing or name.startswith("aiotracker.micro"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'aiotracker\[micro\]'") as caught:
        importlib.import_module("aiotracker.micro")

    assert missing in str(caught.value.name)
