"""The web application: routes, and what every request passes on its way to them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from brats3d.errors import Brats3dError
from brats3d.version import __version__
from brats3d.viewer.http.access_log import AccessLog
from brats3d.viewer.http.assets import Assets, package_assets
from brats3d.viewer.http.body_limit import BodyLimit
from brats3d.viewer.http.entrance import Entrance
from brats3d.viewer.http.expiry import expiring
from brats3d.viewer.http.headers import SecurityHeaders
from brats3d.viewer.http.refusals import NotUnderstood, refusal
from brats3d.viewer.http.routes.health import health_routes
from brats3d.viewer.http.routes.images import image_routes
from brats3d.viewer.http.routes.jobs import job_routes
from brats3d.viewer.http.routes.models import model_routes
from brats3d.viewer.http.routes.pages import page_routes
from brats3d.viewer.http.routes.results import result_routes
from brats3d.viewer.http.routes.uploads import upload_routes
from brats3d.viewer.http.schemas import ErrorAnswer
from brats3d.viewer.http.security import Security
from brats3d.viewer.http.statuses import headers_of, status_of
from brats3d.viewer.http.templating import render
from brats3d.viewer.http.unexpected import UnexpectedErrors

if TYPE_CHECKING:
    from brats3d.viewer.service import SegmentationService
    from brats3d.viewer.uploads import UploadStore

_DESCRIPTION = (
    "Send the images of a case, have them segmented, and get label maps, volumes and a report. "
    "Errors are JSON that says what, where, got, expected and remedy. Not for clinical use."
)


_SECONDS_BETWEEN_EXPIRIES = 10.0


def build_app(
    service: SegmentationService, uploads: UploadStore, security: Security, assets: Assets | None = None
) -> FastAPI:
    """Make the application.

    Args:
        service: What segments.
        uploads: What keeps the files of visitors.
        security: What visitors must show.
        assets: Files of the page; by default those of this package.

    Returns:
        The application; setting its ``state.ending`` ends streams of events.
    """
    app = FastAPI(
        title="brats3d",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda _: expiring((uploads.expire, service.expire), _SECONDS_BETWEEN_EXPIRIES),
        responses={"4XX": {"model": ErrorAnswer}},
    )
    ending = asyncio.Event()
    for router in (
        health_routes(),
        model_routes(service),
        upload_routes(uploads, service),
        image_routes(uploads, service),
        job_routes(service, uploads, ending),
        result_routes(service, uploads),
        page_routes(app, assets or package_assets()),
    ):
        app.include_router(router)
    app.state.ending = ending
    app.add_exception_handler(Brats3dError, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(RequestValidationError, _not_understood)
    # The last is the first that a request meets.
    app.add_middleware(BodyLimit)
    app.add_middleware(Entrance, security=security, sign_in_page=render("sign_in.html"))
    app.add_middleware(UnexpectedErrors)
    app.add_middleware(AccessLog)
    app.add_middleware(SecurityHeaders)
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Brats3dError)
    return refusal(error, status_of(error), headers_of(error))


async def _not_routed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    problem = NotUnderstood(
        "nothing is here" if error.status_code == 404 else "this cannot be done here",
        expected="an address and a method that /api describes",
        remedy="see /api",
    )
    return refusal(problem, error.status_code, error.headers)


async def _not_understood(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    problem = NotUnderstood(
        "the request is not understood",
        where=".".join(str(part) for part in first["loc"]),
        expected=first["msg"],
        remedy="see /api",
    )
    return refusal(problem, 422)
