"""The models that are offered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from brats3d.viewer.http.schemas import ModelInfo

if TYPE_CHECKING:
    from brats3d.viewer.service import SegmentationService


def model_routes(service: SegmentationService) -> APIRouter:
    """Make the router of ``service``."""
    router = APIRouter(tags=["models"])

    @router.get(
        "/api/models",
        summary="List the models",
        responses={200: {"model": list[ModelInfo]}},
        response_model=None,
    )
    async def models() -> Any:
        """Each can segment the same upload; results can be compared."""
        return JSONResponse([model.as_dict() for model in service.models])

    return router
