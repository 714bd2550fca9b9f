"""When content is a new version, whether it may be editorial, and what its hashes are (R1, R4, CORE 5)."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import rfc8785

from consent_service.domain.catalogue import (
    PurposeInput,
    content_hash,
    material_reasons,
    next_version,
    notice_hash,
    plain,
)
from consent_service.domain.catalogue_checks import check_content
from consent_service.domain.errors import InvalidRequest, InvalidValue, MustBeMaterial
from consent_service.domain.purposes import (
    Change,
    NoticeText,
    Purpose,
    PurposeContent,
    Recipient,
    StatedBasis,
    StatedRights,
)
from consent_service.domain.values import Basis
from tests.builders import NOTICES, day

#: Fields before | fields after | why it cannot be editorial, nothing where it can.
STEPS = """
{"legal_bases": ["consent"]} | {"legal_bases": ["contract"]} | the legal bases differ
{"legal_bases": ["consent"]} | {"legal_bases": ["consent", "contract"]} | the legal bases differ
{"legal_bases": ["consent", "contract"]} | {"legal_bases": ["consent"]} | the legal bases differ
{"legal_bases": ["consent", "contract"]} | {"legal_bases": ["contract", "consent"]} |
{"stated_bases": []} | {"stated_bases": [{"basis": "consent", "stated": "inferred"}]} |
{"recipients": ["brevo"]} | {"recipients": ["brevo", "matomo"]} | recipient matomo is new
{"recipients": ["brevo"]} | {"recipients": ["matomo"]} | recipient matomo is new
{"recipients": ["brevo", "matomo"]} | {"recipients": ["matomo"]} |
{"data_categories": ["email"]} | {"data_categories": ["email", "phone"]} | data category phone is new
{"data_categories": ["email", "phone"]} | {"data_categories": ["email"]} |
{"transfers": []} | {"transfers": [{"country": "US"}]} | transfer to US is new
{"transfers": [{"country": "US"}]} | {"transfers": [{"country": "US", "basis": "adequacy"}]} |
{"transfers": [{"country": "US"}]} | {"transfers": []} |
{} | {"renew_after": "P3Y"} |
{} | {"retired": true} |
"""


def content(fields: dict[str, Any]) -> PurposeContent:
    """Recipients by slug alone."""
    recipients = [{"slug": slug, "name": slug, "role": "processor"} for slug in fields.get("recipients", [])]
    return msgspec.convert({**fields, "recipients": recipients}, PurposeContent)


@pytest.mark.parametrize("step", STEPS.strip().splitlines())
def test_r4_what_may_be_editorial(step: str) -> None:
    before, after, expected = (part.strip() for part in step.split("|"))
    reasons = material_reasons(content(json.loads(before)), content(json.loads(after)))
    assert reasons == ((expected,) if expected else ())


def newsletter(**fields: Any) -> PurposeInput:
    return PurposeInput(**{"legal_bases": (Basis.CONSENT,), "notices": NOTICES, **fields})


def published(*asked: PurposeInput) -> Purpose:
    """The newsletter with these versions, published a day after another from day 0."""
    purpose = Purpose("ansettr", "nyhetsbrev", ())
    for number, one in enumerate(asked):
        version = next_version(purpose if number else None, one, day(number))
        assert version is not None
        purpose = msgspec.structs.replace(purpose, versions=(*purpose.versions, version))
    return purpose


def test_the_first_version_counts_as_material_and_takes_effect_at_once() -> None:
    version = next_version(None, newsletter(change=Change.EDITORIAL), day(0))
    assert version is not None
    assert (version.number, version.change, version.effective_from) == (1, Change.MATERIAL, day(0))


def test_equal_content_is_no_version_whatever_else_is_said() -> None:
    asked = newsletter(change=Change.MATERIAL, effective_from=day(-10))
    assert next_version(published(newsletter()), asked, day(1)) is None


def test_what_stands_at_its_default_need_not_be_said() -> None:
    said = newsletter(confirm_within="P" + "7D", stated_rights=StatedRights(), recipients=(), retired=False)
    assert content_hash(said.content) == content_hash(newsletter().content)
    assert next_version(published(newsletter()), said, day(1)) is None


def test_differing_content_needs_the_word_material_or_editorial() -> None:
    with pytest.raises(InvalidValue, match="retired") as refused:
        next_version(published(newsletter()), newsletter(retired=True), day(1))
    assert refused.value.pointer == "/change"


def test_r4_an_added_recipient_cannot_be_editorial() -> None:
    asked = newsletter(recipients=(Recipient("brevo", "Brevo", "processor"),), change=Change.EDITORIAL)
    with pytest.raises(MustBeMaterial, match="recipient brevo is new") as refused:
        next_version(published(newsletter()), asked, day(1))
    assert refused.value.pointer == "/change"


@pytest.mark.parametrize(
    ("effective_from", "accepted"),
    [(None, False), (day(2), False), (day(4.9), False), (day(5), True), (day(6), True)],
)
def test_a_version_takes_effect_neither_in_the_past_nor_before_an_earlier_one(
    effective_from: Any, accepted: bool
) -> None:
    known = published(newsletter(), newsletter(retired=True, change=Change.EDITORIAL, effective_from=day(5)))
    asked = newsletter(change=Change.EDITORIAL, effective_from=effective_from)
    if accepted:
        version = next_version(known, asked, day(3))
        assert version is not None
        assert version.effective_from == effective_from
    else:
        with pytest.raises(InvalidValue) as refused:
            next_version(known, asked, day(3))
        assert refused.value.pointer == "/effective_from"


def test_a_moment_that_has_passed_is_refused_for_the_first_version_too() -> None:
    for known in (None, published(newsletter())):
        asked = newsletter(retired=True, change=Change.EDITORIAL, effective_from=day(2.9))
        with pytest.raises(InvalidValue, match="has passed"):
            next_version(known, asked, day(3))


def test_a_clock_that_lags_behind_another_process_is_no_fault() -> None:
    known = published(newsletter())
    version = next_version(
        known, newsletter(retired=True, change=Change.EDITORIAL), day(0) - timedelta(milliseconds=3)
    )
    assert version is not None
    assert (version.published_at, version.effective_from) == (day(0), day(0))


def test_hashes_are_those_of_the_canonical_json_that_anybody_can_write() -> None:
    notice = NoticeText("Nyhetsbrev", "På «norsk»\n\tog \U0001f600", {"sms": "SMS", "email": "E-post"})
    told: dict[str, Any] = {"name": notice.name, "description": notice.description, "labels": notice.labels}
    assert notice_hash(notice) == sha256(rfc8785.dumps(told)).hexdigest()
    unlabelled = NoticeText(notice.name, notice.description)
    assert (
        notice_hash(unlabelled)
        == sha256(rfc8785.dumps({"name": notice.name, "description": notice.description})).hexdigest()
    )
    asked = newsletter(notices={"nb": notice}, retired=True).content
    assert plain(asked) == {"legal_bases": ["consent"], "notices": {"nb": told}, "retired": True}
    assert content_hash(asked) == sha256(rfc8785.dumps(plain(asked))).hexdigest()


def test_r1_bases_that_differ_from_the_stated_ones_need_a_reason() -> None:
    stated = (StatedBasis(Basis.CONTRACT, "explicit"),)
    faults = check_content(newsletter(stated_bases=stated))
    assert [fault.pointer for fault in faults] == ["/legal_bases_reason"]
    assert check_content(newsletter(stated_bases=stated, legal_bases_reason="The law demands it.")) == []
    assert check_content(newsletter()) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"sources": ("x" * 10_000,)}, "/sources/0"),
        ({"legal_bases_reason": "a\0b"}, "/legal_bases_reason"),
        ({"policy_facts": {"a/b": {"~": 1.5}}}, "/policy_facts/a~1b/~0"),
        ({"policy_facts": {"months": 2**53}}, "/policy_facts/months"),
        ({"policy_facts": {"a": [[[[[[[[[[[[[]]]]]]]]]]]]]}}, "/policy_facts/a" + "/0" * 10),
        ({"notices": {"n\0b": NoticeText("a", "b")}}, "/notices"),
    ],
)
def test_faults_of_form_are_told_apart_from_faults_of_meaning(fields: dict[str, Any], pointer: str) -> None:
    faults = check_content(newsletter(**fields))
    assert [(type(fault), fault.pointer) for fault in faults] == [(InvalidRequest, pointer)]
