"""The life of a tracker: loops, threads, processes and programs that end, on purpose or not."""
