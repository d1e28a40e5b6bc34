"""What can go wrong with Redis, or on the way to it, and what that means: one table."""

from __future__ import annotations

import logging
import re
import ssl
from typing import Final

__all__ = ["RedisTrouble", "trouble"]

_CODES: Final = {
    "OOM": ("out_of_memory", "has no memory left for events: raise maxmemory, with the policy noeviction"),
    "NOAUTH": ("refused", "wants a user and a password: put them into the URL"),
    "WRONGPASS": ("refused", "refuses the user or the password of the URL"),
    "NOPERM": ("refused", "does not allow this user what a store needs: EVAL and the commands of streams"),
    "READONLY": ("read_only", "is a replica, which takes no events"),
    "LOADING": ("loading", "is still loading its data"),
    "MISCONF": ("read_only", "takes no events because it cannot save its data"),
    "NOREPLICAS": ("read_only", "takes no events because too few replicas follow it"),
    "MASTERDOWN": ("read_only", "has lost its primary"),
    "CLUSTERDOWN": ("read_only", "is a cluster that is down"),
    "MOVED": ("refused", "is a cluster that keeps these streams elsewhere: give the URL of that node"),
    "WRONGTYPE": ("refused", "has something else under a key of this store: choose another name for it"),
    "NOGROUP": ("lost", "has lost a consumer group"),
}
"""What an error's code means: why, from a closed set, and what Redis does, for a person."""

_CLASSES: Final = {
    "AuthenticationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
}
"""The codes that the library takes off a message, by the name of the exception that it makes of it."""

_CODE: Final = re.compile(r"\b(" + "|".join(_CODES) + r")\b")
_ERRORS: Final = frozenset({"refused", "untrusted", "error"})  # what does not pass by itself


class RedisTrouble(Exception):  # noqa: N818 - it is the world's, and never reaches a user
    """Something that Redis, or the way to it, did wrong.

    Attributes:
        reason: from a closed set.
        level: of `logging`.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Say what happened, in the form `Redis at … <message>`."""
        super().__init__(message)
        self.reason = reason
        self.level: int = logging.ERROR if reason in _ERRORS else logging.WARNING


def trouble(error: BaseException) -> RedisTrouble:
    """Return what an exception of the library means."""
    if (why := _distrust(error)) is not None:
        return RedisTrouble(
            "untrusted",
            f"is not trusted, its certificate cannot be verified: {why}; an authority of your own is named "
            "by ssl_ca_certs=path in the URL",
        )
    text = " ".join(str(error).split())
    kind = type(error).__name__
    found = _CODE.search(text)
    code = found[1] if found else _CLASSES.get(kind)
    if code == "NOAUTH" and "required" not in text:
        code = "WRONGPASS"
    if code is not None:
        return RedisTrouble(*_CODES[code])
    if kind == "TimeoutError":
        return RedisTrouble("timeout", "does not answer in time")
    if kind == "ConnectionError" or isinstance(error, OSError):
        return RedisTrouble("unreachable", f"is away: {text}")
    return RedisTrouble("error", f"answered with an error: {text}")


def _distrust(error: BaseException | None) -> str | None:
    """Return why a certificate was not trusted, if that is at the root of an error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message.rstrip(".")
        error = error.__cause__ or error.__context__
    return None
