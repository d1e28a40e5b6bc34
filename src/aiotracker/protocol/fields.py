"""The tracker protocol as a table: every key of a payload, its rule and its limit.

Wire names stand here and nowhere else. The rules are named here and applied in `protocol.rules`.

Sources: Snowplow's tracker protocol documentation; Iglu Central, `payload_data` 1-0-0 to 1-0-4 (which
keys a POST may have); Enrich 6.10, `Transform.scala` (which enriched column a key fills) and the
`validation.atomicFieldsLimits` of its `reference.conf` (lengths). An over-long value is not
truncated by the pipeline: the event fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = [
    "EVENT_NAMES",
    "FIELDS",
    "MAX_DECIMAL_EXPONENT",
    "MAX_EPOCH_MS",
    "PLATFORMS",
    "PRIVATE_FIELDS",
    "SHARED_FIELDS",
    "Field",
    "Rule",
]

MAX_EPOCH_MS: Final = 253_402_300_799_999  # the end of the year 9999, the last that Enrich takes
MAX_DECIMAL_EXPONENT: Final = 308
"""Of a double, which is what warehouse columns hold; Enrich writes 1e400 out in 401 digits."""


class Rule(Enum):
    """How the pipeline reads a value; each rule is written out in `protocol.rules`."""

    TEXT = "text"
    UUID = "uuid"
    INT32 = "int32"
    DECIMAL = "decimal"
    FLAG = "flag"
    EPOCH_MS = "epoch_ms"
    DIMENSIONS = "dimensions"
    ADDRESS = "address"
    PAGE_URL = "page_url"
    REFERRER_URL = "referrer_url"
    PLATFORM = "platform"
    EVENT_CODE = "event_code"
    JSON = "json"
    BASE64_JSON = "base64_json"
    IGNORED = "ignored"  # allowed by `payload_data`, read by nothing in Enrich


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a payload.

    Attributes:
        key: the wire name.
        rule: how the pipeline reads the value.
        max_length: limit in UTF-16 units, None where the rule itself bounds the value.
        columns: the enriched columns that the value fills.
        in_post: False for keys that `payload_data` does not allow: one of them fails a whole POST.
    """

    key: str
    rule: Rule
    max_length: int | None = None
    columns: tuple[str, ...] = ()
    in_post: bool = True


# What every event has
EVENT = Field("e", Rule.EVENT_CODE, 128, ("event",))
PLATFORM = Field("p", Rule.PLATFORM, 255, ("platform",))
TRACKER_VERSION = Field("tv", Rule.TEXT, 100, ("v_tracker",))
NAMESPACE = Field("tna", Rule.TEXT, 128, ("name_tracker",))
APP_ID = Field("aid", Rule.TEXT, 255, ("app_id",))
EVENT_ID = Field("eid", Rule.UUID, 36, ("event_id",))
CREATED_AT = Field("dtm", Rule.EPOCH_MS, None, ("dvce_created_tstamp",))
SENT_AT = Field("stm", Rule.EPOCH_MS, None, ("dvce_sent_tstamp",))
TRUE_TIMESTAMP = Field("ttm", Rule.EPOCH_MS, None, ("true_tstamp",))
TRANSACTION_ID = Field("tid", Rule.INT32, None, ("txn_id",))
COLLECTOR_VERSION = Field("cv", Rule.TEXT, 100, ("v_collector",), in_post=False)

# Who: user, session, network
USER_ID = Field("uid", Rule.TEXT, 255, ("user_id",))
DOMAIN_USER_ID = Field("duid", Rule.TEXT, 128, ("domain_userid",))
DOMAIN_SESSION_ID = Field("sid", Rule.UUID, 128, ("domain_sessionid",))
DOMAIN_SESSION_INDEX = Field("vid", Rule.INT32, None, ("domain_sessionidx",))
NETWORK_USER_ID = Field("tnuid", Rule.TEXT, 128, ("network_userid",))
COLLECTOR_USER_ID = Field("nuid", Rule.TEXT, 128, ("network_userid",))
FINGERPRINT = Field("fp", Rule.TEXT, 128, ("user_fingerprint",))
IP_ADDRESS = Field("ip", Rule.ADDRESS, 128, ("user_ipaddress",))
USERAGENT = Field("ua", Rule.TEXT, 1000, ("useragent",))

