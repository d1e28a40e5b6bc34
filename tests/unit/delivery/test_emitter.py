"""An emitter's settings: those that cannot work are refused when it is built, with a reason."""

import math
import ssl
import warnings
from typing import Any

import pytest

from aiotracker import (
    CollectorURLError,
    ConfigurationError,
    Emitter,
    HealthStatus,
    HttpxTransport,
    InsecureCollectorWarning,
    MemoryStore,
    Overflow,
)
from tests.fakes.bench import COLLECTOR
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport

NAN = float("nan")

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("method", {"method": "put"}),
    ("method", {"method": "POST"}),
    ("method", {"method": None}),
    ("batch_size", {"batch_size": 0}),
    ("batch_size", {"batch_size": -1}),
    ("batch_size", {"batch_size": 1.5}),
    ("batch_size", {"batch_size": True}),
    ("batch_size", {"batch_size": "10"}),
    ("batch_size", {"batch_size": 20_000}),
    ("batch_size", {"batch_size": 100, "buffer_capacity": 99}),
    ("byte_limit", {"byte_limit": 999}),
    ("byte_limit", {"byte_limit": 900_001}),
    ("byte_limit", {"byte_limit": 1e5}),
    ("byte_limit", {"byte_limit": 5_000, "buffer_bytes": 4_999}),
    ("concurrency", {"concurrency": 0}),
    ("concurrency", {"concurrency": 2.0}),
    ("flush_interval", {"flush_interval": -0.1}),
    ("flush_interval", {"flush_interval": NAN}),
    ("flush_interval", {"flush_interval": math.inf}),
    ("flush_interval", {"flush_interval": "1"}),
    ("flush_interval", {"flush_interval": True}),
    ("request_timeout", {"request_timeout": 0}),
    ("request_timeout", {"request_timeout": -1.0}),
    ("request_timeout", {"request_timeout": math.inf}),
    ("request_timeout", {"request_timeout": None}),
    ("connect_timeout", {"connect_timeout": 0}),
    ("connect_timeout", {"connect_timeout": math.inf}),
    ("connect_timeout", {"connect_timeout": NAN}),
    ("max_retry_delay", {"max_retry_delay": 0}),
    ("max_retry_delay", {"max_retry_delay": math.inf}),
    ("max_age", {"max_age": 0}),
    ("max_age", {"max_age": -1}),
    ("max_age", {"max_age": NAN}),
    ("max_age", {"max_age": -math.inf}),
    ("max_wait", {"max_wait": -0.1}),
    ("max_wait", {"max_wait": NAN}),
    ("max_wait", {"max_wait": -math.inf}),
    ("max_wait", {"max_wait": "inf"}),
    ("max_wait", {"overflow": "drop_newest", "max_wait": 1.0}),
    ("max_wait", {"overflow": "drop_oldest", "max_wait": math.inf}),
    ("max_wait", {"overflow": "raise", "max_wait": 0.0}),
    ("overflow", {"overflow": "block"}),
    ("overflow", {"overflow": None}),
    ("max_events", {"buffer_capacity": 0, "batch_size": 1}),
    ("max_bytes", {"buffer_bytes": 0}),
    ("custom_retry_codes", {"custom_retry_codes": {200: True}}),
    ("custom_retry_codes", {"custom_retry_codes": {299: False}}),
    ("custom_retry_codes", {"custom_retry_codes": {99: True}}),
    ("custom_retry_codes", {"custom_retry_codes": {600: True}}),
    ("custom_retry_codes", {"custom_retry_codes": {"503": True}}),
    ("custom_retry_codes", {"custom_retry_codes": {503: "yes"}}),
    ("custom_retry_codes", {"custom_retry_codes": {503: 1}}),
    ("custom_retry_codes", {"custom_retry_codes": [503]}),
    ("headers", {"headers": {"X Header": "1"}}),
    ("headers", {"headers": {"X-Head\xe9r": "1"}}),
    ("headers", {"headers": {"": "1"}}),
    ("headers", {"headers": {"X-Header": "1\r\nX-Other: 2"}}),
    ("headers", {"headers": {"X-Header": 1}}),
    ("headers", {"headers": {"X-Header": "☃"}}),
    ("headers", {"headers": {"Content-Type": "text/plain"}}),
    ("headers", {"headers": {"content-length": "1"}}),
    ("headers", {"headers": {"Content-Encoding": "gzip"}}),
    ("headers", {"headers": {"Cookie": "a=b"}}),
    ("headers", {"headers": {"Referer": "https://acme.com"}}),
    ("headers", {"headers": {"SP-Anonymous": "*"}}),
    ("auth", {"auth": "user:secret"}),
    ("auth", {"auth": ("user",)}),
    ("auth", {"auth": ("user", 1)}),
    ("auth", {"auth": ("us:er", "secret")}),
    ("buffer_capacity", {"event_store": MemoryStore(), "buffer_capacity": 5}),
    ("ssl_context", {"transport": FakeTransport(FakeClock()), "ssl_context": ssl.create_default_context()}),
    ("connect_timeout", {"transport": FakeTransport(FakeClock()), "connect_timeout": 1.0}),
    ("on_success", {"on_success": "print"}),
    ("on_drop", {"on_drop": 1}),
]


