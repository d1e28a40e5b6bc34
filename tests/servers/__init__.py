"""Programs under real servers: the load of many visitors, and the end of a process."""
