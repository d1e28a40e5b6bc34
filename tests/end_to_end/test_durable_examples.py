"""The examples of durable stores work as they stand; units and manifests call the command as it is."""

import argparse
import configparser
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiotracker.cli.command import _parser
from aiotracker.micro import Micro
from tests.end_to_end.test_examples import DEADLINE, ODD, ROOT, STOPPED, VISITORS, asked, running
from tests.end_to_end.test_relay import arrived, relaying

RELAY = ROOT / "examples" / "relay"
SERVICE = ["-m", "uvicorn", "examples.durable_service:app", "--port", "0"]
NOWHERE = "http://127.0.0.1:1"


def test_what_the_service_tracked_is_there_for_a_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shop needs no collector; a relay that starts after it has ended sends everything."""
    store = f"sqlite:///{tmp_path}/events.db"
    monkeypatch.setenv("AIOTRACKER_STORE", store)

    with running(SERVICE, NOWHERE, tmp_path / "log") as example:
        for number in range(VISITORS):
            asked(f"{example.url}/products/tea-1?visitor={number}")
        placed = asked(f"{example.url}/orders", {"sku": "tea-2", "quantity": 2})
        health = asked(f"{example.url}/health")
        code = example.stop()
    with Micro() as micro, relaying(store, micro.url, "--until-empty", log=tmp_path / "relay") as relay:
        relay.end()
        views = micro.good(event_type="page_view")
        [order] = [found["event"] for found in micro.good(event_type="unstruct")]

    assert {"tracking": "ok", "waiting": VISITORS + 1} == health
    assert {f"https://shop.acme.com/products/tea-1?visitor={n}" for n in range(VISITORS)} == {
        view["event"]["page_url"] for view in views
    }
    assert {"order_id": placed["order_id"], "total": 12} == order["unstruct_event"]["data"]["data"]
    assert code in STOPPED
    assert [] == [line for line in example.log.read_text().splitlines() if ODD.search(line)]


def counted(collector: str, db: Path) -> str:
    """Run the script; return what it printed."""
    result = subprocess.run(
        [sys.executable, "-X", "dev", "examples/durable_script.py"],
        cwd=ROOT,
        env={**os.environ, "COLLECTOR_URL": collector, "EVENTS_DB": str(db)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert not ODD.search(result.stderr), result.stderr
    return result.stdout


def test_what_one_run_of_the_script_leaves_the_next_delivers(tmp_path: Path) -> None:
    """Without a collector nothing is lost; with one, both days arrive."""
    without = counted(NOWHERE, tmp_path / "events.db")
    with Micro() as micro:
        with_one = counted(micro.url, tmp_path / "events.db")
        ids = arrived(micro)

    assert "delivered 0, left for the next run 3\n" == without
    assert "delivered 6, left for the next run 0\n" == with_one
    assert 6 == len(set(ids))


# -- units and manifests ------------------------------------------------------------------------------


def read_unit() -> configparser.ConfigParser:
    """Return the unit of systemd."""
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd tells upper from lower case
    unit.read(RELAY / "aiotracker-relay.service")
    return unit


def read_manifests() -> Iterator[dict[str, Any]]:
    """Yield what is in the file for Kubernetes."""
    with (RELAY / "kubernetes.yaml").open() as file:
        yield from yaml.safe_load_all(file)


def relays() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield every container of a relay with its pod."""
    for manifest in read_manifests():
        pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
        for container in [*pod.get("containers", []), *pod.get("initContainers", [])]:
            if container["name"] == "relay":
                yield pod, container


def parsed(command: list[str]) -> argparse.Namespace:
    """Return the arguments of a command as `aiotracker` reads them."""
    assert "aiotracker" == Path(command[0]).name
    return _parser().parse_args(command[1:])


def test_the_unit_stops_a_relay_in_order() -> None:
    """It is waited for longer than it may take, and restarted unless that is of no use."""
    service = read_unit()["Service"]

    arguments = parsed(shlex.split(service["ExecStart"]))

    assert "relay" == arguments.command
    assert float(service["TimeoutStopSec"]) > arguments.drain + arguments.stop_timeout
    assert ("always", "2") == (service["Restart"], service["RestartPreventExitStatus"])


def test_the_environment_of_the_unit_is_what_the_relay_reads() -> None:
    """Store and collector stand in the file that the unit names."""
    lines = (RELAY / "aiotracker-relay.env").read_text().splitlines()

    names = [line.partition("=")[0] for line in lines if line and not line.startswith("# ")]

    assert ["AIOTRACKER_STORE", "AIOTRACKER_COLLECTOR"] == names
    assert "/etc/aiotracker-relay.env" == read_unit()["Service"]["EnvironmentFile"]


def test_the_manifests_call_the_relay_as_it_is() -> None:
    """Kubernetes waits longer than the relay may take, and finds the health file where it looks for it."""
    found = list(relays())

    assert 2 == len(found)
    for pod, container in found:
        arguments = parsed(container["args"])
        probe = " ".join(container["livenessProbe"]["exec"]["command"])
        names = [variable["name"] for variable in container["env"]]
        assert "relay" == arguments.command
        assert pod["terminationGracePeriodSeconds"] > arguments.drain + arguments.stop_timeout
        assert str(arguments.health_file) in probe
        assert ["AIOTRACKER_STORE", "AIOTRACKER_COLLECTOR"] == names
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert str(arguments.health_file.parent) in mounts


def test_the_probes_work(tmp_path: Path) -> None:
    """Alive while the file is fresh, ready while it says ok."""
    file = tmp_path / "health"
    [ready] = [c["readinessProbe"]["exec"]["command"] for _, c in relays() if "readinessProbe" in c]
    alive = next(c["livenessProbe"]["exec"]["command"] for _, c in relays())

    def codes() -> list[int]:
        return [
            subprocess.run(
                [word.replace("/run/relay/health", str(file)) for word in probe],
                check=False,
                capture_output=True,
            ).returncode
            for probe in (alive, ready)
        ]

    absent = codes()
    file.write_text("degraded\nhttps://collector.acme.com: open after 3 failures\n")
    degraded = codes()
    file.write_text("ok\n")
    well = codes()
    os.utime(file, (0, 0))
    stale = codes()

    assert [1, 2] == absent
    assert [[0, 1], [0, 0], [1, 0]] == [degraded, well, stale]
