"""Schemathesis calls a served process as its own document allows, and as it does not (API, CORE 12).

Whatever comes, an answer has a documented status and content type, its body fits the documented schema, and none
is the service's own failure. A failure is told with the `curl` line that shows it again.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis import Case, HookContext
from schemathesis.engine import events, from_schema

from consent_service.cli.token import make_token
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.http.examples import C15T_ID, RECIPIENT, SITE
from consent_service.settings import load_settings
from tests.databases import copy_template, drop
from tests.events.streams import eventually
from tests.http.c15t import save_the_example
from tests.http.examples_catalogue import CATALOGUE, CHOSEN, CONTROLLER, load_catalogue
from tests.http.sites import ORIGIN, renamed
from tests.processes import environment_for, serving
from tests.soak import soak

PERSONS = 6
pytestmark = pytest.mark.soak

CALLS_MIN = soak(1_000, 10_000)
EXAMPLES = soak(10, 900)
#: One in so many Idempotency-Keys is sent as it was made, often for the second time.
KEPT_KEYS = 4
_calls = itertools.count(1)
LIMITS = (
    "CONSENT_LIMIT_BAD_TOKENS",
    *(f"CONSENT_SITE_LIMIT_{name}" for name in ("NETWORK", "CHOICES", "VISITOR", "SITE")),
)
CHECKS = {
    # What is right in form may still be wrong in fact: a code that is not offered, a label too long for a banner.
    "positive_data_acceptance": {"enabled": False},
    # The token is the only header that is needed, and the run's own is sent all the same; `ignored_auth` looks at it.
    "missing_required_header": {"enabled": False},
    # One identity is all that a run has.
    "object_level_authorization": {"enabled": False},
}


@dataclass
class Served:
    """A running service, a token for it, its document, and values under which it knows something."""

    url: str
    token: str
    document: dict[str, Any]
    known: dict[str, list[str | int]]


@dataclass
class Run:
    """What the calls led to."""

    calls: int = 0
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    #: Each once, with the call that shows it.
    failures: dict[str, str] = field(default_factory=dict)

    def take(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            self.failures.setdefault(event.info.format(), "")
        if not isinstance(event, events.ScenarioFinished):
            return
        recorder = event.recorder
        for case_id, interaction in recorder.interactions.items():
            self.calls += 1
            assert interaction.response is not None
            label = recorder.cases[case_id].value.operation.label
            self.statuses[label, interaction.response.status_code] += 1
        for checks in recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    told = f"{failure.operation}: {failure.title}: {failure.message[:1_000]}"
                    self.failures.setdefault(told, check.failure_info.code_sample[:2_000])

    def operations(self, low: int, high: int) -> set[str]:
        """The operations that answered with a status of these at least once."""
        return {label for label, status in self.statuses if low <= status < high}


async def make_known(client: httpx.AsyncClient) -> dict[str, list[str | int]]:
    """Persons with identifiers and records, a draft, and a real cursor of every list."""
    subjects: list[str | int] = []
    records: list[str | int] = []
    identifiers: list[str | int] = []
    values: list[str | int] = [f"person-{number}@example.org" for number in range(PERSONS)]
    for value in values:
        body = {"identifiers": [{"type": "email", "value": value}, {"type": "external:crm", "value": value}]}
        person = (await client.post("/v1/subjects", json=body)).json()["subject_id"]
        for command in ("grant", "withdraw"):
            path = f"/v1/subjects/{person}/consents/newsletter/{command}"
            answer = await client.post(path, json={"version": 1, "evidence": {"form": "footer"}})
            records.append(answer.json()["record"]["record_id"])
        held = (await client.get(f"/v1/subjects/{person}/identifiers")).json()["items"]
        identifiers += [one["identifier_id"] for one in held]
        subjects.append(person)
    await client.put("/v1/purposes/newsletter?draft=true", json={})
    # The relay makes the topics with the first thing that it publishes.
    await eventually(lambda: answers(client, "/v1/states"))
    of_one = (f"/v1/subjects/{subjects[0]}/{name}" for name in ("records", "identifiers"))
    notice = (await client.get(f"/site/v1/{SITE}/notice")).json()
    await save_the_example(client, f"/site/v1/{SITE}/c15t", ORIGIN)
    pending = f"/v1/recipients/{RECIPIENT}/pending"
    lists = ("/v1/purposes", "/v1/states", pending, *of_one)
    pages = [(await client.get(f"{path}?limit=1")).json() for path in lists]
    return {
        "subjects": subjects,
        "records": records,
        "identifiers": identifiers,
        "types": ["email"],
        "values": [*values, *(f"somebody-{number}@example.org" for number in range(50))],
        "purposes": [one.slug for one in CATALOGUE],
        "written": ["courses", "webinars"],
        "versions": [1],
        "commands": ["refuse", "defer", "withdraw"],
        "cursors": [page["next"] for page in pages],
        "recipients": [RECIPIENT],
        "outcomes": ["stopped", "not_held", "failed"],
        "languages": ["nb", "en"],
        "moments": ["2026-01-31T12:00:00Z"],
        "channels": ["email", "sms"],
        "topics": ["jobs", "news"],
        "tags": ['"1"', '"2"'],
        "site_keys": [SITE],
        "visitors": [f"visitor-of-schemathesis-{number}" for number in range(20)],
        "c15t_subjects": [C15T_ID],
        "screens": [layer["screen_hash"] for layer in notice["layers"]],
    }


def with_examples(document: dict[str, Any], known: dict[str, list[str | int]]) -> dict[str, Any]:
    """The document with a known value for each path parameter, which examples and boundary values start from.

    Without the stream, which does not end (tests/http/test_changes.py).
    """
    del document["paths"]["/v1/changes"]
    for item in document["paths"].values():
        for method, operation in item.items():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    name: str = parameter["name"]
                    values = "written" if method == "put" else f"{name.removesuffix('_id')}s"
                    parameter["example"] = known[values][0]
    return document


@pytest.fixture(scope="module")
async def served(
    postgres: PostgresServer, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    database = await copy_template(postgres)
    await load_catalogue(database)
    folder: Path = tmp_path_factory.mktemp("service")
    environment = environment_for(
        database,
        folder,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap,
        # One network is all that a run has.
        **dict.fromkeys(LIMITS, "1000000/60"),
    )
    async with serving(environment) as service:
        async with service.client(CONTROLLER) as client:
            known = await make_known(client)
            document = with_examples((await client.get("/schema/openapi.json")).json(), known)
        token = make_token(load_settings(environment), CONTROLLER, recipient=RECIPIENT)
        yield Served(service.url, token, document, known)
    await drop(postgres, database)


async def answers(client: httpx.AsyncClient, path: str) -> bool:
    return (await client.get(path)).status_code == 200


def often(name: str, probability: float = 0.8) -> dict[str, Any]:
    """How often a generated value gives way to a known one."""
    return {"dictionary": name, "probability": probability}


def parameters() -> dict[str, Any]:
    """Where known values stand in; without them nearly everything is 404 or 422."""
    bodies = {
        f"body.{place}.{name}": often(f"{name}s")
        for place in ("identifiers[*]", "subject.identifiers[*]", "queries[*].identifier")
        for name in ("type", "value")
    }
    commands = {
        f"{place}.{name}": often(dictionary)
        for place in ("body", "body.decisions[*]")
        for name, dictionary in (
            ("version", "versions"),
            ("language", "languages"),
            ("occurred_at", "moments"),
            ("preferences.channels[*]", "channels"),
            ("preferences.topics[*]", "topics"),
        )
    }
    return {
        "path.subject_id": often("subjects"),
        "path.record_id": often("records"),
        "path.identifier_id": often("identifiers"),
        "path.purpose": often("purposes"),
        "path.version": often("versions"),
        "path.recipient": often("recipients"),
        "body.recipient": often("recipients"),
        "body.records[*].record_id": often("records"),
        "body.records[*].outcome": often("outcomes"),
        "body.records[*].at": often("moments"),
        "path.command": often("commands", 0.3),
        "query.purpose": often("purposes"),
        "query.after": often("cursors", 0.5),
        "header.If-Match": often("tags", 0.2),
        **bodies,
        "body.subject.subject_id": often("subjects"),
        "body.queries[*].subject_id": often("subjects"),
        "body.queries[*].purpose": often("purposes"),
        "body.decisions[*].purpose": often("purposes"),
        "path.site_key": often("site_keys"),
        "header.Consent-Visitor": often("visitors", 0.9),
        "body.screen_hash": often("screens"),
        "path.c15t_subject": often("c15t_subjects", 0.9),
        **commands,
    }


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Schemathesis sends the same few Idempotency-Keys: most become keys that are new, so that not all is reuse."""
    number = next(_calls)
    if isinstance(case.body, dict) and "choices" in case.body:
        # The names of an object's members are nothing that a dictionary can give.
        case.body["choices"] = renamed(case.body["choices"], CHOSEN)
    key = case.headers.get("Idempotency-Key")
    if number % KEPT_KEYS and isinstance(key, str) and re.fullmatch("[!-~]{1,200}", key):
        case.headers["Idempotency-Key"] = f"{number}-{key}"


