"""The web client as one script that sites load from here, at addresses that never change what they give.

The path holds the content's own digest, so a browser may keep it for ever, and a site may name its hash (SRI).
A service that has a newer one goes on serving those before it: they stand in the folder `earlier`.
"""

from __future__ import annotations

import base64
from hashlib import sha384
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from consent_service.domain.errors import NotFound
from consent_service.http.packed import script_response
from consent_service.usecases.packing import SMALLEST, Packed, pack

_NAME = "consent.js"
#: Any page of any site may load it, also one that is isolated from other origins; there is nothing personal in it.
_OPEN = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_FOR_EVER = "public, max-age=31536000, immutable"


class Script(msgspec.Struct, frozen=True):
    """One content of the script, and where it is."""

    content: Packed
    integrity: str

    @property
    def digest(self) -> str:
        return self.content.digest[:16]

    @property
    def path(self) -> str:
        return f"/web/{self.digest}/{_NAME}"


class Described(msgspec.Struct, frozen=True):
    """The newest script for a site owner: its address, its hash, and the tag, in which the site is to be named."""

    src: str
    integrity: str
    tag: str


def read_scripts() -> list[Script]:
    """All that are served, the newest first."""
    folder = files("consent_service.http").joinpath("static", "web")
    earlier = folder.joinpath("earlier")
    kept = sorted(earlier.iterdir(), key=lambda file: file.name) if earlier.is_dir() else []
    return [make_script(file.read_bytes()) for file in (folder.joinpath(_NAME), *kept)]


def make_script(body: bytes) -> Script:
    return Script(
        content=pack(body, quality=SMALLEST),
        integrity="sha384-" + base64.b64encode(sha384(body).digest()).decode(),
    )


def describe(script: Script, public_url: str) -> Described:
    """The tag as it stands in a page, before all tags that wait for consent."""
    base = public_url.rstrip("/")
    src = base + script.path
    tag = (
        f'<script src="{src}" integrity="{script.integrity}" crossorigin="anonymous" '
        f'data-endpoint="{base}/site/v1/SITE"></script>'
    )
    return Described(src, script.integrity, tag)


def web_client_routes(public_url: str) -> list[HTTPRouteHandler]:
    """The handlers of /web."""
    scripts = read_scripts()
    by_digest = {script.digest: script for script in scripts}
    described = msgspec.json.encode(describe(scripts[0], public_url))

    @get("/web", include_in_schema=False)
    async def web_client() -> Response[bytes]:
        return Response(described, media_type="application/json", headers={"Cache-Control": "no-cache"})

    @get(f"/web/{{digest:str}}/{_NAME}", include_in_schema=False)
    async def web_client_script(request: Request[Any, Any, Any], digest: FromPath[str]) -> Response[bytes]:
        script = by_digest.get(digest)
        if script is None:
            raise NotFound("There is no script of this digest; /web names the newest.")
        return script_response(request, script.content, {**_OPEN, "Cache-Control": _FOR_EVER})

    return [web_client, web_client_script]
