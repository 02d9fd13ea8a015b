"""The page, its files, and the description of the interface."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from brats3d.viewer.http.assets import Assets
from brats3d.viewer.http.documentation import documentation_page


def page_routes(app: FastAPI, assets: Assets) -> APIRouter:
    """Make the router."""
    router = APIRouter(include_in_schema=False)
    index = assets.page()

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return index.answer(request.headers, keep=False)

    @router.api_route("/static/{name:path}", methods=["GET", "HEAD"])
    async def static(name: str, request: Request) -> Response:
        found = assets.find(name)
        if found is None:
            raise HTTPException(404)
        asset, keep = found
        return asset.answer(request.headers, keep=keep)

    @router.get("/api")
    async def documentation() -> Response:
        return HTMLResponse(documentation_page(app.openapi(), assets.version))

    return router
