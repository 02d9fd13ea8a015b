# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
