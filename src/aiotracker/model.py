"""The pydantic base of everything that a user hands in, and the bond between its fields and the wire.

Owns how a broken rule becomes an `InvalidEventError`, how a Python attribute is tied to a field of the
protocol (`Wire`), and the second, lenient constructor (`clipped`). Knows no particular event.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import core_schema

from aiotracker.errors import InvalidEventError, Problem, shown
from aiotracker.protocol.fields import Rule
from aiotracker.protocol.rules import clipped, normal
from aiotracker.protocol.shortcuts import good_text
from aiotracker.protocol.text import stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

    from aiotracker.errors import ConfigurationError
    from aiotracker.protocol.fields import Field

__all__ = ["CheckedModel", "Wire"]

RULE: Final = "rule"
SHORTCUT: Final = "shortcut"
"""Labels of pydantic's findings; those of a shortcut say nothing."""

CLOSE_ENOUGH: Final = 0.6  # how alike a misspelt keyword and the suggestion must be, 0 to 1


@dataclass(frozen=True, slots=True)
class Wire:
    """Ties a model's attribute to a field of the protocol, whose rule it then follows.

    `page_title: Annotated[str | None, Wire(fields.PAGE_TITLE)] = None`. An attribute that may be None is
    left out of the payload when it is None or empty; any other must not be empty.
    """

    field: Field

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return a schema that applies the protocol's rule in place of the annotated type's."""
        is_optional = NoneType in get_args(source)
        rule = core_schema.no_info_plain_validator_function(
            self._optional if is_optional else self._required, json_schema_input_schema=handler(source)
        )
        shortcut = _shortcut(self.field)
        if shortcut is None:
            return rule
        # 0.1 to 0.3 µs where the rule takes 0.4 (numbers) to 4 (URLs): no call of Python at all.
        schema = core_schema.union_schema([(shortcut, SHORTCUT), (rule, RULE)], mode="left_to_right")
        return core_schema.nullable_schema(schema) if is_optional else schema

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the JSON schema of the annotated type."""
        if schema["type"] == "nullable":
            schema = schema["schema"]
        if schema["type"] == "union":
            schema = cast("tuple[core_schema.CoreSchema, str]", schema["choices"][-1])[0]
        return handler(cast("core_schema.PlainValidatorFunctionSchema", schema)["json_schema_input_schema"])

    def _required(self, value: object) -> object:
        if _is_absent(value):
            raise ValueError("is required and must not be empty")
        return normal(self.field, value)

    def _optional(self, value: object) -> object:
        return None if _is_absent(value) else normal(self.field, value)


def _shortcut(field: Field) -> core_schema.CoreSchema | None:
    """Return a schema that takes only what is certainly good, as it is, in pydantic's core."""
    if field.rule is Rule.DECIMAL:  # of all kinds of numbers the commonest, far from any limit
        number = core_schema.float_schema(strict=True, ge=1e-15, le=1e15)
        return core_schema.chain_schema([core_schema.is_instance_schema(float), number])
    good = good_text(field)
    if good is None:
        return None
    return core_schema.str_schema(strict=True, pattern=good.pattern, max_length=good.max_length)


def _is_absent(value: object) -> bool:
    """Tell whether the pipeline would find nothing in a value: a text of control characters is empty, too."""
    return value is None or (isinstance(value, str) and not stored(value))


