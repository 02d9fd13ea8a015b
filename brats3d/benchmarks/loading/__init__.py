"""Loaders of training patches, each in a process of its own."""
