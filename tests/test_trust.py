"""Which issuers the settings believe: one by three settings, several by a file, never both."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_service.app.trust import trusts_from
from consent_service.http.issuers import Trust
from consent_service.settings import Settings, SettingsError, load_settings

FILE = "- issuer: https://a.example\n  controllers: [ansettr]\n"


def settings(**values: str) -> Settings:
    names = {f"CONSENT_{name.upper()}": value for name, value in values.items()}
    return load_settings({"CONSENT_DATABASE_URL": "postgresql://nowhere", **names})


def test_three_settings_name_one_issuer_for_every_controller() -> None:
    named = settings(
        token_issuer="https://a.example", token_audience="b", jwks="c.json", token_age_max="PT1H"
    )
    assert trusts_from(named) == (Trust("https://a.example", "b", None, "c.json", 3600),)
    assert trusts_from(settings(jwks="c.json")) == (
        Trust("https://tokens.localhost", "consent-service", None, "c.json", None),
    )


def test_a_file_names_several(tmp_path: Path) -> None:
    path = tmp_path / "issuers.yaml"
    path.write_text(FILE)
    named = settings(issuers=str(path), token_audience="b", token_age_max="PT1M")
    assert trusts_from(named) == (Trust("https://a.example", "b", frozenset({"ansettr"}), None, 60),)


def test_both_at_once_are_refused_by_name() -> None:
    with pytest.raises(SettingsError) as refusal:
        settings(issuers="issuers.yaml", token_issuer="https://a.example", jwks="c.json")
    assert str(refusal.value).splitlines() == [
        "CONSENT_TOKEN_ISSUER: cannot be beside CONSENT_ISSUERS, whose file says it for each issuer",
        "CONSENT_JWKS: cannot be beside CONSENT_ISSUERS, whose file says it for each issuer",
    ]


def test_without_either_both_are_named() -> None:
    with pytest.raises(SettingsError, match=r"CONSENT_JWKS: is needed.*CONSENT_ISSUERS"):
        trusts_from(settings())


def test_faults_of_the_file_are_faults_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "issuers.yaml"
    path.write_text("- issuer: a\n  colour: red\n")
    with pytest.raises(SettingsError) as refusal:
        trusts_from(settings(issuers=str(path)))
    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"CONSENT_ISSUERS: {path}:") for line in lines)


@pytest.mark.parametrize("age", ["1h", "P1M", "PT0S"])
def test_an_age_that_is_none_is_refused_by_name(age: str) -> None:
    with pytest.raises(SettingsError, match="CONSENT_TOKEN_AGE_MAX"):
        trusts_from(settings(jwks="c.json", token_age_max=age))
