"""What durability costs: `track()` into a store, relays that drain it, and both at any backlog."""
