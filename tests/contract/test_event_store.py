"""What every event store promises, whatever it is made of.

A store is under contract when a function that builds it stands in `STORES`; it gets the bounds in
events and bytes.
"""

import threading
from collections.abc import Callable, Iterable
from inspect import isawaitable

import pytest

from aiotracker import DropReason, EventStore, Lease, MemoryStore
from aiotracker.protocol.envelope import ENVELOPE_BYTES
from aiotracker.protocol.record import RECORD_START, Kind, Record, record_bytes
from aiotracker.stores.base import InstantStore

Factory = Callable[[int, int], EventStore]

STORES: list[Factory] = [MemoryStore]

LARGE = 10**6
SIZE = 100  # bytes of the records below, in a body


@pytest.fixture(params=STORES, ids=lambda factory: factory.__name__)
def factory(request: pytest.FixtureRequest) -> Factory:
    """Return what builds a store."""
    build: Factory = request.param
    return build


@pytest.fixture
def store(factory: Factory) -> EventStore:
    """Return an empty store with more room than any test needs."""
    return factory(LARGE, LARGE)


def record(name: object, kind: Kind = Kind.ORDINARY, size: int = SIZE) -> Record:
    """Return a record of a size in a body, with its name where the id is."""
    start = f'{RECORD_START}{str(name).ljust(36)}"'.encode()
    return Record(kind, start.ljust(size - record_bytes(b""), b"x"))


async def put(store: EventStore, *records: Record, now: float = 0.0) -> None:
    """Reserve room for records and put them."""
    for each in records:
        assert store.reserve(each.size_bytes)
        pending = store.put(each, now)
        if isawaitable(pending):
            await pending


async def put_names(store: EventStore, names: Iterable[object], kind: Kind = Kind.ORDINARY) -> None:
    """Put one record per name."""
    await put(store, *[record(name, kind) for name in names])


async def lease(store: EventStore, max_events: int = LARGE, max_bytes: int = LARGE) -> Lease:
    """Lease records that are there."""
    found = await store.lease(max_events, max_bytes)
    assert found is not None
    return found


def names(*leases: Lease) -> str:
    """Return the one-letter names of the leased records."""
    return "".join(record.event_id.strip() for lease in leases for record in lease.records)


# -- order ------------------------------------------------------------------------------------------


async def test_records_come_out_in_the_order_of_putting(store: EventStore) -> None:
    """One kind is one FIFO, over several leases."""
    await put_names(store, "abcdef")

    leases = [await lease(store, 4), await lease(store, 4)]

    assert ["abcd", "ef"] == [names(each) for each in leases]
    assert None is await store.lease(1, LARGE)


async def test_sequences_grow_in_the_order_of_putting(store: EventStore) -> None:
    """Numbers are given at putting and never again, so that a flush knows what it waits for."""
    await put_names(store, "ab")
    first = await lease(store)
    await store.release(first)
    await put_names(store, "c")

    again = await lease(store)

    assert sorted(again.sequences) == list(again.sequences)
    assert first.sequences == again.sequences[:2]
    assert again.sequences[-1] == store.backlog().latest_sequence


async def test_a_lease_knows_when_its_records_were_put(store: EventStore) -> None:
    """The age of a record counts from its putting, through every release."""
    await put(store, record("a"), now=5.0)
    await put(store, record("b"), now=7.0)
    await store.release(await lease(store))

    again = await lease(store)

    assert (5.0, 7.0) == again.put_at


async def test_a_lease_holds_one_kind_that_of_the_oldest(store: EventStore) -> None:
    """The kind of the oldest record decides, and the other is skipped, not waited for."""
    for name in "abcdef":
        await put_names(store, name, Kind.ANONYMOUS if name in "bdf" else Kind.ORDINARY)

    leases = [await lease(store), await lease(store)]

    assert ["ace", "bdf"] == [names(each) for each in leases]
    assert [Kind.ORDINARY, Kind.ANONYMOUS] == [each.kind for each in leases]


