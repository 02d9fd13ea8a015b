"""What the benchmark of prediction measures on, and what it compares."""
