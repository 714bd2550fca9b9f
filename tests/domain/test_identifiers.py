"""One normal form an identifier, one keyed hash a controller, and refusals that do not repeat the value."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from consent_service.domain.errors import InvalidValue
from consent_service.domain.identifiers import (
    Identifier,
    check_together,
    lookup_hash,
    lookup_key,
    normalise,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "clients" / "vectors" / "identifiers.json").read_text(
        encoding="utf-8"
    )
)
MASTER_KEY = bytes.fromhex(VECTORS["master_key"])
VISITOR = "Zm9vYmFyYmF6cXV4MTIzNA"


def refusal(identifier_type: str, value: str, *, pointer: str = "/identifiers/3") -> InvalidValue:
    with pytest.raises(InvalidValue) as caught:
        normalise(identifier_type, value, pointer=pointer)
    return caught.value


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: ascii(vector["value"][:30]))
def test_an_identifier_has_the_normal_form_and_hashes_of_its_vector_r19(vector: dict[str, Any]) -> None:
    normal_form = normalise(vector["type"], vector["value"])

    assert normal_form == vector["normal_form"]
    for controller, expected in vector["lookup_hash"].items():
        key = lookup_key(MASTER_KEY, controller)
        assert key.hex() == VECTORS["lookup_keys"][controller]
        assert lookup_hash(key, vector["type"], normal_form).hex() == expected


@pytest.mark.parametrize(
    "vector", VECTORS["refused"], ids=lambda vector: f"{vector['type'][:20]!a} {vector['why']}"
)
def test_a_refused_vector_is_refused_at_its_field_and_not_repeated_core_13(vector: dict[str, str]) -> None:
    refused = refusal(vector["type"], vector["value"])

    assert refused.slug == "invalid-value"
    assert refused.pointer == f"/identifiers/3/{vector['field']}"
    assert refused.detail.endswith(".")
    assert vector["value"].strip() == "" or vector["value"] not in f"{refused.detail} {refused!r}"


@pytest.mark.parametrize("vector", VECTORS["together"], ids=lambda vector: "+".join(vector["types"]))
def test_a_visitor_stands_alone_r19(vector: dict[str, Any]) -> None:
    if vector["accepted"]:
        check_together(vector["types"])
        return

    with pytest.raises(InvalidValue) as caught:
        check_together(vector["types"], pointer="/subject/identifiers")

    assert caught.value.pointer == "/subject/identifiers"


#: Beside the vectors: what a JSON file had better not hold, and one case for each sentence of a refusal.
REFUSED = [
    ("e-mail", "ola@example.com", "/type", "A type is email, phone, visitor or external:<system>"),
    ("external:Brevo", "42", "/type", "A type is email, phone, visitor or external:<system>"),
    ("email", "x" * 1001, "/value", "at most 1000 characters"),
    ("email", "ola.example.com", "/value", "exactly one @"),
    ("email", "ola@nordmann@example.com", "/value", "exactly one @"),
    ("email", "ola nordmann@example.com", "/value", "no blanks and no invisible"),
    ("email", "ola\ud800@example.com", "/value", "no blanks and no invisible"),
    ("email", "ola\ue000@example.com", "/value", "no blanks and no invisible"),
    ("email", "ola\u0378@example.com", "/value", "no blanks and no invisible"),
    ("email", "@example.com", "/value", "1 to 64 bytes"),
    ("email", "x" * 65 + "@example.com", "/value", "1 to 64 bytes"),
    ("email", '"ola"@example.com', "/value", "would need quotes"),
    ("email", "ola@localhost", "/value", "is a domain name"),
    ("email", "ola@exa\ud800mple.com", "/value", "is a domain name"),
    ("email", "ola@192.0.2.1", "/value", "is a domain name"),
    ("email", "x" * 64 + "@" + ".".join(["l" * 63] * 3), "/value", "at most 254 bytes"),
    ("phone", "22123456", "/value", "+ and 8 to 15 digits"),
    ("phone", "+47\ud8002212345", "/value", "+ and 8 to 15 digits"),
    ("visitor", "tiny", "/value", "22 to 64 of"),
    ("external:brevo", "4\n2", "/value", "no control characters"),
    ("external:brevo", "4\ud8002", "/value", "no control characters"),
    ("external:brevo", "x" * 257, "/value", "1 to 256 characters"),
]


@pytest.mark.parametrize(("identifier_type", "value", "field", "words"), REFUSED, ids=ascii)
def test_a_refusal_says_what_to_do_core_12(identifier_type: str, value: str, field: str, words: str) -> None:
    refused = refusal(identifier_type, value, pointer="/queries/0/identifier")

    assert refused.pointer == f"/queries/0/identifier{field}"
    assert words in refused.detail


def test_a_refused_domain_leaves_no_trace_in_the_chain_of_exceptions_r19() -> None:
    refused = refusal("email", "ola@secret_clinic.example")

    assert refused.__cause__ is None
    assert refused.__context__ is None


characters = st.characters(exclude_categories=[])
visible = st.characters(exclude_categories=["C", "Z"], exclude_characters='@"(),:;<>[]\\')
domains = ["example.com", "EXAMPLE.com", "blåbær.example", "BLÅBÆR.example", "\ufb00.example", "例え\u3002jp"]
spellings = st.tuples(st.text(visible, min_size=1, max_size=12), st.sampled_from(domains)).map("@".join)


@given(value=spellings | st.emails())
@example("ΝΊΚΟΣ@example.com")
@example("\u0130\u0323@example.com")
@example("\u1e9e@\u1e9e.example")
@settings(deadline=None, max_examples=300)
def test_the_normal_form_of_an_email_is_its_own_normal_form_core_13(value: str) -> None:
    try:
        once = normalise("email", value)
    except InvalidValue:
        assume(False)

    assert normalise("email", once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.strip() == once.lower()
    assert once.partition("@")[2].isascii()
    assert len(once.encode()) <= 254


@given(value=st.from_regex(r"[ (]?\+[ (]?[1-9]([ ()\[\]\u00a0\u2013-]{0,2}[0-9]){7,14}\)?", fullmatch=True))
@settings(deadline=None)
def test_the_normal_form_of_a_phone_is_its_own_normal_form_core_13(value: str) -> None:
    once = normalise("phone", value)

    assert normalise("phone", once) == once
    assert list(once) == ["+", *(sign for sign in value if sign.isdecimal())]


@given(value=st.text(characters, max_size=300))
@settings(deadline=None)
def test_an_external_identifier_is_taken_exactly_or_not_at_all_core_13(value: str) -> None:
    try:
        assert normalise("external:recruitee", value) == value
    except InvalidValue:
        unacceptable = any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in value)
        assert unacceptable or not 1 <= len(value) <= 256


@given(identifier_type=st.text(characters), value=st.text(characters))
@settings(deadline=None)
def test_whatever_is_given_is_normalised_or_refused_core_12(identifier_type: str, value: str) -> None:
    for one in (identifier_type, "email", "phone", "visitor", "external:brevo"):
        with suppress(InvalidValue):
            assert normalise(one, value).encode()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ola.nordmann@example.com", "olanordmann@example.com"),
        ("ola+nyhetsbrev@example.com", "ola@example.com"),
        ("ola@straße.example", "ola@strasse.example"),
    ],
)
def test_addresses_that_may_be_two_persons_are_not_folded_core_13(first: str, second: str) -> None:
    assert normalise("email", first) != normalise("email", second)


def test_a_lookup_hash_is_hmac_under_a_key_of_its_controller_r19() -> None:
    key = HKDF(SHA256(), 32, b"", b"consent-lookup:1\0ansettr").derive(MASTER_KEY)
    code = HMAC(key, SHA256())
    code.update(b"email\0ola@example.com")

    assert lookup_key(MASTER_KEY, "ansettr") == key
    assert lookup_hash(key, "email", "ola@example.com") == code.finalize()


def test_the_same_value_is_found_only_under_its_own_controller_type_and_master_key_r19() -> None:
    places = [(MASTER_KEY, "ansettr", "email"), (MASTER_KEY, "coness", "email")]
    places += [(MASTER_KEY[::-1], "ansettr", "email"), (MASTER_KEY, "ansettr", "external:brevo")]

    hashes = {
        lookup_hash(lookup_key(master, controller), kind, "a@b.c") for master, controller, kind in places
    }

    assert len(hashes) == 4


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_master_key_that_is_too_short_is_a_fault_r19(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        lookup_key(bytes(length), "ansettr")


@pytest.mark.parametrize(
    "body",
    ["{}", '{"type": "email"}', '{"type": "email", "value": 7}', '{"type": "email", "value": "a", "x": 1}'],
)
def test_an_identifier_of_another_shape_is_not_read_core_12(body: str) -> None:
    assert msgspec.json.decode(b'{"type": "email", "value": "a"}', type=Identifier) == Identifier(
        "email", "a"
    )

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Identifier)
