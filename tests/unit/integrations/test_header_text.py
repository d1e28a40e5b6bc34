"""Headers as text."""

import pytest

from aiotracker.integrations.header_text import MAX_TEXT_BYTES, gathered, head, text


def test_only_what_is_asked_for_is_gathered() -> None:
    """In the order in which it came, under every name that it has."""
    headers = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"A", b"4")]

    found = gathered(headers, {b"a", b"c"})

    assert {b"a": [b"1", b"3"]} == found


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ""),
        (b" a b ", "a b"),
        ("Grüße \U0001f600".encode(), "Grüße \U0001f600"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"\xff\x00\x80", "ÿ\x00\x80"),
        (b"\xed\xa0\x80", "í\xa0\x80"),
        (b"a" * (MAX_TEXT_BYTES + 5), "a" * MAX_TEXT_BYTES),
        (b"a" * (MAX_TEXT_BYTES - 1) + "ü".encode(), "a" * (MAX_TEXT_BYTES - 1)),
        (b"a" * (MAX_TEXT_BYTES - 3) + "\U0001f600".encode(), "a" * (MAX_TEXT_BYTES - 3)),
        (b"a" * (MAX_TEXT_BYTES - 1) + b"\xff", "a" * (MAX_TEXT_BYTES - 1) + "ÿ"),
    ],
)
def test_bytes_are_read_as_text(raw: bytes, expected: str) -> None:
    """UTF-8, or else ISO 8859-1; a character that a limit would cut in two is left out."""
    actual = text(raw)

    assert expected == actual


@pytest.mark.parametrize(
    ("values", "max_bytes", "expected"),
    [
        ([b"a,b"], 10, "a,b"),
        ([b"a", b"b"], 10, "a,b"),
        ([b"abc,def"], 7, "abc,def"),
        ([b"abc,def"], 6, "abc"),
        ([b"abcdef"], 5, ""),
        ([b"\xff,b"], 10, "ÿ,b"),
        ([], 10, ""),
    ],
)
def test_a_list_has_whole_items(values: list[bytes], max_bytes: int, expected: str) -> None:
    """What stands after the last separator within the limit may be the half of something."""
    actual = head(values, b",", max_bytes)

    assert expected == actual