async def test_what_is_released_comes_first_again(store: EventStore) -> None:
    """A released lease goes to the front, in its old order, before what came later."""
    await put_names(store, "abc")
    taken = await lease(store)
    await put_names(store, "def")

    await store.release(taken)

    assert "abcdef" == names(await lease(store))


async def test_parts_of_a_lease_settle_on_their_own(store: EventStore) -> None:
    """A slice can be acknowledged while another is released and a third rejected."""
    await put_names(store, "abcdef")
    whole = await lease(store)

    await store.ack(whole.part(0, 2))
    await store.reject(whole.part(2, 3), DropReason.REJECTED)
    await store.release(whole.part(3, 6))

    assert "def" == names(await lease(store))
    assert (0, 3) == (store.backlog().events, store.backlog().leased)


async def test_leases_released_in_any_order_leave_the_queue_sorted(store: EventStore) -> None:
    """Two failed batches come back in the order of putting, whichever failed first."""
    await put_names(store, "abcd")
    first, second = await lease(store, 2), await lease(store, 2)

    await store.release(first)
    await store.release(second)

    assert "abcd" == names(await lease(store))


# -- bounds -----------------------------------------------------------------------------------------


async def test_no_more_events_are_taken_than_there_is_room_for(factory: Factory) -> None:
    """The bound in events counts what is reserved, waiting and leased."""
    store = factory(3, LARGE)
    await put_names(store, "ab")
    await lease(store, 1)

    granted = [store.reserve(SIZE), store.reserve(SIZE)]

    assert [True, False] == granted


async def test_no_more_bytes_are_taken_than_there_is_room_for(factory: Factory) -> None:
    """The bound in bytes counts what is reserved, waiting and leased; a smaller record may still fit."""
    store = factory(LARGE, 3 * SIZE + 10)
    await put_names(store, "abc")
    await lease(store, 1)

    granted = [store.reserve(SIZE), store.reserve(11), store.reserve(10), store.reserve(1)]

    assert [False, False, True, False] == granted


@pytest.mark.parametrize("settle", ["ack", "reject"])
async def test_settling_frees_room(factory: Factory, settle: str) -> None:
    """What was delivered or given up takes up no room."""
    store = factory(2, 2 * SIZE)
    await put_names(store, "ab")
    taken = await lease(store)
    before = store.reserve(SIZE)

    await (store.ack(taken) if settle == "ack" else store.reject(taken, DropReason.REJECTED))

    assert [False, True, True, False] == [before, *(store.reserve(SIZE) for _ in range(3))]


async def test_releasing_frees_no_room(factory: Factory) -> None:
    """What comes back still takes up its room."""
    store = factory(2, LARGE)
    await put_names(store, "ab")

    await store.release(await lease(store))

    assert not store.reserve(SIZE)


async def test_a_reservation_can_be_given_back(factory: Factory) -> None:
    """Room that will not be used is there for others."""
    store = factory(1, SIZE)
    store.reserve(SIZE)
    before = store.reserve(SIZE)

    store.cancel(SIZE)

    assert (False, True) == (before, store.reserve(SIZE))


async def test_a_lease_fits_in_one_request(store: EventStore) -> None:
    """Events and bytes of the body, envelope included, bound a lease."""
    await put_names(store, "abcdefgh")

    by_bytes = await lease(store, LARGE, ENVELOPE_BYTES - 1 + 3 * SIZE)
    by_events = await lease(store, 2, LARGE)

    assert ("abc", "de") == (names(by_bytes), names(by_events))


async def test_a_record_above_the_bytes_of_a_request_comes_alone(store: EventStore) -> None:
    """It was admitted under a larger limit, so it must be able to leave."""
    await put(store, record("a", size=5_000), record("b"))

    assert "a" == names(await lease(store, LARGE, 1_000))


