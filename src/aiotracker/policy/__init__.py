"""Decisions without I/O: each takes what it depends on and returns what to do."""

__all__: list[str] = []
