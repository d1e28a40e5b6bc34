"""The programs that are measured, one per tracker; each serves the protocol (`protocol.py`)."""