# -- exclusive leases -------------------------------------------------------------------------------


async def test_a_record_is_in_one_lease_at_a_time(store: EventStore) -> None:
    """What is leased is not handed out a second time before it is settled."""
    await put_names(store, "abcd")

    leases = [await lease(store, 2), await lease(store, 2)]

    assert ["ab", "cd"] == [names(each) for each in leases]
    assert None is await store.lease(2, LARGE)


async def test_what_nobody_settles_can_be_reclaimed(store: EventStore) -> None:
    """After a crash every lease comes back, in order, before what waits."""
    await put_names(store, "abcdef")
    settled = await lease(store, 1)
    await lease(store, 2)
    await lease(store, 1)
    await store.ack(settled)

    count = await store.reclaim()

    assert (3, 0) == (count, store.backlog().leased)
    assert "bcdef" == names(await lease(store))


async def test_both_kinds_are_reclaimed(store: EventStore) -> None:
    """Reclaimed records go back to the queue of their kind."""
    await put_names(store, "a")
    await put_names(store, "b", Kind.ANONYMOUS)
    await lease(store)
    await lease(store)

    count = await store.reclaim()

    assert (2, "a", "b") == (count, names(await lease(store)), names(await lease(store)))


async def test_without_leases_there_is_nothing_to_reclaim(store: EventStore) -> None:
    """Reclaiming twice, or in vain, changes nothing."""
    await put_names(store, "ab")

    assert 0 == await store.reclaim()
    assert "ab" == names(await lease(store))


async def test_putting_in_one_step_is_reserving_and_putting(factory: Factory) -> None:
    """Where a store can do both at once, it does the same: order, bounds, and nothing when it is full."""
    store = factory(3, LARGE)
    if not isinstance(store, InstantStore):
        return
    await put_names(store, "a")

    taken = [store.try_put(record(name), SIZE, 7.0) for name in "bcd"]

    found = await lease(store)
    assert ([True, True, False], "abc", (0.0, 7.0, 7.0)) == (taken, names(found), found.put_at)
    assert (0, False) == (store.backlog().events, store.reserve(1))


# -- eviction and discarding ------------------------------------------------------------------------


async def test_evicting_removes_the_oldest_until_there_is_room(factory: Factory) -> None:
    """As many of the oldest as needed, of whatever kind, and the room is reserved."""
    store = factory(4, 4 * SIZE)
    await put_names(store, "a")
    await put_names(store, "b", Kind.ANONYMOUS)
    await put_names(store, "cd")

    evicted = store.evict(2 * SIZE)

    assert ["a", "b"] == [names(each) for each in evicted or ()]
    assert (2, False) == (store.backlog().events, store.reserve(1))


async def test_evicting_spares_what_is_leased(factory: Factory) -> None:
    """A record that is being sent cannot make room: the oldest that waits does."""
    store = factory(3, LARGE)
    await put_names(store, "abc")
    await lease(store, 2)

    assert "c" == names(*store.evict(SIZE) or ())
    assert None is store.evict(SIZE)


async def test_evicting_in_vain_removes_nothing(factory: Factory) -> None:
    """When all that waits would not be enough, all of it stays."""
    store = factory(LARGE, 3 * SIZE)
    await put_names(store, "abc")
    await lease(store, 2)

    evicted = store.evict(2 * SIZE)

    assert (None, 1) == (evicted, store.backlog().events)


async def test_evicting_where_there_is_room_removes_nothing(store: EventStore) -> None:
    """Room that is there is simply reserved."""
    await put_names(store, "a")

    evicted = store.evict(SIZE)

    assert ([], 1) == (evicted, store.backlog().events)


async def test_discarding_gives_up_what_only_this_process_could_send(store: EventStore) -> None:
    """A store that survives keeps everything; another one hands it all out, oldest first of each kind."""
    await put_names(store, "ab")
    await put_names(store, "c", Kind.ANONYMOUS)
    await put_names(store, "d")

    discarded = await store.discard(DropReason.SHUTDOWN_DEADLINE)

    expected = ([], 4) if store.is_durable else (["abd", "c"], 0)
    assert expected == ([names(each) for each in discarded], store.backlog().events)


