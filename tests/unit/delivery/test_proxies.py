"""Which proxy leads to a collector: the environment says, and this machine needs none."""

import pytest

from aiotracker import CollectorURL
from aiotracker.delivery.proxies import proxy_for

PROXY = "http://proxy.acme.com:3128"
FAR = "https://collector.acme.com"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("collector", "environment", "expected"),
    [
        (FAR, {}, None),
        (FAR, {"HTTPS_PROXY": PROXY}, PROXY),
        (FAR, {"https_proxy": PROXY}, PROXY),
        (FAR, {"ALL_PROXY": PROXY}, PROXY),
        (FAR, {"HTTPS_PROXY": PROXY, "ALL_PROXY": "http://other:1"}, PROXY),
        (FAR, {"HTTP_PROXY": PROXY}, None),
        (FAR, {"HTTPS_PROXY": ""}, None),
        ("http://collector.acme.com", {"HTTP_PROXY": PROXY}, PROXY),
        (FAR, {"HTTPS_PROXY": "proxy.acme.com:3128"}, PROXY),
        (FAR, {"HTTPS_PROXY": "socks5://proxy.acme.com"}, "socks5://proxy.acme.com"),
        (FAR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "example.com, collector.acme.com"}, None),
        (FAR, {"HTTPS_PROXY": PROXY, "NO_PROXY": ".acme.com"}, None),
        (FAR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "collector.acme.com:443"}, None),
        (FAR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "collector.acme.com:8443"}, PROXY),
        (FAR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        (FAR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "acme.org"}, PROXY),
        ("http://127.0.0.1:9090", {"HTTP_PROXY": PROXY}, None),
        ("localhost:9090", {"ALL_PROXY": PROXY}, None),
    ],
)
def test_the_environment_says_which_proxy(
    collector: str, environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables are read as `urllib` reads them; a proxy without a scheme speaks http."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert expected == proxy_for(CollectorURL.parse(collector))
