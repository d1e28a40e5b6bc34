"""On what is measured: the machine, and how its interpreter was built."""

from __future__ import annotations

import os
import platform
import sysconfig
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.speed.protocol import runtime

__all__ = ["machine"]


def machine() -> dict[str, str]:
    """Return what a reader needs to know to judge the figures."""
    library = " ".join(platform.libc_ver())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}, {library}",
        "python": f"{runtime()}, {platform.python_compiler()}",
        "python build": build(str(sysconfig.get_config_var("CONFIG_ARGS") or "")),
    }


def build(configured: str) -> str:
    """Return in words what the arguments of an interpreter's `configure` mean for its speed."""
    profile = "with" if "--enable-optimizations" in configured else "without"
    link = "with" if "--with-lto" in configured else "without"
    debug = ", a debug build" if "--with-pydebug" in configured else ""
    return f"{profile} profile-guided optimisation, {link} link-time optimisation{debug}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
