"""`serve` with an issuers' file, as a process: whom it believes, what it shows of that, and what it says of a bad file."""

from __future__ import annotations

from pathlib import Path

import httpx

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from tests.databases import TestDatabase
from tests.http.issuers import Provider
from tests.http.tables import told
from tests.processes import environment_for, serving, start


async def load(database: TestDatabase, *controllers: str) -> None:
    async with open_database(
        database.url(), connections_max=1, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        for controller in controllers:
            entry = ControllerEntry(slug=controller, legal_name=f"{controller} AS")
            await Catalogue(opened).load(CatalogueEntries(controller=entry), "test")


async def test_a_service_believes_the_issuers_of_its_file_each_for_its_controllers(
    database: TestDatabase, tmp_path: Path
) -> None:
    await load(database, "ansettr", "sonh")
    path = tmp_path / "issuers.yaml"
    environment = environment_for(database, tmp_path, CONSENT_JWKS="", CONSENT_ISSUERS=str(path))
    async with Provider("/realms/ansettr").running() as provider:
        path.write_text(
            f"""
- issuer: {provider.url}
  controllers: [ansettr]
  token_age_max: PT1H
- issuer: https://tokens.localhost
  controllers: [sonh]
  jwks: development-key.jwks.json
"""
        )
        async with serving(environment) as service, service.client("sonh") as own:
            assert told(await own.get("/v1/purposes")) == "200"

            async def ask(token: str) -> str:
                return told(await own.get("/v1/purposes", headers={"authorization": f"Bearer {token}"}))

            assert await ask(provider.issuer.sign()) == "200"
            assert await ask(provider.issuer.sign(controller="sonh")) == "403 unknown-controller"
            assert await ask(provider.issuer.sign(iat=1)) == "401 unauthenticated"
            async with service.client("ansettr") as other:
                assert told(await other.get("/v1/purposes")) == "403 unknown-controller"
            async with httpx.AsyncClient(base_url=service.url) as operator:
                figures = (await operator.get("/metrics")).text
    for issuer in (provider.url, "https://tokens.localhost"):
        assert f'consent_token_keys_age_seconds{{issuer="{issuer}"}}' in figures
        assert f'consent_token_keys_failures_total{{issuer="{issuer}"}} 0.0' in figures


async def test_a_bad_file_is_told_in_full_and_nothing_starts(database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "issuers.yaml"
    path.write_text("- issuer: a\n  controllers: none\n- colour: red\n")
    environment = environment_for(database, tmp_path, CONSENT_JWKS="", CONSENT_ISSUERS=str(path))
    process = await start("serve", environment=environment)
    assert await process.ended() == 2
    assert process.lines[0] == "consent-service: these settings are wrong:"
    assert [line.split(": ")[:3] for line in process.lines[1:]] == [
        ["CONSENT_ISSUERS", f"{path}:2", "[a].controllers"],
        ["CONSENT_ISSUERS", f"{path}:3", "[2].colour"],
        ["CONSENT_ISSUERS", f"{path}:3", "[2]"],
        ["CONSENT_ISSUERS", f"{path}:3", "[2]"],
    ]


async def test_key_sets_that_cannot_be_read_are_told_together(database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "issuers.yaml"
    path.write_text(
        "".join(
            f"- {{issuer: https://{name}.example, controllers: all, jwks: {name}.json}}\n" for name in "ab"
        )
    )
    environment = environment_for(database, tmp_path, CONSENT_JWKS="", CONSENT_ISSUERS=str(path))
    process = await start("serve", environment=environment)
    assert await process.ended() == 1
    told_of = "\n".join(process.lines)
    for name in "ab":
        assert f"the keys of https://{name}.example: {tmp_path}/{name}.json cannot be read" in told_of