async def test_discarding_frees_all_room(factory: Factory) -> None:
    """What was discarded takes up no room; the store can be used again."""
    store = factory(2, 2 * SIZE)
    await put_names(store, "ab")

    discarded = await store.discard(DropReason.SHUTDOWN_DEADLINE)

    free = [store.reserve(SIZE) for _ in range(3)]
    assert [bool(discarded)] * 2 + [False] == free


# -- what it says of itself -------------------------------------------------------------------------


async def test_an_empty_store_says_so(store: EventStore) -> None:
    """Nothing waits, nothing is leased, and there is no oldest record."""
    backlog = store.backlog()

    assert (0, 0, 0) == (backlog.events, backlog.fullest_events, backlog.leased)
    assert (None, None) == (backlog.oldest_at, backlog.oldest_sequence)
    assert None is await store.lease(1, LARGE)


async def test_the_backlog_is_what_waits(store: EventStore) -> None:
    """Sums over both kinds, the fullest kind by itself, and the oldest of all."""
    await put(store, record("a", Kind.ANONYMOUS), now=3.0)
    await put(store, record("b"), record("c"), now=4.0)
    whole = store.backlog()
    await lease(store)
    rest = store.backlog()

    assert (3, 2, 0) == (whole.events, whole.fullest_events, whole.leased)
    assert (2, 2, 1) == (rest.events, rest.fullest_events, rest.leased)
    assert (3.0, 4.0) == (whole.oldest_at, rest.oldest_at)
    assert ENVELOPE_BYTES - 1 + 2 * SIZE == whole.fullest_bytes
    assert whole.latest_sequence == rest.latest_sequence


async def test_a_reservation_does_not_wait_to_be_sent(store: EventStore) -> None:
    """Room alone is no record."""
    store.reserve(SIZE)

    assert (0, None) == (store.backlog().events, store.backlog().oldest_at)


async def test_a_child_process_begins_empty(factory: Factory) -> None:
    """After a fork the parent still has the records: the child must not send them, too."""
    store = factory(3, LARGE)
    await put_names(store, "ab")
    await lease(store, 1)
    store.reserve(SIZE)

    store.after_fork()

    if not store.is_durable:
        assert (0, 0) == (store.backlog().events, store.backlog().leased)
        assert [True, True, True, False] == [store.reserve(SIZE) for _ in range(4)]


# -- threads ----------------------------------------------------------------------------------------

THREADS = 8


async def test_threads_reserve_exactly_what_there_is(factory: Factory) -> None:
    """Eight threads together are granted the bound, and every put after a grant succeeds."""
    store = factory(1_000, LARGE)
    granted: list[int] = []
    start = threading.Barrier(THREADS)

    def work(thread: int) -> None:
        start.wait()
        for number in range(250):
            one = record(f"{thread}-{number}")
            if store.reserve(one.size_bytes):
                store.put(one, 0.0)
                granted.append(1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1_000 == len(granted) == store.backlog().events
    taken = await lease(store)
    assert 1_000 == len(taken) == len(set(taken.sequences))


async def test_each_threads_records_stay_in_order(store: EventStore) -> None:
    """Putting from several threads mixes them, and keeps each one's own order."""
    start = threading.Barrier(THREADS)

    def work(thread: int) -> None:
        start.wait()
        for number in range(200):
            one = record(f"{thread}-{number:03}")
            store.reserve(one.size_bytes)
            store.put(one, 0.0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = [each.event_id.strip() for each in (await lease(store)).records]
    for thread_number in range(THREADS):
        own = [each for each in ids if each.startswith(f"{thread_number}-")]
        assert sorted(own) == own
