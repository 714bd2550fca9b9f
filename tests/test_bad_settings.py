"""The environment with anything in it: settings, or a sentence for each variable that is wrong, and no secret in it."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent_service.app.serving import PortTaken, bind
from consent_service.app.trust import trusts_from
from consent_service.settings import Settings, SettingsError, load_settings
from tests.mutations import outcome
from tests.processes import KEYS, ROOT
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 900))]

many = settings(max_examples=soak(300, 20_000), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)

VARIABLES = tuple(f"CONSENT_{field.name.upper()}" for field in msgspec.structs.fields(Settings))
URL = "postgresql://consent_service:hidden-word@db/consent"
SECRET = base64.b64encode(b"a secret of thirty-two bytes !!!").decode()
#: A fault is a variable and a sentence.
LINE = re.compile(r"[\x21-\x7e]+: \w[^\n]{3,200}")

#: What somebody may set by mistake: another variable's value, one that is cut, numbers of all sorts, broken addresses.
VALUES = (
    *(
        "",
        " ",
        "0",
        "-1",
        "1",
        "+1",
        " 1",
        "1_0",
        "007",
        "1e3",
        "nan",
        "inf",
        "٣",
        "9" * 5_000,
        "-" + "9" * 5_000,
        "0x10",
    ),
    *("1/1", "1/0", "/", "1/", "/1", "1/1/1", "P30D", "PT0S", "P1M", "P", "development", "info", "true"),
    *(
        URL,
        URL.replace("postgresql", "http"),
        "postgresql://",
        "postgresql:",
        "postgresql://u:hidden-word@h:x/d",
    ),
    *(
        "postgresql://u:hidden-word@[::1/d",
        "postgresql://u:hidden-word@[::1]:5432/d",
        "postgresql://u:p@a:1,b:2/d",
    ),
    *(
        "postgresql://u:hidden-word@h\u2100/d",
        "postgresql://u:hidden-word@h:99999/d",
        "postgresql:///d?host=/run",
    ),
    *(
        "http://",
        "http://[",
        "https://a.example",
        "ftp://a.example",
        "//a.example",
        "http://\u2100/",
        "http://a:b:c/",
    ),
    *("10.0.0.0/8", "10.0.0.1/8", "10.0.0.0/33", "::/0", "::1", "fe80::1%eth0/64", "10.0.0.0/8,,::1", "a,b"),
    *(
        "kafka:9092",
        "kafka",
        "kafka:",
        ":9092",
        "kafka:0",
        "kafka:99999",
        "a:1,b:2",
        "a:1,",
        "[::1]:9092",
        "a b:1",
    ),
    *(SECRET, f"l1={SECRET}", f"l1={SECRET},l2={SECRET}", f"l1={SECRET},l1={KEYS}", f"l1={KEYS},s2={SECRET}"),
    *(
        f"={SECRET}",
        f"{SECRET}=",
        f"{SECRET}=l1",
        f"l1={SECRET[:-2]}",
        f"l1:{SECRET}",
        "l1=",
        "=",
        ",",
        "l1=\u00e6",
    ),
    *("consent_owner=hidden-word", "consent_owner=hidden,word", "consent_owner=hidden,wo=rd", "hidden-word"),
    *("a\nb", "a\0b", "\udc80", "a\x1b[31m", "\u202e", "x" * 100_000),
)
values = st.sampled_from(VALUES) | st.text(max_size=20) | st.integers().map(str) | st.floats().map(str)


def check(environment: dict[str, str]) -> Any:
    found = outcome(SettingsError, load_settings, environment)
    if isinstance(found, SettingsError):
        told = str(found)
        assert all(LINE.fullmatch(line) for line in told.split("\n")), told
        named = [line.partition(":")[0] for line in told.split("\n")]
        assert len(set(named)) == len(named)
        assert set(named) <= {*environment, "CONSENT_DATABASE_URL"} | {
            name.encode("unicode_escape").decode() for name in environment
        }
        assert SECRET[:20] not in told
        assert "hidden" not in told
    else:
        outcome(SettingsError, trusts_from, found)
    return found


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_hard_value_of_any_variable_is_read_or_refused_by_name(variable: str) -> None:
    for value in VALUES:
        environment = {"CONSENT_DATABASE_URL": URL} | {variable: value}
        found = check(environment)
        if isinstance(found, SettingsError):
            assert {line.partition(":")[0] for line in str(found).split("\n")} == {variable}


@many
@given(st.dictionaries(st.sampled_from(VARIABLES), values, max_size=6))
@example({"CONSENT_RELAY_DATABASE_URL": "mysql://", "CONSENT_MODE": "x"})
def test_any_environment_is_settings_or_every_fault_at_once(environment: dict[str, str]) -> None:
    found = check(environment)
    alone = {
        name
        for name, value in environment.items()
        if isinstance(
            outcome(SettingsError, load_settings, {"CONSENT_DATABASE_URL": URL, name: value}), SettingsError
        )
    }
    named = (
        {line.partition(":")[0] for line in str(found).split("\n")}
        if isinstance(found, SettingsError)
        else set()
    )
    assert alone <= named
    if not environment.get("CONSENT_DATABASE_URL"):
        assert "CONSENT_DATABASE_URL" in named


@many
@given(
    st.text(st.characters(exclude_characters=": "), max_size=12).map("CONSENT_".__add__)
    | st.sampled_from(VARIABLES).map(str.swapcase),
    values,
)
@example("CONSENT_\u212aAFKA_REPLICATION", "1")
@example("CONSENT_port", "1")
@example("CONSENT_A\nB", "1")
def test_a_name_that_is_no_settings_is_said_or_none_of_ours(name: str, value: str) -> None:
    found = check({"CONSENT_DATABASE_URL": URL, name: value})
    if name.startswith("CONSENT_") and name not in (*VARIABLES, "CONSENT_DATA_DIR", "CONSENT_CACHE_DIR"):
        assert "there is no such setting" in str(found)


@pytest.mark.parametrize(
    "host", ["no.where.invalid", "x" * 100, "a..b", "\u00e6" * 80, "192.0.2.1", "[::1]", "*", "a b"]
)
def test_a_host_that_is_not_this_machine_is_said(host: str) -> None:
    with pytest.raises((PortTaken, SettingsError), match=r"cannot listen on|CONSENT_HOST: must be the name"):
        bind(load_settings({"CONSENT_DATABASE_URL": URL, "CONSENT_HOST": host, "CONSENT_PORT": "0"}))


def test_what_is_read_is_what_was_meant() -> None:
    found = check(
        {
            "CONSENT_DATABASE_URL": "postgresql://u:p@a:1,[::1]:2/d",
            "CONSENT_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "CONSENT_KAFKA_BOOTSTRAP": "a:1,[::1]:2",
            "CONSENT_LOOKUP_KEYS": f"l1={KEYS},l2={SECRET}",
            "CONSENT_ROLE_PASSWORDS": "consent_owner=a=b",
        }
    )
    assert found.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert found.kafka_bootstrap == "a:1,[::1]:2"
    assert found.lookup_keys == {"l1": KEYS, "l2": SECRET}
    assert found.role_passwords == {"consent_owner": "a=b"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSENT_LOOKUP_KEYS", SECRET),
        ("CONSENT_RENEWAL_NOTICE", "soon"),
        ("CONSENT_TOKEN_AGE_MAX", SECRET),
        ("CONSENT_ISSUERS", "nowhere.yaml"),
        ("CONSENT_KAFKA_BOOTSTRAP", "kafka"),
        ("CONSENT_DATABASE_URL", "postgresql://u:hidden-word@h:x/d"),
    ],
)
def test_the_command_says_what_is_wrong_and_ends_with_2(name: str, value: str) -> None:
    environment = {
        "CONSENT_DATABASE_URL": URL,
        "CONSENT_SWEEPER_DATABASE_URL": URL,
        "CONSENT_LOOKUP_KEYS": f"l1={KEYS}",
        "CONSENT_SEALING_KEYS": f"s1={KEYS}",
        "CONSENT_JWKS": "keys.json",
        name: value,
    }
    if name == "CONSENT_ISSUERS":
        del environment["CONSENT_JWKS"]
    command = "sweep" if name == "CONSENT_RENEWAL_NOTICE" else "serve"
    ended = subprocess.run(
        [sys.executable, "-m", "consent_service", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert f"{name}: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET[:20] not in ended.stderr
    assert "hidden" not in ended.stderr
