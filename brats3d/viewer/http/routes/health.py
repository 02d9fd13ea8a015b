"""Whether the server is there."""

from __future__ import annotations

from fastapi import APIRouter

from brats3d.viewer.http.schemas import Health


def health_routes() -> APIRouter:
    """Make the router."""
    router = APIRouter(tags=["server"])

    @router.get("/api/health", summary="Ask whether the server is there", response_model=Health)
    async def health() -> dict[str, str]:
        """Needs no token."""
        return {"status": "ok"}

    return router
