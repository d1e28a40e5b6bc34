"""Measurements: speed and endurance, never part of the tests."""
