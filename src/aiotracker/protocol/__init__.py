"""What travels and its rules: field tables, schema keys, encoding and envelopes."""

__all__: list[str] = []
