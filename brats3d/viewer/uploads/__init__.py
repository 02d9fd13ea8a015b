"""Files that somebody dropped on the page: checked, stored without their names and header text, a case made.

Nothing here knows of the web. :class:`UploadStore` keeps the uploads; an :class:`Upload` takes files and
gives a :class:`~brats3d.cases.Case`.
"""

from brats3d.viewer.uploads.contents import Contents, FileSummary, Place
from brats3d.viewer.uploads.limits import Limits
from brats3d.viewer.uploads.refusals import TooLarge, TooManyUploads, UploadGone
from brats3d.viewer.uploads.store import UploadStore
from brats3d.viewer.uploads.upload import Upload

__all__ = [
    "Contents",
    "FileSummary",
    "Limits",
    "Place",
    "TooLarge",
    "TooManyUploads",
    "Upload",
    "UploadGone",
    "UploadStore",
]
