"""How fast the tracker is, beside other trackers: `python -m benchmarks.speed`."""
