"""The application: our own endpoints, and Litestar for the pages, within the envelope (docs/decisions/0007)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException

from consent_service.domain.errors import ConsentError
from consent_service.http.api_keys import PresentedKeys
from consent_service.http.auth import Tokens
from consent_service.http.demo import demo_routes
from consent_service.http.documentation import documentation_routes
from consent_service.http.endpoint import Endpoint, Nowhere, internal, log_fault, problem_reply
from consent_service.http.envelope import Envelope
from consent_service.http.refusals import from_framework
from consent_service.http.routes import OPERATIONS, by_path
from consent_service.http.routing import Router
from consent_service.http.services import Services
from consent_service.http.site_endpoint import SITES, SiteEndpoint
from consent_service.http.web_client import web_client_routes

_Request = Request[Any, Any, Any]


def build_app(services: Services, *, public_url: str, demo: Path | None = None) -> Envelope:
    """The ASGI application, reached at `public_url`. Starting and stopping what `services` hold is the caller's.

    `demo` is the folder of the demonstration site; None for a service that has none.
    """
    tokens = Tokens(
        services.issuers,
        check_controller=services.catalogue.purposes,
        now=services.now,
        api_keys=PresentedKeys(services.api_keys, now=services.now),
    )
    endpoints = {
        path: (SiteEndpoint if path.startswith(SITES) else Endpoint)(operations, services, tokens)
        for path, operations in by_path().items()
    }
    pages = Litestar(
        route_handlers=[
            *documentation_routes(OPERATIONS, public_url, entrance="/schema" if demo is None else "/demo"),
            *web_client_routes(public_url),
            *([] if demo is None else demo_routes(demo, services)),
        ],
        exception_handlers={
            ConsentError: _refused,
            HTTPException: _refused_by_framework,
            Exception: _failed,
        },
        openapi_config=None,
        request_max_body_size=services.limits.body_bytes_max,
        logging_config=None,
    )
    router = Router(endpoints, unknown={"v1": Nowhere(services, tokens)})
    return Envelope(router, pages, services.metrics, public_url)


def _refused(request: _Request, refusal: ConsentError) -> Response[bytes]:
    reply = problem_reply(refusal)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    media_type = headers.pop("content-type")
    return Response(reply.body, status_code=reply.status, headers=headers, media_type=media_type)


def _refused_by_framework(request: _Request, error: HTTPException) -> Response[bytes]:
    if error.status_code >= 500:
        return _failed(request, error)
    return _refused(request, from_framework(error))


def _failed(request: _Request, error: Exception) -> Response[bytes]:
    log_fault(error, cast(Any, request.scope))
    return _refused(request, internal())
