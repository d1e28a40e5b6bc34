"""What the servers serve. Each program prints `leaving` with its clock when it begins to stop."""