class CheckedModel(BaseModel):
    """A model whose mistakes are told in the terms of the pipeline, all of them at once."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        loc_by_alias=False,  # problems are told by the names that the program has
    )

    _wired: ClassVar[tuple[tuple[str, Field], ...]] = ()
    _is_complete: ClassVar[bool] = True

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Note which attributes travel under which wire name, and whether anything lacks, once per class."""
        super().__pydantic_init_subclass__(**kwargs)
        cls._is_complete = cls._lack() is None
        cls._wired = tuple(
            (name, mark.field)
            for name, info in cls.model_fields.items()
            for mark in info.metadata
            if isinstance(mark, Wire)
        )

    def __init__(self, /, **data: Any) -> None:  # Any: pydantic generates the typed signature
        """Build the model from keyword arguments.

        Raises:
            InvalidEventError: fields that the pipeline would fail, unknown keywords, missing ones.
        """
        self._build(data)

    @classmethod
    def _lack(cls) -> ConfigurationError | None:
        """Return what keeps the class from having instances, None when nothing does."""
        return None

    def _build(self, data: dict[str, Any]) -> None:
        """Do what pydantic's constructor does, without its frame."""
        if not self._is_complete and (lack := self._lack()) is not None:
            raise lack
        try:
            self.__pydantic_validator__.validate_python(data, self_instance=self)
        except ValidationError as error:
            raise _told(type(self), error) from error

    if not TYPE_CHECKING:  # a checker that saw these would let every attribute be set

        def __setattr__(self, name: str, value: object) -> None:
            """Set a field.

            Raises:
                InvalidEventError: the model is frozen, the value breaks the field's rule, or there is no
                    such field; the model is as before.
            """
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                raise _told(type(self), error) from error

        def __delattr__(self, name: str) -> None:
            """Delete an attribute, which no field is: an optional one is set to None instead.

            Raises:
                InvalidEventError: the model is frozen, or there is no such field to do without.
            """
            if name in type(self).model_fields:
                setattr(self, name, None)
            else:
                super().__delattr__(name)

    @classmethod
    def wired(cls) -> tuple[tuple[str, Field], ...]:
        """Return the attributes that travel under a wire name of their own, with their fields."""
        return cls._wired

    @classmethod
    def clipped(cls, /, **data: Any) -> Self:  # Any: the keywords of the class itself
        """Build the model from data that comes from outside, saving what can be saved.

        Free text is cut to the pipeline's limit, counted in UTF-16 units; optional values that
        cannot be valid are left out. Takes the same keywords as the class.

        Raises:
            InvalidEventError: a required value cannot be valid, or a keyword is unknown.
        """
        return cls(**cls._clipped_data(data))

    @classmethod
    def _clipped_data(cls, data: Mapping[str, object]) -> dict[str, object]:
        """Return the keyword arguments with every value that follows a wire rule cut or left out."""
        kept = dict(data)
        for name, field in cls._wired:
            if kept.get(name) is None:
                continue
            saved = clipped(field, kept[name])
            if saved is not None:
                kept[name] = saved
            elif not cls.model_fields[name].is_required():
                del kept[name]
        return kept


def _told(model: type[CheckedModel], error: ValidationError) -> InvalidEventError:
    """Return pydantic's findings in our own words."""
    findings = [found for found in error.errors() if found["loc"][-1:] != (SHORTCUT,)]
    return InvalidEventError(model.__name__, [_problem(model, found) for found in findings])


def _problem(model: type[CheckedModel], found: Mapping[str, Any]) -> Problem:
    loc = found["loc"][:-1] if found["loc"][-1:] == (RULE,) else found["loc"]
    field = ".".join(str(part) for part in loc) or model.__name__
    match found["type"]:
        case "missing":
            return Problem(field, "", "is required")
        case "extra_forbidden":
            return Problem(field, shown(found["input"]), _unknown(model, field))
        case "no_such_attribute":
            return Problem(field, "", _unknown(model, field))
        case "frozen_instance" | "frozen_field":
            return Problem(field, shown(found["input"]), "cannot be changed: build a new one")
        case "value_error":
            return Problem(field, shown(found["input"]), str(found["ctx"]["error"]))
        case "is_instance_of":
            kind = type(found["input"]).__name__
            return Problem(field, shown(found["input"]), f"must be a {found['ctx']['class']}, not {kind}")
        case _:
            return Problem(field, shown(found["input"]), found["msg"].replace("Input should be", "must be"))


def _unknown(model: type[CheckedModel], keyword: str) -> str:
    names = list(model.model_fields)
    if keyword in names:
        return f"is given twice: as {keyword} and as {model.model_fields[keyword].alias}"
    close = difflib.get_close_matches(keyword, names, n=1, cutoff=CLOSE_ENOUGH)
    close = close or [name for name in names if keyword in name]
    if close:
        return f"is no argument of {model.__name__}: did you mean {close[0]}?"
    return f"is no argument of {model.__name__}, which takes {', '.join(names)}"
