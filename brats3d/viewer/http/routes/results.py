"""Results of finished segmentations: numbers, files, the report; thresholds may be moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse

from brats3d.viewer.http.threads import in_thread
from brats3d.viewer.http.thresholds import thresholds_of

if TYPE_CHECKING:
    from brats3d.viewer.results import Result
    from brats3d.viewer.service import SegmentationService

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


def result_routes(service: SegmentationService) -> APIRouter:
    """Make the router of ``service``."""
    router = APIRouter(prefix="/api/jobs/{job_id}", tags=["results"])

    async def result(job_id: str, request: Request) -> Result:
        return await in_thread(service.job(job_id).result, thresholds_of(request.query_params))

    @router.get("/result", summary="Get volumes and scores", openapi_extra=_THRESHOLDS, response_model=None)
    async def numbers(job_id: str, request: Request) -> Any:
        """Voxels and millilitres of regions and classes, and Dice and HD95 where a reference was sent."""
        found = await result(job_id, request)
        return JSONResponse(await in_thread(found.as_dict))

    @router.get("/labels.nii.gz", summary="Get the label map", openapi_extra=_THRESHOLDS)
    async def labels(job_id: str, request: Request) -> FileResponse:
        """On the grid of the files that were sent; what `brats3d predict` writes."""
        found = await result(job_id, request)
        return _file(await in_thread(found.labels_file), _NIFTI, "labels.nii.gz")

    @router.get("/overlay.nii.gz", summary="Get the label map to look at", openapi_extra=_THRESHOLDS)
    async def overlay(job_id: str, request: Request) -> FileResponse:
        """The numbers of classes from 0, background, in the order of the model's classes."""
        found = await result(job_id, request)
        return _file(await in_thread(found.overlay_file), _NIFTI)

    @router.get("/probabilities.nii.gz", summary="Get probabilities")
    async def probabilities(job_id: str, request: Request) -> FileResponse:
        """A 4-D file, one volume for each region in the model's order."""
        found = await result(job_id, request)
        return _file(await in_thread(found.probabilities_file), _NIFTI, "probabilities.nii.gz")

    @router.get("/mask.png", summary="Get the mask of a picture", openapi_extra=_THRESHOLDS)
    async def mask(job_id: str, request: Request) -> FileResponse:
        """For 2-D images."""
        found = await result(job_id, request)
        return _file(await in_thread(found.mask_picture), _PNG, "mask.png")

    @router.get("/report.html", summary="Get the report of the case", openapi_extra=_THRESHOLDS)
    async def report(job_id: str, request: Request) -> FileResponse:
        """One file that opens without a network."""
        found = await result(job_id, request)
        return _file(await in_thread(found.report_file), _HTML, "report.html")

    return router


def _file(path: Path, media_type: str, name: str | None = None) -> FileResponse:
    return FileResponse(path, media_type=media_type, filename=name)
