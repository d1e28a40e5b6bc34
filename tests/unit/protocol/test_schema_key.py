"""The grammar of Iglu URIs."""

import pickle

import pytest

from aiotracker import InvalidSchemaKeyError, SchemaKey

LONGEST = "x" * 128


@pytest.mark.parametrize(
    "uri",
    [
        "iglu:com.acme/order/jsonschema/1-0-0",
        "iglu:com.acme-corp_1.eu/order_placed-2/jsonschema/12-34-56",
        "iglu:acme/x/avro/1-0-0",
        "iglu:a..b/x/jsonschema/1-0-10",
        f"iglu:{LONGEST}/{LONGEST}/{LONGEST}/1-0-0",
        "iglu:com.acme/order/jsonschema/2147483647-2147483647-2147483647",
    ],
)
def test_what_is_read_is_written_the_same(uri: str) -> None:
    """A URI that follows the grammar comes back letter by letter."""
    key = SchemaKey.parse(uri)

    assert (uri, uri) == (key.uri, str(key))


def test_a_key_has_parts() -> None:
    """Vendor, name, format and the three numbers of the version."""
    key = SchemaKey.parse("iglu:com.acme/order/jsonschema/1-2-3")

    assert SchemaKey("com.acme", "order", "jsonschema", 1, 2, 3) == key
    assert "1-2-3" == key.version


@pytest.mark.parametrize(
    ("uri", "phrase"),
    [
        ("", "must begin with iglu:"),
        ("com.acme/order/jsonschema/1-0-0", "must begin with iglu:"),
        ("IGLU:com.acme/order/jsonschema/1-0-0", "must begin with iglu:"),
        (" iglu:com.acme/order/jsonschema/1-0-0", "must begin with iglu:"),
        ("http://iglucentral.com/schemas/com.acme/order/jsonschema/1-0-0", "must begin with iglu:"),
        ("iglu:", "must have 4 parts, this has 1"),
        ("iglu:com.acme/order/1-0-0", "must have 4 parts, this has 3"),
        ("iglu://com.acme/order/jsonschema/1-0-0", "must have 4 parts, this has 6"),
        ("iglu:com.acme/order/jsonschema/1-0-0/", "must have 4 parts, this has 5"),
        ("iglu:/order/jsonschema/1-0-0", "the vendor '' may have"),
        ("iglu:com acme/order/jsonschema/1-0-0", "the vendor 'com acme' may have"),
        ("iglu:açme/order/jsonschema/1-0-0", "the vendor 'açme' may have"),
        ('iglu:a"b/order/jsonschema/1-0-0', "the vendor"),
        ("iglu:com.acme/or.der/jsonschema/1-0-0", "the name 'or.der' may have"),
        ("iglu:com.acme//jsonschema/1-0-0", "the name '' may have"),
        ("iglu:com.acme/order/json.schema/1-0-0", "the format 'json.schema' may have"),
        (f"iglu:x{LONGEST}/order/jsonschema/1-0-0", "the vendor has more than 128 characters"),
        (f"iglu:com.acme/x{LONGEST}/jsonschema/1-0-0", "the name has more than 128 characters"),
        (f"iglu:com.acme/order/x{LONGEST}/1-0-0", "the format has more than 128 characters"),
        ("iglu:com.acme/order/jsonschema/1.0.0", "the version '1.0.0' must be three numbers"),
        ("iglu:com.acme/order/jsonschema/1-0", "the version '1-0' must be three numbers"),
        ("iglu:com.acme/order/jsonschema/1-0-*", "the version '1-0-*' must be three numbers"),
        ("iglu:com.acme/order/jsonschema/0-0-1", "the first above 0"),
        ("iglu:com.acme/order/jsonschema/01-0-0", "without leading zeros"),
        ("iglu:com.acme/order/jsonschema/1-00-0", "without leading zeros"),
        ("iglu:com.acme/order/jsonschema/1-0--1", "the version"),
        ("iglu:com.acme/order/jsonschema/1-0-0\n", "the version"),
        ("iglu:com.acme/order/jsonschema/1-0-٣", "the version"),
        ("iglu:com.acme/order/jsonschema/2147483648-0-0", "is above 2,147,483,647"),
        (f"iglu:com.acme/order/jsonschema/1-0-{'9' * 5000}", "is above 2,147,483,647"),
    ],
)
def test_what_breaks_the_grammar_is_refused_with_its_part(uri: str, phrase: str) -> None:
    """The message names the part that is wrong, and shows what a URI looks like."""
    with pytest.raises(InvalidSchemaKeyError) as caught:
        SchemaKey.parse(uri)

    assert phrase in caught.value.rule
    assert "as in iglu:com.acme/order/jsonschema/1-0-0" in str(caught.value)


def test_a_message_stays_short() -> None:
    """A huge text does not flood the log."""
    with pytest.raises(InvalidSchemaKeyError) as caught:
        SchemaKey.parse(f"iglu:{'ü' * 100_000}/order/jsonschema/1-0-0")

    assert len(str(caught.value)) < 500


def test_only_text_is_a_uri() -> None:
    """Anything but a text is refused, by its type."""
    with pytest.raises(InvalidSchemaKeyError, match="it is a dict, not text"):
        SchemaKey.parse({"schema": "x"})  # type: ignore[arg-type]  # refused


@pytest.mark.parametrize(
    ("parts", "phrase"),
    [
        (('com."acme"', "order", "jsonschema", 1, 0, 0), "the vendor"),
        (("com.acme", "order/x", "jsonschema", 1, 0, 0), "the name"),
        (("com.acme", "order", "", 1, 0, 0), "the format"),
        (("com.acme", "order", "jsonschema", 0, 0, 0), "the first above 0"),
        (("com.acme", "order", "jsonschema", 1, -1, 0), "three whole numbers"),
        (("com.acme", "order", "jsonschema", 1, "0", 0), "three whole numbers"),
        (("com.acme", "order", "jsonschema", True, 0, 0), "three whole numbers"),
        (("com.acme", "order", "jsonschema", 1, 0, 2**31), "is above 2,147,483,647"),
        ((None, "order", "jsonschema", 1, 0, 0), "the vendor"),
    ],
)
def test_a_key_built_from_parts_follows_the_same_grammar(
    parts: tuple[str, str, str, int, int, int], phrase: str
) -> None:
    """No way of building a key leads around the check."""
    with pytest.raises(InvalidSchemaKeyError, match=phrase):
        SchemaKey(*parts)


def test_keys_are_values() -> None:
    """Keys are ordered by their version as numbers, hashable, and survive pickling."""
    old, new = (SchemaKey.parse(f"iglu:com.acme/order/jsonschema/{v}") for v in ("2-0-0", "10-0-0"))

    copy = pickle.loads(pickle.dumps(old))

    assert old < new
    assert {old} == {old, copy}
