"""What is measured on: real engines in a temporary folder, the service as a process, and the ceilings beside it."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import msgspec

from benchmarks import acting, asker, comparison, generator, latency, producer, readers, recipients
from benchmarks.messages import CONTROLLER, SITE, Person
from benchmarks.rows import fill, people
from benchmarks.served import PUBLISHING, SERVING, SWEEPING, Served
from consent_service.app.pools import keyring_from, open_pool
from consent_service.cli.catalogue import ACTOR, read_files, sample_paths
from consent_service.cli.demo_site import load_demo_site
from consent_service.cli.run import cache_dir
from consent_service.cli.token import ensure_development_key, make_token
from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.events.wire.topics import changes_topic
from consent_service.settings import Settings, load_settings
from consent_service.storage.database import Database
from consent_service.storage.preparation import ROLES, migrate, prepare
from consent_service.usecases.catalogue import Catalogue

ROOT = Path(__file__).parents[1]
TEMPLATE = "consent"
DRAINED_S = 120.0
FILLED_S_A_SUBJECT = 0.001
_ERROR_BYTES = 2000

#: What `pgbench` runs: one row of the size of a record, one transaction, one flush.
_PGBENCH_TABLE = (
    "create table insertions (id bigint generated always as identity primary key, content bytea not null)"
)
_PGBENCH_SCRIPT = "insert into insertions (content) values (decode(repeat('5a', 400), 'hex'));\n"

_FILLED = "select count(*) from filled_topics where topic = $1"

Outcome = TypeVar("Outcome")


class Service:
    """`consent-service serve` and `relay`, two processes as in docker-compose.yml, on a database of their own."""

    def __init__(self, served: Served, token: str, topic: str, database: asyncpg.Connection[Any]) -> None:
        self.served = served
        self.token = token
        self.topic = topic
        self._database = database

    async def people(self, limit: int) -> list[Person]:
        return await people(self._database, limit)

    async def screen_hash(self) -> str:
        """Of what a visitor of the sample's site sees first."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.served.port}") as client:
            notice = await client.get(f"/site/v1/{SITE}/notice?lang=nb")
        shown: str = notice.raise_for_status().json()["screen_hash"]
        return shown

    async def filled(self, subjects: int) -> None:
        """Return when the topic of states tells of everybody who was there at the beginning."""
        topic = self.topic.replace(".changes.", ".state.")
        async with asyncio.timeout(DRAINED_S + subjects * FILLED_S_A_SUBJECT):
            while await self._database.fetchval(_FILLED, topic) < SHARD_GROUPS:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.02)

    async def drained(self) -> int:
        """Return when every event is published; how many waited when it was asked."""
        waited: int = await self._database.fetchval("select count(*) from outbox")
        await emptied(self._database, DRAINED_S)
        return waited


