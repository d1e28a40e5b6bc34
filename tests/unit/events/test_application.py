"""Errors of programs as events: the schema's names, its limits, and what Python knows of an exception."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from aiotracker import ApplicationError, InvalidEventError, SelfDescribingJson

SCHEMA = "iglu:com.snowplowanalytics.snowplow/application_error/jsonschema/1-0-2"


class Shop:
    """Raises what the tests describe."""

    class ClosedError(Exception):
        """Has a name inside of another."""

    def open_at_night(self) -> None:
        """Raise."""
        raise Shop.ClosedError("come back at nine")


class Unspeakable(Exception):  # noqa: N818 - what it is, not what it says
    """Fails to say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("not even that")


def raised(function: Callable[[], object]) -> Exception:
    """Return what a function raises."""
    try:
        function()
    except Exception as error:  # noqa: BLE001 - any
        return error
    raise AssertionError("it raised nothing")


def described(error: BaseException, **options: Any) -> dict[str, Any]:
    """Return what the event of an exception says."""
    data = ApplicationError.from_exception(error, **options).self_describing().data
    assert isinstance(data, dict)
    return data


def test_an_error_is_self_describing_data() -> None:
    """Every property of the schema, under its own name."""
    event = ApplicationError(
        message="m",
        thread_name="t",
        thread_id=1,
        stack_trace="s",
        cause_stack_trace="c",
        line_number=2,
        class_name="k",
        exception_name="e",
        is_fatal=True,
        line_column=3,
        file_name="f",
    )

    assert SCHEMA == event.self_describing().schema
    assert {
        "message": "m",
        "programmingLanguage": "PYTHON",
        "threadName": "t",
        "threadId": 1,
        "stackTrace": "s",
        "causeStackTrace": "c",
        "lineNumber": 2,
        "className": "k",
        "exceptionName": "e",
        "isFatal": True,
        "lineColumn": 3,
        "fileName": "f",
    } == event.self_describing().data


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "message"),
        ({"message": "m" * 2049}, "message"),
        ({"message": "m", "programming_language": "COBOL"}, "programming_language"),
        ({"message": "m", "stack_trace": "s" * 8193}, "stack_trace"),
        ({"message": "m", "file_name": "f" * 1025}, "file_name"),
        ({"message": "m", "thread_id": 2**31}, "thread_id"),
        ({"message": "m", "line_number": -1}, "line_number"),
    ],
)
def test_what_the_schema_refuses_is_refused(fields: dict[str, Any], wrong: str) -> None:
    """Where the event is built."""
    with pytest.raises(InvalidEventError) as caught:
        ApplicationError(**fields)

    assert [wrong] == [problem.field for problem in caught.value.problems]


def test_an_exception_describes_itself() -> None:
    """Its class, what it says, and where it was raised."""
    error = raised(Shop().open_at_night)

    found = described(error, is_fatal=False)

    assert {
        "programmingLanguage": "PYTHON",
        "message": "come back at nine",
        "exceptionName": f"{__name__}.Shop.ClosedError",
        "className": f"{__name__}.Shop",
        "lineNumber": Shop.open_at_night.__code__.co_firstlineno + 2,
        "fileName": __file__,
        "threadName": threading.current_thread().name,
        "threadId": threading.get_native_id(),
        "isFatal": False,
    } == {key: value for key, value in found.items() if key != "stackTrace"}
    assert found["stackTrace"].startswith("Traceback (most recent call last):")
    assert found["stackTrace"].endswith("Shop.ClosedError: come back at nine\n")


def test_a_function_of_a_module_has_no_class() -> None:
    """The module alone says where the error is from; what Python brings along needs no module."""
    found = described(raised(lambda: int("x")))

    assert (f"{__name__}.{test_a_function_of_a_module_has_no_class.__name__}.<locals>", "ValueError") == (
        found["className"],
        found["exceptionName"],
    )


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    """What is not known is left out."""
    found = described(KeyError("x"))

    assert {"message", "programmingLanguage", "threadName", "threadId", "stackTrace", "exceptionName"} == set(
        found
    )


@pytest.mark.parametrize("is_explicit", [True, False])
def test_a_cause_has_a_trace_of_its_own(*, is_explicit: bool) -> None:
    """Whether it was named, or is what was being handled; with the causes before it."""

    def first() -> None:
        raise KeyError("the first")

    def second() -> None:
        try:
            first()
        except KeyError as error:
            raise OSError("the second") from error

    def third() -> None:
        try:
            second()
        except OSError as error:
            if is_explicit:
                raise ValueError("the third") from error
            raise ValueError("the third")  # noqa: B904 - the implicit way is the point

    found = described(raised(third))

    assert "the third" in found["stackTrace"]
    assert "the second" not in found["stackTrace"]
    assert "the first" in found["causeStackTrace"]
    assert found["causeStackTrace"].endswith("OSError: the second\n")


def test_a_cause_that_was_denied_is_not_told() -> None:
    """`raise … from None` means it."""

    def deny() -> None:
        try:
            int("secret")
        except ValueError:
            raise KeyError("k") from None

    assert "causeStackTrace" not in described(raised(deny))


def deep(levels: int) -> None:
    """Raise far down, from two places in turn, so that no line of the trace stands for many."""
    if not levels:
        raise ValueError("m" * 5_000)
    if levels % 2:
        deep(levels - 1)
    else:
        deep(levels - 1)


def test_long_texts_are_cut() -> None:
    """A message keeps its beginning, a trace its end."""
    found = described(raised(lambda: deep(500)))

    assert 2048 * "m" == found["message"]
    assert 8192 == len(found["stackTrace"])
    assert found["stackTrace"].endswith("mm\n")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError(), "ValueError"),
        (ValueError("\ud83d half"), "\ufffd half"),
        (Unspeakable(), "<Unspeakable without a text>"),
        (ExceptionGroup("several", [ValueError("a"), KeyError("b")]), "several (2 sub-exceptions)"),
        (RecursionError("maximum recursion depth exceeded"), "maximum recursion depth exceeded"),
    ],
)
def test_every_error_has_a_message(error: Exception, message: str) -> None:
    """The schema requires one, whatever the exception says of itself."""
    assert message == described(error)["message"]


def test_options_and_fields_can_be_given() -> None:
    """They win over what is found."""
    job = SelfDescribingJson("iglu:com.acme/job/jsonschema/1-0-0", {"id": 7})

    event = ApplicationError.from_exception(ValueError("x"), message="hidden", context=[job])

    assert ("hidden", (job,)) == (event.message, event.context)
