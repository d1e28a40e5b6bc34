"""Whom to trust: as the environment says, prepared once per setting, and not at all for plain text."""

import ssl
from pathlib import Path

import pytest
import trustme

from aiotracker import CollectorURL
from aiotracker.delivery.trust import trust

SECURE = CollectorURL.parse("https://collector.acme.com")
PLAIN = CollectorURL.parse("http://collector.acme.com")


def authorities(context: ssl.SSLContext) -> int:
    """Return how many authorities a context trusts."""
    return context.cert_store_stats()["x509_ca"]


@pytest.fixture(autouse=True)
def no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with the default."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


def test_by_default_the_common_authorities_are_trusted() -> None:
    """A certificate and its host are verified."""
    context = trust(SECURE, None)

    assert authorities(context) > 50
    assert (True, ssl.CERT_REQUIRED) == (context.check_hostname, context.verify_mode)


def test_a_file_of_the_environment_stands_in_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSL_CERT_FILE` is all that is trusted, and wins over `SSL_CERT_DIR`."""
    file = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert 1 == authorities(trust(SECURE, None))


def test_a_folder_of_the_environment_stands_in_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL reads `SSL_CERT_DIR` as it needs: nothing is loaded before."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert 0 == authorities(trust(SECURE, None))


def test_one_setting_is_prepared_once() -> None:
    """It takes 40 ms, and every emitter of a process may share it."""
    assert trust(SECURE, None) is trust(SECURE, "http://proxy.acme.com")


@pytest.mark.parametrize("proxy", [None, "http://proxy.acme.com"])
def test_plain_text_needs_no_trust(proxy: str | None) -> None:
    """Nothing is read from disk for a connection that is not encrypted."""
    assert 0 == authorities(trust(PLAIN, proxy))


def test_the_way_to_a_proxy_may_need_trust() -> None:
    """A proxy that is reached by https is verified, whatever lies behind it."""
    assert trust(SECURE, None) is trust(PLAIN, "https://proxy.acme.com")
