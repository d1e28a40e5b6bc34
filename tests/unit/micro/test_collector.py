"""What a collector answers, and what it records."""

import pytest

from aiotracker.micro.collector import DROP_PAYLOAD_BYTES, Collected, collect, segments
from aiotracker.micro.exchange import Request
from aiotracker.micro.payload import CollectorPayload
from tests.unit.micro.samples import RECEIVED_MS, USER_ID, request

OTHER_ID = "44444444-4444-4444-8444-444444444444"
NIL_ID = "00000000-0000-0000-0000-000000000000"
TP2 = "/com.snowplowanalytics.snowplow/tp2"


def collected(wanted: Request) -> Collected:
    """Hand a request to the collector, which makes up the same user id each time."""
    return collect(wanted, lambda: USER_ID)


def recorded(wanted: Request) -> CollectorPayload:
    """Return what the collector records of a request."""
    payload = collected(wanted).payload
    assert payload is not None
    return payload


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", [""]),
        ("", [""]),
        ("/i", ["i"]),
        ("/i/", ["i", ""]),
        ("/a/b/", ["a", "b", ""]),
        ("//a", ["", "a"]),
        ("/a%2Fb/c%20d", ["a/b", "c d"]),
    ],
)
def test_a_path_is_split_before_it_is_decoded(path: str, expected: list[str]) -> None:
    """A trailing slash is one more, empty segment."""
    assert expected == segments(path)


@pytest.mark.parametrize("path", [TP2, "/a/b", "/com.acme/v1"])
def test_a_post_to_any_two_segments_is_ok(path: str) -> None:
    """Whatever its content: what is wrong with it shows later."""
    found = collected(request("POST", path, body=b"not json"))

    assert (200, b"ok") == (found.response.status, found.response.body)
    assert "text/plain; charset=UTF-8" == found.response.headers["Content-Type"]
    assert found.payload is not None
    assert path == f"/{found.payload.vendor}/{found.payload.version}"
    assert b"not json" == found.payload.body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "version"), [("/i", "tp1"), ("/ice.png", "tp1"), (TP2, "tp2")])
def test_a_get_is_answered_by_a_pixel_and_recorded(method: str, path: str, version: str) -> None:
    """Also a HEAD: a health check must not ask for `/i`."""
    found = collected(request(method, path, query="e=pv"))

    assert 200 == found.response.status
    assert isinstance(found.response.body, bytes)
    assert (43, b"GIF89a") == (len(found.response.body), found.response.body[:6])
    assert "image/gif" == found.response.headers["Content-Type"]
    assert "no-cache, no-store, must-revalidate" == found.response.headers["Cache-Control"]
    assert found.payload is not None
    assert ("com.snowplowanalytics.snowplow", version) == (
        found.payload.vendor,
        found.payload.version,
    )
    assert ("e=pv", None, None) == (
        found.payload.query,
        found.payload.body,
        found.payload.content_type,
    )


def test_a_trailing_slash_behind_the_pixel_is_recorded_as_a_vendor() -> None:
    """`/i/` has two segments, and becomes a bad row later."""
    payload = recorded(request("GET", "/i/", query="e=pv"))

    assert ("i", "") == (payload.vendor, payload.version)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/"),
        ("POST", "/i"),
        ("POST", "/ice.png"),
        ("POST", f"{TP2}/"),
        ("POST", "/a/b/c"),
        ("GET", "/a/b/c"),
        ("GET", "/favicon.ico"),
        ("GET", "/crossdomain.xml"),
        ("PUT", TP2),
        ("DELETE", TP2),
        ("PATCH", TP2),
        ("POST", "/health"),
        ("HEAD", "/health"),
        ("GET", "/r/tp2"),
        ("POST", "/r/tp2"),
        ("OPTIONS", "/r/tp2"),
    ],
)
def test_everything_else_is_not_found(method: str, path: str) -> None:
    """Never 405, and nothing is recorded."""
    found = collected(request(method, path, body=b"x"))

    assert (404, None) == (found.response.status, found.payload)


@pytest.mark.parametrize("path", ["/health", "/sink-health"])
def test_it_is_always_healthy(path: str) -> None:
    """Its sink is memory."""
    found = collected(request("GET", path))

    assert (200, b"ok", None) == (found.response.status, found.response.body, found.payload)


def test_robots_are_sent_away() -> None:
    """From everywhere."""
    found = collected(request("GET", "/robots.txt"))

    assert (200, b"User-agent: *\nDisallow: /\n") == (found.response.status, found.response.body)


