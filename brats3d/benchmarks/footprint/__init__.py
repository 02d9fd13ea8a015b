"""How much memory training and prediction take, each in a process of its own."""
