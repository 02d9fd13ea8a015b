"""Uploads: files of one case, until they are segmented and looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from brats3d.viewer.http.refusals import Stalled
from brats3d.viewer.http.schemas import Assignment, Contents, NewUpload
from brats3d.viewer.http.threads import in_thread

if TYPE_CHECKING:
    from brats3d.viewer.service import SegmentationService
    from brats3d.viewer.uploads import UploadStore

_STALLED_SECONDS = 60.0


def upload_routes(uploads: UploadStore, service: SegmentationService) -> APIRouter:
    """Make the router of ``uploads``; ``service`` may be segmenting them."""
    router = APIRouter(prefix="/api/uploads", tags=["uploads"])
    shown: dict[int | str, dict[str, Any]] = {200: {"model": Contents}}

    @router.post(
        "",
        status_code=201,
        summary="Begin an upload",
        responses={201: {"model": NewUpload}},
        response_model=None,
    )
    async def begin() -> Any:
        """An upload holds the files of one case; nobody can guess its id."""
        return JSONResponse({"id": uploads.new().id}, 201)

    @router.put(
        "/{upload_id}/files/{name:path}",
        summary="Send a file",
        responses=shown,
        response_model=None,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def receive(upload_id: str, name: str, request: Request) -> Any:
        """The body is the file itself: NIfTI, a zip of files or of a case folder, DICOM, PNG or TIFF.

        Answers what the upload holds now.
        """
        upload = uploads.get(upload_id)
        await upload.receive(name, _chunks(request))
        return JSONResponse(upload.contents().to_json())

    @router.get("/{upload_id}", summary="See what an upload holds", responses=shown, response_model=None)
    async def contents(upload_id: str) -> Any:
        """Files with their shapes, and which of them is taken for which modality."""
        return JSONResponse(uploads.get(upload_id).contents().to_json())

    @router.post(
        "/{upload_id}/assignment", summary="Say which file is what", responses=shown, response_model=None
    )
    async def assign(upload_id: str, assignment: Assignment) -> Any:
        """Needed where names do not say it, or say it wrongly."""
        modalities = {name: chosen.model_dump() for name, chosen in assignment.modalities.items()}
        upload = uploads.get(upload_id)
        seen = upload.assign(modalities, assignment.reference, assignment.brain_mask)
        return JSONResponse(seen.to_json())

    @router.delete("/{upload_id}", status_code=204, summary="Delete an upload")
    async def remove(upload_id: str) -> Response:
        """Ends its segmentations and deletes its files and results.

        Otherwise they are deleted when nobody has asked for them for some time.
        """
        await in_thread(service.forget_upload, upload_id)
        await in_thread(uploads.remove, upload_id)
        return Response(status_code=204)

    return router


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body of a request, as it comes.

    Raises:
        Stalled: Nothing came for a minute.
    """
    stream = aiter(request.stream())
    while True:
        try:
            with anyio.fail_after(_STALLED_SECONDS):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Stalled(
                "the file stopped coming",
                got=f"nothing for {_STALLED_SECONDS:.0f} seconds",
                remedy="send it again",
            ) from None
        yield chunk
