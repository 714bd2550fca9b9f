"""Pages for people: the interactive documentation and the problems' pages. Nothing comes from another host."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from consent_service.domain.errors import ConsentError, NotFound
from consent_service.http.openapi import openapi_document
from consent_service.http.operation import Operation
from consent_service.http.packed import script_response
from consent_service.http.problem_texts import MEANING
from consent_service.http.problems import STATUS, problem_type
from consent_service.usecases.packing import pack

SCRIPT = "rapidoc-min.js"
_STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1c2733}"
    "code{background:#eef1f4;padding:.1em .3em;border-radius:3px}a{color:#0b5cad}dt{font-weight:600}"
)


#: Of the one style element that RapiDoc makes: of its colours and sizes, which follow from the page's attributes.
_RAPIDOC_STYLE = "sha256-gE9q3U0Hchs7HQytmsZzN0tFebX1Ohu235orT+mVwww="


def _policy(**sources: str) -> str:
    """What a page may load: nothing but what is named, in nobody's frame (Content Security Policy)."""
    named = "".join(f"{kind.replace('_', '-')} {where}; " for kind, where in sources.items())
    return f"default-src 'none'; {named}img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(sha256(text.encode()).digest()).decode()


_PROBLEM_POLICY = _policy(style_src=f"'{_digest(_STYLE)}'")
# RapiDoc's elements have attributes `style`, which no hash can name; style elements of others are refused all the same.
_SCHEMA_POLICY = _policy(
    script_src="'self'",
    connect_src="'self'",
    style_src_elem=f"'{_RAPIDOC_STYLE}'",
    style_src_attr="'unsafe-inline'",
)
_SCHEMA_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Consent service: the interface</title>
<link rel="icon" href="data:,">
<script type="module" src="/schema/{SCRIPT}"></script>
</head>
<body>
<rapi-doc spec-url="/schema/openapi.json" load-fonts="false" render-style="read" theme="light"
 show-header="false" allow-server-selection="false" allow-spec-url-load="false" allow-spec-file-load="false"
 persist-auth="false" schema-description-expanded="true" primary-color="#0b5cad" use-path-in-nav-bar="true"
 show-method-in-nav-bar="as-colored-text">
</rapi-doc>
<noscript>Without JavaScript, read <a href="/schema/openapi.json">openapi.json</a>.</noscript>
</body>
</html>
"""


def documentation_routes(
    operations: Sequence[Operation], public_url: str, *, entrance: str
) -> list[HTTPRouteHandler]:
    """The handlers of /schema and /problems, and of /, which leads to the entrance."""
    document = msgspec.json.encode(openapi_document(operations, public_url))
    kept = files("consent_service.http").joinpath("static", f"{SCRIPT}.gz").read_bytes()
    script = pack(gzip.decompress(kept), gzipped=kept)

    @get("/", include_in_schema=False, sync_to_thread=False)
    def root() -> Redirect:
        return Redirect(entrance, status_code=302, headers={"Cache-Control": "no-cache"})

    @get("/schema", include_in_schema=False, media_type="text/html")
    async def schema_page() -> Response[str]:
        return _page(_SCHEMA_PAGE, _SCHEMA_POLICY)

    @get("/schema/openapi.json", include_in_schema=False)
    async def schema_document() -> Response[bytes]:
        return Response(document, media_type="application/json", headers={"Cache-Control": "no-cache"})

    @get(f"/schema/{SCRIPT}", include_in_schema=False)
    async def schema_script(request: Request[Any, Any, Any]) -> Response[bytes]:
        return script_response(request, script, {"Cache-Control": "no-cache"})

    @get("/problems", include_in_schema=False, media_type="text/html")
    async def problem_list() -> Response[str]:
        return _page(_problem_list())

    @get("/problems/{slug:str}", include_in_schema=False, media_type="text/html")
    async def problem_page(slug: FromPath[str]) -> Response[str]:
        for problem in MEANING:
            if problem.slug == slug:
                return _page(_problem_page(problem))
        raise NotFound("There is no problem of this name; /problems lists them.")

    return [root, schema_page, schema_document, schema_script, problem_list, problem_page]


def _page(html: str, policy: str = _PROBLEM_POLICY) -> Response[str]:
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": policy})


def _problem_page(problem: type[ConsentError]) -> str:
    meaning, remedy = MEANING[problem]
    body = (
        f"<h1>{escape(problem.title)}</h1>"
        f"<dl><dt>Type</dt><dd><code>{problem_type(problem.slug)}</code></dd>"
        f"<dt>Status</dt><dd>{STATUS[problem.slug]}</dd>"
        f"<dt>What it means</dt><dd>{_marked(meaning)}</dd><dt>What to do</dt><dd>{_marked(remedy)}</dd></dl>"
        '<p><a href="/problems">All problems</a> · <a href="/schema">The interface</a></p>'
    )
    return _html(problem.title, body)


def _problem_list() -> str:
    rows = "".join(
        f'<li><a href="{problem_type(problem.slug)}"><code>{problem.slug}</code></a> {STATUS[problem.slug]}: '
        f"{escape(problem.title)}</li>"
        for problem in MEANING
    )
    return _html("Problems", f"<h1>Problems</h1><ul>{rows}</ul>")


def _html(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _marked(text: str) -> str:
    """Text between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
