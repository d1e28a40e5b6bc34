"""What is true of everything that is tracked in a context: a request, a task, a block.

Layers are immutable and live in one `ContextVar` for all trackers, so that child tasks inherit them and
two requests never share them.
"""

from __future__ import annotations

import warnings
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, Self

from aiotracker.errors import AiotrackerWarning
from aiotracker.protocol.layer import EMPTY_LAYER, Layer

if TYPE_CHECKING:
    from types import TracebackType

    from aiotracker.events.base import Entities
    from aiotracker.subject import Subject

__all__ = ["current_scope", "scope"]

_CURRENT: Final[ContextVar[Layer | None]] = ContextVar("aiotracker_scope", default=None)


def current_scope() -> Layer | None:
    """Return the layer of the current context, None outside of every scope."""
    return _CURRENT.get()


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
        self._token: Token[Layer | None] | None = None

    def __enter__(self) -> Self:
        """Put the layer over those of the context."""
        below = _CURRENT.get() or EMPTY_LAYER
        pairs = {} if self._subject is None else self._subject.pairs()
        self._token = _CURRENT.set(below.over(pairs, self._entities, self._anonymous))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the layer away again."""
        token, self._token = self._token, None
        if token is None:
            return
        try:
            _CURRENT.reset(token)
        except ValueError:
            warnings.warn(
                "a scope was left in another context than it was entered in and had no effect there: "
                "use it inside one function, or in an async dependency",
                AiotrackerWarning,
                stacklevel=2,
            )
