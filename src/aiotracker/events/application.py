"""What happens inside a program: its errors."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Field

from aiotracker.events.self_describing import SelfDescribingEvent

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ApplicationError"]

SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/application_error/jsonschema/1-0-2"

MAX_MESSAGE: Final = 2048
MAX_NAME: Final = 1024
MAX_TRACE: Final = 8192
MAX_NUMBER: Final = 2**31 - 1
MAX_FRAMES: Final = 100  # of a trace that is read; many more than its characters have room for

Language = Literal[
    "JAVA", "SCALA", "KOTLIN", "GROOVY", "RUBY", "GOLANG", "JAVASCRIPT", "PHP", "PYTHON", "OBJECTIVEC",
    "SWIFT", "C", "CPLUSPLUS", "CSHARP", "ACTIONSCRIPT", "LUA", "RUST", "HASKELL", "CLOJURE", "ERLANG",
    "ELIXIR", "CRYSTAL", "PONY", "NIM",
]  # fmt: skip
Name = Annotated[str | None, Field(max_length=MAX_NAME)]
Trace = Annotated[str | None, Field(max_length=MAX_TRACE)]
Number = Annotated[int | None, Field(ge=0, le=MAX_NUMBER)]


class ApplicationError(SelfDescribingEvent, schema=SCHEMA):
    """A program met an error.

    `from_exception()` fills it in; `capture_errors()` tracks it.

    Attributes:
        message: what the error says, 2,048 characters; required.
        programming_language: one of the schema's names.
        thread_name: 1,024 characters.
        thread_id: of the operating system.
        stack_trace: 8,192 characters.
        cause_stack_trace: likewise, of the error that led to this one.
        line_number: where it was raised.
        class_name: module, and class where there is one, of the code that raised it; 1,024 characters.
        exception_name: the class of the error; 1,024 characters.
        is_fatal: whether the program ended.
        line_column: where in the line.
        file_name: 1,024 characters.
    Source: Iglu Central, `com.snowplowanalytics.snowplow/application_error/jsonschema/1-0-2`.
    """

    message: Annotated[str, Field(max_length=MAX_MESSAGE)]
    programming_language: Annotated[Language, Field(serialization_alias="programmingLanguage")] = "PYTHON"
    thread_name: Annotated[Name, Field(serialization_alias="threadName")] = None
    thread_id: Annotated[Number, Field(serialization_alias="threadId")] = None
    stack_trace: Annotated[Trace, Field(serialization_alias="stackTrace")] = None
    cause_stack_trace: Annotated[Trace, Field(serialization_alias="causeStackTrace")] = None
    line_number: Annotated[Number, Field(serialization_alias="lineNumber")] = None
    class_name: Annotated[Name, Field(serialization_alias="className")] = None
    exception_name: Annotated[Name, Field(serialization_alias="exceptionName")] = None
    is_fatal: Annotated[bool | None, Field(serialization_alias="isFatal")] = None
    line_column: Annotated[Number, Field(serialization_alias="lineColumn")] = None
    file_name: Annotated[Name, Field(serialization_alias="fileName")] = None

    @classmethod
    def from_exception(
        cls,
        error: BaseException,
        *,
        is_fatal: bool | None = None,
        **options: Any,  # Any: the keywords of the class itself
    ) -> Self:
        """Describe an exception, in the thread that met it.

        Of a trace that is too long the end is kept, which tells where the error was raised. Values of
        variables are not part of a trace; a message may hold some.

        Args:
            error: the exception; its `__cause__`, or the error that it was raised in the handling of, is
                described with it.
            is_fatal: whether the program ended.
            options: of every event, such as `context`; and fields, which win over what is found.
        """
        place = _last(error.__traceback__)
        kind = type(error)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        found: dict[str, Any] = {
            "message": _message(error),
            "thread_name": threading.current_thread().name,
            "thread_id": threading.get_native_id(),
            "stack_trace": _trace(error, is_alone=True),
            "cause_stack_trace": None if cause is None else _trace(cause, is_alone=False),
            "exception_name": _qualified(kind.__module__, kind.__qualname__),
            "is_fatal": is_fatal,
        }
        if place is not None:
            code = place.tb_frame.f_code
            module = str(place.tb_frame.f_globals.get("__name__", ""))
            found |= {
                "line_number": place.tb_lineno,
                "class_name": _qualified(module, code.co_qualname.rpartition(".")[0]),
                "file_name": code.co_filename,
            }
        return cls.clipped(**{**found, **options})


def _last(trace: TracebackType | None) -> TracebackType | None:
    """Return where an exception was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _message(error: BaseException) -> str:
    """Return what an error says, or what it is where it says nothing: the schema requires a message."""
    try:
        return str(error) or type(error).__qualname__
    except Exception:  # noqa: BLE001 - an exception of a user's class, whose text fails
        return f"<{type(error).__qualname__} without a text>"


def _trace(error: BaseException, *, is_alone: bool) -> str:
    """Return the end of a stack trace."""
    try:
        # A negative limit keeps the newest frames; of a cause the errors before it are told, too.
        lines = traceback.format_exception(error, limit=-MAX_FRAMES, chain=not is_alone)
    except Exception as failure:  # noqa: BLE001 - whatever a user's class does, there is an event
        return f"<no trace: {type(failure).__qualname__}>"
    text = "".join(lines)
    return text if len(text) <= MAX_TRACE else f"…{text[1 - MAX_TRACE :]}"


def _qualified(module: str, name: str) -> str | None:
    """Return a name with its module, unless everybody knows where it is from; None for nothing."""
    parts = [part for part in ("" if module == "builtins" else module, name) if part]
    return ".".join(parts) or None