async def run(served: Served, *, token: str | None, examples: int, phases: tuple[str, ...]) -> Run:
    """Let Schemathesis loose; in a thread, since this loop listens to the service meanwhile."""
    config = schemathesis.Config.from_dict(
        {
            "seed": 1,
            "base-url": served.url,
            # A browser on a page of the site tells where it is; nobody else is asked.
            "headers": {"Origin": ORIGIN} | ({} if token is None else {"Authorization": f"Bearer {token}"}),
            "continue-on-failure": True,
            "dictionaries": {name: {"values": values} for name, values in served.known.items()},
            "parameters": parameters(),
            # Not those that are granted: a new version would soon overtake the one that is.
            "operations": [
                {"include-operation-id": "putPurpose", "parameters": {"path.purpose": often("written")}}
            ],
            "checks": CHECKS,
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "phases": {
                name: {"enabled": name in phases} for name in ("examples", "coverage", "fuzzing", "stateful")
            },
        }
    )
    schema = schemathesis.openapi.from_dict(served.document, config=config)
    result = Run()

    def work() -> None:
        for event in from_schema(schema).execute():
            result.take(event)

    await asyncio.to_thread(work)
    return result


def labels(served: Served, *, secured: bool | None = None) -> set[str]:
    """Operations as Schemathesis names them; `secured` chooses those that need a token, or those that do not."""
    return {
        f"{method.upper()} {path}"
        for path, item in served.document["paths"].items()
        for method, operation in item.items()
        if secured is None or bool(operation["security"]) is secured
    }


