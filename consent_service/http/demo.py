"""The demonstration site, in development alone: a page with tags, and stand-ins for the tags' servers, which count.

The page is a site like any other to the service: it speaks to the sites' interface from its own origin. What is here is
only what stands around it: files, the servers of others' tags, and the back end of a newsletter form.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from consent_service.domain.errors import NotFound, NotPossibleNow
from consent_service.domain.identifiers import Identifier, normalise
from consent_service.domain.values import Channel, Command, IdentifierType
from consent_service.http.services import Services
from consent_service.http.web_client import read_scripts
from consent_service.usecases.permissions import Query
from consent_service.usecases.submissions import Caller, CommandInput, SubjectReference, Submission

#: Whose site the demonstration is, the key of it, and its purposes by what they are here for.
CONTROLLER = "ansettr"
SITE = "ansettr-demo"
ANALYTICS = "nettstedanalyse-matomo"
PIXEL = "facebook-piksel"
FILM = "youtube-film"
NEWSLETTER = "nyhetsbrev"

#: What the page may load: from this server alone, and nothing that is written into it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILM_POLICY = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'self'"
_KINDS = {".css": "text/css", ".js": "text/javascript"}
#: What the stand-ins serve, and whose: anything else is nobody's.
_TAGS = {
    "matomo.js": (ANALYTICS, "Matomo", "script"),
    "matomo.php": (ANALYTICS, "Matomo", None),
    "fbevents.js": (PIXEL, "Meta", "script"),
    "tr": (PIXEL, "Meta", None),
    "film": (FILM, "YouTube", "player"),
}
_FILE = re.compile(r"[a-z]+\.(css|js)")
_KEPT_MAX = 2000
_WHAT_LENGTH_MAX = 80
_NO_PICTURE = 204
_UNKEPT = {"Cache-Control": "no-store"}
_STEPS = {"request": Command.REQUEST, "confirmation": Command.CONFIRM, "withdrawal": Command.WITHDRAW}


class TagRequest(msgspec.Struct, frozen=True):
    """One request that a stand-in got. `number` counts from one, and `at` is the server's clock."""

    number: int
    at: datetime
    purpose: str
    server: str
    what: str


class Requests(msgspec.Struct, frozen=True):
    """What came after the number asked for; `last` is the newest number, `now` the server's clock."""

    now: datetime
    last: int
    requests: list[TagRequest]


class Subscriber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whoever filled in the form. The address is a person of its own: nobody says yet that the browser is theirs."""

    email: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of a step of the newsletter: a word that the page has a sentence for."""

    outcome: str


class Counter:
    """What the stand-ins have been asked, the newest of it; nothing of who asked."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: deque[TagRequest] = deque(maxlen=_KEPT_MAX)
        self._last = 0

    def count(self, purpose: str, server: str, what: str) -> None:
        self._last += 1
        self._kept.append(TagRequest(self._last, self._now(), purpose, server, what[:_WHAT_LENGTH_MAX]))

    def since(self, number: int) -> Requests:
        return Requests(self._now(), self._last, [one for one in self._kept if one.number > number])


def demo_routes(folder: Path, services: Services) -> list[HTTPRouteHandler]:
    """The handlers of /demo, whose files are in the folder."""
    client = read_scripts()[0]
    counter = Counter(services.now)
    newsletter = _Newsletter(services, counter)

    @get("/demo", include_in_schema=False, media_type="text/html", sync_to_thread=False)
    def demo_page(lang: Literal["nb", "en"] = "nb") -> Response[str]:
        html = (folder / f"page.{lang}.html").read_text("utf-8")
        html = html.replace("{src}", client.path).replace("{integrity}", client.integrity)
        return _sent(html, "text/html", _POLICY)

    @get("/demo/{name:str}", include_in_schema=False, sync_to_thread=False)
    def demo_file(name: FromPath[str]) -> Response[str]:
        return _file(folder, name)

    @get("/demo/tags/{name:str}", include_in_schema=False, sync_to_thread=False)
    def demo_tag(
        name: FromPath[str], what: str = "request", lang: Literal["nb", "en"] = "nb"
    ) -> Response[str]:
        purpose, server, told = _TAGS.get(name, (None, "", None))
        if purpose is None:
            raise NotFound("No tag is served under this name.")
        counter.count(purpose, server, told or what)
        if name == "film":
            return _framed((folder / f"film.{lang}.html").read_text("utf-8"))
        return _file(folder, name) if told else Response("", status_code=_NO_PICTURE, headers=_UNKEPT)

    @get("/demo/requests", include_in_schema=False, sync_to_thread=False)
    def demo_requests(after: int = 0) -> Response[bytes]:
        return _json(counter.since(after))

    @post("/demo/newsletter/{step:str}", include_in_schema=False, status_code=200)
    async def demo_newsletter(step: FromPath[str], data: Subscriber) -> Response[bytes]:
        return _json(await newsletter.take(step, data))

    return [demo_page, demo_file, demo_tag, demo_requests, demo_newsletter]


class _Newsletter:
    """What stands behind the form, as a site's own back end would: it asks, and never mails who has not agreed."""

    def __init__(self, services: Services, counter: Counter) -> None:
        self._services = services
        self._counter = counter

    async def take(self, step: str, subscriber: Subscriber) -> Outcome:
        """Raises NotFound for a step that there is not, InvalidValue for what is no address."""
        email = Identifier(IdentifierType.EMAIL, normalise(IdentifierType.EMAIL, subscriber.email))
        if step == "letter":
            return await self._send(email)
        if step not in _STEPS:
            raise NotFound("The newsletter has no such step.")
        return await self._command(_STEPS[step], email)

    async def _command(self, command: Command, email: Identifier) -> Outcome:
        purposes = await self._services.catalogue.purposes(CONTROLLER)
        version = purposes[NEWSLETTER].current(self._services.now()).number
        said = CommandInput(NEWSLETTER, command, version=version, channel=Channel.WEB, source=SITE)
        try:
            answer = await self._services.ledger.submit(
                Submission(
                    caller=Caller(CONTROLLER, f"site:{SITE}"),
                    reference=SubjectReference(identifiers=(email,)),
                    commands=(said,),
                )
            )
        except NotPossibleNow:
            return Outcome("nothing-to-confirm")
        return Outcome(answer.results[0].permission.status)

    async def _send(self, email: Identifier) -> Outcome:
        asked = await self._services.permissions.many(CONTROLLER, [Query(NEWSLETTER, identifier=email)])
        permission = asked[0].permission
        if not permission.allowed:
            return Outcome(f"not-sent:{permission.reason}")
        self._counter.count(NEWSLETTER, "Brevo", "letter")
        return Outcome("sent")


def _file(folder: Path, name: str) -> Response[str]:
    file = folder / name
    if _FILE.fullmatch(name) is None or not file.is_file():
        raise NotFound("There is no such file of the demonstration.")
    return _sent(file.read_text("utf-8"), _KINDS[file.suffix])


def _sent(text: str, media_type: str, policy: str | None = None) -> Response[str]:
    headers = _UNKEPT if policy is None else {**_UNKEPT, "Content-Security-Policy": policy}
    return Response(text, media_type=media_type, headers=headers)


def _framed(html: str) -> Response[str]:
    headers = {**_UNKEPT, "Content-Security-Policy": _FILM_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return Response(html, media_type="text/html", headers=headers)


def _json(value: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type="application/json", headers=_UNKEPT)
