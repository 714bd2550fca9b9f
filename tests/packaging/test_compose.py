"""docker-compose.yml: valid, of real commands and real settings, and with no secret of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from consent_service.cli.main import build_parser
from consent_service.settings import load_settings
from tests.packaging.compose import FILE, OURS, VARIABLE, example_values, services

IMAGES = {"postgres": r"postgres:18(\.\d+)?", "kafka": r"apache/kafka:4\.1\.\d+"}


def validation(file: str) -> subprocess.CompletedProcess[str]:
    """The Compose specification's JSON schema, as the validator carries it."""
    program = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_it_follows_the_compose_specification() -> None:
    done = validation(str(FILE))
    assert done.returncode == 0, done.stdout


def test_the_specification_would_refuse_an_unknown_word(tmp_path: Path) -> None:
    wrong = FILE.read_text().replace("stop_grace_period", "stop_grace")
    file = tmp_path / "docker-compose.yml"
    file.write_text(wrong)
    assert "stop_grace" in validation(str(file)).stdout


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_ours(name: str) -> None:
    parsed = build_parser().parse_args(services()[name]["command"])
    assert callable(parsed.handler)


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_with_a_value_that_it_accepts(name: str) -> None:
    environment = services()[name]["environment"]
    assert all(variable.startswith("CONSENT_") for variable in environment)
    assert load_settings(environment).database_url


def test_the_engines_are_the_versions_that_the_embedded_ones_have() -> None:
    for name, image in IMAGES.items():
        assert re.fullmatch(image, services()[name]["image"])


def test_nothing_starts_without_the_secrets() -> None:
    secrets = [name for name in example_values() if re.search("PASSWORD|KEYS", name)]
    assert len(secrets) == 9
    for missing in secrets:
        rest = {name: value for name, value in example_values().items() if name != missing}
        with pytest.raises(LookupError, match=rf"{missing}: see \.env\.example"):
            services(rest)


def test_the_example_names_what_the_file_asks_for_and_nothing_else() -> None:
    asked = {found["name"] for found in VARIABLE.finditer(FILE.read_text())}
    assert asked | {"COMPOSE_PROFILES"} == example_values().keys()


def test_no_secret_is_written_in_the_file() -> None:
    text = FILE.read_text()
    for name, value in example_values().items():
        if re.search("PASSWORD|KEYS", name):
            assert value not in text


def test_superuser_and_owner_are_known_to_their_own_steps_alone() -> None:
    for word, allowed in (("SUPERUSER_DATABASE_URL", {"prepare"}), ("OWNER_DATABASE_URL", {"migrate"})):
        knowing = {name for name in OURS if f"CONSENT_{word}" in services()[name]["environment"]}
        assert knowing == allowed


def test_in_production_no_development_key_is_known() -> None:
    development = {"MODE", "DEVELOPMENT_KEY", "COMPOSE_PROFILES"}
    values = {name: value for name, value in example_values().items() if name not in development}
    settings = load_settings(services(values)["service"]["environment"])
    assert settings.mode == "production"
    assert settings.development_key is None
    assert services(values)["token"]["profiles"] == ["development"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_this_machine_reaches_the_published_ports() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
