# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Prepared cases on disk: each case is preprocessed once, then patches are read from it.

An entry is a folder named ``<case id>-<key>``. The key covers the content of the source files and the
preprocessing settings, so a changed file or setting never meets a stale entry. Entries appear by
renaming a finished folder: readers and other processes see all of an entry or nothing.
"""

from scripts.core.data.store.arrays import StoredArray, codec
from scripts.core.data.store.entry import StoredCase
from scripts.core.data.store.folder import PreparedStore
from scripts.core.data.store.origin import Origin

__all__ = ["Origin", "PreparedStore", "StoredArray", "StoredCase", "codec"]
