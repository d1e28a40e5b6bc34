"""Connections that break, or never come about."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import pytest

from tests.faults.collector import Collector
from tests.faults.conftest import FaultReport
from tests.faults.rig import Rig, Rigs, distinct
from tests.faults.script import lose_acknowledgement, reset
from tests.faults.sizes import quick_and_full

CERTIFICATE: Final = Path(__file__).with_name("certificate.pem")
"""Of 127.0.0.1, signed by itself, with its key: a test's own, valid for a hundred years."""


@quick_and_full("events", 300, 2_000)
async def test_a_quarter_of_resets_loses_nothing(rigs: Rigs, events: int, fault_report: FaultReport) -> None:
    """2,000 of 2,000 events arrive, once each, when a quarter of the requests is reset unaccepted."""
    rig = await rigs(reset().one_in(4), batch_size=20)

    await rig.track(events)
    seconds = await rig.settled(within=60)

    assert events == rig.kept
    assert 0 == rig.collector.duplicates
    fault_report(
        "every fourth request is reset before it is accepted",
        reaction="sends it again: at once on a kept connection, else after a backoff",
        bound="2,000 of 2,000 delivered, no duplicate",
        figure=f"{rig.kept:,} in {seconds:.1f} s, {len(rig.collector.seen)} requests",
    )


@quick_and_full("events", 300, 2_000)
async def test_a_lost_acknowledgement_duplicates_no_more_than_its_batch(
    rigs: Rigs, events: int, fault_report: FaultReport
) -> None:
    """When a quarter of the requests is accepted and then reset, only their events arrive again.

    They arrive under the same ids, so that the pipeline can tell.
    """
    rig = await rigs(lose_acknowledgement().one_in(4), batch_size=20)

    await rig.track(events)
    seconds = await rig.settled(within=60)

    unacknowledged = rig.collector.seen_with(None)
    assert events == rig.kept
    assert set(rig.ids) == rig.collector.kept_ids
    assert 0 < len(unacknowledged)
    assert rig.collector.duplicates <= sum(len(request.event_ids) for request in unacknowledged)
    assert events == rig.emitter.stats().delivered
    fault_report(
        "every fourth request is accepted and then reset",
        reaction="sends it again, with the same event ids",
        bound="2,000 of 2,000 delivered, duplicates only of batches without acknowledgement",
        figure=(
            f"{rig.kept:,} in {seconds:.1f} s, {rig.collector.duplicates} duplicates "
            f"of {len(distinct(unacknowledged))} events"
        ),
    )


@dataclass(frozen=True)
class Outage:
    """An outage and how it is met.

    Attributes:
        seconds: how long it lasts.
        max_delay: cap of the backoff in seconds.
    """

    seconds: float
    max_delay: float


QUICK = Outage(0.25, max_delay=0.2)
FULL = Outage(5, max_delay=60)


def attempts_and_lines(rig: Rig, lines: pytest.LogCaptureFixture) -> tuple[int, list[str]]:
    """Return how many requests were attempted so far, and what was said of failed ones."""
    told = [record.getMessage() for record in lines.records if "a request failed" in record.getMessage()]
    return rig.emitter.stats().requests, told


@quick_and_full("outage", QUICK, FULL)
async def test_a_refused_connection_costs_one_attempt_per_backoff(
    rigs: Rigs, lines: pytest.LogCaptureFixture, outage: Outage, fault_report: FaultReport
) -> None:
    """While the port is closed, attempts are as rare as after a 503, and told once."""
    rig = await rigs(max_retry_delay=outage.max_delay)
    await anyio.to_thread.run_sync(rig.collector.refuse)

    await rig.track(600)
    await anyio.sleep(outage.seconds)
    attempts, told = attempts_and_lines(rig, lines)
    rig.collector.listen()
    await rig.settled(within=90)

    assert 600 == rig.kept
    assert attempts <= 13
    assert 1 == len(told)
    fault_report(
        "connection refused for 5 s",
        reaction="opens the circuit: one attempt per backoff",
        bound="600 of 600 delivered, at most 13 attempts meanwhile, one log line",
        figure=f"{rig.kept}, {attempts} attempts",
    )


