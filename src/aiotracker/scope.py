"""What is true of everything that is tracked in a context: a request, a task, a block.

Layers are immutable and live in one `ContextVar` for all trackers, so that child tasks inherit them and
two requests never share them.
"""

from __future__ import annotations

import warnings
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from aiotracker.errors import AiotrackerWarning
from aiotracker.protocol.layer import EMPTY_LAYER, Layer

if TYPE_CHECKING:
    from types import TracebackType

    from aiotracker.events.base import Entities
    from aiotracker.subject import Subject

__all__ = ["current_scope", "scope"]


@dataclass(frozen=True, slots=True)
class _Frame:
    """An entered scope: its layer, who entered it, and what was there before."""

    layer: Layer
    owner: scope
    below: _Frame | None


_CURRENT: Final[ContextVar[_Frame | None]] = ContextVar("aiotracker_scope", default=None)


def current_scope() -> Layer | None:
    """Return the layer of the current context, None outside of every scope."""
    frame = _CURRENT.get()
    return None if frame is None else frame.layer


class scope:  # noqa: N801 - used as a function is: `with scope(...)`
    """Add a subject and entities to everything that is tracked inside a `with` block.

        with aiotracker.scope(subject=Subject(user_id="u-1"), context=[cart]):
            await tracker.track(PageView(page_url="https://acme.com/cart"))

    Works in synchronous and asynchronous code, for every tracker, and nests: the inner scope wins over
    the outer one, an event over both. Left in another context than it was entered in, it does nothing
    and warns.
    """

    def __init__(
        self,
        *,
        subject: Subject | None = None,
        context: Entities = (),
        anonymous: bool | None = None,
    ) -> None:
        """Describe the layer.

        Args:
            subject: a snapshot of it is taken on entering.
            context: entities to add.
            anonymous: True to track without what identifies a person, False to identify inside an
                anonymous scope or tracker, None to leave that as it is.
        """
        self._subject = subject
        self._entities = tuple(context)
        self._anonymous = anonymous
        self._entered = 0

    def __enter__(self) -> Self:
        """Put the layer over those of the context."""
        self._entered += 1
        below = _CURRENT.get()
        pairs = {} if self._subject is None else self._subject.pairs()
        base = EMPTY_LAYER if below is None else below.layer
        _CURRENT.set(_Frame(base.over(pairs, self._entities, self._anonymous), self, below))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the layer away again."""
        if not self._entered:
            return  # left once too often
        self._entered -= 1
        # Not by token: one scope object may be entered by several tasks, or again inside itself.
        frame = _CURRENT.get()
        while frame is not None and frame.owner is not self:
            frame = frame.below  # an inner scope that was never left goes, too
        if frame is not None:
            _CURRENT.set(frame.below)
            return
        warnings.warn(
            "a scope was left in another context than it was entered in and had no effect there: "
            "use it inside one function, or in an async dependency",
            AiotrackerWarning,
            stacklevel=2,
        )
