"""The headers of a request as text: only those that are asked for, and of each no more than is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = ["MAX_TEXT_BYTES", "gathered", "head", "text"]

MAX_TEXT_BYTES: Final = 16_384  # four times what any column takes, which is as much as UTF-8 may need

_MAX_PARTIAL: Final = 3  # bytes of a character of UTF-8 whose rest was cut off


def gathered(headers: Iterable[tuple[bytes, bytes]], names: Collection[bytes]) -> dict[bytes, list[bytes]]:
    """Return the values of some headers by their names, in the order in which they came.

    Args:
        headers: names in lower case and values.
        names: what to look for.
    """
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in names:
            found.setdefault(name, []).append(value)
    return found


def text(raw: bytes) -> str:
    """Return a header's value as text: UTF-8 where it is that, ISO 8859-1 where it is not.

    Nothing beyond the first `MAX_TEXT_BYTES` is looked at. No lone surrogates come of it.
    """
    whole = raw[:MAX_TEXT_BYTES]
    try:
        return whole.decode().strip()
    except UnicodeDecodeError as error:
        is_cut_off = len(raw) > len(whole) and error.start >= len(whole) - _MAX_PARTIAL
        if is_cut_off:
            return whole[: error.start].decode().strip()
        return whole.decode("latin-1").strip()


def head(values: Sequence[bytes], separator: bytes, max_bytes: int) -> str:
    """Return the beginning of a header that is a list, without an item that was cut off.

    Args:
        values: of the headers of one name, which are one list together.
        separator: what stands between two items.
        max_bytes: how much is looked at.
    """
    whole = values[0] if len(values) == 1 else separator.join(values)
    if len(whole) > max_bytes:
        whole = whole[:max_bytes].rpartition(separator)[0]
    return whole.decode("latin-1")
