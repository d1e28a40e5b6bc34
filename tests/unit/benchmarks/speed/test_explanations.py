"""What is not reached is explained, once for each kind of goal, with the figures of the run."""

from typing import Any

from benchmarks.speed.explanations import explanations
from benchmarks.speed.figures import Figure, Results


def line(key: str, *, is_met: bool | None = False) -> Figure:
    """Return a line of the table of goals."""
    return Figure(key, "what", "a goal", "a figure", is_met)


def told(*lines: Figure, **found: Any) -> list[str]:
    """Return the paragraphs for these lines."""
    return list(explanations(Results({"series": [], **found}), lines))


def test_what_is_reached_or_unknown_needs_no_words() -> None:
    """Only a missed goal is explained."""
    assert [] == told(line("import", is_met=True), line("cpu-500-structured-httpx", is_met=None))


def test_goals_of_a_kind_share_an_explanation() -> None:
    """Two lines that miss for the same reason have one paragraph."""
    paragraphs = told(line("cpu-500-structured-httpx"), line("cpu-500-page_view-httpx"))

    assert 1 == len(paragraphs)
    assert paragraphs[0].startswith("**Processor time with batches of 500.** ")


def test_an_explanation_has_figures_of_the_run() -> None:
    """What was measured beside it says how far the reason goes."""
    floor = {"benchmarks.speed.contenders.one_model": {"median": 81.4}}

    (paragraph,) = told(line("import"), imports=floor)

    assert "In this run pydantic with one model takes 81 ms." in paragraph


def test_an_explanation_stands_without_figures() -> None:
    """A run that did not measure them says nothing of them."""
    (paragraph,) = told(line("import"))

    assert "In this run" not in paragraph
