"""Whom to trust over TLS: one context per setting of the environment and process."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from aiotracker.protocol.url import CollectorURL

__all__ = ["trust"]


def trust(url: CollectorURL, proxy: str | None) -> ssl.SSLContext:
    """Return a context that verifies by `SSL_CERT_FILE`, else `SSL_CERT_DIR`, else the authorities of httpx.

    Takes 40 ms the first time, to be spent in a worker thread, and reads no disk where nothing is encrypted.

    Args:
        url: the collector.
        proxy: the URL of the proxy that leads to it.
    """
    if not url.is_secure and not (proxy or "").startswith("https:"):
        return _trusts_nobody()
    return _verifying(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@functools.cache
def _trusts_nobody() -> ssl.SSLContext:
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@functools.lru_cache(maxsize=8)
def _verifying(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    import ssl

    if cert_file:
        context = ssl.create_default_context(cafile=cert_file)
    elif cert_dir:
        context = ssl.create_default_context(capath=cert_dir)
    else:
        import certifi  # comes with httpx

        context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
