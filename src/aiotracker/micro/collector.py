"""What a Snowplow collector answers, and what it records: pure functions over a request.

Sources: collector 3.4, `Routes.scala`, `Service.scala`, `HttpServer.scala`, `Rfc6265Cookie.scala`
and the `networking` and `cookie` sections of `reference.conf`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from aiotracker.micro.exchange import Request, Response
from aiotracker.micro.payload import SNOWPLOW, TP1, CollectorPayload, parse_query

__all__ = ["DROP_PAYLOAD_BYTES", "Collected", "collect", "cors_headers", "segments"]

DROP_PAYLOAD_BYTES: Final = 2_097_152  # a body of this size or more is refused
MAX_REQUEST_LINE_BYTES: Final = 20_480
MAX_HEADERS_BYTES: Final = 40_960
_LINE_AROUND_BYTES: Final = len("  HTTP/1.1")
_HEADER_AROUND_BYTES: Final = len(": \r\n")

COOKIE: Final = "sp"
COOKIE_LIFETIME_S: Final = 365 * 24 * 3600
COOKIE_ATTRIBUTES: Final = "Path=/; SameSite=None; Secure; HttpOnly"
ANONYMOUS_HEADER: Final = "sp-anonymous"  # its presence counts, not its value
ANONYMOUS_USER_ID: Final = "00000000-0000-0000-0000-000000000000"
ANONYMOUS_ADDRESS: Final = "unknown"
PRIVATE_HEADERS: Final = frozenset({"x-forwarded-for", "x-real-ip", "cookie"})

TEXT: Final = MappingProxyType({"Content-Type": "text/plain; charset=UTF-8"})
CLOSE: Final = MappingProxyType({**TEXT, "Connection": "close"})
PIXEL_HEADERS: Final = MappingProxyType(
    {"Content-Type": "image/gif", "Cache-Control": "no-cache, no-store, must-revalidate"}
)
PIXEL: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
PIXEL_PATHS: Final = (["i"], ["ice.png"])
ROBOTS: Final = b"User-agent: *\nDisallow: /\n"
PREFLIGHT_HEADERS: Final = MappingProxyType(
    {
        "Access-Control-Allow-Headers": "Content-Type, SP-Anonymous",
        "Access-Control-Max-Age": "3600",
    }
)
VENDOR_AND_VERSION: Final = 2  # segments of a path that is recorded
MAX_REMEMBERED_HEADERS: Final = 1024

_ODD_NAMES = MappingProxyType({"sp-anonymous": "SP-Anonymous", "dnt": "DNT", "te": "TE"})
_COOKIE_PAIR = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+=\"?[!#-+\--:<-\[\]-~]*\"?")
_CONTENT_TYPE = re.compile(r"\s*([\w!#$&^.+\-]+)/([\w!#$&^.+\-]+)\s*((?:;[^;]*)*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Collected:
    """What becomes of a request.

    Attributes:
        response: the answer.
        payload: what to record, if anything.
    """

    response: Response
    payload: CollectorPayload | None = None


def segments(path: str) -> list[str]:
    """Return the decoded segments of a path; a trailing slash is an empty last one."""
    return [unquote(segment) for segment in path.removeprefix("/").split("/")]


def cors_headers(request: Request) -> dict[str, str]:
    """Return the headers that let the page of any site read an answer."""
    origins = (request.header("origin") or "").split()
    origin = origins[0] if origins and origins[0] != "null" else "*"
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}


def collect(request: Request, new_user_id: Callable[[], str]) -> Collected:
    """Answer a request as a collector does, whose sink is always healthy.

    Whatever the content of a track request, the answer is 200: that it is bad shows later.

    Args:
        request: any request but one to Micro's own endpoints.
        new_user_id: called when neither request nor cookie identify the sender.
    """
    if _line_bytes(request) > MAX_REQUEST_LINE_BYTES or _header_bytes(request) > MAX_HEADERS_BYTES:
        return Collected(Response(400, b"request line or headers too long", CLOSE))
    path = segments(request.path)
    match request.method, path:
        case _, ["r", _]:
            return Collected(Response(404, b"redirects disabled", TEXT))
        case "OPTIONS", _:
            return Collected(Response(200, b"", {**cors_headers(request), **PREFLIGHT_HEADERS}))
        case "POST", [vendor, version]:
            if not 0 < len(request.body) < DROP_PAYLOAD_BYTES:
                return Collected(Response(413, b"empty or too large", TEXT))
            return _tracked(request, vendor, version, Response(200, b"ok", TEXT), new_user_id)
        case "GET" | "HEAD", [vendor, version]:
            pixel = Response(200, PIXEL, PIXEL_HEADERS)
            return _tracked(request, vendor, version, pixel, new_user_id)
        case "GET" | "HEAD", ["i" | "ice.png"]:
            pixel = Response(200, PIXEL, PIXEL_HEADERS)
            return _tracked(request, SNOWPLOW, TP1, pixel, new_user_id)
        case "GET", ["health" | "sink-health"]:
            return Collected(Response(200, b"ok", TEXT))
        case "GET", ["robots.txt"]:
            return Collected(Response(200, ROBOTS, TEXT))
        case _:
            return Collected(Response(404, b"not found", TEXT))


def _tracked(
    request: Request,
    vendor: str,
    version: str,
    answer: Response,
    new_user_id: Callable[[], str],
) -> Collected:
    is_anonymous = request.header(ANONYMOUS_HEADER) is not None
    cookies = _cookies(request)
    if is_anonymous:
        user_id = ANONYMOUS_USER_ID
    else:
        query_user_id = dict(parse_query(request.query)).get("nuid")
        user_id = query_user_id or cookies.get(COOKIE) or new_user_id()
    is_post = request.method == "POST"
    content_type = _content_type(request.header("content-type")) if is_post else None
    payload = CollectorPayload(
        vendor=vendor,
        version=version,
        query=request.query,
        content_type=content_type,
        body=request.body if is_post else None,
        received_ms=request.received_ms,
        ip_address=ANONYMOUS_ADDRESS if is_anonymous else _sender(request),
        useragent=request.header("user-agent"),
        referer=request.header("referer"),
        headers=_recorded_headers(request, is_anonymous=is_anonymous, content_type=content_type),
        network_user_id=user_id,
    )
    headers = {**answer.headers, **cors_headers(request)}
    cookie = _set_cookie(request, user_id, is_anonymous=is_anonymous, has_one=COOKIE in cookies)
    if cookie is not None:
        headers["Set-Cookie"] = cookie
    return Collected(Response(answer.status, answer.body, headers), payload)


def _set_cookie(request: Request, user_id: str, *, is_anonymous: bool, has_one: bool) -> str | None:
    """Return the cookie that keeps the network user id, or one that ends it."""
    now_s = request.received_ms / 1000
    if not is_anonymous:
        # The id is a stranger's text: as in a query it must not add attributes or headers.
        value = re.sub(r"[^!#-+\--:<-\[\]-~]", "", user_id)
        return f"{COOKIE}={value}; Expires={_date(now_s + COOKIE_LIFETIME_S)}; {COOKIE_ATTRIBUTES}"
    return f"{COOKIE}=; Expires={_date(0)}; {COOKIE_ATTRIBUTES}" if has_one else None


def _date(epoch_s: float) -> str:
    return formatdate(epoch_s, usegmt=True)


def _sender(request: Request) -> str:
    """Return the first address of `X-Forwarded-For`, without port or brackets, else the peer's."""
    forwarded = (request.header("x-forwarded-for") or "").partition(",")[0].strip().strip('"')
    if not forwarded:
        return request.peer
    if forwarded.startswith("["):
        return forwarded[1:].partition("]")[0]
    return forwarded.partition(":")[0] if forwarded.count(":") == 1 else forwarded


