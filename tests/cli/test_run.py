"""`consent-service run`: what the environment names takes the place of what it would make itself."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from consent_service.cli.progress import Progress
from consent_service.cli.run import prepared
from tests.databases import TestDatabase


@pytest.mark.parametrize("named", ["CONSENT_JWKS", "CONSENT_ISSUERS"])
async def test_where_issuers_are_named_no_key_for_tokens_is_made(
    database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("CONSENT_DATABASE_URL", database.url("consent_service"))
    monkeypatch.setenv("CONSENT_KAFKA_BOOTSTRAP", "127.0.0.1:9")
    monkeypatch.setenv(named, "of-ours")
    async with prepared(tmp_path, {"CONSENT_PORT": "0"}, Progress(io.StringIO())) as (settings, _, _):
        assert {settings.jwks, settings.issuers} == {"of-ours", None}
        assert settings.development_key is None
    assert not list(tmp_path.glob("development-key*"))
