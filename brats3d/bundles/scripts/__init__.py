"""Between MONAI's configuration files and the modules that prepare, segment and clean up a case.

These modules are part of this package and are copied into bundles together with all they import, see
``brats3d.bundles.vendoring``.
"""