@pytest.mark.parametrize("path", ["/", TP2, "/i", "/a/b/c", "/micro/all"])
@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ([], "*"),
        ([("origin", "https://a.com")], "https://a.com"),
        ([("origin", "https://a.com https://b.com")], "https://a.com"),
        ([("origin", "null")], "*"),
        ([("origin", "")], "*"),
    ],
)
def test_a_preflight_is_allowed_everywhere(path: str, headers: list[tuple[str, str]], origin: str) -> None:
    """The page of any site may send events."""
    found = collected(request("OPTIONS", path, headers=headers))

    expected = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Headers": "Content-Type, SP-Anonymous",
        "Access-Control-Max-Age": "3600",
    }
    assert (200, b"", None) == (found.response.status, found.response.body, found.payload)
    assert expected == found.response.headers


@pytest.mark.parametrize("wanted", [request("POST", TP2, body=b"x"), request("GET", "/i")])
def test_answers_to_track_requests_may_be_read_by_any_page(wanted: Request) -> None:
    """The headers of the preflight's answer that every answer needs."""
    headers = collected(wanted).response.headers

    assert ("*", "true") == (
        headers["Access-Control-Allow-Origin"],
        headers["Access-Control-Allow-Credentials"],
    )


@pytest.mark.parametrize(
    ("size", "status"),
    [(0, 413), (1, 200), (DROP_PAYLOAD_BYTES - 1, 200), (DROP_PAYLOAD_BYTES, 413)],
)
def test_an_empty_or_very_large_body_is_refused(size: int, status: int) -> None:
    """And not recorded; what is merely too large is answered 200 and lost later."""
    found = collected(request("POST", TP2, body=b"x" * size))

    assert (status, status == 200) == (found.response.status, found.payload is not None)


@pytest.mark.parametrize(("length", "status"), [(20_480, 200), (20_481, 400)])
def test_a_long_request_line_is_refused(length: int, status: int) -> None:
    """It has 20,480 bytes at most, from the method to the version of HTTP."""
    around = len("GET /i? HTTP/1.1")

    found = collected(request("GET", "/i", query="x" * (length - around)))

    assert (status, status == 200) == (found.response.status, found.payload is not None)


@pytest.mark.parametrize(("length", "status"), [(40_960, 200), (40_961, 400)])
def test_long_headers_are_refused(length: int, status: int) -> None:
    """They have 40,960 bytes at most in all."""
    headers = [("x", "y" * (length - len("x: \r\n")))]

    assert status == collected(request("GET", "/i", headers=headers)).response.status


def test_a_request_is_recorded_with_its_headers() -> None:
    """Names in their usual form, the bare content type at the end."""
    headers = [
        ("host", "a.com"),
        ("user-agent", "Mozilla"),
        ("content-type", "application/json;charset=UTF-8"),
        ("referer", "http://r.com/"),
        ("x-real-ip", "203.0.113.9"),
    ]

    payload = recorded(request("POST", TP2, body=b"x", headers=headers))

    expected = (
        "Host: a.com",
        "User-Agent: Mozilla",
        "Content-Type: application/json;charset=UTF-8",
        "Referer: http://r.com/",
        "X-Real-Ip: 203.0.113.9",
        "application/json; charset=utf-8",
    )
    assert expected == payload.headers
    assert ("Mozilla", "http://r.com/") == (payload.useragent, payload.referer)
    assert (RECEIVED_MS, "127.0.0.1") == (payload.received_ms, payload.ip_address)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json; charset=utf-8"),
        ("application/json;charset=UTF-8", "application/json; charset=utf-8"),
        ('Application/JSON ; Charset="utf-8"', "application/json; charset=utf-8"),
        ("application/json; charset=utf-8; v=1", "application/json; v=1; charset=utf-8"),
        ("text/plain", "text/plain"),
        ("json", None),
        ("", None),
        (None, None),
    ],
)
def test_the_content_type_is_rendered_anew(header: str | None, expected: str | None) -> None:
    """In lower case, with one space; what is none is left out."""
    headers = [] if header is None else [("content-type", header)]

    payload = recorded(request("POST", TP2, body=b"x", headers=headers))

    assert expected == payload.content_type


