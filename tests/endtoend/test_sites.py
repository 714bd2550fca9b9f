"""From a visitor's click to a consumer on Kafka, on the sample's site; and nothing on the way tells where they sat."""

from __future__ import annotations

import asyncio

import httpx

from consent_service.events.wire.consume import ReceivedChange
from tests.endtoend.conftest import Stage
from tests.endtoend.test_stream import ARRIVES_S, as_the_ledger_says, as_told, following, take
from tests.events.streams import consumer, topic_partitions
from tests.http.sites import Browser, asked_again, random_id

SITE = "/site/v1/ansettr-web"
ADDRESS = "203.0.113.197"


async def subject_of(stage: Stage, browser: Browser) -> str:
    async with stage.service.client() as client:
        body = {"identifiers": [{"type": "visitor", "value": browser.visitor}]}
        found = await client.post("/v1/subjects/lookup", json=body)
    subject_id: str = found.json()["subject_id"]
    return subject_id


async def test_what_a_visitor_chose_arrives_once_each_and_equals_the_ledger(stage: Stage) -> None:
    async with (
        httpx.AsyncClient(base_url=stage.service.url, timeout=20) as web,
        stage.service.client() as client,
        following(stage) as changes,
    ):
        browser = Browser(web, site=SITE, **{"x-forwarded-for": ADDRESS})
        notice = await browser.notice("nb")
        assert [one["purpose"] for one in notice["purposes"]] == [
            "nettstedanalyse-matomo",
            "facebook-piksel",
            "nyhetsbrev",
            "kontaktskjema",
        ]
        all_of_them = {one["purpose"]: "given" for one in notice["purposes"] if "given" in one["choices"]}
        body = await browser.body(
            all_of_them, screen_hash=notice["screen_hash"], language="nb", button="accept_all", path="/"
        )
        clicks = await asyncio.gather(*(browser.post(body) for _ in range(5)))
        assert sorted(answer.status_code for answer in clicks) == [200, 200, 200, 200, 201]
        assert asked_again(clicks[0]) == ""
        await browser.chooses({"facebook-piksel": "withdrawn"}, screen_hash=notice["screen_hash"])

        subject_id = await subject_of(stage, browser)
        arrived: list[ReceivedChange] = await take(changes, 4, subject_id)
        ledger = (await client.get(f"/v1/subjects/{subject_id}/records")).json()["items"]

    assert [as_the_ledger_says(one) for one in arrived] == [as_told(record) for record in ledger]
    assert [(one.change.purpose, one.change.allowed) for one in arrived] == [
        ("nettstedanalyse-matomo", True),
        ("facebook-piksel", True),
        ("kontaktskjema", True),
        ("facebook-piksel", False),
    ]
    assert {one.change.source for one in arrived} == {"ansettr-web"}


async def test_no_event_row_or_line_tells_an_address_or_the_visitors_id(stage: Stage) -> None:
    async with (
        httpx.AsyncClient(base_url=stage.service.url, timeout=20) as web,
        following(stage) as changes,
    ):
        browser = Browser(web, site=SITE, **{"x-forwarded-for": ADDRESS, "user-agent": "Browser/4711"})
        await browser.chooses({"facebook-piksel": "given"}, path="/side-4711?navn=kari4711")
        await browser.post({"choice_id": random_id(), "navn": "kari4711"})
        subject_id = await subject_of(stage, browser)
        await take(changes, 1, subject_id)
    secrets = [ADDRESS, "203.0.113", "cb0071", browser.visitor, "Browser/4711", "kari4711", "/side-4711"]

    told = b""
    async with consumer(stage.bootstrap) as reader:
        topics = sorted(one for one in await reader.topics() if one.startswith(stage.changes.split(".")[0]))
        assert len(topics) >= 4
        for topic in topics:
            partitions = await topic_partitions(reader, topic)
            reader.assign(partitions)
            ends = await reader.end_offsets(partitions)
            begins = await reader.beginning_offsets(partitions)
            await reader.seek_to_beginning()
            left = {partition for partition in partitions if begins[partition] < ends[partition]}
            async with asyncio.timeout(ARRIVES_S):
                while left:
                    for messages in (await reader.getmany(timeout_ms=500)).values():
                        for message in messages:
                            told += b"".join([message.key or b"", message.value or b""])
                            told += b"".join(name.encode() + value for name, value in message.headers)
                    left = {one for one in left if await reader.position(one) < ends[one]}
    assert subject_id.encode() in told
    log = "\n".join(stage.service.process.lines)
    connection = await stage.database.connect()
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    rows = ""
    for (table,) in tables:
        rows += "".join(row[0] for row in await connection.fetch(f"select {table}::text from {table}"))
    await connection.close()
    for secret in secrets:
        assert secret.encode() not in told, secret
        assert secret not in log, secret
        assert secret not in rows, secret
