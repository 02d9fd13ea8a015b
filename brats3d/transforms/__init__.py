"""From files to network input and back: preprocessing, its inverse, and augmentation (MONAI)."""
