"""Random programs, and a model of what must become of every event."""
