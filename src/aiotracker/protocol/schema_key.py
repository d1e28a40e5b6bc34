"""The name of an Iglu schema: `iglu:vendor/name/format/MODEL-REVISION-ADDITION`.

Source: iglu-scala-core 1.1.4, `SchemaKey.scala` and `SchemaVer.scala`; lengths from Enrich 6.7.1 on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from aiotracker.errors import InvalidSchemaKeyError, shown

__all__ = ["SchemaKey"]

MAX_PART_LENGTH: Final = 128  # vendor, name and format each; Enrich refuses longer ones since 6.7.1
MAX_VERSION_PART: Final = 2**31 - 1  # a larger one throws out of Enrich 3.9 instead of failing the event
MAX_REMEMBERED_KEYS: Final = 1024  # a program has dozens of schemas; the bound is for hostile ones

_VENDOR = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_VERSION = re.compile(r"([1-9][0-9]*)-(0|[1-9][0-9]*)-(0|[1-9][0-9]*)", re.ASCII)
_PARTS = 4


@dataclass(frozen=True, slots=True, order=True)
class SchemaKey:
    """The parts of an Iglu schema URI.

    Attributes:
        vendor: who owns the schema, `com.acme`.
        name: what it describes, `order`.
        format: how it is written, `jsonschema`.
        model: first number of the version, 1 or more.
        revision: second number, 0 or more.
        addition: third number, 0 or more.
        uri: the whole, as it is sent.
    """

    vendor: str
    name: str
    format: str
    model: int
    revision: int
    addition: int
    uri: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the parts, from wherever they come.

        Raises:
            InvalidSchemaKeyError: a part breaks the grammar; the message says which.
        """
        uri = f"iglu:{self.vendor}/{self.name}/{self.format}/{self.version}"
        object.__setattr__(self, "uri", uri)  # an assignment of a frozen instance being built
        for label, part, pattern in (
            ("vendor", self.vendor, _VENDOR),
            ("name", self.name, _NAME),
            ("format", self.format, _NAME),
        ):
            if not isinstance(part, str) or not pattern.fullmatch(part):
                dots = ", dots" if pattern is _VENDOR else ""
                rule = f"the {label} {shown(part)} may have ASCII letters, digits{dots}, - and _ only"
                raise InvalidSchemaKeyError(self.uri, rule)
            if len(part) > MAX_PART_LENGTH:
                raise InvalidSchemaKeyError(
                    self.uri, f"the {label} has more than {MAX_PART_LENGTH} characters"
                )
        numbers = (self.model, self.revision, self.addition)
        if not all(type(number) is int for number in numbers) or min(numbers) < 0 or self.model < 1:
            rule = f"the version {shown(self.version)} must be three whole numbers, the first above 0"
            raise InvalidSchemaKeyError(self.uri, rule)
        if max(numbers) > MAX_VERSION_PART:
            raise InvalidSchemaKeyError(self.uri, f"a number of the version is above {MAX_VERSION_PART:,}")

    @classmethod
    def parse(cls, uri: str) -> SchemaKey:
        """Read an Iglu URI.

        Args:
            uri: the whole URI, `iglu:` included.
        Raises:
            InvalidSchemaKeyError: the text breaks the grammar; the message says in which part.
        Source: iglu-scala-core 1.1.4, `SchemaKey.fromUri`.
        """
        if not isinstance(uri, str):
            raise InvalidSchemaKeyError(uri, f"it is a {type(uri).__name__}, not text")
        return _parse(uri)

    @property
    def version(self) -> str:
        """The version as it stands in the URI, `1-0-0`."""
        return f"{self.model}-{self.revision}-{self.addition}"

    def __str__(self) -> str:
        """Return the URI."""
        return self.uri


@lru_cache(maxsize=MAX_REMEMBERED_KEYS)
def _parse(uri: str) -> SchemaKey:
    scheme, separator, rest = uri.partition(":")
    if scheme != "iglu" or not separator:
        raise InvalidSchemaKeyError(uri, "it must begin with iglu:")
    parts = rest.split("/")
    if len(parts) != _PARTS:
        raise InvalidSchemaKeyError(uri, f"it must have 4 parts, this has {len(parts)}")
    vendor, name, form, version = parts
    numbers = _VERSION.fullmatch(version)
    if numbers is None:
        rule = f"the version {shown(version)} must be three numbers without leading zeros, the first above 0"
        raise InvalidSchemaKeyError(uri, rule)
    # int() refuses texts of thousands of digits with an error of its own.
    if any(len(number) > len(str(MAX_VERSION_PART)) for number in numbers.groups()):
        raise InvalidSchemaKeyError(uri, f"a number of the version is above {MAX_VERSION_PART:,}")
    model, revision, addition = (int(number) for number in numbers.groups())
    return SchemaKey(vendor, name, form, model, revision, addition)
