"""The language that a visitor likes best: the `Accept-Language` header. Pure.

Source: RFC 9110, sections 12.4.2 and 12.5.4; RFC 5646 (what a language tag looks like).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["preferred_language"]

MAX_LANGUAGES: Final = 32

_TAG: Final = r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8})"
_FIRST = re.compile(rf"[ \t]*+{_TAG}[ \t]*+(?:,|\Z)")
_WEIGHTED = re.compile(rf"{_TAG}[ \t]*+(?:;[ \t]*+[qQ]=(0(?:\.[0-9]{{0,3}})?|1(?:\.0{{0,3}})?))?")


def preferred_language(header: str) -> str | None:
    """Return the language tag with the greatest weight, the first of several; None when there is none.

    `*`, what has the weight 0, and what is malformed do not count.
    """
    first = _FIRST.match(header)
    if first is not None:
        return first[1]  # without a weight: no other can have a greater one
    best, best_weight = None, 0.0
    for item in header.split(",", MAX_LANGUAGES)[:MAX_LANGUAGES]:
        match = _WEIGHTED.fullmatch(item.strip(" \t"))
        if match is None:
            continue
        weight = 1.0 if match[2] is None else float(match[2])
        if weight > best_weight:
            best, best_weight = match[1], weight
    return best
