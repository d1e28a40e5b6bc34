"""Litestar: everything in one plugin.

app = Litestar([place_order], plugins=[TrackerPlugin(Tracker("web", "https://collector.acme.com"))])
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, Unpack, cast

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.di import NamedDependency, Provide
from litestar.middleware import DefineMiddleware
from litestar.plugins import InitPlugin

from aiotracker import Tracker
from aiotracker.integrations.asgi import MiddlewareOptions, TrackerMiddleware
from aiotracker.integrations.requests import RequestTracker

__all__ = ["TrackerDep", "TrackerPlugin"]

TrackerDep: TypeAlias = NamedDependency[Tracker]
"""The open tracker, as an argument of a handler; one that is not `async` calls `track_nowait()`."""


class TrackerPlugin(InitPlugin):
    """Tracks with an application: the tracker lives as long as it, and knows who makes each request.

        @post("/orders")
        async def place_order(tracker: TrackerDep) -> None:
            await tracker.track(OrderPlaced(...))

    The tracker is opened before everything else of the application and closed after everything else,
    `on_shutdown` included. A handler that wants it has an argument `tracker`. Litestar asks
    the middlewares of an application only after it has found a route: what answers 404 because there is
    none makes no event.
    """

    def __init__(
        self, tracker: Tracker, *, argument: str = "tracker", **options: Unpack[MiddlewareOptions]
    ) -> None:
        """Say how an application tracks.

        Args:
            tracker: not open.
            argument: what handlers call it.
            options: those of `TrackerMiddleware`.
        Raises:
            ConfigurationError: an option that cannot work.
        """
        RequestTracker(tracker, **options)  # wrong options are told here
        self._tracker = tracker
        self._argument = argument
        self._options = options

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the lifespan, the middleware and the dependency; Litestar calls it."""
        app_config.lifespan = [self._opened, *app_config.lifespan]
        # The hooks of `on_shutdown` follow the lifespans, in their order.
        app_config.on_shutdown = [*app_config.on_shutdown, self._close]
        # Litestar types the keys of a scope, which the specification only tells in words.
        factory = cast("Callable[..., Any]", TrackerMiddleware)
        middleware = DefineMiddleware(factory, tracker=self._tracker, **self._options)
        app_config.middleware = [middleware, *app_config.middleware]
        app_config.dependencies = {
            self._argument: Provide(self._provide, sync_to_thread=False),
            **app_config.dependencies,
        }
        app_config.signature_namespace = {"TrackerDep": TrackerDep, **app_config.signature_namespace}
        return app_config

    @asynccontextmanager
    async def _opened(self, app: Litestar) -> AsyncIterator[None]:  # noqa: ARG002 - as Litestar calls it
        await self._tracker.open()
        yield

    async def _close(self) -> None:
        await self._tracker.aclose()

    def _provide(self) -> Tracker:
        return self._tracker
