"""The demonstration's site: the sample's Ansettr at this machine's address, with one more purpose, for its film."""

from __future__ import annotations

from urllib.parse import urlsplit

from consent_service.cli.catalogue import ACTOR
from consent_service.domain.catalogue import CatalogueEntries, PurposeEntry, SiteEntry
from consent_service.domain.purposes import AskAgainAfter, Cookie, NoticeText, Recipient
from consent_service.domain.values import Basis
from consent_service.http.demo import ANALYTICS, CONTROLLER, FILM, NEWSLETTER, PIXEL, SITE
from consent_service.storage.catalogue import read_controller
from consent_service.storage.database import Database
from consent_service.usecases.catalogue import Catalogue

#: Not in the firm's policy, and so not in the sample: the demonstration's own.
_FILM = PurposeEntry(
    slug=FILM,
    legal_bases=(Basis.CONSENT,),
    ask_again_after=AskAgainAfter(refused="P6M", deferred="P7D"),
    notices={
        "nb": NoticeText(
            "Film fra YouTube",
            "Hvis du samtykker, viser vi film fra YouTube på siden. Da får YouTube vite at du har sett den, og "
            "kan lagre opplysninger i nettleseren din. Du kan når som helst trekke samtykket tilbake.",
        ),
        "en": NoticeText(
            "Films from YouTube",
            "If you agree, we show films from YouTube on the page. YouTube then learns that you have seen them, and "
            "may keep information in your browser. You can withdraw your consent at any time.",
        ),
    },
    recipients=(Recipient("youtube", "YouTube", "third_party"),),
    data_categories=("site_visit",),
    data_subjects=("website_visitors",),
    cookies=(Cookie("VISITOR_INFO1_LIVE", "YouTube", "P180D"),),
    shares_or_sells=True,
)


async def load_demo_site(database: Database, catalogue: Catalogue, url: str) -> None:
    """Bring the site into the catalogue, at the address that the service has now; nothing else of it is touched."""
    async with database.transaction([CONTROLLER], read_only=True) as connection:
        controller = await read_controller(connection, CONTROLLER)
    assert controller is not None, "the sample was loaded before"
    site = SiteEntry(SITE, _origins(url), (ANALYTICS, PIXEL, FILM, NEWSLETTER))
    await catalogue.load(CatalogueEntries(controller=controller, sites=(site,), purposes=(_FILM,)), ACTOR)


def _origins(url: str) -> tuple[str, ...]:
    """The address as browsers send it; this machine also by its name."""
    parts = urlsplit(url)
    names = dict.fromkeys(
        [parts.hostname or "", "localhost"] if parts.hostname == "127.0.0.1" else [parts.hostname]
    )
    port = "" if parts.port is None else f":{parts.port}"
    return tuple(f"{parts.scheme}://{name}{port}" for name in names)
