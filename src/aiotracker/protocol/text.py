"""Text as the pipeline sees it: its length, its forbidden characters, a cut that keeps it valid."""

from __future__ import annotations

import re
from json.encoder import encode_basestring as quoted
from typing import Final

__all__ = ["cut", "has_lone_surrogate", "quoted", "stored", "utf16_length"]

# Source: Enrich 6.10, `ConversionUtils.scala`; U+0080 to U+009F stay (run against Enrich 3.9).
_CONTROLS: Final = dict.fromkeys((*range(0x20), 0x7F)) | {ord("\t"): "    "}
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
_LAST_BMP: Final = "\uffff"


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 units, which is what the pipeline's limits count.

    Source: Enrich 6.10, `AtomicFieldsLengthValidator.scala` (a Java string's length).
    """
    if text.isascii():
        return len(text)
    return len(text) + sum(character > _LAST_BMP for character in text)


def has_lone_surrogate(text: str) -> bool:
    """Tell whether the text holds half a surrogate pair, which no UTF-8 request can carry."""
    return not text.isascii() and _SURROGATES.search(text) is not None


def stored(text: str) -> str:
    """Return what the pipeline makes of a text: tabs become four spaces, other controls are deleted.

    Limits apply to this form, so a text full of tabs is longer than it looks.
    """
    return text if text.isprintable() else text.translate(_CONTROLS)


def cut(text: str, max_length: int | None) -> str:
    """Return the longest beginning whose stored form has at most `max_length` UTF-16 units.

    Lone surrogates become U+FFFD. What must be cut is returned in its stored form; a character beyond
    the Basic Multilingual Plane is kept whole or left out.
    """
    if has_lone_surrogate(text):
        text = _SURROGATES.sub("\ufffd", text)
    if max_length is None or utf16_length(as_stored := stored(text)) <= max_length:
        return text
    units = as_stored.encode("utf-16-le")[: 2 * max_length]
    return units.decode("utf-16-le", errors="ignore")