@pytest.mark.timeout(soak(180, 3_600))
async def test_every_answer_is_as_the_document_says(served: Served) -> None:
    """Examples, boundary values, random and wrong data, sequences; other methods, and tokens left out or made up."""
    found = await run(
        served,
        token=served.token,
        examples=EXAMPLES,
        phases=("examples", "coverage", "fuzzing", "stateful"),
    )

    assert not found.failures, "\n".join(f"{told}\n    {curl}" for told, curl in found.failures.items())
    assert found.calls >= CALLS_MIN
    assert found.operations(200, 300) == labels(served)
    assert found.operations(401, 402) == labels(served, secured=True)


@pytest.mark.parametrize("token", [None, "nonsense", "e30.e30.e30"])
async def test_without_a_valid_token_every_answer_is_401_as_documented(
    served: Served, token: str | None
) -> None:
    found = await run(served, token=token, examples=soak(3, 50), phases=("examples", "fuzzing"))

    assert not found.failures, "\n".join(f"{told}\n    {curl}" for told, curl in found.failures.items())
    assert found.operations(401, 402) == labels(served, secured=True)
    assert found.operations(200, 300) == labels(served, secured=False)
    secured = labels(served, secured=True)
    assert {status for label, status in found.statuses if label in secured} <= {400, 401}
