"""Benchmarks: what brats3d and other tools cost on this machine, measured in turn in one run."""