@pytest.mark.parametrize(
    ("setting", "arguments"), REFUSED, ids=[f"{s}-{n}" for n, (s, _) in enumerate(REFUSED)]
)
def test_a_setting_that_cannot_work_is_refused(setting: str, arguments: dict[str, Any]) -> None:
    """The error names the setting, what was given, and what would work."""
    with pytest.raises(ConfigurationError) as caught:
        Emitter(COLLECTOR, **arguments)

    assert setting == caught.value.setting
    assert len(caught.value.rule) > 10


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "get"},
        {"batch_size": 1, "buffer_capacity": 1},
        {"byte_limit": 1_000},
        {"byte_limit": 900_000},
        {"flush_interval": 0},
        {"flush_interval": 60},
        {"max_wait": 0},
        {"max_wait": math.inf},
        {"overflow": Overflow.DROP_OLDEST},
        {"overflow": "raise"},
        {"custom_retry_codes": {401: True, 503: False}},
        {"headers": {"X-Gateway_Key": "a b c"}},
        {"auth": ("user", "sécret:with colon")},
        {"max_age": 86_400},
        {"event_store": MemoryStore(5)},
    ],
)
def test_a_setting_that_works_is_taken(arguments: dict[str, Any]) -> None:
    """The bounds themselves are inside, and loose types are accepted at the edge."""
    emitter = Emitter(COLLECTOR, transport=FakeTransport(FakeClock()), **arguments)

    assert HealthStatus.OK == emitter.health().status


def test_the_defaults_suit_a_web_service() -> None:
    """The numbers of the documentation."""
    settings = Emitter(COLLECTOR).settings

    assert ("post", 500, 180_000, 0.5, 0.1, 4) == (
        settings.method,
        settings.batch_size,
        settings.byte_limit,
        settings.flush_interval,
        settings.first_flush_interval,
        settings.concurrency,
    )
    assert (Overflow.WAIT, 0.25, 10.0, 60.0, None) == (
        settings.overflow,
        settings.max_wait,
        settings.request_timeout,
        settings.max_retry_delay,
        settings.max_age,
    )


def test_the_first_flush_is_never_slower_than_the_others() -> None:
    """A `flush_interval` below 0.1 s holds from the beginning."""
    settings = Emitter(COLLECTOR, flush_interval=0.02).settings

    assert 0.02 == settings.first_flush_interval


def test_settings_do_not_change_with_what_they_were_made_of() -> None:
    """A mapping that is changed later changes nothing."""
    codes = {503: False}
    emitter = Emitter(COLLECTOR, custom_retry_codes=codes)

    codes[503] = True

    assert {503: False} == emitter.settings.custom_retry_codes


def test_a_large_byte_limit_is_refused_with_the_reason() -> None:
    """The message explains that the collector would answer 200 and lose everything."""
    with pytest.raises(ConfigurationError, match="1,048,576"):
        Emitter(COLLECTOR, byte_limit=1_048_576)


def test_an_address_that_cannot_be_right_is_refused() -> None:
    """The collector's address is checked when the emitter is built."""
    with pytest.raises(CollectorURLError):
        Emitter("https://collector.acme.com/?x=1")


@pytest.mark.parametrize("address", ["http://collector.acme.com", "http://10.0.0.1:8080"])
def test_plain_http_to_another_machine_warns(address: str) -> None:
    """Events that travel in clear text are worth a warning, which points at the caller's line."""
    with pytest.warns(InsecureCollectorWarning, match="clear text") as warned:
        Emitter(address)

    assert __file__ == warned[0].filename


@pytest.mark.parametrize(
    "address", ["http://localhost:9090", "http://127.0.0.1", "http://[::1]:9090", COLLECTOR]
)
def test_plain_http_to_this_machine_does_not_warn(address: str) -> None:
    """A local collector has no certificate, and needs none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        emitter = Emitter(address)

    assert emitter.url.is_loopback or emitter.url.is_secure


def test_a_password_stands_in_no_message() -> None:
    """An error about `auth` does not repeat it."""
    with pytest.raises(ConfigurationError) as caught:
        Emitter(COLLECTOR, auth=("user", "hunter2", "extra"))  # type: ignore[arg-type]  # the mistake of the test

    assert "hunter2" not in str(caught.value)


def test_the_default_transport_is_httpx() -> None:
    """And the default store is memory."""
    emitter = Emitter(COLLECTOR)

    assert isinstance(emitter._transport, HttpxTransport)
    assert isinstance(emitter.event_store, MemoryStore)
