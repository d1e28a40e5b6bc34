"""Errors: one tree, messages from typed arguments, and what a process pool does to them."""

import copy
import inspect
import pickle

import pytest

from aiotracker import errors
from aiotracker.errors import (
    AiotrackerError,
    AiotrackerWarning,
    BlockingCallError,
    CollectorURLError,
    ConfigurationError,
    DeliveryError,
    DeliveryTimeout,
    EventRefusedError,
    EventTooLargeError,
    ForkedTrackerError,
    InvalidDataError,
    InvalidEventError,
    InvalidSchemaKeyError,
    InvalidValueError,
    PipelineWarning,
    Problem,
    TrackerNotOpenError,
    TrackerOpenError,
    TrackerStateError,
    WrongLoopError,
    WrongThreadError,
    shown,
    warn_caller,
)

ID = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"
ACME = "https://collector.acme.com"
BUILT = [
    InvalidEventError(
        "PageView", [Problem("page_url", "''", "is required"), Problem("x", "", "is no argument")]
    ),
    InvalidDataError("data.items[3].price", float("nan"), "JSON has no NaN"),
    InvalidSchemaKeyError("acme", "it must begin with iglu:"),
    EventTooLargeError(200_000, 180_000, [("ue_pr", 190_000), ("co", 5_000), ("url", 90)]),
    ConfigurationError("batch_size", 0, "must be 1 or more"),
    CollectorURLError("ftp://acme.com", "has the scheme ftp"),
    TrackerNotOpenError("web"),
    TrackerOpenError("the tracker 'web' is already open", "open it once"),
    WrongLoopError("web"),
    ForkedTrackerError("web"),
    DeliveryError(ID, {ACME: "rejected: 400"}),
    DeliveryTimeout(ID, {ACME: "no answer yet"}, 10.0),
    EventRefusedError(ID, {ACME: "queue_full"}),
    BlockingCallError("web", "flush()"),
    WrongThreadError("shutdown_on_signals()"),
]


def name_of(error: object) -> str:
    """Return what a parametrized test is called by."""
    return type(error).__name__


def public_classes() -> set[type]:
    """Return every class that the module defines for others."""
    return {
        member
        for name, member in vars(errors).items()
        if inspect.isclass(member) and member.__module__ == errors.__name__ and not name.startswith("_")
    }


def test_every_error_is_drawn_and_exported() -> None:
    """The tree in the module's docstring and `__all__` name each class."""
    names = {cls.__name__ for cls in public_classes()}

    assert names == set(errors.__all__)
    assert set() == {name for name in names - {"Problem"} if name not in str(errors.__doc__)}


def test_every_error_is_tried_below() -> None:
    """The list of this test has one of each class that is raised."""
    abstract = {AiotrackerError, InvalidValueError, TrackerStateError}
    raised = {cls for cls in public_classes() if issubclass(cls, Exception)} - abstract

    built = {type(error) for error in BUILT}

    assert built == {cls for cls in raised if not issubclass(cls, Warning)}


@pytest.mark.parametrize("error", BUILT, ids=name_of)
def test_one_root_catches_all(error: AiotrackerError) -> None:
    """`except AiotrackerError` is enough."""
    assert isinstance(error, AiotrackerError)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidValueError, ValueError),
        (ConfigurationError, ValueError),
        (TrackerStateError, RuntimeError),
        (DeliveryTimeout, TimeoutError),
    ],
)
def test_errors_are_what_python_calls_them(error: type[Exception], builtin: type[Exception]) -> None:
    """Code that knows only Python's own errors catches them, too."""
    assert issubclass(error, builtin)


@pytest.mark.parametrize("error", BUILT, ids=name_of)
@pytest.mark.parametrize(
    "twin",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickled", "copied", "deep-copied"],
)
def test_errors_survive_pickling_and_copying(error: AiotrackerError, twin: object) -> None:
    """A process pool or a task queue hands on the same message and the same parts."""
    error.add_note("in request 7")

    other = twin(error)  # type: ignore[operator]  # one of the three above

    assert type(error) is type(other)
    assert (str(error), error.args, vars(error)) == (str(other), other.args, vars(other))
    del error.__notes__


@pytest.mark.parametrize("error", BUILT, ids=name_of)
def test_a_message_is_a_sentence_for_a_human(error: AiotrackerError) -> None:
    """It is not empty, shows no object by its address, and does not flood the log."""
    text = str(error)

    assert 20 < len(text) < 400
    assert " object at 0x" not in text


def test_an_invalid_event_lists_all_problems() -> None:
    """One line each, with the field, what was given, and the rule."""
    assert ("PageView is not valid:\n  page_url = '': is required\n  x: is no argument") == str(BUILT[0])


def test_an_event_that_is_too_large_names_its_largest_fields() -> None:
    """Sizes are grouped for reading; the parts stay as numbers."""
    error = BUILT[3]

    assert isinstance(error, EventTooLargeError)
    assert "needs 200,000 bytes, the limit is 180,000" in str(error)
    assert "ue_pr (190,000 bytes), co (5,000 bytes), url (90 bytes)" in str(error)
    assert (("ue_pr", 190_000), ("co", 5_000), ("url", 90)) == error.largest_fields


def test_a_timeout_says_that_the_event_is_not_lost() -> None:
    """It stays queued, and the collector that did not answer is named."""
    assert f"event {ID} was not confirmed within 10 s, it stays queued: {ACME}: no answer yet" == str(
        BUILT[11]
    )


class Broken:
    """A class whose repr raises."""

    def __repr__(self) -> str:
        """Fail."""
        raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("abc", "'abc'"),
        (7, "7"),
        ("x" * 80, f"'{'x' * 78}"),
        ("x" * 1_000_000, "'" + "x" * 79 + "…"),
        ("\n" * 200, "'" + "\\n" * 39 + "\\…"),
        (b"x" * 200, "b'" + "x" * 78 + "…"),
        (list(range(1000)), "[0, 1, 2, 3"),
        (Broken(), "<Broken without a repr>"),
        (10**5000, "<int without a repr>"),
        ("\ud83d", "'\\ud83d'"),
    ],
    ids=range(10),
)
def test_a_value_is_shown_shortened(value: object, expected: str) -> None:
    """Enough to recognise it, too little to flood a log; never an error of its own."""
    actual = shown(value)

    assert actual.startswith(expected)
    assert len(actual) <= 81


def test_warnings_point_at_the_line_of_the_caller() -> None:
    """However deep inside the package they arise."""
    with pytest.warns(PipelineWarning, match="^it will fail$") as caught:
        warn_caller(PipelineWarning("it will fail"))

    assert __file__ == caught[0].filename
    assert issubclass(PipelineWarning, AiotrackerWarning)
