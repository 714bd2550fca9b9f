"""The issuers' file: what it says, and every fault of it at once, with line and field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consent_service.http.issuers import Trust
from consent_service.http.issuers_file import read_age, read_issuers
from consent_service.usecases.strict_reading import FileFaults

GOOD = """
- issuer: https://login.example/realms/consent
  controllers: [ansettr, "123"]
- issuer: https://sts.example/5f0c/
  audience: api://consent
  controllers: all
  jwks: https://sts.example/5f0c/keys
  token_age_max: P1DT12H
- issuer: batch
  controllers:
    - all
  jwks: keys/batch.json
- issuer: http://127.0.0.1:8080
  controllers: all
"""


def read(folder: Path, text: str) -> tuple[Trust, ...]:
    path = folder / "issuers.yaml"
    path.write_text(text)
    return read_issuers(path, audience="consent-service", token_age_max_s=3600)


def test_what_the_file_leaves_out_is_taken_from_the_settings(tmp_path: Path) -> None:
    """A controller may be called `all`: in a list it is a name. A path leads on from the file's folder."""
    assert read(tmp_path, GOOD) == (
        Trust(
            "https://login.example/realms/consent",
            "consent-service",
            frozenset({"ansettr", "123"}),
            None,
            3600,
        ),
        Trust(
            "https://sts.example/5f0c/",
            "api://consent",
            None,
            "https://sts.example/5f0c/keys",
            129_600,
        ),
        Trust("batch", "consent-service", frozenset({"all"}), str(tmp_path / "keys" / "batch.json"), 3600),
        Trust("http://127.0.0.1:8080", "consent-service", None, None, 3600),
    )


#: A file's text, then what is told: `line: field: words`, each line one fault.
FAULTY = """
issuer: https://a.example
=> 1: : This must be a list (lines that begin with -, or [a, b]), not a group of fields.

[]
=> 1: : The file names no issuer.

# nothing
=> 1: : The file is empty.

- issuer: [https://a.example
=> 2: : A list that begins with [ is not closed with ].

- https://a.example
=> 1: [1]: This must be a group of fields (issuer, controllers, audience, jwks, token_age_max)

- issuer: https://a.example
=> 1: [https://a.example]: The field `controllers` is missing.

- controllers: all
=> 1: [1]: The field `issuer` is missing.

- issuer: https://a.example
  controllers: all
  audiences: x
  secret: y
=> 3: [https://a.example].audiences: There is no such field. Did you mean audience?
=> 4: [https://a.example].secret: There is no such field.

- issuer: https://a.example
  controllers: ansettr
=> 2: [https://a.example].controllers: This must be a list or all, not ansettr.

- issuer: https://a.example
  controllers: []
=> 2: [https://a.example].controllers: This must name at least one controller, or be `all`.

- issuer: https://a.example
  controllers: [ansettr, No Slug, ansettr]
=> 2: [https://a.example].controllers[2]: A controller is named by lower-case letters, digits and hyphens.
=> 2: [https://a.example].controllers[3]: `ansettr` stands here twice.

- issuer: http://a.example
  controllers: all
- issuer: a
  controllers: all
- issuer: https://b.example/?tenant=1
  controllers: all
- issuer: https://name:secret@c.example
  controllers: all
=> 1: [http://a.example].issuer: Without `jwks` this must be an https URL
=> 3: [a].issuer: Without `jwks` this must be an https URL
=> 5: [https://b.example/?tenant=1].issuer: Without `jwks` this must be an https URL
=> 7: [https://name:secret@c.example].issuer: Without `jwks` this must be an https URL

- issuer: ""
  controllers: all
  jwks: keys.json
- issuer: a b
  controllers: all
  jwks: keys.json
=> 1: [1].issuer: This must be the tokens' `iss`
=> 4: [a b].issuer: This must be the tokens' `iss`

- issuer: https://a.example
  controllers: all
  jwks: http://keys.example/
  audience: ""
  token_age_max: P1M
- issuer: https://b.example
  controllers: all
  jwks: ""
  token_age_max: 3600
- issuer: https://c.example
  controllers: all
  token_age_max: PT0S
=> 3: [https://a.example].jwks: This must be a path, or an https URL
=> 4: [https://a.example].audience: This is empty
=> 5: [https://a.example].token_age_max: This is no age such as PT1H: an age counts in weeks
=> 8: [https://b.example].jwks: This is empty
=> 9: [https://b.example].token_age_max: This is no age such as PT1H: not an ISO 8601 duration
=> 12: [https://c.example].token_age_max: This is no age such as PT1H: an age is more than nothing

- issuer: https://a.example
  controllers: [ansettr]
- issuer: https://b.example
  controllers: [ansettr]
- issuer: https://a.example
  controllers: [sonh]
=> 5: [https://a.example]: `https://a.example` stands here twice; the first is on line 1.

- &a
  issuer: https://a.example
  controllers: all
=> 1: : Names for references such as &a are not allowed
"""


def cases() -> list[tuple[str, list[str]]]:
    found = []
    for block in re.split(r"\n\n", FAULTY.strip("\n")):
        text, *faults = re.split(r"^=> ", block, flags=re.MULTILINE)
        found.append((text, [fault.strip() for fault in faults]))
    return found


@pytest.mark.parametrize(("text", "expected"), cases())
def test_every_fault_is_told_at_once_with_its_line_and_field(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    with pytest.raises(FileFaults) as refusal:
        read(tmp_path, text)
    told = [f"{fault.line}: {fault.path}: {fault.message}" for fault in refusal.value.faults]
    assert len(told) == len(expected), told
    for one, beginning in zip(told, expected, strict=True):
        assert one.startswith(beginning), told


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileFaults, match=r"none\.yaml:1: The file cannot be read: No such file"):
        read_issuers(tmp_path / "none.yaml", audience="a", token_age_max_s=None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1S", 1), ("PT1H30M", 5400), ("P1D", 86_400), ("P2W", 1_209_600)]
)
def test_an_age_is_a_duration_without_months(text: str, seconds: float) -> None:
    assert read_age(text) == seconds


@pytest.mark.parametrize("text", ["P1Y", "P1M", "P1MT1H", "PT0S", "P0D", "1h", "", "PT1,5H", "-PT1H"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        read_age(text)
