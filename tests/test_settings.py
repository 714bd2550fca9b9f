"""Settings are read once, every fault is named at once, secrets do not show, and the page lists them all."""

from __future__ import annotations

import base64
import re

import msgspec
import pytest

from consent_service.settings import Settings, SettingsError, load_settings
from tests.processes import KEYS, ROOT

URL = "postgresql://consent_service:hidden-word@db/consent"
OTHER_KEYS = base64.b64encode(bytes(32)).decode()


def test_what_is_set_is_read_and_the_rest_has_defaults() -> None:
    settings = load_settings({"CONSENT_DATABASE_URL": URL, "CONSENT_PORT": "9000", "HOME": "elsewhere"})

    assert settings.port == 9000
    assert settings.mode == "production"
    assert settings.database_url == URL


def test_all_faults_are_named_together() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {
                "CONSENT_PORT": "many",
                "CONSENT_MODE": "test",
                "CONSENT_SEALING_KEYS": "s1=c2hvcnQ=",
                "CONSENT_COLOUR": "blue",
            }
        )

    faults = str(caught.value).splitlines()
    assert [fault.split(":")[0] for fault in faults] == [
        "CONSENT_COLOUR",
        "CONSENT_MODE",
        "CONSENT_PORT",
        "CONSENT_SEALING_KEYS",
        "CONSENT_DATABASE_URL",
    ]


@pytest.mark.parametrize("written", ["{}", "{}l1", "l1:{}", "l1={},{}", "{},{}"])
@pytest.mark.parametrize("name", ["CONSENT_LOOKUP_KEYS", "CONSENT_SEALING_KEYS"])
def test_a_key_whose_id_was_forgotten_does_not_stand_in_the_fault(name: str, written: str) -> None:
    """It would go on to a log, and a log to everybody."""
    key = base64.b64encode(bytes(range(32))).decode()
    with pytest.raises(SettingsError) as caught:
        load_settings({"CONSENT_DATABASE_URL": URL, name: written.format(key, OTHER_KEYS)})

    assert name in str(caught.value)
    assert not any(one.rstrip("=") in str(caught.value) for one in (key, OTHER_KEYS))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSENT_PORT", "70000"),
        ("CONSENT_DATABASE_URL", "mysql://db"),
        ("CONSENT_LOCK_TIMEOUT_S", "0"),
        ("CONSENT_SHUTDOWN_S", "soon"),
        ("CONSENT_LOG_LEVEL", "loud"),
        ("CONSENT_WRITER_BATCH_ROWS_MAX", "0"),
        ("CONSENT_LOOKUP_KEYS", "l1=***"),
        ("CONSENT_LOOKUP_KEYS", "no-equals-sign"),
        ("CONSENT_LOOKUP_KEYS", f"l1={KEYS},l1={OTHER_KEYS}"),
        ("CONSENT_LOOKUP_KEYS", f"l1={KEYS},l2={KEYS}"),
        ("CONSENT_ROLE_PASSWORDS", "consent_owner=a,consent_owner=b"),
        ("CONSENT_ROLE_PASSWORDS", "consent_owner"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({"CONSENT_DATABASE_URL": URL, name: value})


def test_secrets_do_not_show_themselves() -> None:
    settings = load_settings({"CONSENT_DATABASE_URL": URL, "CONSENT_SEALING_KEYS": f"s1={KEYS}"})

    assert "hidden-word" not in repr(settings)
    assert KEYS not in repr(settings)


def test_the_page_lists_every_setting_with_its_default() -> None:
    rows = dict(
        re.findall(
            r"^\| `(CONSENT_[A-Z_]+)` \| ([^|]+) \|", (ROOT / "docs/OPERATIONS.md").read_text(), re.MULTILINE
        )
    )
    told = {name: text.strip("`") for name, text in rows.items()}
    fields = {f"CONSENT_{field.name.upper()}": field for field in msgspec.structs.fields(Settings)}

    assert told.keys() == fields.keys()
    defaults = {
        name: f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
        for name, field in fields.items()
        if isinstance(field.default, int | float | str)
    }
    assert {name: told[name] for name in defaults} == defaults
