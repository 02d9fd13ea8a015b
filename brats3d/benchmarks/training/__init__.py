"""Training steps, each contender's in a process of its own."""
