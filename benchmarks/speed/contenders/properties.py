"""The content of the workloads in the form that product analytics knows: a name and properties.

A client of product analytics has nobody whom all its events are about, so every event names its user: the
same one in the workload where a tracker has the subject.
"""

from __future__ import annotations

from benchmarks.speed.workloads import (
    FIXED_NUMBER,
    kind,
    order,
    page_view,
    product,
    shopper,
    structured,
    subject,
)

__all__ = ["named"]


def named(workload: str, number: int) -> tuple[str, str, dict[str, object]]:
    """Return who did what with which properties: the values of the event with this number."""
    match kind(workload, number):
        case "page_view" | "visitor_page_view" as way:
            who = subject(FIXED_NUMBER if way == "page_view" else number)
            return who.pop("user_id"), "page viewed", page_view(number) | who
        case "structured":
            return f"user-{number % 10_000}", "added to basket", structured(number)
        case "self_describing_1":
            return f"user-{number % 10_000}", "order placed", order(number) | {"product": product(number)}
        case _:
            entities = {"product": product(number), "shopper": shopper(number)}
            return f"user-{number % 10_000}", "order placed", order(number) | entities
