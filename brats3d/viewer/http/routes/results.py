"""Results of finished segmentations: numbers, files, the report; thresholds may be moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse

from brats3d.viewer.case_report import case_report
from brats3d.viewer.http.schemas import Numbers
from brats3d.viewer.http.threads import in_thread
from brats3d.viewer.http.thresholds import thresholds_of

if TYPE_CHECKING:
    from brats3d.viewer.results import Result
    from brats3d.viewer.service import SegmentationService
    from brats3d.viewer.uploads import UploadStore

_NIFTI, _PNG, _HTML = "application/gzip", "image/png", "text/html"
_THRESHOLDS = {
    "parameters": [
        {
            "name": "thresholds",
            "in": "query",
            "description": "Threshold by region, such as `?ET=0.4&WT=0.5`; "
            "regions that are left out keep the model's own.",
            "schema": {"type": "object", "additionalProperties": {"type": "number"}},
            "style": "form",
            "explode": True,
        }
    ]
}


def result_routes(service: SegmentationService, uploads: UploadStore) -> APIRouter:
    """Make the router of ``service``; who asks for a result keeps the upload that it was made from."""
    router = APIRouter(prefix="/api/jobs/{job_id}", tags=["results"])

    def found(job_id: str, request: Request) -> Result:
        job = service.job(job_id)
        result = job.result(thresholds_of(request.query_params))
        if job.upload_id is not None:
            uploads.get(job.upload_id)
        return result

    async def file(
        result: Result, make: Callable[[Result], Path], media_type: str, name: str | None = None
    ) -> FileResponse:
        return FileResponse(await in_thread(make, result), media_type=media_type, filename=name)

    @router.get(
        "/result",
        summary="Get volumes and scores",
        openapi_extra=_THRESHOLDS,
        responses={200: {"model": Numbers}},
        response_model=None,
    )
    async def numbers(job_id: str, request: Request) -> Any:
        """Voxels and millilitres of regions and classes, and Dice and HD95 where a reference was sent."""
        return JSONResponse(await in_thread(found(job_id, request).as_dict))

    @router.get("/labels.nii.gz", summary="Get the label map", openapi_extra=_THRESHOLDS)
    async def labels(job_id: str, request: Request) -> FileResponse:
        """On the grid of the files that were sent: what `brats3d predict` writes."""
        result = found(job_id, request)
        return await file(result, lambda result: result.labels_file(), _NIFTI, "labels.nii.gz")

    @router.get("/overlay.nii.gz", summary="Get the label map to look at", openapi_extra=_THRESHOLDS)
    async def overlay(job_id: str, request: Request) -> FileResponse:
        """Numbers of classes from 0, background, as `/api/models` has them."""
        return await file(found(job_id, request), lambda result: result.overlay_file(), _NIFTI)

    @router.get("/probabilities.nii.gz", summary="Get probabilities", openapi_extra=_THRESHOLDS)
    async def probabilities(job_id: str, request: Request) -> FileResponse:
        """A 4-D file, one volume for each region in the model's order; thresholds change nothing."""
        result = found(job_id, request)
        return await file(result, lambda result: result.probabilities_file(), _NIFTI, "probabilities.nii.gz")

    @router.get("/mask.png", summary="Get the mask of a picture", openapi_extra=_THRESHOLDS)
    async def mask(job_id: str, request: Request) -> FileResponse:
        """White where something was found."""
        return await file(found(job_id, request), lambda result: result.mask_picture(), _PNG, "mask.png")

    @router.get("/report.html", summary="Get the report of the case", openapi_extra=_THRESHOLDS)
    async def report(job_id: str, request: Request) -> FileResponse:
        """One file that opens without a network."""
        return await file(found(job_id, request), case_report, _HTML, "report.html")

    return router