def _recorded_headers(request: Request, *, is_anonymous: bool, content_type: str | None) -> tuple[str, ...]:
    headers = []
    for name, value in request.headers:
        if is_anonymous and name in PRIVATE_HEADERS:
            continue
        if name == "cookie":
            legal = "; ".join(_cookie_pairs(value))
            if legal:
                headers.append(f"Cookie: {legal}")
        else:
            headers.append(_header_line(name, value))
    if content_type is not None:
        headers.append(content_type)
    return tuple(headers)


@lru_cache(MAX_REMEMBERED_HEADERS)  # so that the same line of many requests is kept once
def _header_line(name: str, value: str) -> str:
    title = _ODD_NAMES.get(name) or "-".join(part.capitalize() for part in name.split("-"))
    return f"{title}: {value}"


def _cookies(request: Request) -> dict[str, str]:
    pairs = (
        pair.partition("=")
        for name, value in request.headers
        if name == "cookie"
        for pair in _cookie_pairs(value)
    )
    return {name: value.strip('"') for name, _, value in pairs}


def _cookie_pairs(header: str) -> list[str]:
    """Return the parts of a `Cookie` header that RFC 6265 allows."""
    pairs = (pair.strip() for pair in header.split(";"))
    return [pair for pair in pairs if _COOKIE_PAIR.fullmatch(pair)]


@lru_cache(MAX_REMEMBERED_HEADERS)
def _content_type(header: str | None) -> str | None:
    """Return a `Content-Type` in normal form and lower case, None for one that is none."""
    parts = _CONTENT_TYPE.fullmatch(header or "")
    if parts is None:
        return None
    named = [part.strip().partition("=") for part in parts[3].split(";") if part.strip()]
    others = [f"{name}={value}" for name, _, value in named if name.lower() != "charset"]
    charset = [f"charset={value.strip(chr(34))}" for name, _, value in named if name.lower() == "charset"]
    return "; ".join([f"{parts[1]}/{parts[2]}", *others, *charset[:1]]).lower()


def _line_bytes(request: Request) -> int:
    query = f"?{request.query}" if request.query else ""
    return len(request.method) + len(request.path) + len(query) + _LINE_AROUND_BYTES


def _header_bytes(request: Request) -> int:
    return sum(len(name) + len(value) + _HEADER_AROUND_BYTES for name, value in request.headers)
