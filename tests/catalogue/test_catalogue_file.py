"""A catalogue file is read strictly, and every fault is told with its line and field (CORE 15)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from consent_service.usecases.catalogue_file import CatalogueFaults, read_catalogue
from consent_service.usecases.strict_yaml import SIZE_MAX


def cases() -> list[tuple[str, str, list[str]]]:
    found = []
    table = (Path(__file__).parent / "faults.txt").read_text(encoding="utf-8")
    for case in table.split("\n=== ")[1:]:
        name, _, rest = case.partition("\n")
        lines = rest.splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("=> "))
        faults = [line.removeprefix("=> ").rstrip("\n") for line in lines if line.startswith("=> ")]
        found.append((name, text, faults))
    return found


CASES = cases()


@pytest.mark.parametrize(
    ("text", "faults"), [(text, faults) for _, text, faults in CASES], ids=[name for name, _, _ in CASES]
)
def test_every_fault_is_told_with_line_and_field(text: str, faults: list[str]) -> None:
    with pytest.raises(CatalogueFaults) as refused:
        read_catalogue(text, "file.yaml")
    assert str(refused.value).splitlines() == [f"file.yaml:{fault}" for fault in faults]


def test_texts_are_taken_as_they_are_written() -> None:
    file = read_catalogue(
        """
controller:
  slug: ansettr
  legal_name: 0123
  policy_date: 2018-05-25
  complaint: null
  contacts: [{type: phone, value: 22334455}, {type: reply, value: no}]
  transfers: [{country: NO}]
purposes:
  - slug: nyhetsbrev
    effective_from: 2026-01-31T12:00:00+01:00
    recipients: [{slug: "on", name: 1.50, role: off, country: NO}]
    stated_rights: {withdrawable: implied, objectable: false}
    policy_facts: {country: NO, heading: false, from: 2018-05-25, months: 18, octal: 017, rate: 1.5, none: ~}
""",
        "file.yaml",
    )
    controller, purpose = file.entries.controller, file.entries.purposes[0]
    assert (controller.legal_name, controller.policy_date, controller.complaint) == (
        "0123",
        "2018-05-25",
        None,
    )
    assert [contact.value for contact in controller.contacts] == ["22334455", "no"]
    assert controller.transfers[0].country == "NO"
    recipient = purpose.recipients[0]
    assert (recipient.slug, recipient.name, recipient.role, recipient.country) == ("on", "1.50", "off", "NO")
    assert (purpose.stated_rights.withdrawable, purpose.stated_rights.objectable) == ("implied", False)
    assert purpose.effective_from == datetime(2026, 1, 31, 11, tzinfo=UTC)
    assert purpose.policy_facts == {
        "country": "NO",
        "heading": False,
        "from": "2018-05-25",
        "months": 18,
        "octal": "017",
        "rate": "1.5",
        "none": None,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file.yaml:1: The file is empty."),
        (b"controller:\n  legal_name: \xe5\n", "file.yaml:2: The file must be saved as UTF-8 text."),
        (b"controller:\n  slug: \x01", "file.yaml:2: A character stands here that cannot be shown."),
        (b"controller:\n\tslug: a", "file.yaml:2: A tab stands here; indent with blanks."),
        (b"#" * (SIZE_MAX + 1), "file.yaml:1: The file is larger than 1024 KiB."),
        (b'controller:\n  slug: "\\U00110000"', "file.yaml:2: A number stands here that is too large."),
        (b'controller:\n  slug: "\\UFFFFFFFF"', "file.yaml:2: A number stands here that is too large."),
        (b"%YAML 1." + b"9" * 5_000 + b"\n---\n", "file.yaml:1: A number stands here that is too large."),
    ],
    ids=[
        "empty",
        "latin-1",
        "control character",
        "tab",
        "too large",
        "no character",
        "no integer",
        "no version",
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(CatalogueFaults) as refused:
        read_catalogue(content, "file.yaml")
    assert str(refused.value) == message


def test_a_byte_order_mark_is_no_fault() -> None:
    text = "\ufeffcontroller: {slug: ansettr, legal_name: Ansettr AS}"
    assert read_catalogue(text.encode(), "file.yaml").entries.controller.slug == "ansettr"


def test_long_texts_and_lists_are_refused() -> None:
    with pytest.raises(CatalogueFaults) as refused:
        read_catalogue(
            f"""
controller: {{slug: ansettr, legal_name: Ansettr AS, complaint: {"x" * 2_001}}}
purposes:
  - slug: nyhetsbrev
    notices: {{nb: {{name: {"x" * 201}, description: {"x" * 5_001}}}}}
    sources: [{", ".join(f"source {number}" for number in range(501))}]
""",
            "file.yaml",
        )
    assert str(refused.value).splitlines() == [
        "file.yaml:2: controller.complaint: This text has 2001 characters; at most 2000 are allowed.",
        "file.yaml:5: purposes[nyhetsbrev].notices.nb.name: "
        "This text has 201 characters; at most 200 are allowed.",
        "file.yaml:5: purposes[nyhetsbrev].notices.nb.description: "
        "This text has 5001 characters; at most 5000 are allowed.",
        "file.yaml:6: purposes[nyhetsbrev].sources: There are 501 items; at most 500 are allowed.",
    ]


def test_every_sample_is_in_order() -> None:
    samples = sorted((Path(__file__).resolve().parents[2] / "consent_service/samples").glob("*.yaml"))
    purposes = [len(read_catalogue(path.read_bytes(), path.name).entries.purposes) for path in samples]
    assert (len(samples), sum(purposes)) == (5, 71)
