"""Why goals are not reached, in words and with the figures of the same run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.speed.figures import ONE, PAGE, STRUCTURED, VISITOR, WORDS, Figure, Results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["explanations"]


def explanations(results: Results, lines: Iterable[Figure]) -> Iterator[str]:
    """Yield a paragraph for each kind of goal that is not reached.

    Args:
        results: of the run.
        lines: its table of goals.
    """
    missed = [line.key for line in lines if line.is_met is False]
    for reason in REASONS:
        if any(key.startswith(reason.prefix) for key in missed):
            yield f"**{reason.title}.** {reason.text} {reason.figures(results)}".rstrip() + "\n"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a kind of goal is not reached.

    Attributes:
        prefix: with which the keys of its figures begin.
        title: the kind of goal.
        text: what holds on every machine.
        figures: what this run says about it, in a sentence or two; empty when it was not measured.
    """

    prefix: str
    title: str
    text: str
    figures: Callable[[Results], str]


# -- what a run says ----------------------------------------------------------------------------------


def _throughput(results: Results) -> str:
    limit, theirs = results.rate("limit-encoding", PAGE), results.rate("official", PAGE)
    if not limit or not theirs:
        return ""
    return f"In this run that alone allows {limit / theirs:.1f} times the events of the official tracker."


def _share_of_official(results: Results) -> str:
    shares = []
    for workload in (PAGE, VISITOR, STRUCTURED, ONE):
        part, theirs = _part(results, workload), results.cpu_us("delivery", "official-500", workload)
        limit = results.cpu_us("delivery", "limit-encoding", workload)
        if part and theirs and limit:
            steps = sum(part[key] for key in ("arguments", "construct", "id", "encode"))
            shares.append(f"{WORDS[workload]} {steps / theirs:.2f} (limit: {limit / theirs:.2f})")
    return f"Their share of the official tracker's time in this run: {', '.join(shares)}." if shares else ""


def _making(results: Results) -> str:
    shares = []
    for workload in (STRUCTURED, ONE):
        limit = results.cpu_us("making", "limit-encoding", workload)
        theirs = results.cpu_us("making", "official-500", workload)
        if limit and theirs:
            shares.append(f"{WORDS[workload]} {limit / theirs:.2f}")
    return f"The share in this run: {', '.join(shares)}." if shares else ""


def _requests(results: Results) -> str:
    costs = [f"{one['transport']} {one['cpu_us']:.0f} µs" for one in results.found.get("requests", [])]
    return f"A request of 5 KB in this run: {', '.join(costs)}." if costs else ""


def _construction(results: Results) -> str:
    java = results.cpu_us("languages", "java", PAGE)
    part = _part(results, PAGE)
    if java is None or part is None:
        return ""
    made = part["arguments"] + part["construct"]
    return (
        f"In this run a page view's arguments and its construction take {made:.1f} µs, "
        f"where Java is done with everything after {java:.1f}."
    )


def _import(results: Results) -> str:
    floor = results.found.get("imports", {}).get("benchmarks.speed.contenders.one_model", {}).get("median")
    return "" if floor is None else f"In this run pydantic with one model takes {floor:.0f} ms."


def _part(results: Results, workload: str) -> Mapping[str, Any] | None:  # Any: JSON
    return next((part for part in results.found.get("parts", []) if part["workload"] == workload), None)


REASONS: Final = (
    Reason(
        "rate-",
        "Events a second against a collector that answers at once",
        "Then everybody is bound by the processor, and the official tracker spends most of its time in "
        "requests of ten events. Twenty times as many events would need less time than it takes to "
        "construct an event, make an id and encode it, with nothing else around it.",
        _throughput,
    ),
    Reason(
        "cpu-500-",
        "Processor time with batches of 500",
        "Construction with its checks, an id and the event's JSON alone take most of what the goals allow, "
        "and the buffer, its accounts, the coroutine and the request are still to come: "
        '"Where the time goes" has the steps, and the line "limit" constructs, makes an id with `uuid` and '
        "encodes with pydantic's core, and does nothing else. The official tracker checks little more than "
        "types; what is wrong costs it nothing until the pipeline fails it. What was tried, and is in: "
        "patterns that pydantic's core runs in place of rules in Python (constructing a page view: from 7 "
        "to 1.5 µs), ids made by the hundred (2 to 0.2 µs), text joined once instead of a dict that is "
        "encoded, JSON of plain data by pydantic's core and read back to be sure, one step into the "
        "buffer, no task and no future per event, one system call instead of four.",
        _share_of_official,
    ),
    Reason(
        "cpu-10-",
        "Processor time with batches of 10",
        "The request decides here. httpx is driven below its client, at its transport; what remains is "
        "httpcore, h11 and anyio's cancel scopes, and no setting makes it smaller: httpcore's bare "
        "connection takes two thirds of it. Programs that send small batches want `AiohttpTransport`. "
        "Around a request, leasing, booking and deciding take as long as a request over aiohttp; a "
        "sender goes on with the next batch by itself, which saved a quarter of that.",
        _requests,
    ),
    Reason(
        "making-",
        "Construct and `track()`",
        "As with batches of 500: constructing, an id and JSON alone are above the goal. Data of the user's "
        "own is encoded once and then read back, to refuse what the pipeline would fail (NaN, keys that "
        "are not text, a Decimal, too deep a nesting); without that check a self-describing event would "
        "take 2.5 µs less.",
        _making,
    ),
    Reason(
        "languages-",
        "Against Java and Rust",
        "Compiled code constructs, copies and joins in tens of nanoseconds what takes CPython a "
        "microsecond, and neither of the two checks what it is given.",
        _construction,
    ),
    Reason(
        "import",
        "Import",
        "pydantic and the first model built with it take longer than the whole import of the official "
        "tracker, which has no models. Everything that only an open tracker needs (httpx, the engine, "
        "asyncio) is imported by `open()`, in a thread.",
        _import,
    ),
)
