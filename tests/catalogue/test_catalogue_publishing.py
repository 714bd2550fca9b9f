"""Publishing one purpose's versions and drafts, and reading them in every process (R4, CORE 5, API)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
import pytest

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeInput
from consent_service.domain.errors import (
    InvalidRequest,
    InvalidValue,
    MustBeMaterial,
    NotFound,
    SeveralRefusals,
    Unavailable,
    UnknownController,
    VersionMismatch,
)
from consent_service.domain.purposes import Change, NoticeText, Recipient
from consent_service.domain.values import Basis
from consent_service.storage.database import Database, open_database
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.submissions import Caller
from tests.builders import NOTICES, day
from tests.databases import TestDatabase

OFFICER = Caller(controller="ansettr", subject="officer")


@pytest.fixture(autouse=True)
async def ansettr(catalogue: Catalogue) -> None:
    """A controller without purposes."""
    await catalogue.load(
        CatalogueEntries(controller=ControllerEntry(slug="ansettr", legal_name="Ansettr AS")), "officer"
    )


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(day(0))


def newsletter(change: str | None = "material", **fields: Any) -> PurposeInput:
    return PurposeInput(
        **{
            "legal_bases": (Basis.CONSENT,),
            "notices": NOTICES,
            "change": Change(change) if change else None,
            **fields,
        }
    )


def described(text: str) -> dict[str, NoticeText]:
    return {"nb": NoticeText("Nyhetsbrev", text)}


async def test_a_purpose_begins_with_version_1(catalogue: Catalogue) -> None:
    made = await catalogue.publish(OFFICER, "nyhetsbrev", newsletter(None))
    assert made.created
    item = await catalogue.item("ansettr", "nyhetsbrev")
    assert item == made.item
    told = msgspec.to_builtins(item)
    assert (told["purpose"], told["version"], told["status"], told["change"]) == (
        "nyhetsbrev",
        1,
        "active",
        "material",
    )
    assert (told["legal_bases"], told["recipients"]) == (("consent",), ())
    assert set(told["notices"]) == set(told["notice_hashes"]) == {"nb", "en"}
    assert told["effective_from"] == told["published_at"]


async def test_nothing_that_differs_is_the_standing_version(catalogue: Catalogue) -> None:
    first = await catalogue.publish(OFFICER, "nyhetsbrev", newsletter())
    again = await catalogue.publish(OFFICER, "nyhetsbrev", newsletter(None), if_match=1)
    assert (again.created, again.item) == (False, first.item)


async def test_versions_stay_as_they_were_published(catalogue: Catalogue) -> None:
    first = await catalogue.publish(OFFICER, "nyhetsbrev", newsletter())
    second = await catalogue.publish(
        OFFICER, "nyhetsbrev", newsletter("editorial", notices=described("Nytt."), retired=True), if_match=1
    )
    assert (second.created, second.item.version, second.item.status) == (True, 2, "retired")
    old = await catalogue.version("ansettr", "nyhetsbrev", 1)
    assert old == msgspec.structs.replace(first.item, latest_version=2, terms=old.terms)
    assert await catalogue.item("ansettr", "nyhetsbrev") == second.item
    for number in (0, 3):
        with pytest.raises(NotFound):
            await catalogue.version("ansettr", "nyhetsbrev", number)


UNACCEPTABLE: list[tuple[PurposeInput, type[Exception]]] = [
    (newsletter(None, retired=True), InvalidValue),
    (newsletter("editorial", legal_bases=(Basis.CONTRACT,)), MustBeMaterial),
    (newsletter(retired=True, effective_from=day(0)), InvalidValue),
    (newsletter(notices={}), InvalidValue),
    (newsletter(notices=described("x" * 10_000)), InvalidRequest),
    (newsletter(notices={}, renew_after="often", sources=("a\0",)), InvalidRequest),
    (newsletter(notices={}, renew_after="often"), SeveralRefusals),
]


async def test_what_is_not_acceptable_changes_nothing(catalogue: Catalogue) -> None:
    first = await catalogue.publish(OFFICER, "nyhetsbrev", newsletter())
    for asked, error in UNACCEPTABLE:
        with pytest.raises(error):
            await catalogue.publish(OFFICER, "nyhetsbrev", asked)
    assert await catalogue.item("ansettr", "nyhetsbrev") == first.item


async def test_a_stale_if_match_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(VersionMismatch):
        await catalogue.publish(OFFICER, "nyhetsbrev", newsletter(), if_match=1)
    await catalogue.publish(OFFICER, "nyhetsbrev", newsletter())
    await catalogue.publish(OFFICER, "nyhetsbrev", newsletter(retired=True), if_match=1)
    for asked in (newsletter(), newsletter(retired=True)):
        with pytest.raises(VersionMismatch, match="latest version is 2"):
            await catalogue.publish(OFFICER, "nyhetsbrev", asked, if_match=1)
    with pytest.raises(VersionMismatch):
        await catalogue.save_draft(OFFICER, "nyhetsbrev", newsletter(), if_match=1)


async def test_of_two_publications_on_one_version_one_wins(catalogue: Catalogue, another: Catalogue) -> None:
    await catalogue.publish(OFFICER, "nyhetsbrev", newsletter())
    outcomes = await asyncio.gather(
        *(
            one.publish(OFFICER, "nyhetsbrev", newsletter(notices=described(f"Tekst {number}.")), if_match=1)
            for number, one in enumerate((catalogue, another) * 3)
        ),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, VersionMismatch)]
    assert (len(outcomes), len(refused)) == (6, 5)
    assert (await another.item("ansettr", "nyhetsbrev")).latest_version == 2


async def test_what_one_process_publishes_every_other_knows_at_once(
    catalogue: Catalogue, another: Catalogue, rows: asyncpg.Connection
) -> None:
    for number in range(1, 4):
        one, other = (catalogue, another) if number % 2 else (another, catalogue)
        await one.publish(OFFICER, "nyhetsbrev", newsletter(notices=described(f"Tekst {number}.")))
        assert (await other.item("ansettr", "nyhetsbrev")).version == number
        revision = await rows.fetchval("select revision from controllers where controller = 'ansettr'")
        copy = await other.purposes("ansettr", revision)
        assert len(copy["nyhetsbrev"].versions) == number
        assert await other.purposes("ansettr", revision) is copy


async def test_readers_at_one_moment_share_one_reading(catalogue: Catalogue, another: Catalogue) -> None:
    await catalogue.publish(OFFICER, "nyhetsbrev", newsletter())
    copies = await asyncio.gather(*(another.purposes("ansettr") for _ in range(20)))
    assert len({id(copy) for copy in copies}) == 1


async def test_a_later_version_waits_for_its_day(opened: Database, clock: Clock) -> None:
    catalogue = Catalogue(opened, now=clock)
    await catalogue.publish(OFFICER, "nyhetsbrev", newsletter())
    later = await catalogue.publish(OFFICER, "nyhetsbrev", newsletter(retired=True, effective_from=day(2)))
    assert (later.item.version, later.item.effective_from) == (2, day(2))
    item = await catalogue.item("ansettr", "nyhetsbrev")
    assert (item.version, item.latest_version, item.status) == (1, 2, "active")
    clock.now = day(2)
    item = await catalogue.item("ansettr", "nyhetsbrev")
    assert (item.version, item.latest_version, item.status) == (2, 2, "retired")


async def test_a_list_comes_in_pages_by_slug(catalogue: Catalogue) -> None:
    for slug in ("c", "a", "b"):
        await catalogue.publish(OFFICER, slug, newsletter())
    page = await catalogue.listing("ansettr", limit=2)
    assert ([item.purpose for item in page.items], page.next) == (["a", "b"], "b")
    page = await catalogue.listing("ansettr", limit=2, after=page.next)
    assert ([item.purpose for item in page.items], page.next) == (["c"], None)
    assert (await catalogue.listing("ansettr", limit=3)).next is None


async def test_a_draft_may_be_unfinished_and_goes_when_a_version_is_published(
    catalogue: Catalogue, another: Catalogue
) -> None:
    unfinished = newsletter(None, notices={}, renew_after="often")
    saved = await catalogue.save_draft(OFFICER, "nyhetsbrev", unfinished)
    assert (saved.created, saved.item.status, saved.item.version) == (True, "draft", None)
    with pytest.raises(NotFound):
        await catalogue.item("ansettr", "nyhetsbrev")
    asked = newsletter("editorial", effective_from=day(100_000))
    saved = await catalogue.save_draft(OFFICER, "nyhetsbrev", asked)
    assert not saved.created
    draft = await another.draft("ansettr", "nyhetsbrev")
    assert draft == saved.item
    assert (draft.change, draft.effective_from, draft.renew_after) == ("editorial", day(100_000), None)
    published = await catalogue.publish(OFFICER, "nyhetsbrev", newsletter())
    assert published.item.notice_hashes == draft.notice_hashes
    with pytest.raises(NotFound):
        await another.draft("ansettr", "nyhetsbrev")


async def test_a_malformed_draft_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await catalogue.save_draft(OFFICER, "nyhetsbrev", newsletter(notices=described("a\0b")))
    assert refused.value.pointer == "/notices/nb/description"


async def test_publications_are_staged_and_audited_with_their_trace(
    catalogue: Catalogue, rows: asyncpg.Connection
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await catalogue.save_draft(OFFICER, "nyhetsbrev", newsletter())
    await catalogue.publish(OFFICER, "nyhetsbrev", newsletter(), traceparent=trace)
    staged = await rows.fetch("select kind, purpose, sequence, shard, traceparent from outbox")
    assert [tuple(row) for row in staged] == [("purpose", "nyhetsbrev", 1, 0, trace)]
    audited = await rows.fetch(
        "select actor, action from audit where action like 'purpose%' order by audit_id"
    )
    assert sorted(map(tuple, audited)) == [("officer", "purpose.drafted"), ("officer", "purpose.published")]


async def test_a_purpose_is_named_by_a_slug(catalogue: Catalogue) -> None:
    for slug in ("Nyhetsbrev", "", "-a", "a" * 65, "a\0b", "æ"):
        for publishing in (catalogue.publish, catalogue.save_draft):
            with pytest.raises(NotFound, match="slug"):
                await publishing(OFFICER, slug, newsletter())


async def test_a_controller_comes_with_a_file_only(catalogue: Catalogue) -> None:
    stranger = Caller(controller="coness", subject="officer")
    asked: list[Callable[[], Any]] = [
        lambda: catalogue.publish(stranger, "nyhetsbrev", newsletter()),
        lambda: catalogue.save_draft(stranger, "nyhetsbrev", newsletter()),
        lambda: catalogue.item("coness", "nyhetsbrev"),
        lambda: catalogue.listing("coness"),
        lambda: catalogue.purposes("coness", 7),
    ]
    for ask in asked:
        with pytest.raises(UnknownController):
            await ask()


async def test_a_catalogue_that_stays_locked_is_unavailable(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with (
        open_database(
            database.url(), connections_max=1, statement_timeout_s=5, lock_timeout_s=0.05, name="impatient"
        ) as impatient,
        rows.transaction(),
    ):
        await rows.execute("update controllers set revision = revision")
        with pytest.raises(Unavailable):
            await Catalogue(impatient).publish(OFFICER, "nyhetsbrev", newsletter())


async def test_r4_a_dropped_recipient_may_be_editorial_and_an_added_one_not(catalogue: Catalogue) -> None:
    brevo, matomo = (Recipient(slug, slug, "processor") for slug in ("brevo", "matomo"))
    await catalogue.publish(OFFICER, "nyhetsbrev", newsletter(recipients=(brevo, matomo)))
    dropped = await catalogue.publish(OFFICER, "nyhetsbrev", newsletter("editorial", recipients=(brevo,)))
    assert (dropped.item.version, dropped.item.change) == (2, "editorial")
    with pytest.raises(MustBeMaterial):
        await catalogue.publish(OFFICER, "nyhetsbrev", newsletter("editorial", recipients=(brevo, matomo)))