# Where: device, browser, page
TIMEZONE = Field("tz", Rule.TEXT, 255, ("os_timezone",))
LANG = Field("lang", Rule.TEXT, 255, ("br_lang",))
SCREEN_RESOLUTION = Field("res", Rule.DIMENSIONS, None, ("dvce_screenwidth", "dvce_screenheight"))
VIEWPORT = Field("vp", Rule.DIMENSIONS, None, ("br_viewwidth", "br_viewheight"))
DOCUMENT_SIZE = Field("ds", Rule.DIMENSIONS, None, ("doc_width", "doc_height"))
DOCUMENT_CHARSET = Field("cs", Rule.TEXT, 128, ("doc_charset",))
COLOR_DEPTH = Field("cd", Rule.TEXT, 12, ("br_colordepth",))
COOKIES_ENABLED = Field("cookie", Rule.FLAG, None, ("br_cookies",))
FEATURE_PDF = Field("f_pdf", Rule.FLAG, None, ("br_features_pdf",))
FEATURE_QUICKTIME = Field("f_qt", Rule.FLAG, None, ("br_features_quicktime",))
FEATURE_REALPLAYER = Field("f_realp", Rule.FLAG, None, ("br_features_realplayer",))
FEATURE_WINDOWSMEDIA = Field("f_wma", Rule.FLAG, None, ("br_features_windowsmedia",))
FEATURE_DIRECTOR = Field("f_dir", Rule.FLAG, None, ("br_features_director",))
FEATURE_FLASH = Field("f_fla", Rule.FLAG, None, ("br_features_flash",))
FEATURE_JAVA = Field("f_java", Rule.FLAG, None, ("br_features_java",))
FEATURE_GEARS = Field("f_gears", Rule.FLAG, None, ("br_features_gears",))
FEATURE_SILVERLIGHT = Field("f_ag", Rule.FLAG, None, ("br_features_silverlight",))
PAGE_URL = Field("url", Rule.PAGE_URL, 10_000, ("page_url",))
PAGE_TITLE = Field("page", Rule.TEXT, 2000, ("page_title",))
REFERRER = Field("refr", Rule.REFERRER_URL, 10_000, ("page_referrer",))

# What: structured event
CATEGORY = Field("se_ca", Rule.TEXT, 1000, ("se_category",))
ACTION = Field("se_ac", Rule.TEXT, 1000, ("se_action",))
LABEL = Field("se_la", Rule.TEXT, 4096, ("se_label",))
PROPERTY = Field("se_pr", Rule.TEXT, 1000, ("se_property",))
VALUE = Field("se_va", Rule.DECIMAL, None, ("se_value",))
OLD_CATEGORY = Field("ev_ca", Rule.TEXT, 1000, ("se_category",), in_post=False)
OLD_ACTION = Field("ev_ac", Rule.TEXT, 1000, ("se_action",), in_post=False)
OLD_LABEL = Field("ev_la", Rule.TEXT, 4096, ("se_label",), in_post=False)
OLD_PROPERTY = Field("ev_pr", Rule.TEXT, 1000, ("se_property",), in_post=False)
OLD_VALUE = Field("ev_va", Rule.DECIMAL, None, ("se_value",), in_post=False)

# What: page ping
MIN_X = Field("pp_mix", Rule.INT32, None, ("pp_xoffset_min",))
MAX_X = Field("pp_max", Rule.INT32, None, ("pp_xoffset_max",))
MIN_Y = Field("pp_miy", Rule.INT32, None, ("pp_yoffset_min",))
MAX_Y = Field("pp_may", Rule.INT32, None, ("pp_yoffset_max",))

