"""Delivery against real sockets in real time: a collector that misbehaves, and what comes of it."""
