"""Text as the pipeline sees it."""

import pytest

from aiotracker.protocol.text import cut, has_lone_surrogate, stored, utf16_length

EMOJI = "\U0001f600"  # two UTF-16 units


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("abc", 3), ("äöü", 3), ("日本", 2), (EMOJI, 2), (f"a{EMOJI}b{EMOJI}", 6), ("\uffff", 1)],
)
def test_length_is_counted_in_utf16_units(text: str, expected: int) -> None:
    """The pipeline's limits count as Java does: a character beyond U+FFFF is two."""
    actual = utf16_length(text)

    assert expected == actual


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\tb", "a    b"),
        ("a\nb\r\x00\x1f\x7f", "ab"),
        ("\u0080\u0085\u009f", "\u0080\u0085\u009f"),
        ("\u200b\u2028", "\u200b\u2028"),
        ("\n", ""),
    ],
)
def test_controls_are_stored_as_the_pipeline_stores_them(text: str, expected: str) -> None:
    """A tab becomes four spaces, other ASCII controls are deleted, those of Latin-1 stay."""
    actual = stored(text)

    assert expected == actual


@pytest.mark.parametrize(
    ("text", "expected"),
    [("\ud83d", True), ("a\udfff", True), (EMOJI, False), ("\ud7ff\ue000", False), ("", False)],
)
def test_half_a_surrogate_pair_is_found(text: str, expected: bool) -> None:  # noqa: FBT001
    """Half a pair is no character; a whole one is, and so are the neighbours of the block."""
    actual = has_lone_surrogate(text)

    assert expected is actual


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        (EMOJI, 2, EMOJI),
        (EMOJI, 1, ""),
        (f"ab{EMOJI}", 3, "ab"),
        (f"ab{EMOJI}", 4, f"ab{EMOJI}"),
        ("abc", 0, ""),
        ("any length", None, "any length"),
    ],
)
def test_a_cut_never_splits_a_character(text: str, limit: int | None, expected: str) -> None:
    """A character of two units is kept whole or left out."""
    actual = cut(text, limit)

    assert expected == actual


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("\t\t", 8, "\t\t"),
        ("\t\t", 7, " " * 7),
        ("a\nb\nc\nd", 4, "a\nb\nc\nd"),
        ("a\nb\nc\nd", 3, "abc"),
    ],
)
def test_a_cut_counts_the_stored_form(text: str, limit: int, expected: str) -> None:
    """Two tabs are eight characters to the pipeline, and a newline is none."""
    actual = cut(text, limit)

    assert expected == actual


def test_a_cut_replaces_half_a_pair() -> None:
    """What no request can carry becomes the replacement character, with and without a limit."""
    assert ("a\ufffdb", "a\ufffd") == (cut("a\ud83db", None), cut("a\ud83db", 2))
