"""What is measured, one kind per file; each has a function that takes the `Bench` and adds what it found."""