def test_the_content_type_of_a_get_is_not_recorded() -> None:
    """A GET has no body that it could describe."""
    payload = recorded(request("GET", "/i", headers=[("content-type", "application/json")]))

    assert (None, ("Content-Type: application/json",)) == (payload.content_type, payload.headers)


@pytest.mark.parametrize(
    ("query", "cookie", "expected"),
    [
        ("", None, USER_ID),
        ("", f"sp={OTHER_ID}", OTHER_ID),
        ("", f"a=1; sp={OTHER_ID}; b=2", OTHER_ID),
        ("", f'sp="{OTHER_ID}"', OTHER_ID),
        ("", "sp=", USER_ID),
        ("", f"spx={OTHER_ID}", USER_ID),
        (f"nuid={OTHER_ID}", None, OTHER_ID),
        (f"nuid={OTHER_ID}", f"sp={USER_ID}", OTHER_ID),
        ("nuid=", None, USER_ID),
        ("nuid=me", None, "me"),
    ],
)
def test_the_network_user_id_comes_from_query_or_cookie_or_chance(
    query: str, cookie: str | None, expected: str
) -> None:
    """In this order; whether it is a UUID shows later."""
    headers = [] if cookie is None else [("cookie", cookie)]

    payload = recorded(request("GET", "/i", query=query, headers=headers))

    assert expected == payload.network_user_id


def test_the_network_user_id_is_kept_in_a_cookie() -> None:
    """For a year, for all sites, out of reach for scripts."""
    headers = collected(request("GET", "/i")).response.headers

    expires = "Tue, 21 Sep 2027 14:13:20 GMT"
    expected = f"sp={USER_ID}; Expires={expires}; Path=/; SameSite=None; Secure; HttpOnly"
    assert expected == headers["Set-Cookie"]


def test_a_hostile_network_user_id_adds_no_attributes() -> None:
    """It is text of a stranger that goes into a header."""
    hostile = request("GET", "/i", query="nuid=a%3B%20Domain%3Dacme.com%0D%0AX%3A%20y%C3%BC")

    cookie = collected(hostile).response.headers["Set-Cookie"]

    assert cookie.startswith("sp=aDomain=acme.comX:y; Expires=")


def test_an_anonymous_request_leaves_no_trace() -> None:
    """No address, no cookie, no id, and no header that would tell; the rest stays."""
    headers = [
        ("sp-anonymous", ""),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("user-agent", "Mozilla"),
    ]

    found = collected(request("GET", "/i", query=f"nuid={OTHER_ID}", headers=headers))

    assert found.payload is not None
    assert ("unknown", NIL_ID) == (found.payload.ip_address, found.payload.network_user_id)
    expected = ("SP-Anonymous: ", "Forwarded: for=203.0.113.9", "User-Agent: Mozilla")
    assert expected == found.payload.headers
    assert "Set-Cookie" not in found.response.headers


def test_an_anonymous_request_ends_a_cookie() -> None:
    """The cookie that came is expired, and not recorded."""
    headers = [("sp-anonymous", "*"), ("cookie", f"sp={OTHER_ID}")]

    found = collected(request("GET", "/i", headers=headers))

    expected = "sp=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; SameSite=None; Secure; HttpOnly"
    assert expected == found.response.headers["Set-Cookie"]
    assert found.payload is not None
    assert ("SP-Anonymous: *",) == found.payload.headers


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("203.0.113.9:1234", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:1234", "2001:db8::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("", "127.0.0.1"),
    ],
)
def test_a_proxy_may_name_the_sender(header: str, expected: str) -> None:
    """The first address of X-Forwarded-For, without port, brackets and quotes."""
    payload = recorded(request("GET", "/i", headers=[("x-forwarded-for", header)]))

    assert expected == payload.ip_address


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("a=1; b=2", ("Cookie: a=1; b=2",)),
        ('a=1; b="x y"; c=ü; d=3', ("Cookie: a=1; d=3",)),
        ("a=x,y; no pair; =z", ()),
    ],
)
def test_illegal_cookies_are_not_recorded(cookie: str, expected: tuple[str, ...]) -> None:
    """Only what RFC 6265 allows."""
    assert expected == recorded(request("GET", "/i", headers=[("cookie", cookie)])).headers


def test_equal_headers_of_many_requests_are_kept_once() -> None:
    """A burst repeats itself."""
    wanted = request("GET", "/i", headers=[("user-agent", "Mozilla" * 10)])

    first, second = recorded(wanted).headers, recorded(wanted).headers

    assert first[0] is second[0]
