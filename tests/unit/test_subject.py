"""Who an event is about: every field, set by keyword, by assignment or by its setter."""

import copy
import pickle
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import pytest

from aiotracker import InvalidEventError, Subject

SESSION = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"
# attribute, what is given, what is sent
FIELDS: list[tuple[str, Any, dict[str, str]]] = [
    ("platform", "headset", {"p": "headset"}),
    ("user_id", "u-1", {"uid": "u-1"}),
    ("screen_resolution", (1280, 720), {"res": "1280x720"}),
    ("viewport", "800x600", {"vp": "800x600"}),
    ("color_depth", 24, {"cd": "24"}),
    ("timezone", "Europe/Berlin", {"tz": "Europe/Berlin"}),
    ("lang", "de-DE", {"lang": "de-DE"}),
    ("ip_address", IPv4Address("203.0.113.7"), {"ip": "203.0.113.7"}),
    ("useragent", "Mozilla/5.0", {"ua": "Mozilla/5.0"}),
    ("domain_user_id", "d-1", {"duid": "d-1"}),
    ("domain_session_id", UUID(SESSION), {"sid": SESSION}),
    ("domain_session_index", 3, {"vid": "3"}),
    ("network_user_id", "n-1", {"tnuid": "n-1"}),
    ("fingerprint", "f-1", {"fp": "f-1"}),
    ("document_size", (1280, 9000), {"ds": "1280x9000"}),
    ("document_charset", "UTF-8", {"cs": "UTF-8"}),
    ("cookies_enabled", False, {"cookie": "0"}),
    ("page_url", "https://acme.com/", {"url": "https://acme.com/"}),
    ("page_referrer", "https://x.example/", {"refr": "https://x.example/"}),
]
BAD: dict[str, object] = {
    "platform": "coffee",
    "user_id": "x" * 256,
    "screen_resolution": "1280X720",
    "viewport": (0, 0),
    "color_depth": "x" * 13,
    "timezone": "x" * 256,
    "lang": b"de",
    "ip_address": "34.633.11.139",
    "useragent": "x" * 1001,
    "domain_user_id": "x" * 129,
    "domain_session_id": "not-a-uuid",
    "domain_session_index": 2**31,
    "network_user_id": "x" * 129,
    "fingerprint": "x" * 129,
    "document_size": "large",
    "document_charset": 8,
    "cookies_enabled": "yes",
    "page_url": "http://",
    "page_referrer": "//",
}
IDS = [name for name, _, _ in FIELDS]
SETTERS: list[tuple[Callable[[Subject], Subject], dict[str, str]]] = [
    (lambda subject: subject.set_platform("web"), {"p": "web"}),
    (lambda subject: subject.set_user_id("u-1"), {"uid": "u-1"}),
    (lambda subject: subject.set_screen_resolution(1280, 720), {"res": "1280x720"}),
    (lambda subject: subject.set_viewport(800, 600), {"vp": "800x600"}),
    (lambda subject: subject.set_color_depth(24), {"cd": "24"}),
    (lambda subject: subject.set_timezone("Europe/Berlin"), {"tz": "Europe/Berlin"}),
    (lambda subject: subject.set_lang("de"), {"lang": "de"}),
    (lambda subject: subject.set_ip_address("203.0.113.7"), {"ip": "203.0.113.7"}),
    (lambda subject: subject.set_useragent("Mozilla/5.0"), {"ua": "Mozilla/5.0"}),
    (lambda subject: subject.set_user_agent("Mozilla/5.0"), {"ua": "Mozilla/5.0"}),
    (lambda subject: subject.set_domain_user_id("d-1"), {"duid": "d-1"}),
    (lambda subject: subject.set_domain_session_id(SESSION), {"sid": SESSION}),
    (lambda subject: subject.set_domain_session_index(3), {"vid": "3"}),
    (lambda subject: subject.set_network_user_id("n-1"), {"tnuid": "n-1"}),
    (lambda subject: subject.set_fingerprint("f-1"), {"fp": "f-1"}),
    (lambda subject: subject.set_document_size(1280, 9000), {"ds": "1280x9000"}),
    (lambda subject: subject.set_document_charset("UTF-8"), {"cs": "UTF-8"}),
    (lambda subject: subject.set_cookies_enabled(True), {"cookie": "1"}),
    (lambda subject: subject.set_page_url("https://acme.com/"), {"url": "https://acme.com/"}),
    (lambda subject: subject.set_page_referrer("https://acme.com/"), {"refr": "https://acme.com/"}),
]


def subject_with(name: str, value: object) -> Subject:
    """Return a subject with one field, given by keyword."""
    keywords: dict[str, Any] = {name: value}
    return Subject(**keywords)


def test_the_table_above_is_complete() -> None:
    """Every field is tried with a good and with a bad value, every setter once."""
    setters = {name for name in dir(Subject) if name.startswith("set_")}

    assert list(Subject.model_fields) == IDS == list(BAD)
    assert len(setters) == len(SETTERS)


def test_a_new_subject_sets_nothing() -> None:
    """No platform, no time zone: what is not known is not sent."""
    subject = Subject()

    assert {} == subject.pairs()


