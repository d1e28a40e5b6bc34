"""Pages that programs write into: what stands between two markers is theirs."""

__all__ = ["replaced"]


def replaced(page: str, begin: str, end: str, text: str) -> str:
    """Return a page with something else between two of its markers."""
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"the page has no {begin} and {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"
