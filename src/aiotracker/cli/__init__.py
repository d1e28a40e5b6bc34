"""The `aiotracker` command."""

from aiotracker.cli.command import main

__all__ = ["main"]
