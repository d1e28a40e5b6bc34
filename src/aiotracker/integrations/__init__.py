"""Web frameworks and workers: one file each, on what users have too."""

__all__: list[str] = []
