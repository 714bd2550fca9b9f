"""The notice: everything a banner needs, the same for everybody, and cheap to ask for (API face 2, R36, R37)."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import asyncpg
import brotli
import httpx
import msgspec
import pytest
import rfc8785

from consent_service.embedded import PostgresServer
from tests.http.sites import ORIGIN, SHOWN, SITE, Stage, entries, running_sites
from tests.http.tables import rows, told


@pytest.fixture(scope="module")
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres) as running:
        yield running


@pytest.fixture
async def own_stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres) as running:
        yield running


async def get(stage: Stage, query: str = "?lang=en", **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await stage.api.client.get(f"{SITE}/notice{query}", headers=sent)


async def test_the_purposes_stand_in_the_sites_order(stage: Stage) -> None:
    """R37. Without what has no legal basis, and without what is not on this site."""
    notice = (await get(stage)).json()

    assert tuple(one["purpose"] for one in notice["purposes"]) == SHOWN


async def test_a_purpose_says_what_a_person_must_know(stage: Stage) -> None:
    matomo = (await get(stage)).json()["purposes"][0]

    assert matomo["notice"] == {"name": "Newsletter", "description": "We send you news by e-mail."}
    assert (matomo["version"], matomo["language"]) == (1, "en")
    assert matomo["notice_hash"] == hashlib.sha256(rfc8785.dumps(matomo["notice"])).hexdigest()
    assert matomo["cookies"] == [{"name": "_pk_id", "provider": "Matomo", "lifetime": "P13M"}]
    assert {"recipients", "retention", "transfers", "data_categories", "renew_after"} <= set(matomo)


async def test_the_links_say_where_to_turn(stage: Stage) -> None:
    notice = (await get(stage)).json()

    assert notice["controller"] == "Ansettr AS"
    assert notice["links"]["contacts"][0]["value"] == "post@ansettr.no"
    assert notice["links"]["complaint"] == "Datatilsynet"


async def test_refusing_stands_beside_accepting_on_every_layer(stage: Stage) -> None:
    notice = (await get(stage)).json()

    assert [one["layer"] for one in notice["layers"]] == ["banner", "settings"]
    for layer in notice["layers"]:
        assert layer["buttons"][:2] == ["accept_all", "refuse_all"]
        assert all(notice["texts"][button] for button in layer["buttons"])


#: purpose | what may be said | as it stands until then
CHOICES = """
matomo     | given refused withdrawn deferred | no
pixel      | given refused withdrawn deferred | no
newsletter | refused withdrawn deferred       | no
security   | refused withdrawn                | yes
ads        | refused withdrawn                | yes
profile    | given refused withdrawn deferred | no
orders     | -                                | yes
"""


@pytest.mark.parametrize(("purpose", "choices", "default"), rows(CHOICES, 3))
async def test_a_purpose_says_what_can_be_said_about_it(
    stage: Stage, purpose: str, choices: str, default: str
) -> None:
    notice = (await get(stage)).json()
    (found,) = [one for one in notice["purposes"] if one["purpose"] == purpose]

    assert found["choices"] == ([] if choices == "-" else choices.split())
    assert found["allowed_by_default"] is (default == "yes")


async def test_R37_anybody_can_compute_the_screen_hashes(stage: Stage) -> None:
    notice = (await get(stage)).json()
    names = ("purpose", "version", "language", "notice_hash")
    for layer in notice["layers"]:
        shown = {
            "layer": layer["layer"],
            "purposes": [[one[name] for name in names] for one in notice["purposes"]],
            "texts": notice["texts"],
        }
        assert layer["screen_hash"] == hashlib.sha256(rfc8785.dumps(shown)).hexdigest()
    assert notice["screen_hash"] == notice["layers"][0]["screen_hash"]


async def test_R37_what_may_be_shown_is_kept_once_for_each_site_language_and_layer(own_stage: Stage) -> None:
    for _ in range(3):
        notice = (await get(own_stage)).json()
        await get(own_stage, "?lang=nb")
    async with own_stage.another_process() as client:
        assert (await client.get(f"{SITE}/notice")).status_code == 200
    kept = await own_stage.fetch(
        "select encode(screen_hash, 'hex') as hash, site_key, language, layer, content from screens"
    )

    assert {(one["language"], one["layer"]) for one in kept} == {
        (language, layer) for language in ("en", "nb") for layer in ("banner", "settings")
    }
    assert len(kept) == 4
    assert {one["hash"] for one in kept} >= {layer["screen_hash"] for layer in notice["layers"]}
    for one in kept:
        content = json.loads(one["content"])
        assert hashlib.sha256(rfc8785.dumps(content)).hexdigest() == one["hash"]


async def test_R40_words_of_the_sites_own_are_shown_and_pinned_and_the_rest_stays(own_stage: Stage) -> None:
    before = (await get(own_stage, "?lang=nb")).json()
    catalogue = entries("ansettr")
    swedish = {name: f"{name} på svenska" for name in before["texts"]}
    words = {"nb": {"accept_all": "Ja til alt", "refuse_all": "Nei til alt"}, "sv": swedish}
    site = msgspec.structs.replace(catalogue.sites[0], texts=words)
    await own_stage.services.catalogue.load(msgspec.structs.replace(catalogue, sites=(site,)), "test")

    async with own_stage.another_process() as client:
        notice = (await client.get(f"{SITE}/notice?lang=nb")).json()
        english = (await client.get(f"{SITE}/notice?lang=en")).json()

    assert notice["texts"] == {**before["texts"], **words["nb"]}
    assert english["texts"]["accept_all"] == "Accept all"
    assert notice["screen_hash"] != before["screen_hash"]
    (kept,) = await own_stage.fetch(
        "select content from screens where encode(screen_hash, 'hex') = $1", notice["screen_hash"]
    )
    assert json.loads(kept["content"])["texts"]["refuse_all"] == "Nei til alt"


#: lang | Accept-Language | language of the texts
LANGUAGES = """
nb     | -                       | nb
nb-NO  | en                      | nb
en     | nb                      | en
de     | -                       | nb
de     | fr, en;q=0.3            | en
-      | en-US,en;q=0.9,nb;q=0.8 | en
-      | nn-NO, no;q=0.9         | nb
-      | sv, en;q=0              | nb
-      | -                       | nb
"""


@pytest.mark.parametrize(("lang", "accepted", "language"), rows(LANGUAGES, 3))
async def test_the_language_is_that_asked_for_then_the_browsers_then_nb(
    stage: Stage, lang: str, accepted: str, language: str
) -> None:
    headers = {} if accepted == "-" else {"accept_language": accepted}
    answer = await get(stage, "" if lang == "-" else f"?lang={lang}", **headers)
    notice = answer.json()

    assert answer.headers["content-language"] == notice["language"] == language
    assert {one["language"] for one in notice["purposes"]} == {language}
    assert notice["texts"]["accept_all"] == {"nb": "Godta alle", "en": "Accept all"}[language]
    decided = lang.split("-", maxsplit=1)[0] in ("nb", "en")
    assert ("Accept-Language" in answer.headers["vary"]) is not decided


async def test_a_client_that_has_it_gets_304(stage: Stage) -> None:
    first = await get(stage)
    tag = first.headers["etag"]
    again = await get(stage, if_none_match=f'"other", W/{tag}')

    assert (again.status_code, again.content) == (304, b"")
    for header in ("etag", "cache-control", "vary"):
        assert again.headers[header] == first.headers[header]
    assert (await get(stage, "?lang=nb", if_none_match=tag)).status_code == 200
    assert (await get(stage, if_none_match='"other"')).status_code == 200


async def test_any_cache_may_keep_it(stage: Stage) -> None:
    answer = await get(stage, origin=ORIGIN)

    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "set-cookie" not in answer.headers
    assert "ratelimit" not in answer.headers
    assert {"Origin", "Accept-Encoding"} <= set(", ".join(answer.headers.get_list("vary")).split(", "))


@pytest.mark.parametrize(
    ("accepted", "coding"), [("gzip, deflate, br, zstd", "br"), ("br;q=0.5, gzip", "gzip")]
)
async def test_packed_it_is_the_same_under_another_tag(stage: Stage, accepted: str, coding: str) -> None:
    """A strong tag stands for one sequence of bytes."""
    plain = await get(stage, accept_encoding="identity")
    packed = await get(stage, accept_encoding=accepted)

    assert packed.headers["content-encoding"] == coding
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    assert "content-encoding" not in plain.headers
    tag = packed.headers["etag"]
    assert (await get(stage, accept_encoding=accepted, if_none_match=tag)).status_code == 304
    for other in ("identity", "gzip" if coding == "br" else "br"):
        assert (await get(stage, accept_encoding=other, if_none_match=tag)).status_code == 200


@pytest.mark.parametrize(("coding", "unpack"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
async def test_what_is_sent_packed_can_be_unpacked(
    stage: Stage, coding: str, unpack: Callable[[bytes], bytes]
) -> None:
    request = stage.api.client.build_request("GET", f"{SITE}/notice", headers={"accept-encoding": coding})
    answer = await stage.api.client.send(request, stream=True)
    raw = b"".join([part async for part in answer.aiter_raw()])

    assert json.loads(unpack(raw))["site"] == "ansettr-web"


async def test_a_head_is_the_same_without_the_body(stage: Stage) -> None:
    answer = await stage.api.client.head(f"{SITE}/notice")

    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 1000
    assert answer.headers["etag"]


#: method | path | refusal
REFUSED = """
GET    | /site/v1/nobody-web/notice          | 404 not-found
GET    | /site/v1/ANSETTR-WEB/notice         | 404 not-found
GET    | /site/v1/ansettr-web%00/notice      | 404 not-found
GET    | /site/v1/ansettr-web/notices        | 404 not-found
GET    | /site/v1/ansettr-web                | 404 not-found
POST   | /site/v1/ansettr-web/notice         | 405 method-not-allowed
DELETE | /site/v1/ansettr-web/consents       | 405 method-not-allowed
GET    | /site/v1/ansettr-web/notice?lang=   | 400 invalid-request lang
GET    | /site/v1/ansettr-web/notice?lang=n_ | 400 invalid-request lang
GET    | /site/v1/ansettr-web/notice?lang=nb&lang=en | 400 invalid-request lang
GET    | /site/v1/ansettr-web/notice?language=nb | 400 invalid-request language
"""


@pytest.mark.parametrize(("method", "path", "refusal"), rows(REFUSED, 3))
async def test_what_is_not_there_is_told(stage: Stage, method: str, path: str, refusal: str) -> None:
    answer = await stage.api.client.request(method, path, headers={"origin": ORIGIN})

    assert told(answer) == refusal


async def test_a_change_of_the_catalogue_is_shown_under_another_tag(own_stage: Stage) -> None:
    before = await get(own_stage)
    await own_stage.publish("matomo", "editorial")
    after = await get(own_stage)

    assert after.headers["etag"] != before.headers["etag"]
    assert after.json()["screen_hash"] != before.json()["screen_hash"]
    assert after.json()["purposes"][0]["version"] == 2


async def test_a_version_is_shown_from_the_moment_at_which_it_takes_effect(own_stage: Stage) -> None:
    later = own_stage.clock() + timedelta(hours=1)
    await own_stage.publish("matomo", "material", effective_from=later.isoformat())
    before = (await get(own_stage)).json()
    own_stage.clock.ahead = timedelta(hours=1, seconds=1)
    after = (await get(own_stage)).json()

    assert (before["purposes"][0]["version"], after["purposes"][0]["version"]) == (1, 2)
    assert before["screen_hash"] != after["screen_hash"]


async def test_what_is_retired_is_shown_no_more(own_stage: Stage) -> None:
    await own_stage.publish("matomo", "editorial", retired=True)

    assert "matomo" not in [one["purpose"] for one in (await get(own_stage)).json()["purposes"]]


async def test_a_banner_is_shown_also_while_the_database_is_away(
    own_stage: Stage, postgres: PostgresServer
) -> None:
    """From memory; whatever must be read or written says so itself."""
    browser = own_stage.browser()
    before = await browser.notice()
    name = own_stage.database.name
    superuser = await asyncpg.connect(postgres.url())
    await superuser.execute(f"alter database {name} with allow_connections false")
    await superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)

    assert await browser.notice() == before
    assert told(await browser.read()) == "503 unavailable"
    assert told(await browser.chooses({"matomo": "refused"})) == "503 unavailable"
    await superuser.execute(f"alter database {name} with allow_connections true")
    await superuser.close()
    assert (await browser.chooses({"matomo": "refused"})).status_code == 201
