"""`consent-service token`: made by a key of this machine, verified by the service, refused outside development."""

from __future__ import annotations

import argparse
import json
import stat
from pathlib import Path

import jwt
import msgspec
import pytest

from consent_service.app.trust import trusts_from
from consent_service.cli import token
from consent_service.domain.durations import parse_duration
from consent_service.http.issuers import open_issuers
from consent_service.http.keys import read_key_set
from consent_service.http.scopes import SCOPES
from consent_service.metrics import Metrics
from consent_service.settings import Secret, Settings, SettingsError
from consent_service.usecases import clock
from tests.http.issuers import tokens_of


def settings(tmp_path: Path, mode: str = "development") -> Settings:
    return Settings(
        mode=mode,
        database_url=Secret("postgresql://nowhere"),
        development_key=str(tmp_path / "keys" / "development-key.json"),
    )


def command(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    token.add_parser(parser.add_subparsers())
    return parser.parse_args(["token", *words])


async def test_the_service_takes_the_token_with_every_scope(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = settings(tmp_path)
    assert token.run(command(), where) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert where.development_key is not None
    key_set = token.ensure_development_key(Path(where.development_key))
    trusts = trusts_from(msgspec.structs.replace(where, jwks=str(key_set)))
    async with open_issuers(trusts, Metrics()) as issuers:
        principal = await tokens_of(*issuers).principal(f"Bearer {printed.strip()}".encode())
    assert principal.controller == "ansettr"
    assert principal.scopes == set(SCOPES)
    assert 6.99 < (principal.expires_at - clock.now().timestamp()) / 86400 <= 7


def test_controller_scopes_and_lifetime_are_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--controller", "sonh", "--scope", "consents:read consents:write", "--scope", "subjects:read")
    token.run(command(*words, "--ttl", "PT1H"), settings(tmp_path))
    claims = jwt.decode(capsys.readouterr().out.strip(), options={"verify_signature": False})
    assert claims["controller"] == "sonh"
    assert claims["scope"] == "consents:read consents:write subjects:read"
    assert claims["exp"] - claims["iat"] == 3600
    assert "recipient" not in claims


def test_R34_a_recipients_token_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token.run(command("--recipient", "brevo"), settings(tmp_path))
    claims = jwt.decode(capsys.readouterr().out.strip(), options={"verify_signature": False})
    assert claims["recipient"] == "brevo"


@pytest.mark.parametrize(
    "words",
    [
        *(("--scope", "consents:steal"), ("--ttl", "7d"), ("--ttl", "")),
        *(("--controller", "No Slug"), ("--recipient", "No Slug")),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        command(*words)
    assert end.value.code == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["production"])
def test_outside_development_mode_no_token_is_made(tmp_path: Path, mode: str) -> None:
    with pytest.raises(SettingsError, match="development"):
        token.make_token(settings(tmp_path, mode), "ansettr")
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "development-key.json"
    key_set = token.ensure_development_key(path)
    first = path.read_bytes()
    assert token.ensure_development_key(path) == key_set
    assert path.read_bytes() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [sorted(key) for key in json.loads(key_set.read_bytes())["keys"]] == [
        ["alg", "crv", "kid", "kty", "use", "x"]
    ]
    assert list(read_key_set(key_set.read_bytes())) == [json.loads(first)["kid"]]
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "development-key.json",
        "development-key.jwks.json",
    ]


def test_a_lost_key_set_is_written_again_for_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "development-key.json"
    key_set = token.ensure_development_key(path)
    before = key_set.read_bytes()
    key_set.unlink()
    assert token.ensure_development_key(path).read_bytes() == before


def test_a_lifetime_is_an_iso_8601_duration() -> None:
    assert command("--ttl", "PT15M").ttl == parse_duration("PT15M")
    assert command().ttl == parse_duration("P7D")