class Stage:
    """Made by `staged`. `subjects`: how many persons a database begins with where the figure names no size."""

    def __init__(
        self,
        stack: AsyncExitStack,
        folder: Path,
        postgres: PostgresServer,
        kafka: KafkaServer,
        subjects: int,
    ) -> None:
        self.subjects = subjects
        self._stack = stack
        self._folder = folder
        self._postgres = postgres
        self.services: dict[tuple[int, int], Service] = {}
        self._relays: dict[str, list[Served]] = {}
        self.bootstrap = kafka.bootstrap

    async def prepare(self) -> None:
        """A migrated database with the sample catalogue, to copy from; the echo; the table of pgbench."""
        await prepare(self._postgres.url(), TEMPLATE, {role: self._postgres.password(role) for role in ROLES})
        await migrate(self._postgres.url("consent_owner", TEMPLATE))
        files = read_files(sample_paths())
        assert files is not None
        async with self._pool(TEMPLATE) as database:
            for file in files:
                await Catalogue(database).load(file.entries, ACTOR)
        self.echo = await self._start("benchmarks.echo", environment={})
        await self._run_sql("postgres", _PGBENCH_TABLE)
        (self._folder / "insert.sql").write_text(_PGBENCH_SCRIPT)

    async def service(self, subjects: int, records_each: int) -> Service:
        """A service on a database that begins with so many rows; the same one when asked again."""
        size = (subjects, records_each)
        if size not in self.services:
            name, prefix = await self.ledger(f"consent_{subjects}_{records_each}", subjects, records_each)
            database = await asyncpg.connect(self.superuser_url(name))
            self._stack.push_async_callback(database.close)
            await self.relay(name)
            environment = self._environment(name)
            del environment["CONSENT_RELAY_DATABASE_URL"]
            served = await self._start("consent_service", "serve", environment=environment)
            token = make_token(self._settings(name), CONTROLLER)
            service = Service(served, token, changes_topic(prefix), database)
            await service.filled(subjects)
            await service.drained()
            self.services[size] = service
        return self.services[size]

    async def demo_service(self, origin: str) -> Service:
        """A service without records, whose demonstration site has its pages at this origin."""
        service = await self.service(0, 0)
        async with self._pool("consent_0_0") as database:
            await load_demo_site(database, Catalogue(database), origin)
        return service

    async def ledger(self, name: str, subjects: int, records_each: int) -> tuple[str, str]:
        """A database of that name that begins with so many rows, and the prefix of its topics."""
        await self._run_sql("postgres", f"create database {name} template {TEMPLATE} owner consent_owner")
        connection = await asyncpg.connect(self.superuser_url(name))
        try:
            prefix = name.replace("_", "-")
            await connection.execute("update controllers set topic_prefix = $1", prefix)
            await fill(connection, keyring_from(self._settings(name)), subjects, records_each)
        finally:
            await connection.close()
        return name, prefix

    async def relay(self, database: str) -> None:
        """One more relay on that database, as a process."""
        started = await self._start(
            "consent_service", "relay", environment=self._environment(database), words=PUBLISHING
        )
        self._relays.setdefault(database, []).append(started)

    def resident_mb(self, database: str) -> list[float]:
        """Of each of its relays."""
        return [relay.resident_mb for relay in self._relays[database]]

    def superuser_url(self, database: str) -> str:
        return self._postgres.url(database=database)

    def auditor_url(self, database: str) -> str:
        return self._postgres.url("consent_auditor", database)

    async def sweeper(self, database: str) -> Served:
        """A sweeper on that database, as a process."""
        environment = self._environment(database)
        environment["CONSENT_SWEEPER_DATABASE_URL"] = self._postgres.url("consent_sweeper", database)
        return await self._start("consent_service", "sweep", environment=environment, words=SWEEPING)

    async def fanout(self) -> Served:
        return await self._start("benchmarks.fanout", environment={})

    async def read(self, plan: readers.Plan) -> readers.Outcome:
        return await _plan("benchmarks.readers", plan, readers.Outcome)

    async def receive(self, plan: recipients.Plan) -> recipients.Outcome:
        return await _plan("benchmarks.recipients", plan, recipients.Outcome)

    async def compare(self, plan: comparison.Plan) -> comparison.Outcome:
        return await _plan("benchmarks.comparison", plan, comparison.Outcome)

    async def produce(self, plan: producer.Plan) -> producer.Outcome:
        return await _plan("benchmarks.producer", plan, producer.Outcome)

    async def ask(self, plan: asker.Plan) -> asker.Outcome:
        return await _plan("benchmarks.asker", plan, asker.Outcome)

    async def load(self, plan: generator.Plan) -> generator.Outcome:
        return await _plan("benchmarks.generator", plan, generator.Outcome)

    async def act(self, plan: acting.Plan) -> acting.Outcome:
        return await _plan("benchmarks.acting", plan, acting.Outcome)

    async def latency(self, plan: latency.Plan) -> latency.Outcome:
        return await _plan("benchmarks.latency", plan, latency.Outcome)

    async def pgbench(self, connections: int, seconds: float) -> float:
        """One-row inserts a second, each durable."""
        process = await asyncio.create_subprocess_exec(
            self._postgres.program("pgbench"),
            *(
                "--no-vacuum",
                "--protocol=prepared",
                f"--client={connections}",
                f"--time={max(1, round(seconds))}",
            ),
            *(f"--file={self._folder / 'insert.sql'}", "--host=127.0.0.1", f"--port={self._postgres.port}"),
            *("--username=postgres", "postgres"),
            env={**os.environ, "PGPASSWORD": self._postgres.password()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        found = re.search(rb"tps = ([0-9.]+) \(without initial connection time\)", output)
        if found is None:
            raise RuntimeError(f"pgbench failed: {errors.decode()}")
        return float(found[1])

    async def _start(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        words: re.Pattern[str] = SERVING,
    ) -> Served:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module, *arguments),
            cwd=ROOT,
            env={**inherited, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        served = Served(process)
        self._stack.push_async_callback(served.stop)
        await served.ready(words)
        return served

    async def _run_sql(self, database: str, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres.url(database=database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _pool(self, database: str) -> AbstractAsyncContextManager[Database]:
        settings = self._settings(database)
        return open_pool(settings, settings.database_url, "consent-sample")

    def _settings(self, database: str) -> Settings:
        return load_settings(self._environment(database))

    def _environment(self, database: str) -> dict[str, str]:
        key = self._folder / "development-key.json"
        keys = self._folder / "key"
        if not keys.exists():
            keys.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
        return {
            "CONSENT_MODE": "development",
            "CONSENT_PORT": "0",
            "CONSENT_DATABASE_URL": self._postgres.url("consent_service", database),
            "CONSENT_RELAY_DATABASE_URL": self._postgres.url("consent_relay", database),
            "CONSENT_KAFKA_BOOTSTRAP": self.bootstrap,
            "CONSENT_JWKS": str(ensure_development_key(key)),
            "CONSENT_DEVELOPMENT_KEY": str(key),
            "CONSENT_LOOKUP_KEYS": f"l1={keys.read_text()}",
            "CONSENT_SEALING_KEYS": f"s1={keys.read_text()}",
            # One machine asks for all.
            **{f"CONSENT_SITE_LIMIT_{name}": "100000000/60" for name in ("NETWORK", "CHOICES", "SITE")},
        }


@asynccontextmanager
async def staged(subjects: int) -> AsyncIterator[Stage]:
    """Everything that runs ends with the block, and the folder goes."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="consent-bench-")))
        postgres = PostgresServer(folder / "postgres")
        kafka = KafkaServer(folder / "kafka", cache_dir=cache_dir())
        await stack.enter_async_context(postgres)
        await stack.enter_async_context(kafka)
        stage = Stage(stack, folder, postgres, kafka, subjects)
        await stage.prepare()
        yield stage


async def emptied(connection: asyncpg.Connection[Any], limit_s: float) -> None:
    """Return when nothing waits in the outbox any more. Raises TimeoutError."""
    async with asyncio.timeout(limit_s):
        # The relay is in another process and tells nobody.
        while await connection.fetchval("select exists (select from outbox)"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _plan(module: str, plan: msgspec.Struct, outcome: type[Outcome]) -> Outcome:
    """Run a plan in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(msgspec.json.encode(plan))
    if process.returncode != 0:
        raise RuntimeError(f"{module} failed:\n{errors[-_ERROR_BYTES:].decode(errors='replace')}")
    return msgspec.json.decode(output, type=outcome)
