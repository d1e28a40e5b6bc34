"""Stand-ins for time and the network; nothing in here is part of what is tested."""
