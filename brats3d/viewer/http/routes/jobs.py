"""Jobs: segmentations that wait, run, and have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response, StreamingResponse

from brats3d.viewer.http.events import progress_events
from brats3d.viewer.http.schemas import NewJob, Progress, SegmentRequest
from brats3d.viewer.http.threads import in_thread

if TYPE_CHECKING:
    from brats3d.viewer.service import SegmentationService
    from brats3d.viewer.uploads import UploadStore


def job_routes(service: SegmentationService, uploads: UploadStore) -> APIRouter:
    """Make the router of ``service``."""
    router = APIRouter(prefix="/api", tags=["segmentations"])

    @router.post(
        "/segment",
        status_code=202,
        summary="Segment an upload",
        responses={202: {"model": NewJob}},
        response_model=None,
    )
    async def segment(request: SegmentRequest) -> Any:
        """Joins the queue; the same upload may be segmented by several models."""
        upload = uploads.get(request.upload)

        def submit() -> str:
            model = service.model(request.model)
            case = upload.case(model.modalities)
            return service.submit(case, request.model, upload_id=request.upload).id

        return JSONResponse({"id": await in_thread(submit)}, 202)

    @router.get(
        "/jobs/{job_id}",
        summary="Ask how far a segmentation is",
        responses={200: {"model": Progress}},
        response_model=None,
    )
    async def progress(job_id: str) -> Any:
        """The state now."""
        return JSONResponse(service.job(job_id).snapshot())

    @router.get(
        "/jobs/{job_id}/events",
        summary="Follow a segmentation",
        responses={200: {"content": {"text/event-stream": {}}, "description": "Events named `progress`."}},
        response_class=StreamingResponse,
    )
    async def events(job_id: str) -> StreamingResponse:
        """Server-sent events `progress`, each with what `GET /api/jobs/{job_id}` answers; ends with the job."""
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(
            progress_events(service.job(job_id)), media_type="text/event-stream", headers=headers
        )

    @router.delete("/jobs/{job_id}", status_code=204, summary="Cancel a segmentation, or forget it")
    async def cancel(job_id: str) -> Response:
        """What it found is deleted."""
        await in_thread(service.cancel, job_id)
        return Response(status_code=204)

    return router
