"""Shortcuts: what matches one is good as it is, and ordinary values do match."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import SchemaValidator, core_schema

from aiotracker.protocol import fields
from aiotracker.protocol.fields import FIELDS, Field
from aiotracker.protocol.rules import normal
from aiotracker.protocol.shortcuts import good_text

SPECIAL = "\t\n\x00\x7f\x85\u2028\ufffd\uffff\U0001f600\u0130\ud800 %|{}<>\"^\\`[]:/?#@&;=+._-~!$'()*,"
URLS = st.builds(
    lambda scheme, host, rest: f"{scheme}://{host}{rest}",
    st.sampled_from(["http", "https", "HTTPS", "ftp"]),
    st.sampled_from(["acme.com", "acme.com:8443", "a" * 260, "[::1]", "x@y", "", "-", "1.2.3.4:99999"]),
    st.text(
        st.one_of(st.sampled_from(SPECIAL + "/?&=_sp.%5F"), st.characters(max_codepoint=0x10FFFF)),
        max_size=20,
    ),
)
SHORT_OF = {
    key: SchemaValidator(
        core_schema.str_schema(strict=True, pattern=good.pattern, max_length=good.max_length)
    )
    for key, field in FIELDS.items()
    if (good := good_text(field)) is not None
}


def is_short(field: Field, text: str) -> bool:
    """Tell whether a text takes the shortcut of its field."""
    return SHORT_OF[field.key].isinstance_python(text)


@pytest.mark.parametrize("field", [fields.PAGE_URL, fields.REFERRER], ids=["page", "referrer"])
@given(url=URLS)
@example("https://acme.com/?_sp=x.y")
@example("https://acme.com/?%5Fsp=x.y")
@example("https://acme.com/?a=1&_sp=x.y")
@example("https://acme.com/?a=1;%5fs%70=x.y")
@example("https://acme.com/" + "x" * 2990)
@example("https://" + "x" * 249 + ":65536/" + "%20" * 900)
@example("https://" + "x" * 250 + ":65536/" + "%20" * 900)
def test_a_url_that_takes_the_shortcut_is_good_as_it_is(field: Field, url: str) -> None:
    """The rule takes it, changes nothing, and warns of nothing (a warning fails the test)."""
    if is_short(field, url):
        assert url == normal(field, url)


@given(st.text(st.one_of(st.sampled_from(SPECIAL), st.characters(max_codepoint=0x10FFFF)), max_size=130))
@example("x" * 128)
@example("x" * 129)
@example("\u20ac" * 128)
@example("\U0001f600" * 65)
def test_a_text_that_takes_the_shortcut_is_good_as_it_is(text: str) -> None:
    """Its length is what the pipeline counts, and nothing of it would be deleted."""
    if is_short(fields.DOMAIN_USER_ID, text):
        assert text == normal(fields.DOMAIN_USER_ID, text)


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.com",
        "http://localhost:8000/",
        "https://www.acme.com/shop/shoes/4711?utm_source=mail&utm_campaign=x%20y&page=2#top",
        "https://acme.com/a;b=c/~user/file.html?q=1;r=2&&s&t=a=b",
        "https://www.google.com/",
    ],
)
def test_ordinary_addresses_take_it(url: str) -> None:
    """Otherwise it would be of no use."""
    assert is_short(fields.PAGE_URL, url)


@pytest.mark.parametrize("text", ["checkout", "Größe 42 – blau", "日本語", "50 % off; \"1+1\" \\ '2'"])
def test_ordinary_texts_take_it(text: str) -> None:
    """In any script."""
    assert is_short(fields.PAGE_TITLE, text)


@pytest.mark.parametrize("name", ["_sp", "%5Fsp", "%5fs%70", "_s%70", "+_sp"])
@pytest.mark.parametrize("before", ["", "a=1&", "a=1;"])
def test_cross_domain_parameters_never_take_it(name: str, before: str) -> None:
    """They have a rule of their own."""
    assert not is_short(fields.PAGE_URL, f"https://acme.com/?{before}{name}=u.x")


def test_fields_with_other_rules_have_none() -> None:
    """Numbers, times and ids are left to their rules."""
    assert None is good_text(fields.VALUE)
    assert None is good_text(fields.CREATED_AT)


@pytest.mark.parametrize("field", [fields.IP_ADDRESS, fields.VIEWPORT, fields.EVENT_ID], ids=lambda f: f.key)
@given(
    st.one_of(
        st.text("0123456789.x", max_size=20),
        st.ip_addresses(v=4).map(str),
        st.from_regex(r"[0-9]{0,10}x[0-9]{0,10}", fullmatch=True),
        st.uuids().map(str),
        st.uuids().map(lambda number: str(number).upper()),
        st.text("0123456789abcdefABCDEF-", min_size=36, max_size=36),
    )
)
@example("256.1.1.1")
@example("01.1.1.1")
@example("1.1.1.1\n")
@example("0x7")
@example("999999999x999999999")
@example("\u0661.1.1.1")
def test_what_else_takes_a_shortcut_is_good_as_it_is(field: Field, text: str) -> None:
    """Addresses, sizes and ids, in the form in which they are kept."""
    if is_short(field, text):
        assert text == normal(field, text)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (fields.IP_ADDRESS, "203.0.113.255"),
        (fields.VIEWPORT, "1280x720"),
        (fields.EVENT_ID, "0e5ffa2c-4f8a-4f3f-9a29-5a6e0c3a5a7d"),
    ],
    ids=lambda value: getattr(value, "key", value),
)
def test_ordinary_values_take_it(field: Field, text: str) -> None:
    """As above."""
    assert is_short(field, text)
