"""Event ids: UUIDs that nobody has had before."""

import threading
import uuid

from aiotracker.event_ids import STOCK, EventIds

COUNT = 3 * STOCK + 1


def test_ids_are_uuids_of_version_4() -> None:
    """In the 36-character form in lower case, which is the one that the pipeline keeps."""
    ids = EventIds()

    for _ in range(COUNT):
        event_id = ids.take()
        parsed = uuid.UUID(event_id)

        assert (4, uuid.RFC_4122, event_id) == (parsed.version, parsed.variant, str(parsed))


def test_all_other_bits_are_random() -> None:
    """Of a thousand ids, each of the 122 free bits is set in some and not in others."""
    ids = EventIds()
    numbers = [uuid.UUID(ids.take()).int for _ in range(1000)]

    always, ever = 2**128 - 1, 0
    for number in numbers:
        always &= number
        ever |= number
    assert (0b0100 << 76) | (0b10 << 62) == always
    assert 2**128 - 1 - (0b1011 << 76) - (0b01 << 62) == ever


def test_threads_never_get_the_same() -> None:
    """Whatever they do to each other while the stock is renewed."""
    ids = EventIds()
    taken: list[list[str]] = [[] for _ in range(8)]

    def take(own: list[str]) -> None:
        own.extend(ids.take() for _ in range(COUNT))

    threads = [threading.Thread(target=take, args=(own,)) for own in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8 * COUNT == len({event_id for own in taken for event_id in own})
