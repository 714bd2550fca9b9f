"""Loading a file: what changes is told first, then done once, and nothing else is touched (R4, CORE 5)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from consent_service.domain.catalogue import CatalogueEntries
from consent_service.domain.errors import NotFound, SeveralRefusals, UnknownController
from consent_service.storage.database import Database
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.catalogue_file import read_catalogue
from consent_service.usecases.catalogue_plan import PlannedChange, describe

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "consent_service/samples").glob("*.yaml"))

FILE = """
controller:
  slug: ansettr
  legal_name: Ansettr AS
sites:
  - key: ansettr-web
    origins: [https://ansettr.no]
    purposes: [nyhetsbrev]
purposes:
  - slug: nyhetsbrev
    change: material
    legal_bases: [consent]
    recipients:
      - {slug: brevo, name: Brevo, role: processor}
    notices:
      nb: {name: Nyhetsbrev, description: Vi sender deg nyheter.}
      en: {name: Newsletter, description: We send you news.}
  - slug: regnskap
    change: material
    legal_bases: [legal_obligation]
"""

#: What is replaced in FILE => what the plan then says of everything that is not unchanged.
PLANS = """
Vi sender => Vi kan sende => purpose nyhetsbrev version 2, material: notices; earlier consents end
change: material => change: editorial =>
material\\n    legal_bases: [consent] => editorial\\n    retired: true\\n    legal_bases: [consent] => \
purpose nyhetsbrev version 2, editorial: retired; consents stand
[legal_obligation] => [contract] => \
purpose regnskap version 2, material: legal_bases (the legal bases differ); earlier consents end
material\\n    legal_bases: [legal_obligation] => editorial\\n    legal_bases: [contract] => \
purpose regnskap refused
material\\n    legal_bases: [legal_obligation] => \
material\\n    effective_from: 2999-01-01T00:00:00Z\\n    legal_bases: [] => purpose regnskap version 2, \
material: legal_bases (the legal bases differ); earlier consents end, in effect from 2999-01-01 00:00 UTC
slug: regnskap => slug: bokforing => purpose bokforing new, version 1
Ansettr AS => Ansettr ASA => controller ansettr changed: legal_name
[https://ansettr.no] => [https://ansettr.no, https://www.ansettr.no] => site ansettr-web changed: origins
[nyhetsbrev] => [nyhetsbrev, analyse] => site ansettr-web refused
key: ansettr-web => key: ansettr-blog => site ansettr-blog new
purposes: [nyhetsbrev] => purposes: [nyhetsbrev]\\n    c15t: {marketing: [nyhetsbrev]} => site ansettr-web changed: c15t
purposes: [nyhetsbrev] => purposes: [nyhetsbrev]\\n    texts: {nb: {title: Hei}} => site ansettr-web changed: texts
"""


def entries(text: str = FILE, *, old: str = "", new: str = "") -> CatalogueEntries:
    assert old in text
    return read_catalogue(text.replace(old, new) if old else text, "ansettr.yaml").entries


def told(changes: list[PlannedChange]) -> list[str]:
    described = [(change, describe(change)) for change in changes]
    return [f"{change.kind} {change.name} {text}" for change, text in described if text != "unchanged"]


async def test_a_new_controller_comes_with_everything_its_file_names(
    catalogue: Catalogue, rows: asyncpg.Connection
) -> None:
    expected = [
        "controller ansettr new",
        "site ansettr-web new",
        "purpose nyhetsbrev new, version 1",
        "purpose regnskap new, version 1",
    ]
    assert told(await catalogue.plan(entries())) == expected
    with pytest.raises(UnknownController):
        await catalogue.purposes("ansettr")
    assert told(await catalogue.load(entries(), "officer")) == expected
    newsletter = (await catalogue.purposes("ansettr"))["nyhetsbrev"].versions[0]
    stored = await rows.fetch(
        "select language, encode(notice_hash, 'hex'), content from notices order by language"
    )
    assert [tuple(row)[:2] for row in stored] == sorted(newsletter.notice_hashes.items())
    assert json.loads(stored[0][2]) == {"name": "Newsletter", "description": "We send you news."}
    [(content, digest)] = await rows.fetch(
        "select content, encode(content_hash, 'hex') from purpose_versions where purpose = 'nyhetsbrev'"
    )
    assert (json.loads(content)["legal_bases"], digest) == (["consent"], newsletter.content_hash)


@pytest.mark.parametrize("plan", PLANS.strip().splitlines())
async def test_what_would_change_is_what_changes(catalogue: Catalogue, plan: str) -> None:
    old, new, expected = (part.strip().replace("\\n", "\n") for part in plan.split("=>"))
    await catalogue.load(entries(), "officer")
    before = await catalogue.purposes("ansettr")
    file = entries(old=old, new=new)
    assert told(await catalogue.plan(file)) == ([expected] if expected else [])
    assert await catalogue.purposes("ansettr") is before
    if expected.endswith("refused"):
        with pytest.raises(SeveralRefusals):
            await catalogue.load(file, "officer")
        assert await catalogue.purposes("ansettr") is before
    else:
        assert told(await catalogue.load(file, "officer")) == ([expected] if expected else [])
        assert told(await catalogue.plan(file)) == []


async def test_refusals_point_into_the_file(catalogue: Catalogue) -> None:
    await catalogue.load(entries(), "officer")
    text = FILE.replace("[legal_obligation]", "[contract]").replace("change: material", "change: editorial")
    file = read_catalogue(text, "ansettr.yaml")
    with pytest.raises(SeveralRefusals) as refused:
        await catalogue.load(file.entries, "officer")
    faults = [file.fault(refusal) for refusal in refused.value.refusals]
    assert [(fault.line, fault.path, fault.message) for fault in faults] == [
        (19, "purposes[regnskap].change", "This cannot be editorial: the legal bases differ.")
    ]


async def test_R39_what_rests_on_consent_is_not_necessary(catalogue: Catalogue) -> None:
    """Whether a purpose does may stand in the file, or be known already."""
    text = FILE.replace(
        "[nyhetsbrev]", "[nyhetsbrev, regnskap]\n    c15t: {necessary: [regnskap, nyhetsbrev]}"
    )
    for kept in (text, text.partition("purposes:\n  -")[0]):
        file = read_catalogue(kept, "ansettr.yaml")
        with pytest.raises(SeveralRefusals) as refused:
            await catalogue.load(file.entries, "officer")
        faults = [file.fault(refusal) for refusal in refused.value.refusals]
        assert [(fault.line, fault.path, fault.message) for fault in faults] == [
            (
                9,
                "sites[ansettr-web].c15t.necessary[2]",
                "nyhetsbrev rests on consent, and nobody can say no to what is `necessary`.",
            )
        ]
        await catalogue.load(entries(), "officer")


async def test_loading_again_writes_nothing(catalogue: Catalogue, rows: asyncpg.Connection) -> None:
    await catalogue.load(entries(), "officer")
    before = await every_row(rows)
    await catalogue.load(entries(), "officer")
    assert await every_row(rows) == before


async def every_row(rows: asyncpg.Connection) -> dict[str, list[str]]:
    tables = ("controllers", "sites", "purposes", "purpose_versions", "notices", "outbox", "audit")
    return {
        table: sorted(row[0] for row in await rows.fetch(f"select whole::text from {table} whole"))
        for table in tables
    }


async def test_r4_loading_a_file_touches_only_what_it_names(catalogue: Catalogue) -> None:
    await catalogue.load(entries(), "officer")
    await catalogue.load(
        entries(
            "controller: {slug: ansettr, legal_name: Ansettr AS}\n"
            "purposes: [{slug: regnskap, change: material, legal_bases: [contract]}]"
        ),
        "officer",
    )
    purposes = await catalogue.purposes("ansettr")
    assert {slug: len(purpose.versions) for slug, purpose in purposes.items()} == {
        "nyhetsbrev": 1,
        "regnskap": 2,
    }
    assert told(await catalogue.plan(entries(old="[legal_obligation]", new="[contract]"))) == []


async def test_every_new_version_is_put_before_the_relay_and_audited(
    catalogue: Catalogue, rows: asyncpg.Connection
) -> None:
    await catalogue.load(entries(), "officer")
    await catalogue.load(entries(old="Vi sender", new="Vi kan sende"), "deputy")
    staged = await rows.fetch(
        "select kind, controller, subject_id, purpose, sequence, shard from outbox order by position"
    )
    nil = UUID(int=0)
    assert [tuple(row) for row in staged] == [
        ("purpose", "ansettr", nil, "nyhetsbrev", 1, 0),
        ("purpose", "ansettr", nil, "regnskap", 1, 0),
        ("purpose", "ansettr", nil, "nyhetsbrev", 2, 0),
    ]
    audited = await rows.fetch(
        "select actor, action, details ->> 'purpose', details ->> 'version' from audit"
    )
    assert sorted(map(tuple, audited), key=str) == [
        ("deputy", "purpose.published", "nyhetsbrev", "2"),
        ("officer", "controller.loaded", None, None),
        ("officer", "purpose.published", "nyhetsbrev", "1"),
        ("officer", "purpose.published", "regnskap", "1"),
        ("officer", "site.loaded", None, None),
    ]


async def test_the_relay_is_woken_only_by_new_versions(opened: Database) -> None:
    woken: list[bool] = []
    waking = Catalogue(opened, wake=lambda: woken.append(True))
    await waking.load(entries(), "officer")
    await waking.load(entries(old="Ansettr AS", new="Ansettr ASA"), "officer")
    assert woken == [True]


async def test_a_site_key_belongs_to_one_controller(catalogue: Catalogue) -> None:
    await catalogue.load(entries(), "officer")
    other = read_catalogue(FILE.replace("slug: ansettr", "slug: coness"), "coness.yaml")
    with pytest.raises(SeveralRefusals) as refused:
        await catalogue.load(other.entries, "officer")
    fault = other.fault(refused.value.refusals[0])
    assert (fault.line, fault.path) == (6, "sites[ansettr-web].key")
    with pytest.raises(UnknownController):
        await catalogue.purposes("coness")


async def test_a_controllers_catalogue_is_its_own(catalogue: Catalogue) -> None:
    await catalogue.load(entries(), "officer")
    other = FILE.replace("slug: ansettr", "slug: coness").replace("ansettr-web", "coness-web")
    await catalogue.load(entries(other, old="slug: regnskap", new="slug: salg"), "officer")
    assert set(await catalogue.purposes("ansettr")) == {"nyhetsbrev", "regnskap"}
    assert set(await catalogue.purposes("coness")) == {"nyhetsbrev", "salg"}
    with pytest.raises(NotFound):
        await catalogue.item("ansettr", "salg")


async def test_two_loads_of_one_new_file_at_one_moment_make_one_catalogue(
    catalogue: Catalogue, another: Catalogue
) -> None:
    loads = await asyncio.gather(*(one.load(entries(), "officer") for one in (catalogue, another) * 3))
    assert sorted(len(told(changes)) for changes in loads) == [0, 0, 0, 0, 0, 4]
    assert len((await another.purposes("ansettr"))["nyhetsbrev"].versions) == 1


async def test_loads_of_one_changed_file_at_one_moment_make_one_version(
    catalogue: Catalogue, another: Catalogue, rows: asyncpg.Connection
) -> None:
    await catalogue.load(entries(), "officer")
    changed = entries(old="Vi sender", new="Vi kan sende")
    async with rows.transaction():
        await rows.execute("update controllers set revision = revision")
        tasks = [asyncio.create_task(one.load(changed, "officer")) for one in (catalogue, another) * 3]
        await until_waiting(rows, len(tasks))
    loads = await asyncio.gather(*tasks)
    assert sorted(len(told(changes)) for changes in loads) == [0, 0, 0, 0, 0, 1]
    assert len((await another.purposes("ansettr"))["nyhetsbrev"].versions) == 2


async def until_waiting(rows: asyncpg.Connection, count: int) -> None:
    """Until so many transactions wait for a lock; `pg_locks`, unlike the statistics, is read anew each time."""
    async with asyncio.timeout(4):
        while await rows.fetchval("select count(*) from pg_locks where not granted") < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
async def test_every_sample_loads_and_loads_again(
    catalogue: Catalogue, rows: asyncpg.Connection, path: Path
) -> None:
    file = read_catalogue(path.read_bytes(), path.name)
    await catalogue.load(file.entries, "officer")
    before = await every_row(rows)
    assert told(await catalogue.load(file.entries, "officer")) == []
    assert await every_row(rows) == before
    purposes = await catalogue.purposes(path.stem)
    assert {slug: purpose.versions[0].content for slug, purpose in purposes.items()} == {
        entry.slug: entry.content for entry in file.entries.purposes
    }
