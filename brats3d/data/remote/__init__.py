"""Data sets at URLs: listed once, each case fetched when it is needed.

The names alone tell the cases, so that a listing is enough to find them. A case that is used lies in a
folder of the cache, whose name covers the address, size and version of its files: a changed file never
meets a stale copy. Folders appear by renaming finished ones, as in the prepared store, and whoever uses
one holds a lock; the others may be removed when space is short.
"""

from brats3d.data.remote.cache import FileCache
from brats3d.data.remote.case import RemoteCase
from brats3d.data.remote.tree import RemoteTree

__all__ = ["FileCache", "RemoteCase", "RemoteTree"]
