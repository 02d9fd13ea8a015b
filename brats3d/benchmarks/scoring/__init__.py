"""What the benchmark of the scorers measures on, and the processes it measures in."""
