"""From the buffer to the collector: transports, emitters and the engine behind them."""

from aiotracker.delivery.aiohttp_transport import AiohttpTransport
from aiotracker.delivery.dead_letter_file import DeadLetterFile
from aiotracker.delivery.emitter import Emitter
from aiotracker.delivery.httpx_transport import HttpxTransport
from aiotracker.delivery.notices import Callback, Notice, NoticeKind
from aiotracker.delivery.outlet import Outlet
from aiotracker.delivery.relay import Relay
from aiotracker.delivery.report import DeliveryReport, Health, HealthStatus
from aiotracker.delivery.statistics import Statistics
from aiotracker.delivery.store_only import StoreOnly
from aiotracker.delivery.transport import Transport

__all__ = [
    "AiohttpTransport",
    "Callback",
    "DeadLetterFile",
    "DeliveryReport",
    "Emitter",
    "Health",
    "HealthStatus",
    "HttpxTransport",
    "Notice",
    "NoticeKind",
    "Outlet",
    "Relay",
    "Statistics",
    "StoreOnly",
    "Transport",
]
