"""The address of a collector, in every form that users write."""

import pytest

from aiotracker import CollectorURLError, ConfigurationError
from aiotracker.protocol.url import DEFAULT_POST_PATH, CollectorURL

LONGEST_LABEL = "x" * 63
LONGEST_HOST = ".".join([LONGEST_LABEL] * 3 + ["x" * 61])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("collector.acme.com", "https://collector.acme.com"),
        ("collector.acme.com.", "https://collector.acme.com."),
        ("collector.acme.com:8080", "https://collector.acme.com:8080"),
        ("http://collector.acme.com", "http://collector.acme.com"),
        ("https://collector.acme.com/", "https://collector.acme.com"),
        ("https://collector.acme.com///", "https://collector.acme.com"),
        ("HTTPS://Collector.ACME.com", "https://collector.acme.com"),
        ("https://collector.acme.com:443", "https://collector.acme.com"),
        ("http://collector.acme.com:80/", "http://collector.acme.com"),
        ("http://collector.acme.com:443", "http://collector.acme.com:443"),
        ("https://collector.acme.com:08443", "https://collector.acme.com:8443"),
        ("https://acme.com/sp", "https://acme.com/sp"),
        ("https://acme.com/a/b-c/", "https://acme.com/a/b-c"),
        ("acme.com/sp", "https://acme.com/sp"),
        ("https://acme.com/%7Euser", "https://acme.com/%7Euser"),
        ("https://acme.com/com.snowplowanalytics.snowplow/tp2", "https://acme.com"),
        ("https://acme.com/sp/com.snowplowanalytics.snowplow/tp2/", "https://acme.com/sp"),
        ("collector", "https://collector"),
        ("my_collector:9090", "https://my_collector:9090"),
        ("http:80", "https://http:80"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("203.0.113.7:9090", "https://203.0.113.7:9090"),
        ("[2001:db8::1]", "https://[2001:db8::1]"),
        ("http://[2001:DB8:0::1]:9090/sp", "http://[2001:db8::1]:9090/sp"),
        (LONGEST_HOST, f"https://{LONGEST_HOST}"),
    ],
)
def test_addresses_have_one_form(text: str, expected: str) -> None:
    """What users write is brought into one form: scheme, host, a port that is not the usual one, prefix."""
    url = CollectorURL.parse(text)

    assert expected == str(url)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", "http://localhost"),
        ("localhost:9090", "http://localhost:9090"),
        ("LocalHost.:9090", "http://localhost.:9090"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("127.1.2.3:9090", "http://127.1.2.3:9090"),
        ("[::1]:9090", "http://[::1]:9090"),
        ("https://localhost:9543", "https://localhost:9543"),
    ],
)
def test_this_machine_is_http_unless_it_says_otherwise(text: str, expected: str) -> None:
    """A local collector has no certificate, so that its address needs no scheme."""
    url = CollectorURL.parse(text)

    assert expected == str(url)
    assert url.is_loopback


def test_endpoints_follow_from_the_address() -> None:
    """Batches are posted to tp2, single events sent to /i, both behind the prefix."""
    url = CollectorURL.parse("https://acme.com:8443/sp")

    assert f"https://acme.com:8443/sp{DEFAULT_POST_PATH}" == url.post_url
    assert "https://acme.com:8443/sp/i" == url.get_url
    assert url.is_secure
    assert not url.is_loopback


@pytest.mark.parametrize("given", ["/com.acme/track", "com.acme/track", "/com.acme/track/"])
def test_a_collector_can_map_another_path(given: str) -> None:
    """A custom POST path replaces tp2 and leaves the GET path alone."""
    url = CollectorURL.parse("https://acme.com", post_path=given)

    assert "https://acme.com/com.acme/track" == url.post_url
    assert "https://acme.com/i" == url.get_url


