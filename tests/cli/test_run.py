"""`consent-service run`: what the environment names takes the place of what it would make itself."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest

from consent_service.cli.progress import Progress
from consent_service.cli.run import _welcome, prepared
from consent_service.cli.token import ensure_development_key
from consent_service.settings import load_settings
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


def test_the_token_is_told_once_and_the_lines_to_paste_use_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key.json"
    settings = load_settings(
        {
            "CONSENT_MODE": "development",
            "CONSENT_DATABASE_URL": "postgresql://nowhere",
            "CONSENT_JWKS": str(ensure_development_key(key)),
            "CONSENT_DEVELOPMENT_KEY": str(key),
            "CONSENT_PUBLIC_URL": "http://127.0.0.1:8000",
        }
    )

    _welcome(settings, tmp_path)

    told = capsys.readouterr().out
    [token] = [line[len("export TOKEN=") :] for line in told.splitlines() if line.startswith("export TOKEN=")]
    assert told.count(token) == 1
    pasted = told[told.index("export TOKEN=") : told.index("Ctrl-C")]
    calls = _given_to_curl(pasted)
    assert [call[3].rpartition("/v1/")[2] for call in calls] == ["decisions", "permissions", "decisions"]
    for call in calls:
        assert f"Authorization: Bearer {token}" in call
        assert json.loads(call[-1])


def _given_to_curl(pasted: str) -> list[list[str]]:
    """The arguments of each call, as a shell gives them that everything is pasted into."""
    instead = "curl() { printf '%s\\0' \"$@\"; printf '\\1'; }\n"
    shell = subprocess.run(["sh"], input=instead + pasted, capture_output=True, check=True, text=True)  # noqa: S607  whichever is there
    return [call.split("\0")[:-1] for call in shell.stdout.split("\1")[:-1]]
