"""A service whose every output is kept, and the marks that are sent into it."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx

from consent_service.embedded import KafkaServer, PostgresServer
from tests.databases import TestDatabase
from tests.endtoend.marks import Mark, mark, mark_of_digits
from tests.events.streams import consumer, read_to_end
from tests.http.each_operation import RECIPIENT, Asked
from tests.http.issuers import Issuer
from tests.processes import start


class Marks:
    """What is sent; `all` is what is looked for."""

    def __init__(self) -> None:
        self.email = mark("email", "{}@marked.example")
        self.phone = mark_of_digits("phone", "+47{}")
        self.external = mark("external")
        self.visitor = mark("visitor", "visitor-of-this-{}")
        self.browser = mark("browser", "visitor-in-a-browser-{}")
        self.evidence = mark("evidence")
        self.evidence_name = mark("evidence-name")
        self.actor = mark("actor", "{}@staff.example")
        self.token = mark("token")
        self.header = mark("header", "{}@header.example")
        self.query = mark("query", "{}@query.example")
        self.path = mark("path", "{}@path.example")
        self.value = mark("value", "{}@value.example")
        self.key = mark("key")
        self.message = mark("message", "{}@message.example")
        self.secrets: list[Mark] = []

    @property
    def all(self) -> list[Mark]:
        return [*(one for one in vars(self).values() if isinstance(one, Mark)), *self.secrets]

    def identifiers(self) -> list[dict[str, str]]:
        return [
            {"type": "email", "value": f" {self.email.value.upper()} "},
            {"type": "phone", "value": self.phone.value},
            {"type": "external:crm", "value": self.external.value},
        ]

    def secret(self, kind: str, text: str) -> None:
        self.secrets.append(Mark(kind, text, text))


class Outputs:
    """Everything that came out, by where."""

    def __init__(self) -> None:
        self._parts: defaultdict[str, list[bytes]] = defaultdict(list)

    def add(self, name: str, content: bytes) -> None:
        self._parts[name].append(content)

    def joined(self) -> dict[str, bytes]:
        return {name: b"\n".join(parts) for name, parts in self._parts.items()}


class Stage:
    """A service that is called by the marked actor, who sends marks in every header too."""

    def __init__(
        self,
        url: str,
        database: TestDatabase,
        kafka: KafkaServer,
        issuer: Issuer,
        marks: Marks,
        outputs: Outputs,
    ) -> None:
        self.url = url
        self.database = database
        self.kafka = kafka
        self.issuer = issuer
        self.marks = marks
        self.outputs = outputs
        #: The statuses that each operation has answered with.
        self.statuses: defaultdict[str, set[int]] = defaultdict(set)
        token = issuer.sign(sub=marks.actor.value, recipient=RECIPIENT)
        marks.secret("bearer", token.rpartition(".")[2])
        noise = marks.header.value
        self._headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "user-agent": noise,
            "x-forwarded-for": noise,
            "cookie": f"session={noise}",
            "referer": f"https://crm.example/{noise}",
            "x-request-id": noise,
            "traceparent": noise,
            "tracestate": f"crm={noise}",
        }
        self._client = httpx.AsyncClient(base_url=url, timeout=30)

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(
        self, name: str, method: str, path: str, content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """One call. What it answers is kept under the operation's name, or as a refusal."""
        sent = {**self._headers, **{one.replace("_", "-"): value for one, value in headers.items()}}
        if content is None:
            del sent["content-type"]
        async with self._client.stream(method, path, content=content, headers=sent) as answer:
            # A stream of changes has no end; its head comes with its first event.
            streams = answer.headers.get("content-type") == "text/event-stream"
            body = await anext(answer.aiter_raw()) if streams else await answer.aread()
        told = json.dumps(dict(answer.headers)).encode() + b"\n" + body
        self.outputs.add(name if answer.is_success else "refusals", told)
        self.statuses[name].add(answer.status_code)
        return answer

    async def call(self, asked: Asked, **headers: str) -> httpx.Response:
        content = None if asked.body is None else json.dumps(asked.body).encode()
        return await self.ask(asked.name, asked.method, asked.path, content, **headers)

    async def send(self, content: bytes) -> None:
        """Bytes as they are, on a connection of their own."""
        address = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(content)
        self.outputs.add("refusals", await reader.read())
        writer.close()


@asynccontextmanager
async def running(environment: Mapping[str, str], outputs: Outputs) -> AsyncIterator[str]:
    """`serve`, `relay` and `sweep` while the block runs, with every log line as JSON; the address of the service."""
    started = {name: await start(name, environment=environment) for name in ("serve", "relay", "sweep")}
    try:
        line = await started["serve"].hear('"serving"')
        yield json.loads(line)["url"]
    finally:
        codes = {name: await process.stop() for name, process in started.items()}
        for name, process in started.items():
            outputs.add(f"log of {name}", "\n".join([*process.lines, *process.printed]).encode())
    assert codes == {"serve": 0, "relay": 0, "sweep": 0}


async def run(environment: Mapping[str, str], outputs: Outputs, *arguments: str) -> None:
    """A command to its end, whatever it says."""
    process = await start(*arguments, environment=environment)
    await process.ended(60)
    outputs.add(
        f"output of {' '.join(arguments[:2])}", "\n".join([*process.lines, *process.printed]).encode()
    )


async def dump(postgres: PostgresServer, database: TestDatabase, *options: str) -> bytes:
    """The database as text; bytes in hexadecimal."""
    process = await asyncio.create_subprocess_exec(
        *(str(postgres.program("pg_dump")), *options, database.url("postgres")),
        stdout=asyncio.subprocess.PIPE,
    )
    content, _ = await process.communicate()
    assert process.returncode == 0
    assert b"PostgreSQL database dump complete" in content
    return content


async def read_topics(bootstrap: str) -> dict[str, bytes]:
    """Everything on every topic: keys, values and headers."""
    found = {}
    async with consumer(bootstrap) as reader:
        for topic in await reader.topics():
            parts: list[bytes | None] = []
            for message in await read_to_end(reader, topic):
                parts += [message.key, message.value]
                for name, value in message.headers:
                    parts += [name.encode(), value]
            found[topic] = b"\n".join(part for part in parts if part is not None)
    return found