@pytest.mark.parametrize(
    "given", ["", "/", "/track", "/a/b/c", "/a b/c", "/a?b/c", "/a/b#c", "/ü/x", "/a%/b", "//a/", 7]
)
def test_a_post_path_has_two_segments(given: str) -> None:
    """The collector takes exactly /vendor/version, so nothing else is a path; the error names the setting."""
    with pytest.raises(ConfigurationError, match=r"post_path=.*must be /vendor/version"):
        CollectorURL.parse("https://acme.com", post_path=given)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("", "is empty: pass the address of your collector"),
        ("  ", "is empty"),
        (" acme.com", "has white space in it"),
        ("https://acme .com", "has white space in it"),
        ("https://acme.com\n", "has white space in it"),
        ("ftp://acme.com", "has the scheme ftp: a collector speaks http or https"),
        ("ws://acme.com", "has the scheme ws"),
        ("//acme.com", "has no scheme before //: write https://"),
        ("https:acme.com", "has no // after its scheme: write https://"),
        ("https:/acme.com", "has no // after its scheme"),
        ("https://", "has no host"),
        ("https:///sp", "has no host"),
        (":8080", "has no host"),
        ("https://user:secret@acme.com", "has credentials in it: pass auth=(user, password)"),
        ("user@acme.com", "has credentials in it"),
        ("https://acme.com?x=1", "has a query or fragment"),
        ("https://acme.com/?", "has a query or fragment"),
        ("https://acme.com#top", "has a query or fragment"),
        ("https://acme.com#", "has a query or fragment"),
        ("https://acme.com:", "has a port that is not from 1 to 65535: ''"),
        ("https://acme.com:0", "has a port that is not from 1 to 65535: '0'"),
        ("https://acme.com:65536", "has a port that is not from 1 to 65535"),
        ("https://acme.com:-1", "has a port that is not from 1 to 65535"),
        ("https://acme.com:+80", "has a port that is not from 1 to 65535"),
        ("https://acme.com:http", "has a port that is not from 1 to 65535"),
        ("https://acme.com:٨٠", "has a port that is not from 1 to 65535"),
        (f"https://acme.com:{'9' * 5000}", "has a port that is not from 1 to 65535"),
        ("https://acme.com:00000199999", "has a port that is not from 1 to 65535"),
        (f"https://acme.com:000001{'9' * 5000}", "has a port that is not from 1 to 65535"),
        ("acme.com:80:90", "has more than one port"),
        ("::1", "an IPv6 address needs brackets"),
        ("2001:db8::1", "an IPv6 address needs brackets"),
        ("[2001:db8::zz]", "has a host that cannot be read"),
        ("[v1.x]", "has a host that cannot be read"),
        ("[1.2.3.4]", "has a host that cannot be read"),
        ("a[::1]", "has a host that cannot be read"),
        ("[::1]x", "has a host that cannot be read"),
        ("[::1", "has a host that cannot be read"),
        ("256.1.1.1", "has no valid IPv4 address"),
        ("1.2.3", "has no valid IPv4 address"),
        ("acme..com", "has a host that is no domain name"),
        (".acme.com", "has a host that is no domain name"),
        ("-acme.com", "has a host that is no domain name"),
        ("acme!.com", "has a host that is no domain name"),
        (f"x{LONGEST_LABEL}.com", "has a host that is no domain name"),
        (f"xx.{LONGEST_HOST}", "has a host that is no domain name"),
        ("ü" * 64 + ".example", "has a host that is no domain name"),
        ("https://acme.com/a//b", "has a path that no server takes"),
        ("https://acme.com/ü", "has a path that no server takes"),
        ("https://acme.com/a%zz", "has a path that no server takes"),
    ],
)
def test_what_is_no_address_is_refused(text: str, phrase: str) -> None:
    """An address that cannot work is refused at once; the message says why."""
    with pytest.raises(CollectorURLError) as caught:
        CollectorURL.parse(text)

    assert phrase in caught.value.rule


def test_only_text_is_an_address() -> None:
    """Other types are named instead of guessed at."""
    with pytest.raises(CollectorURLError, match="must be text, not int"):
        CollectorURL.parse(9090)  # type: ignore[arg-type]  # refused


@pytest.mark.parametrize(
    "text",
    [
        "https://user:secret@acme.com",
        "user:secret@acme.com",
        "https://user:secret@acme.com:99999",
        "https://user:se/c@ret@acme.com?x",
    ],
)
def test_a_password_is_not_shown(text: str) -> None:
    """Errors end up in logs, so a message keeps the credentials of the address to itself."""
    with pytest.raises(CollectorURLError) as caught:
        CollectorURL.parse(text)

    assert "acme.com" in str(caught.value)
    assert "user" not in str(caught.value).partition("@")[0]
    assert "secret" not in str(caught.value)