@pytest.mark.parametrize(("name", "value", "expected"), FIELDS, ids=IDS)
def test_a_keyword_and_an_assignment_do_the_same(name: str, value: object, expected: dict[str, str]) -> None:
    """Every field can be given either way, and travels under its wire name."""
    built = subject_with(name, value)
    assigned = Subject()

    setattr(assigned, name, value)

    assert (expected, expected) == (built.pairs(), assigned.pairs())
    assert built == assigned


@pytest.mark.parametrize(("set_it", "expected"), SETTERS, ids=[next(iter(sent)) for _, sent in SETTERS])
def test_a_setter_changes_the_subject_and_returns_it(
    set_it: Callable[[Subject], Subject], expected: dict[str, str]
) -> None:
    """Chained or not: the subject itself is changed."""
    subject = Subject()

    same = set_it(subject)

    assert same is subject
    assert expected == subject.pairs()


def test_setters_chain() -> None:
    """As in the Snowplow Python tracker."""
    subject = Subject().set_platform("mob").set_user_id("u-1").set_lang("de").set_user_id("u-2")

    assert {"p": "mob", "uid": "u-2", "lang": "de"} == subject.pairs()


@pytest.mark.parametrize(("name", "value"), BAD.items(), ids=IDS)
def test_a_bad_value_is_refused_when_it_is_set(name: str, value: object) -> None:
    """By keyword and by assignment alike; the error names the field."""
    subject = Subject()

    with pytest.raises(InvalidEventError) as built:
        subject_with(name, value)
    with pytest.raises(InvalidEventError) as assigned:
        setattr(subject, name, value)

    assert [name] == [problem.field for problem in built.value.problems]
    assert built.value.problems == assigned.value.problems


@pytest.mark.parametrize(("name", "value", "expected"), FIELDS, ids=IDS)
def test_a_refused_assignment_leaves_the_old_value(
    name: str, value: object, expected: dict[str, str]
) -> None:
    """Nothing is half set."""
    subject = subject_with(name, value)

    with pytest.raises(InvalidEventError):
        setattr(subject, name, BAD[name])

    assert expected == subject.pairs()


@pytest.mark.parametrize(("name", "value", "_expected"), FIELDS, ids=IDS)
@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_unsets_a_field(name: str, value: object, _expected: object, nothing: str | None) -> None:
    """None and the empty text are not sent: the pipeline would fail an empty id."""
    subject = subject_with(name, value)

    setattr(subject, name, nothing)

    assert {} == subject.pairs()


def test_a_setter_takes_none() -> None:
    """`set_user_id(None)` at log-out forgets the user."""
    subject = Subject(user_id="u-1", lang="de").set_user_id(None)

    assert {"lang": "de"} == subject.pairs()


def test_deleting_unsets_a_field() -> None:
    """`del` is the same as None."""
    subject = Subject(user_id="u-1")

    del subject.user_id

    assert (None, {}) == (subject.user_id, subject.pairs())
    with pytest.raises(AttributeError):
        del subject.userid  # type: ignore[attr-defined]  # misspelt


def test_an_unknown_field_is_refused_with_a_suggestion() -> None:
    """By keyword and by assignment: a typo would otherwise lose the value silently."""
    subject = Subject()

    with pytest.raises(InvalidEventError, match=r"did you mean user_id\?"):
        Subject(userid="u-1")  # type: ignore[call-arg]  # misspelt
    with pytest.raises(InvalidEventError, match=r"is no argument of Subject: did you mean user_id\?"):
        subject.userid = "u-1"  # type: ignore[attr-defined]  # misspelt


def test_what_travels_is_a_snapshot() -> None:
    """A later change does not reach what was taken before."""
    subject = Subject(user_id="u-1")

    before = subject.pairs()
    subject.set_user_id("u-2")

    assert {"uid": "u-1"} == before


def test_a_subject_can_be_copied_and_pickled() -> None:
    """A copy is independent of its original."""
    subject = Subject(user_id="u-1")

    twins = [
        copy.copy(subject),
        copy.deepcopy(subject),
        subject.model_copy(),
        pickle.loads(pickle.dumps(subject)),
    ]
    subject.user_id = "u-2"

    assert [Subject(user_id="u-1")] * 4 == twins


def test_clipped_saves_what_can_be_saved() -> None:
    """Headers and cookies are hostile: text is cut, what cannot be valid is left out."""
    subject = Subject.clipped(
        user_id=7,
        useragent="x" * 5000,
        lang="\ud83d",
        ip_address="unknown",
        domain_session_id="undefined",
        domain_session_index="12",
        viewport="1280X720",
        page_url="http://a|b/",
        page_referrer="https://x.example/\n",
        platform="web",
        timezone=None,
    )

    assert {
        "p": "web",
        "uid": "7",
        "ua": "x" * 1000,
        "lang": "\ufffd",
        "vid": "12",
        "vp": "1280x720",
        "refr": "https://x.example/",
    } == subject.pairs()


def test_clipped_does_not_hide_a_mistake_of_the_program() -> None:
    """An unknown keyword is no hostile value."""
    with pytest.raises(InvalidEventError, match=r"did you mean useragent\?"):
        Subject.clipped(user_agent="Mozilla/5.0")


def test_the_repr_shows_what_is_set() -> None:
    """A subject can be recognised in a log."""
    assert "user_id='u-1'" in repr(Subject(user_id="u-1"))
