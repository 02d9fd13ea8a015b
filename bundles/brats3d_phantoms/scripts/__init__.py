# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Between MONAI's configuration files and the modules that prepare, segment and clean up a case.

These modules are part of this package and are copied into bundles together with all they import, see
``brats3d.bundles.vendoring``.
"""
