"""The tables of columns agree with each other."""

import pytest

from aiotracker.micro.columns import COLUMNS, MAX_LENGTHS, TIMESTAMPS
from aiotracker.protocol.fields import FIELDS


def test_an_event_has_131_columns() -> None:
    """The enriched event of the pipeline has 131 fields, each once."""
    distinct = len(set(COLUMNS))

    assert 131 == len(COLUMNS) == distinct


@pytest.mark.parametrize("key", sorted(FIELDS))
def test_every_key_fills_columns_that_exist(key: str) -> None:
    """No key of the protocol fills a column that the enriched event does not have."""
    unknown = set(FIELDS[key].columns) - set(COLUMNS)

    assert set() == unknown


def test_the_tables_name_columns_that_exist() -> None:
    """Limits and kinds are those of real columns."""
    unknown = (MAX_LENGTHS.keys() | TIMESTAMPS) - set(COLUMNS)

    assert set() == unknown


@pytest.mark.parametrize(
    ("column", "limit"),
    [
        ("page_url", 10_000),
        ("page_referrer", 10_000),
        ("page_urlhost", 255),
        ("page_urlpath", 3000),
        ("refr_urlpath", 6000),
        ("refr_domain_userid", 128),
        ("event_name", 1000),
        ("tr_currency", 3),
    ],
)
def test_limits_are_those_of_enrich_6(column: str, limit: int) -> None:
    """Columns that a key fills have the limit of the key, derived ones their own."""
    assert limit == MAX_LENGTHS[column]
