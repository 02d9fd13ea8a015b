"""Jobs: segmentations that wait, run, and have ended."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response, StreamingResponse

from brats3d.viewer.http.events import progress_events
from brats3d.viewer.http.schemas import NewJob, Progress, SegmentRequest
from brats3d.viewer.http.threads import in_thread

if TYPE_CHECKING:
    from brats3d.viewer.job import Job
    from brats3d.viewer.service import SegmentationService
    from brats3d.viewer.uploads import UploadStore


def job_routes(service: SegmentationService, uploads: UploadStore, ending: asyncio.Event) -> APIRouter:
    """Make the router of ``service``; ``ending`` is set when the server ends."""
    router = APIRouter(prefix="/api", tags=["segmentations"])
    keeping: set[asyncio.Task[None]] = set()

    @router.post(
        "/segment",
        status_code=202,
        summary="Segment an upload",
        responses={202: {"model": NewJob}},
        response_model=None,
    )
    async def segment(request: SegmentRequest) -> Any:
        """Joins the queue; the same upload may be segmented by several models."""
        upload, model = uploads.get(request.upload), service.model(request.model)
        with contextlib.ExitStack() as use:
            use.enter_context(upload.in_use())
            case = await in_thread(upload.case, model.modalities, model.convention)
            job = service.submit(case, model.id, upload_id=upload.id, explain=upload.explain)
            keeping.add(task := asyncio.create_task(_keep(use.pop_all(), job)))
            task.add_done_callback(keeping.discard)
        return JSONResponse({"id": job.id}, 202)

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
        """Server-sent events `progress`, each with what `GET /api/jobs/{job_id}` says; ends with the job."""
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(
            progress_events(service.job(job_id), ending), media_type="text/event-stream", headers=headers
        )

    @router.delete("/jobs/{job_id}", status_code=204, summary="Cancel a segmentation, or forget it")
    async def cancel(job_id: str) -> Response:
        """What it found is deleted."""
        await in_thread(service.cancel, job_id)
        return Response(status_code=204)

    return router


async def _keep(use: contextlib.ExitStack, job: Job) -> None:
    """End the use of an upload when its segmentation has ended, whether anybody asks for it or not."""
    with use:
        async for _ in job.events():
            pass
