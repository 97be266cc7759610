"""What a network is, read from its graph without running it."""
