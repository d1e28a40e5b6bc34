"""The language that a visitor likes best."""

import pytest

from aiotracker.integrations.accept_language import preferred_language


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("de", "de"),
        ("de-DE,de;q=0.9,en;q=0.8", "de-DE"),
        ("en-GB", "en-GB"),
        (" fr-CH , fr;q=0.9", "fr-CH"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("en;q=0.5,de;q=0.9,fr;q=0.9", "de"),
        ("en;q=0.8,de", "de"),
        ("en;q=0,de;q=0.1", "de"),
        ("en;q=1.000,de", "en"),
        ("en; q=0.4, de;Q=0.5", "de"),
        ("*;q=0.9,en;q=0.1", "en"),
        ("x_x,de", "de"),
        ("en;q=nan,de;q=0.1", "de"),
        ("en;q=2,de;q=0.1", "de"),
        ("en;q=-1,de;q=0.1", "de"),
        ("en;level=1,de;q=0.1", "de"),
        (",,de", "de"),
        ("*", None),
        ("", None),
        ("en;q=0", None),
        ("en_GB", None),
        ("English please", None),
        ("de\x00", None),
        ("Ünglish", None),
        ("toolongtag", None),
        ("a-" * 9 + "a", None),
        ("," * 5000 + "de", None),
        (";q=0.5", None),
    ],
)
def test_the_greatest_weight_wins(header: str, expected: str | None) -> None:
    """The first of the greatest weight; what is malformed does not count."""
    language = preferred_language(header)

    assert expected == language
