"""Services and relays that are killed at random moments, over and over: nothing committed may be lost."""
