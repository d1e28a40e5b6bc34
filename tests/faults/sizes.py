"""The two sizes of a test: quick in every run, full where figures are taken."""

from typing import TypeVar

import pytest

T = TypeVar("T")

FULL_SECONDS = 180


def quick_and_full(name: str, quick: T, full: T) -> pytest.MarkDecorator:
    """Parametrize a test with a quick and a full value of one argument."""
    marks = (pytest.mark.faults, pytest.mark.timeout(FULL_SECONDS))
    return pytest.mark.parametrize(
        name, [pytest.param(quick, id="quick"), pytest.param(full, id="full", marks=marks)]
    )
