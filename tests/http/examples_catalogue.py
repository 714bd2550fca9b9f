"""A catalogue under which the documentation's examples are answered well."""

from __future__ import annotations

from consent_service.domain.c15t import Categories
from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, SiteEntry
from consent_service.domain.values import Basis
from consent_service.http.examples import SITE
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from tests.databases import TestDatabase
from tests.http.conftest import PURPOSES, purpose
from tests.http.sites import ORIGIN

CONTROLLER = "ansettr"
#: Those of the document's examples too.
CATALOGUE = (
    *PURPOSES,
    purpose("nettstedanalyse-matomo", Basis.CONSENT),
    purpose("facebook-piksel", Basis.CONSENT),
)
CHOSEN = ("newsletter", "nettstedanalyse-matomo", "facebook-piksel", "hr-hub")


async def load_catalogue(database: TestDatabase) -> None:
    entry = ControllerEntry(slug=CONTROLLER, legal_name="Ansettr AS")
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        slugs = tuple(one.slug for one in CATALOGUE)
        categories = Categories(measurement=(CHOSEN[1],), marketing=(CHOSEN[0], CHOSEN[2]))
        site = SiteEntry(SITE, (ORIGIN,), slugs, categories)
        await Catalogue(opened).load(
            CatalogueEntries(controller=entry, sites=(site,), purposes=CATALOGUE), "test"
        )
    connection = await database.connect()
    await connection.execute("update controllers set topic_prefix = $1", database.name.replace("_", "-"))
    await connection.close()
