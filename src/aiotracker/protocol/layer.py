"""What a tracker or a scope adds to every event, encoded once.

A layer is immutable and holds its own encoded form, so that nothing has to be looked up by subject and
an event costs the same however much its tracker knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aiotracker.protocol.fields import SHARED_FIELDS
from aiotracker.protocol.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiotracker.entities import Entity, SelfDescribingJson

__all__ = ["EMPTY_LAYER", "Layer", "is_anonymous", "json_members"]


def json_members(pairs: Mapping[str, str]) -> str:
    """Return the members of a JSON object, each with a comma before it; empty for no pairs.

    Args:
        pairs: wire names, which have no character that JSON escapes, and texts.
    """
    return "".join([f',"{key}":{quoted(text)}' for key, text in pairs.items()])


@dataclass(frozen=True, slots=True)
class Layer:
    """Constant fields and entities of many events.

    Attributes:
        pairs: wire names and texts.
        entities: added to every event's own.
        anonymous: whether events travel without what identifies a person; None: as the layer below.
        members: `pairs` as members of a JSON object, each with a comma before it.
        is_apart: whether no event has a field of its own that is among the pairs.
        taken: wire names that may not come again above the layer without being merged.
    """

    pairs: Mapping[str, str]
    entities: tuple[Entity | SelfDescribingJson, ...] = ()
    anonymous: bool | None = None
    members: str = field(init=False, repr=False)
    is_apart: bool = field(init=False, repr=False)
    taken: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Freeze and encode the pairs."""
        pairs = MappingProxyType(dict(self.pairs))
        object.__setattr__(self, "pairs", pairs)  # assignments of a frozen instance being built
        object.__setattr__(self, "members", json_members(pairs))
        object.__setattr__(self, "is_apart", pairs.keys().isdisjoint(SHARED_FIELDS))
        object.__setattr__(self, "taken", SHARED_FIELDS.union(pairs))

    def over(
        self,
        pairs: Mapping[str, str],
        entities: Sequence[Entity | SelfDescribingJson],
        anonymous: bool | None,  # noqa: FBT001 - mirrors the attributes
    ) -> Layer:
        """Return a layer that adds to this one; its pairs win."""
        return Layer(
            {**self.pairs, **pairs},
            (*self.entities, *entities),
            self.anonymous if anonymous is None else anonymous,
        )


EMPTY_LAYER: Final = Layer({})


def is_anonymous(tracker: Layer, scope: Layer | None) -> bool:
    """Tell whether events travel without what identifies a person: the scope's word counts, if it has one."""
    if scope is not None and scope.anonymous is not None:
        return scope.anonymous
    return tracker.anonymous is True
