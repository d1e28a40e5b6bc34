"""Events that were given up, in a file."""

import errno
import json
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aiotracker import (
    ConfigurationError,
    DeadLetterFile,
    Emitter,
    Notice,
    NoticeKind,
    PageView,
    RefusalReason,
    Tracker,
)
from aiotracker.stores.letter_lines import record_of_line
from aiotracker.testing.records import make_record, name_of
from tests.fakes.clock import FakeClock

on_unix = pytest.mark.skipif(sys.platform == "win32", reason="files have other rights there")


def notice(*names: str, kind: NoticeKind = NoticeKind.FAILURE, size: int = 150) -> Notice:
    """Return a notice of events that the collector refused."""
    records = tuple(make_record(name, size=size) for name in names)
    return Notice(kind, "https://collector.acme.com", records, "rejected", "400 Bad Request")


def names(path: Path) -> list[str]:
    """Return the names of the events in a file; none of its lines may be broken, but they may be empty."""
    return [name_of(record_of_line(line)) for line in path.read_bytes().splitlines() if line]


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a size: to whoever writes it is a disk that is full."""
    import resource  # Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_each_event_is_a_line(tmp_path: Path) -> None:
    """With what is known of it: where it was to go, why it did not, and when."""
    path = tmp_path / "letters.jsonl"
    letters = DeadLetterFile(path, clock=FakeClock(wall_ms=1_700_000_000_000))

    letters(notice("a", "b"))
    letters(notice("c", kind=NoticeKind.DROP))

    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert ["a", "b", "c"] == names(path)
    assert {
        "dropped_at": "2023-11-14T22:13:20.000Z",
        "reason": "rejected",
        "detail": "400 Bad Request",
        "collector": "https://collector.acme.com",
        "kind": "ordinary",
    } == {key: value for key, value in lines[0].items() if key != "event"}
    assert (3, 0, str(path)) == (letters.written, letters.unwritten, letters.path)


def test_what_must_not_be_seen_is_not_written(tmp_path: Path) -> None:
    """A notice without events leaves no file behind."""
    letters = DeadLetterFile(tmp_path / "letters.jsonl")

    letters(notice(kind=NoticeKind.DROP))

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [NoticeKind.SUCCESS, NoticeKind.RETRY])
def test_events_that_are_not_given_up_are_refused(tmp_path: Path, kind: NoticeKind) -> None:
    """An event that is sent again must not be sent from the file, too."""
    letters = DeadLetterFile(tmp_path / "letters.jsonl")

    with pytest.raises(ConfigurationError, match=f"on_{kind}.*belongs to on_failure and on_drop"):
        letters(notice("a", kind=kind))

    assert [] == list(tmp_path.iterdir())


@on_unix
def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """Events tell of people. A file that is there already keeps its rights."""
    new, old = tmp_path / "new.jsonl", tmp_path / "old.jsonl"
    old.touch(mode=0o644)

    for path in (new, old):
        DeadLetterFile(path)(notice("a"))

    assert [0o600, 0o644] == [stat.S_IMODE(path.stat().st_mode) for path in (new, old)]


@pytest.mark.parametrize("max_bytes", [0, -1, 1.5, True, None])
def test_a_bound_is_a_positive_number(tmp_path: Path, max_bytes: int) -> None:
    """A mistake is told where it is made."""
    with pytest.raises(ConfigurationError, match="max_bytes"):
        DeadLetterFile(tmp_path / "letters.jsonl", max_bytes=max_bytes)


def test_a_path_is_needed() -> None:
    """An empty one is a variable that is not set."""
    with pytest.raises(ConfigurationError, match="must name a file"):
        DeadLetterFile("")


# -- a bound, a disk, a folder ----------------------------------------------------------------------------


def test_a_full_file_stays_as_it_is(tmp_path: Path) -> None:
    """The first letters are kept; those that find no room are counted, and said to be lost."""
    path = tmp_path / "letters.jsonl"
    line_bytes = len(one_line(tmp_path))
    letters = DeadLetterFile(path, max_bytes=3 * line_bytes)

    letters(notice("a", "b"))
    with pytest.raises(OSError, match=f"would exceed its {3 * line_bytes} bytes"):
        letters(notice("c", "d", "e"))
    with pytest.raises(OSError, match="move it away"):
        letters(notice("f"))

    assert ["a", "b", "c"] == names(path)
    assert (3, 3) == (letters.written, letters.unwritten)


def test_writing_goes_on_when_the_file_was_moved_away(tmp_path: Path) -> None:
    """As somebody does who looks at it, or logrotate."""
    path = tmp_path / "letters.jsonl"
    letters = DeadLetterFile(path, max_bytes=len(one_line(tmp_path)))
    letters(notice("a"))

    path.rename(tmp_path / "seen.jsonl")
    letters(notice("b"))

    assert (["a"], ["b"]) == (names(tmp_path / "seen.jsonl"), names(path))


def one_line(folder: Path) -> bytes:
    """Return the line of an event as it is in a file."""
    path = folder / "one.jsonl"
    DeadLetterFile(path)(notice("a"))
    return path.read_bytes()


@on_unix
def test_a_full_disk_costs_the_events_of_that_moment(tmp_path: Path) -> None:
    """A line that was cut off is the only trace; what comes later begins a new one."""
    path = tmp_path / "letters.jsonl"
    line_bytes = len(one_line(tmp_path))
    letters = DeadLetterFile(path)

    with file_size_limit(line_bytes * 5 // 2), pytest.raises(OSError) as full:  # noqa: PT011 - of the system's
        letters(notice("a", "b", "c", "d"))
    with file_size_limit(line_bytes * 5 // 2), pytest.raises(OSError):  # noqa: PT011 - likewise
        letters(notice("e"))
    letters(notice("f"))

    lines = path.read_bytes().splitlines()
    whole = [name_of(record_of_line(line)) for line in lines if len(line) == line_bytes - 1]
    assert full.value.errno in {errno.EFBIG, errno.ENOSPC}
    assert (["a", "b", "f"], 4) == (whole, len(lines))
    assert (3, 3) == (letters.written, letters.unwritten)


def test_a_folder_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """What could not be written is counted, and the next events are tried again."""
    path = tmp_path / "later" / "letters.jsonl"
    letters = DeadLetterFile(path)

    with pytest.raises(FileNotFoundError):
        letters(notice("a", "b"))
    path.parent.mkdir()
    letters(notice("c"))

    assert (["c"], 1, 2) == (names(path), letters.written, letters.unwritten)


# -- several writers --------------------------------------------------------------------------------------


WRITER = """
import sys
from aiotracker import DeadLetterFile, Notice, NoticeKind
from aiotracker.testing.records import make_record

