"""A program that ends without closing its tracker: what can still be sent is sent, the rest is told."""

import ssl
from pathlib import Path

import pytest
import trustme

from tests.faults.collector import HOST, Collector
from tests.faults.script import answer, drip, hang
from tests.life.processes import Program, run_program
from tests.stages import Stage

BUDGET = 1.0  # seconds that exiting may take
OVERHEAD = 2.5  # seconds for the rest of the interpreter's end, on a machine that does much else
NOT_SENT = "events were not sent: the program ended without closing its tracker"
FORGOTTEN = "was not closed"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context, and the file of the authority that vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    file = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(file)
    return context, file


@pytest.mark.parametrize(
    "how", ["return", *(pytest.param(how, marks=pytest.mark.faults) for how in ("exit", "raise"))]
)
def test_what_is_left_is_sent_in_the_last_second(collector: Collector, stage: Stage, how: str) -> None:
    """However the program ends, its events arrive, and its exit status is its own."""
    ended = run_program("leave", stage, collector.url, how)

    assert {"return": 0, "exit": 3, "raise": 1}[how] == ended.code
    assert 1_000 == len(collector.kept_ids)  # twice, when the end cut off a request
    assert NOT_SENT not in ended.err
    assert "Unclosed" not in ended.err  # what a library says of connections that died with their loop
    assert ended.seconds < BUDGET + OVERHEAD


@pytest.mark.faults
def test_a_request_under_way_is_sent_again(stage: Stage) -> None:
    """A request that the end of the loop cuts off is repeated: events arrive, some perhaps twice."""
    with Collector(hang().times(1)) as collector:
        ended = run_program("leave", stage, collector.url, "return", 1_000, "sending")

        assert 0 == ended.code
        assert 1_000 == len(collector.kept_ids)


@pytest.mark.faults
def test_a_collector_that_closes_every_connection_gets_all(stage: Stage) -> None:
    """`Connection: close` on every answer costs a new connection per batch, and no event."""
    with Collector(answer(connection="close", closes=True)) as collector:
        run_program("leave", stage, collector.url, "return", 1_400)

        assert 1_400 == len(collector.kept_ids)


def test_tls_works_at_exit(stage: Stage, authority: tuple[ssl.SSLContext, Path]) -> None:
    """The last second speaks TLS, with the trust that the program had."""
    context, file = authority
    with Collector(tls=context) as collector:
        ended = run_program("leave", stage, collector.url, "return", SSL_CERT_FILE=str(file))

        assert 0 == ended.code
        assert 1_000 == len(collector.kept_ids)


@pytest.mark.faults
def test_a_certificate_of_nobody_gets_nothing_at_exit(
    stage: Stage, authority: tuple[ssl.SSLContext, Path]
) -> None:
    """A server that cannot be trusted is not told anything in the last second either."""
    context, _ = authority
    with Collector(tls=context) as collector:
        ended = run_program("leave", stage, collector.url, "return", 10)

        assert f"10 {NOT_SENT}" in ended.err
        assert set() == collector.kept_ids


@pytest.mark.faults
@pytest.mark.parametrize("setting", ["no_exit_flush", "own_client"])
def test_what_may_not_be_sent_is_counted(collector: Collector, stage: Stage, setting: str) -> None:
    """Without `exit_flush`, and with a lent client, the program says how many events it loses."""
    ended = run_program("leave", stage, collector.url, "return", 100, setting)

    assert f"100 {NOT_SENT}" in ended.err
    assert set() == collector.kept_ids


@pytest.mark.faults
def test_nothing_goes_past_a_proxy(collector: Collector, stage: Stage) -> None:
    """Where a proxy stands between, the last second does not try to go around it."""
    url = "http://collector.acme.com:1"
    ended = run_program("leave", stage, url, "return", 10, http_proxy=collector.url)

    assert f"10 {NOT_SENT}" in ended.err


@pytest.mark.faults
def test_a_dead_collector_costs_no_time(stage: Stage) -> None:
    """A refused connection is not tried again; the program ends at once and says what it lost."""
    with Collector() as gone:
        url = gone.url
    ended = run_program("leave", stage, url, "return")

    assert f"1000 {NOT_SENT}" in ended.err
    assert ended.seconds < BUDGET + OVERHEAD


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(hang(), id="hang"),
        pytest.param(drip(0.3), id="drip", marks=pytest.mark.faults),
        pytest.param(answer(delay=20), id="late", marks=pytest.mark.faults),
    ],
)
def test_a_slow_collector_cannot_hold_the_program(stage: Stage, fault: object) -> None:
    """A collector that is silent, or drips its answer, has the last second and no more."""
    with Collector(fault) as collector:  # type: ignore[arg-type]  # a fault
        ended = run_program("leave", stage, collector.url, "return")

        assert f"1000 {NOT_SENT}" in ended.err
        assert ended.seconds < BUDGET + OVERHEAD


@pytest.mark.faults
def test_a_warm_connection_tells_the_address(collector: Collector, stage: Stage) -> None:
    """The address of the last good connection is used, so that no name is looked up at exit."""
    by_name = collector.url.replace("127.0.0.1", "localhost")
    ended = run_program("leave", stage, by_name, "return", 1_000, "warm")

    assert NOT_SENT not in ended.err
    assert 1_001 == len(collector.kept_ids)


def test_a_forgotten_tracker_warns_with_its_origin(stage: Stage) -> None:
    """`-X dev` shows where the tracker that nobody closed was made, and the count stands on stderr."""
    with Collector() as gone:
        url = gone.url
    ended = run_program("leave", stage, url, "forgotten", 10, dev=True)

    assert "ResourceWarning" in ended.err
    assert FORGOTTEN in ended.err
    assert "10 events were waiting" in ended.err
    assert 'tracker = Tracker("leaving", emitter())' in ended.err
    assert f"10 {NOT_SENT}" in ended.err


def test_ctrl_c_delivers_what_was_tracked(stage: Stage) -> None:
    """SIGINT ends the block like a cancellation: everything arrives, and KeyboardInterrupt comes out."""
    with Collector(answer(delay=0.5)) as collector:
        program = Program("interrupted", stage, collector.url)
        program.wait_for("ready")
        program.interrupt()
        ended = program.end()

        assert "interrupted" in ended.out
        assert "Group" not in ended.err + ended.out
        assert 0 == ended.code
        assert (250, 0) == (len(collector.kept_ids), collector.duplicates)