# What: self-describing event, and the entities of any event. Each pair holds the same JSON as text or
# as base64; sending both members of a pair leaves it open which one survives.
SELF_DESCRIBING = Field("ue_pr", Rule.JSON, None, ("unstruct_event",))
SELF_DESCRIBING_BASE64 = Field("ue_px", Rule.BASE64_JSON, None, ("unstruct_event",))
ENTITIES = Field("co", Rule.JSON, None, ("contexts",))
ENTITIES_BASE64 = Field("cx", Rule.BASE64_JSON, None, ("contexts",))

# What: legacy ecommerce
ORDER_ID = Field("tr_id", Rule.TEXT, 255, ("tr_orderid",))
ORDER_AFFILIATION = Field("tr_af", Rule.TEXT, 255, ("tr_affiliation",))
ORDER_TOTAL = Field("tr_tt", Rule.DECIMAL, None, ("tr_total",))
ORDER_TAX = Field("tr_tx", Rule.DECIMAL, None, ("tr_tax",))
ORDER_SHIPPING = Field("tr_sh", Rule.DECIMAL, None, ("tr_shipping",))
ORDER_CITY = Field("tr_ci", Rule.TEXT, 255, ("tr_city",))
ORDER_STATE = Field("tr_st", Rule.TEXT, 255, ("tr_state",))
ORDER_COUNTRY = Field("tr_co", Rule.TEXT, 255, ("tr_country",))
ORDER_CURRENCY = Field("tr_cu", Rule.TEXT, 3, ("tr_currency",))
ITEM_ORDER_ID = Field("ti_id", Rule.TEXT, 255, ("ti_orderid",))
ITEM_SKU = Field("ti_sk", Rule.TEXT, 255, ("ti_sku",))
ITEM_NAME = Field("ti_nm", Rule.TEXT, 255, ("ti_name",))
OLD_ITEM_NAME = Field("ti_na", Rule.TEXT, 255, ("ti_name",))
ITEM_CATEGORY = Field("ti_ca", Rule.TEXT, 255, ("ti_category",))
ITEM_PRICE = Field("ti_pr", Rule.DECIMAL, None, ("ti_price",))
ITEM_QUANTITY = Field("ti_qu", Rule.INT32, None, ("ti_quantity",))
ITEM_CURRENCY = Field("ti_cu", Rule.TEXT, 3, ("ti_currency",))

# Allowed in a POST and read by nothing
_IGNORED = tuple(
    Field(key, Rule.IGNORED)
    for key in (
        "ctype", "mac", "ad_ba", "ad_ca", "ad_ad", "ad_uid", "sa", "sn", "st", "sp", "ue_na",
    )
)  # fmt: skip

# Collected from this module's own names, so that a field cannot be defined and left out.
FIELDS: Final = MappingProxyType(
    {field.key: field for field in (*list(globals().values()), *_IGNORED) if isinstance(field, Field)}
)
"""Every field by its wire name."""

PRIVATE_FIELDS: Final = frozenset(
    {
        IP_ADDRESS.key,
        USER_ID.key,
        DOMAIN_USER_ID.key,
        DOMAIN_SESSION_ID.key,
        DOMAIN_SESSION_INDEX.key,
        NETWORK_USER_ID.key,
        FINGERPRINT.key,
    }
)
"""Wire names that identify a person: kept out of anonymous events.

The collector's `SP-Anonymous` header hides what the collector itself knows (address, cookie); the keys
inside the events are the tracker's to leave out. Source: collector 3.4, `Service.scala`.
"""

SHARED_FIELDS: Final = frozenset({PAGE_URL.key, REFERRER.key})
"""Wire names that an event and a subject may both have."""

PLATFORMS: Final = ("web", "mob", "pc", "srv", "app", "tv", "cnsl", "iot", "headset")
"""Platform codes. Source: Enrich 6.10, `MiscEnrichments.scala`; `headset` fails on Enrich 3 and older."""

EVENT_NAMES: Final = MappingProxyType(
    {
        "pv": "page_view",
        "pp": "page_ping",
        "se": "struct",
        "ue": "unstruct",
        "tr": "transaction",
        "ti": "transaction_item",
        "ev": "struct",
    }
)
"""Event codes and the pipeline's names for them; `ad` is known to Enrich and always fails.

Source: Enrich 6.10, `EventEnrichments.scala`.
"""
