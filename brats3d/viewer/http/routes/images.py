"""Images of an upload, to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import FileResponse

from brats3d.viewer.http.threads import in_thread

if TYPE_CHECKING:
    from brats3d.viewer.service import SegmentationService
    from brats3d.viewer.uploads import UploadStore

_NIFTI = "application/gzip"


def image_routes(uploads: UploadStore, service: SegmentationService) -> APIRouter:
    """Make the router of ``uploads``; ``service`` has the models that know what values mean."""
    router = APIRouter(prefix="/api/uploads", tags=["uploads"])

    @router.get("/{upload_id}/images/{modality}.nii.gz", summary="Get an image to look at")
    async def image(upload_id: str, modality: str) -> FileResponse:
        """NIfTI on the grid of the file that was sent, without anything else that its header said."""
        upload = uploads.get(upload_id)
        return FileResponse(await in_thread(upload.display_image, modality), media_type=_NIFTI)

    @router.get("/{upload_id}/reference.nii.gz", summary="Get the reference to look at")
    async def reference(upload_id: str, model: str | None = None) -> FileResponse:
        """NIfTI with the numbers of classes, from 0, background.

        Where values do not tell what they mean, they are those that `model` was trained with.
        """
        convention = None if model is None else service.model(model).convention
        file = await in_thread(uploads.get(upload_id).reference_image, convention)
        return FileResponse(file, media_type=_NIFTI)

    return router
