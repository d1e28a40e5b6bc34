"""The 131 columns of an enriched event as tables: their order, their kinds, their limits.

Knows nothing of wire keys but what `aiotracker.protocol.fields` says of the columns they fill.

Sources: Scala analytics SDK 3.2, `Event.scala` (names and order); Enrich 6.10,
`validation.atomicFieldsLimits` of the common `reference.conf` (limits of what Enrich derives).
"""

from types import MappingProxyType
from typing import Final

from aiotracker.protocol.fields import FIELDS, Rule

__all__ = ["COLUMNS", "DECIMALS", "MAX_LENGTHS", "TIMESTAMPS"]

COLUMNS: Final = (
    "app_id", "platform", "etl_tstamp", "collector_tstamp", "dvce_created_tstamp", "event",
    "event_id", "txn_id", "name_tracker", "v_tracker", "v_collector", "v_etl", "user_id",
    "user_ipaddress", "user_fingerprint", "domain_userid", "domain_sessionidx", "network_userid",
    "geo_country", "geo_region", "geo_city", "geo_zipcode", "geo_latitude", "geo_longitude",
    "geo_region_name", "ip_isp", "ip_organization", "ip_domain", "ip_netspeed", "page_url",
    "page_title", "page_referrer", "page_urlscheme", "page_urlhost", "page_urlport", "page_urlpath",
    "page_urlquery", "page_urlfragment", "refr_urlscheme", "refr_urlhost", "refr_urlport",
    "refr_urlpath", "refr_urlquery", "refr_urlfragment", "refr_medium", "refr_source", "refr_term",
    "mkt_medium", "mkt_source", "mkt_term", "mkt_content", "mkt_campaign", "contexts",
    "se_category", "se_action", "se_label", "se_property", "se_value", "unstruct_event",
    "tr_orderid", "tr_affiliation", "tr_total", "tr_tax", "tr_shipping", "tr_city", "tr_state",
    "tr_country", "ti_orderid", "ti_sku", "ti_name", "ti_category", "ti_price", "ti_quantity",
    "pp_xoffset_min", "pp_xoffset_max", "pp_yoffset_min", "pp_yoffset_max", "useragent", "br_name",
    "br_family", "br_version", "br_type", "br_renderengine", "br_lang", "br_features_pdf",
    "br_features_flash", "br_features_java", "br_features_director", "br_features_quicktime",
    "br_features_realplayer", "br_features_windowsmedia", "br_features_gears",
    "br_features_silverlight", "br_cookies", "br_colordepth", "br_viewwidth", "br_viewheight",
    "os_name", "os_family", "os_manufacturer", "os_timezone", "dvce_type", "dvce_ismobile",
    "dvce_screenwidth", "dvce_screenheight", "doc_charset", "doc_width", "doc_height",
    "tr_currency", "tr_total_base", "tr_tax_base", "tr_shipping_base", "ti_currency",
    "ti_price_base", "base_currency", "geo_timezone", "mkt_clickid", "mkt_network", "etl_tags",
    "dvce_sent_tstamp", "refr_domain_userid", "refr_dvce_tstamp", "derived_contexts",
    "domain_sessionid", "derived_tstamp", "event_vendor", "event_name", "event_format",
    "event_version", "event_fingerprint", "true_tstamp",
)  # fmt: skip
"""Every column, in the order of the TSV and of Micro's JSON."""


def _filled_by(rule: Rule) -> set[str]:
    return {column for field in FIELDS.values() if field.rule is rule for column in field.columns}


TIMESTAMPS: Final = frozenset(
    _filled_by(Rule.EPOCH_MS) | {"etl_tstamp", "collector_tstamp", "derived_tstamp", "refr_dvce_tstamp"}
)
"""Columns that hold a point in time, here as epoch milliseconds."""

DECIMALS: Final = frozenset(_filled_by(Rule.DECIMAL))
"""Columns that hold a `Decimal`."""

MAX_LENGTHS: Final = MappingProxyType(
    {
        column: field.max_length
        for field in FIELDS.values()
        if field.max_length is not None
        for column in field.columns
    }
    | {
        "page_urlscheme": 16,
        "page_urlhost": 255,
        "page_urlpath": 3000,
        "page_urlquery": 6000,
        "page_urlfragment": 3000,
        "refr_urlscheme": 16,
        "refr_urlhost": 255,
        "refr_urlpath": 6000,
        "refr_urlquery": 6000,
        "refr_urlfragment": 3000,
        "refr_domain_userid": 128,
        "event_vendor": 1000,
        "event_name": 1000,
        "event_format": 128,
        "event_version": 128,
    }
)
"""Limits of text columns in UTF-16 units; a longer value fails the event, nothing is cut."""
