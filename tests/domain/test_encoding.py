"""The canonical encoding, the chain and the commitments, against another program's vectors (R21)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import rfc8785
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.domain.encoding import commitment, encode, genesis_hash, hkdf, record_hash, salt
from consent_service.domain.records import Preferences, Record
from consent_service.domain.values import Cause, Channel, Command, Reason, Status, format_time

VECTORS = Path(__file__).resolve().parents[2] / "clients" / "vectors"
LEDGER: dict[str, Any] = json.loads((VECTORS / "ledger.json").read_text(encoding="utf-8"))
HASHES = {
    "notice_hash",
    "screen_hash",
    "actor_commitment",
    "evidence_commitment",
    "previous_hash",
    "record_hash",
}
TIMES = ("recorded_at", "occurred_at", "effective_at", "until")
OUTSIDE_THE_ENCODING = {"record_hash", "standing_version", "standing_preferences"}
SUBJECT_KEY = bytes(range(32))


def read_record(vector: dict[str, Any], **more: object) -> Record:
    """A record as the vectors write it: JSON, hashes in hexadecimal, its own hash left out."""
    fields = {"record_hash": "00" * 32} | vector | more
    raw = {name: bytes.fromhex(fields[name]) for name in HASHES if fields[name] is not None}
    return msgspec.convert(fields | raw, Record, builtin_types=(bytes,))


def named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


@pytest.mark.parametrize("vector", named(LEDGER["records"] + LEDGER["chain"]["records"]))
def test_a_record_has_the_bytes_and_the_hash_of_its_vector_r21(vector: dict[str, Any]) -> None:
    record = read_record(vector["record"])

    assert encode(record).hex() == vector["encoding"]
    assert record_hash(record).hex() == vector["record_hash"]


def test_the_vectors_chain_from_genesis_to_head_r21() -> None:
    chain = LEDGER["chain"]
    previous = genesis_hash(chain["controller"], UUID(chain["subject_id"]))

    for sequence, vector in enumerate(chain["records"], start=1):
        record = read_record(vector["record"])
        assert (record.sequence, record.previous_hash) == (sequence, previous), vector["name"]
        previous = record_hash(record)

    assert len(chain["records"]) >= 4


def test_the_details_of_the_chain_match_their_commitments_r21() -> None:
    key = bytes.fromhex(LEDGER["chain"]["subject_key"])

    for vector in LEDGER["chain"]["records"]:
        record = read_record(vector["record"])
        for field in ("actor", "evidence"):
            value = vector["details"].get(field)
            expected = None if value is None else commitment(key, record.record_id, field, value.encode())
            assert getattr(record, f"{field}_commitment") == expected, vector["name"]


@pytest.mark.parametrize("vector", LEDGER["genesis"])
def test_a_genesis_hash_is_that_of_its_vector_r21(vector: dict[str, str]) -> None:
    assert genesis_hash(vector["controller"], UUID(vector["subject_id"])).hex() == vector["genesis_hash"]


@pytest.mark.parametrize("vector", LEDGER["times"], ids=lambda vector: vector["time"])
def test_a_time_is_written_as_in_its_vector_core_18(vector: dict[str, str]) -> None:
    assert format_time(datetime.fromisoformat(vector["time"])) == vector["encoded"]


@pytest.mark.parametrize("vector", LEDGER["preferences"], ids=lambda vector: vector["encoded"])
def test_preferences_are_written_as_in_their_vector_core_18(vector: dict[str, Any]) -> None:
    record = read_record(LEDGER["records"][0]["record"], preferences=vector["preferences"])
    content = vector["encoded"].encode()

    assert len(content).to_bytes(4, "big") + content in encode(record)


@pytest.mark.parametrize("vector", LEDGER["commitments"])
def test_a_salt_and_a_commitment_are_those_of_their_vector_r21(vector: dict[str, str]) -> None:
    key, record_id, field = bytes.fromhex(vector["subject_key"]), UUID(vector["record_id"]), vector["field"]

    assert salt(key, record_id, field).hex() == vector["salt"]
    assert commitment(key, record_id, field, vector["value"].encode()).hex() == vector["commitment"]


def run_compute(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(folder / "compute.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_vectors_are_what_the_second_program_computes() -> None:
    result = run_compute(VECTORS)

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", ["ledger.json", "identifiers.json"])
def test_the_second_program_notices_a_changed_vector(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(VECTORS, tmp_path / "vectors"))
    text = (folder / name).read_text(encoding="utf-8")
    (folder / name).write_text(text.replace("a", "b", 1), encoding="utf-8")

    result = run_compute(folder)

    assert result.returncode == 1
    assert name in result.stderr


hashes = st.binary(min_size=32, max_size=32)
zones = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-3, minutes=-30))])
times = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=zones)
versions = st.integers(min_value=1)
codes = st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=40), max_size=4).map(
    tuple
)
preferences = st.builds(Preferences, channels=codes, topics=codes, frequency=st.none() | st.text(max_size=40))
records = st.builds(
    Record,
    record_id=st.uuids(),
    controller=st.text(),
    subject_id=st.uuids(),
    sequence=st.integers(),
    purpose=st.none() | st.text(),
    command=st.sampled_from(Command),
    status=st.none() | st.sampled_from(Status),
    version=st.none() | versions,
    governing_version=st.none() | versions,
    recorded_at=times,
    occurred_at=st.none() | times,
    effective_at=times,
    until=st.none() | times,
    allowed=st.none() | st.booleans(),
    reason=st.none() | st.sampled_from(Reason),
    cause=st.none() | st.sampled_from(Cause),
    superseded=st.booleans(),
    preferences=st.none() | preferences,
    language=st.none() | st.text(),
    notice_hash=st.none() | hashes,
    channel=st.sampled_from(Channel),
    source=st.none() | st.text(),
    choice_id=st.none() | st.text(),
    screen_hash=st.none() | hashes,
    actor_commitment=st.none() | hashes,
    evidence_commitment=st.none() | hashes,
    previous_hash=hashes,
    record_hash=st.just(bytes(32)),
)


#: Every field that is no text: how its bytes are read. The order of the fields is the struct's (CORE 18).
READERS: dict[str, Callable[[bytes], object]] = {
    **dict.fromkeys(("record_id", "subject_id"), lambda content: UUID(bytes=content)),
    **dict.fromkeys(("sequence", "version", "governing_version"), int),
    **dict.fromkeys(TIMES, lambda content: datetime.fromisoformat(content.decode())),
    **dict.fromkeys(("allowed", "superseded"), {b"true": True, b"false": False}.__getitem__),
    **dict.fromkeys(HASHES, bytes),
    "preferences": lambda content: msgspec.json.decode(content, type=Preferences),
}


def decode(encoded: bytes) -> Record:
    """The way back, from the documentation alone: as there is one, no two records share their bytes."""
    assert encoded[:1] == b"\x01"
    fields: dict[str, Any] = {}
    position = 1
    for name in Record.__struct_fields__:
        if name in OUTSIDE_THE_ENCODING:
            continue
        length = int.from_bytes(encoded[position : position + 4], "big")
        position += 4
        if length == 0xFFFFFFFF:
            fields[name] = None
            continue
        fields[name] = READERS.get(name, bytes.decode)(encoded[position : position + length])
        position += length
    assert position == len(encoded)
    return Record(**fields, record_hash=bytes(32))


@given(record=records)
@settings(deadline=None)
def test_the_encoding_loses_nothing_so_no_two_records_share_it_r21(record: Record) -> None:
    assert decode(encode(record)) == record


@given(first=records, second=records)
@settings(deadline=None)
def test_two_records_have_the_same_hash_only_if_they_are_equal_r21(first: Record, second: Record) -> None:
    assert (record_hash(first) == record_hash(second)) == (first == second)


@pytest.mark.parametrize(
    "name", [name for name in Record.__struct_fields__ if name not in OUTSIDE_THE_ENCODING]
)
@given(data=st.data())
@settings(deadline=None, max_examples=10)
def test_a_change_of_any_single_field_changes_the_hash_r21(name: str, data: st.DataObject) -> None:
    first, second = data.draw(records), data.draw(records)
    changed = msgspec.structs.replace(first, **{name: getattr(second, name)})

    assert (record_hash(first) == record_hash(changed)) == (first == changed)


def test_texts_that_only_move_across_a_border_between_fields_change_the_bytes_r21() -> None:
    vector = LEDGER["records"][0]["record"]

    encodings = {
        encode(read_record(vector, source=source, choice_id=choice_id))
        for source, choice_id in [
            ("ab", "c"),
            ("a", "bc"),
            ("abc", ""),
            ("abc", None),
            (None, "abc"),
            ("", "abc"),
        ]
    }

    assert len(encodings) == 6


def test_what_follows_from_other_fields_is_outside_the_hash_core_18() -> None:
    record = read_record(LEDGER["records"][0]["record"])

    assert record_hash(msgspec.structs.replace(record, record_hash=b"\1" * 32)) == record_hash(record)
    assert record_hash(msgspec.structs.replace(record, standing_version=9)) == record_hash(record)
    assert record_hash(msgspec.structs.replace(record, standing_preferences=Preferences())) == record_hash(
        record
    )


@pytest.mark.parametrize("name", sorted(HASHES - OUTSIDE_THE_ENCODING))
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_that_is_not_32_bytes_is_never_encoded_core_18(name: str, length: int) -> None:
    record = read_record(LEDGER["records"][0]["record"])

    with pytest.raises(ValueError, match="32 bytes"):
        encode(msgspec.structs.replace(record, **{name: bytes(length)}))


@given(value=preferences)
@settings(deadline=None)
def test_preferences_are_rfc_8785_core_18(value: Preferences) -> None:
    record = msgspec.structs.replace(read_record(LEDGER["records"][0]["record"]), preferences=value)
    content = rfc8785.dumps(msgspec.to_builtins(value))

    assert len(content).to_bytes(4, "big") + content in encode(record)


#: RFC 5869, appendices A.1 to A.3: key material, salt, info, output.
RFC_5869 = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    (
        "0b" * 22,
        "",
        "",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("key_material", "extractor", "info", "output"), RFC_5869)
def test_hkdf_gives_what_rfc_5869_gives(key_material: str, extractor: str, info: str, output: str) -> None:
    expected = bytes.fromhex(output)
    arguments = (bytes.fromhex(key_material), bytes.fromhex(extractor), bytes.fromhex(info))

    assert hkdf(*arguments, len(expected)) == expected


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 8160))
@settings(deadline=None)
def test_hkdf_agrees_with_another_implementation(
    key: bytes, extractor: bytes, info: bytes, length: int
) -> None:
    assert hkdf(key, extractor, info, length) == HKDF(SHA256(), length, extractor, info).derive(key)


def test_hkdf_never_gives_more_than_rfc_5869_allows() -> None:
    with pytest.raises(ValueError, match="8160"):
        hkdf(SUBJECT_KEY, b"", b"", 8161)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_subject_key_of_another_length_is_a_fault_r21(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(bytes(length), UUID(int=1), "actor", b"web-form")


def test_without_the_key_a_known_detail_explains_no_commitment_r21() -> None:
    value = b"web-form"
    seen = {
        commitment(SUBJECT_KEY, UUID(int=1), "actor", value),
        commitment(SUBJECT_KEY, UUID(int=2), "actor", value),
        commitment(SUBJECT_KEY, UUID(int=1), "evidence", value),
        commitment(SUBJECT_KEY[::-1], UUID(int=1), "actor", value),
        commitment(SUBJECT_KEY, UUID(int=1), "actor", value + b" "),
    }

    assert len(seen) == 5
