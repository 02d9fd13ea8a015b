"""Bundles in MONAI's layout: a trained run as a folder that needs MONAI and PyTorch, but not this package."""
