"""Whether a proxy of the environment stands between this process and a collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiotracker.protocol.url import CollectorURL

__all__ = ["proxy_for"]


def proxy_for(url: CollectorURL) -> str | None:
    """Return the URL of the proxy that leads to a collector; None when it is reached directly.

    Obeys `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` as Python's own `urllib` does, which knows
    the settings of macOS and Windows too. A collector on this machine is out of reach for any proxy.
    """
    if url.is_loopback:
        return None
    import urllib.request  # both HTTP libraries have done so: nothing is read from disk here

    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(f"{url.host}:{url.port}"):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