@pytest.mark.in_memory("no connection comes about, which is not the store's business")
@quick_and_full("outage", QUICK, FULL)
async def test_a_name_that_cannot_be_resolved_costs_one_attempt_per_backoff(
    rigs: Rigs, lines: pytest.LogCaptureFixture, outage: Outage, fault_report: FaultReport
) -> None:
    """Without an address everything is kept, attempts are rare, and it is told once."""
    rig = await rigs(url="https://collector.invalid", max_retry_delay=outage.max_delay)

    await rig.track(600)
    await anyio.sleep(outage.seconds)
    attempts, told = attempts_and_lines(rig, lines)
    report = await rig.tracker.aclose(timeout=0.2)

    assert 1 <= attempts <= 13
    assert 1 == len(told)
    assert "connect" in told[0]
    assert {"shutdown_deadline": 600} == report.dropped
    fault_report(
        "the name of the collector cannot be resolved for 5 s",
        reaction="opens the circuit: one attempt per backoff",
        bound="600 of 600 kept, at most 13 attempts meanwhile, one log line",
        figure=f"{sum(report.dropped.values())} kept until closing, {attempts} attempts",
    )


@pytest.mark.in_memory("no connection comes about, which is not the store's business")
@quick_and_full("outage", QUICK, FULL)
async def test_a_collector_without_tls_costs_one_attempt_per_backoff(
    rigs: Rigs, lines: pytest.LogCaptureFixture, outage: Outage, fault_report: FaultReport
) -> None:
    """A failed handshake is told once, as an error; when the collector has mended it, all arrive."""
    speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaks.load_cert_chain(CERTIFICATE)
    trusts = ssl.create_default_context(cafile=CERTIFICATE)
    collector = Collector()
    collector.listen()
    url = collector.url.replace("http:", "https:")
    await anyio.to_thread.run_sync(collector.refuse)
    rig = await rigs.build(collector, url=url, ssl_context=trusts, max_retry_delay=outage.max_delay)

    await rig.track(600)
    await anyio.sleep(outage.seconds)
    attempts, told = attempts_and_lines(rig, lines)
    collector.tls = speaks
    await rig.settled(within=90)

    assert 600 == rig.kept
    assert 1 <= attempts <= 13
    assert ["ERROR"] == [record.levelname for record in lines.records if record.getMessage() in told]
    assert "tls" in told[0]
    fault_report(
        "a plain-text server where TLS is expected, for 5 s",
        reaction="opens the circuit: one attempt per backoff; tells of it at ERROR",
        bound="600 of 600 delivered, at most 13 attempts meanwhile, one log line",
        figure=f"{rig.kept}, {attempts} attempts",
    )


async def test_a_handshake_that_hangs_is_no_misconfiguration(
    rigs: Rigs, lines: pytest.LogCaptureFixture
) -> None:
    """A server too slow for TLS is a failed connection like others, which nobody needs to mend."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        rig = await rigs(url=f"https://127.0.0.1:{port}", connect_timeout=0.1)

        await rig.track(1)
        await rig.until(lambda: lines.records != [] and rig.emitter.stats().buffered == 1)

    told = lines.records[0]
    assert "WARNING" == told.levelname
    assert "connect (Connect" in told.getMessage()  # ConnectTimeout, ConnectionTimeoutError


async def test_a_certificate_that_is_not_trusted_is_told_once(
    rigs: Rigs, lines: pytest.LogCaptureFixture, fault_report: FaultReport
) -> None:
    """No event leaves for a collector that cannot prove who it is."""
    speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaks.load_cert_chain(CERTIFICATE)
    rig = await rigs.build(Collector(tls=speaks), max_retry_delay=0.1)

    await rig.track(10)
    await rig.until(lambda: rig.emitter.stats().requests >= 3)
    await rig.until(lambda: rig.emitter.stats().buffered == 10)

    assert [] == rig.collector.seen
    assert ["ERROR"] == [record.levelname for record in lines.records]
    fault_report(
        "a certificate that is not trusted",
        reaction="sends nothing, keeps everything, tells of it at ERROR",
        bound="no event sent, one log line",
        figure="0 sent",
    )