path, letter = sys.argv[1:]
letters = DeadLetterFile(path)
for number in range(40):
    records = tuple(make_record(f"{letter}{number:03}{place}", size=2_000) for place in range(5))
    letters(Notice(NoticeKind.FAILURE, "https://collector.acme.com", records, "rejected"))
"""


def test_lines_of_several_processes_do_not_run_together(tmp_path: Path) -> None:
    """A notice is one write, and the events of one notice stay together."""
    path = tmp_path / "letters.jsonl"

    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter]) for letter in "ab"]

    assert [0, 0] == [process.wait(30) for process in processes]
    found = names(path)
    assert 400 == len(found) == len({*found})
    assert all(found[at][:4] == found[at + 4][:4] for at in range(0, 400, 5))


def test_several_emitters_may_share_one(tmp_path: Path) -> None:
    """Each tells from a thread of its own, and every event is counted."""
    path = tmp_path / "letters.jsonl"
    letters = DeadLetterFile(path)

    def work(letter: str) -> None:
        for number in range(100):
            letters(notice(f"{letter}{number}"))

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 400 == len({*names(path)}) == letters.written


# -- behind an emitter ------------------------------------------------------------------------------------


async def test_delivery_does_not_notice_a_disk_that_fails(tmp_path: Path) -> None:
    """The emitter's accounts are right, the loss is logged, and closing waits for nobody."""
    letters = DeadLetterFile(tmp_path / "nowhere" / "letters.jsonl")
    emitter = Emitter("http://127.0.0.1:9", buffer_capacity=2, overflow="drop_newest", on_drop=letters)

    async with Tracker("web", emitter) as tracker:
        for _ in range(5):
            tracker.track_nowait(PageView(page_url="https://acme.com/"))
        stats = tracker.stats()
        await tracker.aclose(timeout=0.1)

    assert (2, 3) == (stats.buffered + stats.in_flight, stats.refused[RefusalReason.QUEUE_FULL])
    assert 5 == letters.unwritten


def test_a_record_is_written_as_it_would_be_sent(tmp_path: Path) -> None:
    """The bytes of the event are copied, not read and written anew."""
    path = tmp_path / "letters.jsonl"
    record = make_record("a")

    DeadLetterFile(path)(Notice(NoticeKind.DROP, "c", (record,), "evicted"))

    assert record.data in path.read_bytes()
    assert path.read_bytes().endswith(b"}}\n")
