# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Version of the package; everything else reads it here."""

__version__ = "0.1.0"
