"""A Django site in a module: its settings, made when it is imported, and views that track."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator

import django
from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from aiotracker import StructuredEvent
from aiotracker.integrations.django import get_tracker

MIDDLEWARE = "aiotracker.integrations.django.TrackerMiddleware"

settings.configure(
    ALLOWED_HOSTS=["testserver"],
    MIDDLEWARE=[MIDDLEWARE],
    ROOT_URLCONF=__name__,
    SECRET_KEY="made-up",
)
django.setup()


def bystander(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Be a middleware that knows nothing of `async`."""
    return lambda request: get_response(request)  # noqa: PLW0108 - a function, which Django marks


def track(name: str) -> str:
    """Track an event of that name; return its id."""
    return str(get_tracker().track_nowait(StructuredEvent(category="view", action=name)))


def shown(request: HttpRequest) -> HttpResponse:
    """Track from a synchronous view."""
    return HttpResponse(track("shown"))


async def awaited(request: HttpRequest) -> HttpResponse:
    """Track from an asynchronous view, after others ran."""
    await asyncio.sleep(0)
    return HttpResponse(track("awaited"))


def streamed(request: HttpRequest) -> StreamingHttpResponse:
    """Track while the body is made."""

    def parts() -> Iterator[str]:
        yield track("first")
        yield track("second")

    return StreamingHttpResponse(parts())


async def astreamed(request: HttpRequest) -> StreamingHttpResponse:
    """Track while a body is awaited."""

    async def parts() -> AsyncIterator[str]:
        yield track("first")
        await asyncio.sleep(0)
        yield track("second")

    return StreamingHttpResponse(parts())


def download(request: HttpRequest) -> FileResponse:
    """Answer with a file."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    file.write(b"contents")
    file.seek(0)
    return FileResponse(file, content_type="text/html")


def answered(request: HttpRequest, status: int) -> HttpResponse:
    """Answer with a status and a page."""
    return HttpResponse("page", status=status)


def plain(request: HttpRequest) -> HttpResponse:
    """Answer with something that is no page."""
    return HttpResponse("text", content_type="text/plain")


urlpatterns = [
    path("shown", shown),
    path("awaited", awaited),
    path("streamed", streamed),
    path("astreamed", astreamed),
    path("download", download),
    path("answered/<int:status>", answered),
    path("plain", plain),
]
