"""Alive, ready, degraded (R25), and the pages for people."""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256

import pytest

from consent_service.embedded import PostgresServer
from consent_service.http.problems import STATUS
from tests.http.conftest import Api, running_api

#: Of rapidoc-min.js 9.3.8, as its makers publish it.
SCRIPT_SHA256 = "affbd173a65e870e18f392cca963113bcdafb6e50e88cd2f6a834a65b22db94d"
EXTERNAL = re.compile(r"""(?:src|href|action)\s*=\s*["'](?:https?:)?//""")


async def test_healthz_and_readyz_are_open(api: Api) -> None:
    alive, ready = await api.client.get("/healthz"), await api.client.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "database": True, "broker": None})


async def test_however_many_ask_whether_we_are_ready_one_connection_answers(
    postgres: PostgresServer,
) -> None:
    """It needs no token, and whoever floods it must not have the pool for themselves."""
    async with running_api(postgres) as api:
        answers = await asyncio.gather(*(api.client.get("/readyz") for _ in range(100)))
        connection = await api.database.connect()
        taken = await connection.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'test'"
        )
        await connection.close()

    assert {answer.status_code for answer in answers} == {200}
    assert taken == 1


class Told:
    """A database that answers, and a broker as the test says."""

    def __init__(self, broker: bool | None) -> None:
        self._broker = broker

    async def database(self) -> bool:
        return True

    async def broker(self) -> bool | None:
        return self._broker


@pytest.mark.parametrize(("broker", "status"), [(True, "ready"), (False, "degraded"), (None, "ready")])
async def test_a_broker_that_is_away_is_200_and_degraded(
    postgres: PostgresServer, broker: bool | None, status: str
) -> None:
    """R25."""
    async with running_api(postgres, health=Told(broker)) as api:
        answer = await api.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": status, "database": True, "broker": broker}


async def test_who_opens_the_service_itself_is_led_to_the_documentation(api: Api) -> None:
    answer = await api.client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/schema")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_interactive_documentation_needs_no_other_host(api: Api) -> None:
    page = await api.client.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    assert EXTERNAL.search(page.text) is None
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "<script>" not in page.text
    for path in re.findall(r'(?:src|spec-url)="([^"]+)"', page.text):
        assert (await api.client.get(path)).status_code == 200, path


async def test_the_documentations_script_is_the_one_its_makers_publish(api: Api) -> None:
    path = "/schema/rapidoc-min.js"
    for coding in ("br", "gzip", "identity"):
        script = await api.client.get(path, headers={"accept-encoding": coding})
        assert script.headers.get("content-encoding", "identity") == coding
        assert script.headers["vary"] == "Accept-Encoding"
        assert script.headers["content-type"].startswith("text/javascript")
        assert sha256(script.content).hexdigest() == SCRIPT_SHA256
        kept = {"accept-encoding": coding, "if-none-match": script.headers["etag"]}
        again = await api.client.get(path, headers=kept)
        assert (again.status_code, again.content) == (304, b"")


async def test_every_problem_has_a_page_and_stands_in_the_list(api: Api) -> None:
    listed = (await api.client.get("/problems")).text
    for slug, status in STATUS.items():
        assert f'href="/problems/{slug}"' in listed
        page = await api.client.get(f"/problems/{slug}")
        assert f"<dd>{status}</dd>" in page.text
        assert "What to do" in page.text


async def test_a_token_for_some_purposes_reads_the_identifiers_of_their_persons_alone(api: Api) -> None:
    """R35: and everybody else is as if they were not there."""
    person, stranger = await api.person(), await api.person()
    await api.says(person, "newsletter", "grant")
    await api.says(stranger, "analytics", "object")
    token = api.issuer.sign(purposes=["newsletter"])

    answers = [await api("GET", f"/v1/subjects/{one}/identifiers", token=token) for one in (person, stranger)]

    assert [answer.status_code for answer in answers] == [200, 404]
