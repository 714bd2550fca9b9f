"""A site whose pages real browsers open, the service behind it, and what ledger and Kafka know of its visitors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from consent_service.domain.catalogue import CatalogueEntries
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.events.wire.consume import ReceivedChange, read_change
from consent_service.events.wire.heartbeats import is_heartbeat
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from tests.browser.web import TagServer, Web, web_server
from tests.databases import TestDatabase, copy_template, drop
from tests.endtoend.test_stream import as_the_ledger_says, as_told
from tests.events.streams import consumer, topic_partitions
from tests.http.sites import entries
from tests.processes import Service, environment_for, serving

ARRIVES_S = 50.0
CONTROLLER = "ansettr"
SITE = "ansettr-web"


@dataclass
class Stage:
    """`web` serves the site's pages, `tags` stands in for the servers of its tags; `changes` is the topic.

    The site has the purposes of tests/http/sites.py, in the order of `LISTED` there.
    """

    service: Service
    database: TestDatabase
    web: Web
    tags: TagServer
    bootstrap: str
    changes: str

    @property
    def endpoint(self) -> str:
        """The site's interface, as a page of it names it."""
        return f"{self.service.url}/site/v1/{SITE}"

    async def records(self, visitor: str) -> list[dict[str, Any]]:
        """The ledger of whoever the browser with this id speaks for, oldest first; nothing where it is unknown."""
        async with self.service.client(CONTROLLER) as client:
            body = {"identifiers": [{"type": "visitor", "value": visitor}]}
            found = await client.post("/v1/subjects/lookup", json=body)
            if found.status_code == 404:
                return []
            kept = await client.get(f"/v1/subjects/{found.json()['subject_id']}/records?limit=1000")
        records: list[dict[str, Any]] = kept.json()["items"]
        return records

    async def said(self, visitor: str) -> list[str]:
        """The records as `purpose command`."""
        return [f"{one['purpose']} {one['command']}" for one in await self.records(visitor)]

    async def told(self, visitor: str) -> list[dict[str, Any]]:
        """What Kafka has of everything the ledger knows of this visitor, once as much has arrived, in that order.

        Each as `as_told` makes it of a record; so the two can be compared. Raises TimeoutError.
        """
        records = await self.records(visitor)
        if not records:
            return []
        subject_id = records[0]["subject_id"]
        arrived: list[ReceivedChange] = []
        async with consumer(self.bootstrap) as reader:
            reader.assign(await topic_partitions(reader, self.changes))
            await reader.seek_to_beginning()
            async with asyncio.timeout(ARRIVES_S):
                while len(arrived) < len(records):
                    message = await reader.getone()
                    if not is_heartbeat(message):
                        change = read_change(message)
                        if str(change.change.subject_id) == subject_id:
                            arrived.append(change)
        return [as_the_ledger_says(one) for one in arrived]

    async def withdraw_by_telephone(self, visitor: str, purpose: str) -> None:
        """Withdrawn where no browser is told of it."""
        subject_id = (await self.records(visitor))[0]["subject_id"]
        async with self.service.client(CONTROLLER) as client:
            answer = await client.post(
                f"/v1/subjects/{subject_id}/consents/{purpose}/withdraw",
                json={"channel": "phone", "source": "test"},
            )
        assert answer.status_code == 201, answer.text

    async def agrees(self, visitor: str, *said: str) -> None:
        """Ledger and Kafka both say exactly this of the visitor: `purpose command`, in that order."""
        assert await self.said(visitor) == [*said]
        assert await self.told(visitor) == [as_told(one) for one in await self.records(visitor)]


async def load(database: TestDatabase, loaded: CatalogueEntries, prefix: str) -> None:
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        await Catalogue(opened).load(loaded, "test")
    connection = await database.connect()
    await connection.execute("update controllers set topic_prefix = $1", prefix)
    await connection.close()


@asynccontextmanager
async def running_stage(
    postgres: PostgresServer, kafka: KafkaServer, folder: Path, **site: Any
) -> AsyncIterator[Stage]:
    """Everything on addresses of its own; `site` are more fields of the site in the catalogue."""
    database = await copy_template(postgres)
    prefix = database.name.replace("_", "-")
    async with web_server() as web, web_server(TagServer) as tags:
        usual = entries(CONTROLLER)
        own = msgspec.structs.replace(usual.sites[0], origins=(web.origin, web.other_origin), **site)
        await load(database, msgspec.structs.replace(usual, sites=(own,)), prefix)
        environment = environment_for(
            database,
            folder,
            CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
            CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap,
            # All visitors of all tests come from this machine.
            CONSENT_SITE_LIMIT_NETWORK="60000/60",
            CONSENT_SITE_LIMIT_CHOICES="60000/60",
        )
        async with serving(environment) as service:
            yield Stage(service, database, web, tags, kafka.bootstrap, f"{prefix}.changes.v1")
    await drop(postgres, database)
