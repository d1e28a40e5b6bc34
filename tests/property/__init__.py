"""What holds for every event, whatever is in it."""
