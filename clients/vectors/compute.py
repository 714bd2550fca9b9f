"""Computes the test vectors beside it from the words of README.md, sharing no code with the service.

    python clients/vectors/compute.py            writes ledger.json and identifiers.json
    python clients/vectors/compute.py --check    tells whether they are up to date (exit status 1: no)

Needs Python 3.11 and, for domain names alone, the package idna.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import identifier_cases
import idna
import ledger_cases

Json = dict[str, Any]
FOLDER = Path(__file__).resolve().parent

#: README, "The fields": name and kind, in the order of the encoding.
FIELDS = [
    ("record_id", "uuid"),
    ("controller", "text"),
    ("subject_id", "uuid"),
    ("sequence", "integer"),
    ("purpose", "text"),
    ("command", "text"),
    ("status", "text"),
    ("version", "integer"),
    ("governing_version", "integer"),
    ("recorded_at", "time"),
    ("occurred_at", "time"),
    ("effective_at", "time"),
    ("until", "time"),
    ("allowed", "boolean"),
    ("reason", "text"),
    ("cause", "text"),
    ("superseded", "boolean"),
    ("preferences", "object"),
    ("language", "text"),
    ("notice_hash", "hash"),
    ("channel", "text"),
    ("source", "text"),
    ("choice_id", "text"),
    ("screen_hash", "hash"),
    ("actor_commitment", "hash"),
    ("evidence_commitment", "hash"),
    ("previous_hash", "hash"),
]


def time_text(written: str) -> str:
    moment = datetime.fromisoformat(written)
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a time without an offset is no moment")
    utc = moment.replace(tzinfo=None) - offset
    seconds = utc.replace(microsecond=0)
    microseconds = (utc - seconds) // timedelta(microseconds=1)
    return f"{seconds.isoformat()}.{microseconds:06d}Z"


def object_text(value: Json) -> str:
    """RFC 8785 as far as flat objects of ASCII strings need it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content(kind: str, value: Any) -> bytes:
    match kind:
        case "uuid":
            return bytes.fromhex(value.replace("-", ""))
        case "hash":
            return bytes.fromhex(value)
        case "integer":
            return f"{value:d}".encode("ascii")
        case "boolean":
            return b"true" if value else b"false"
        case "time":
            return time_text(value).encode("ascii")
        case "object":
            return object_text(value).encode("utf-8")
    return str(value).encode("utf-8")


def encoding(record: Json) -> bytes:
    buffer = bytearray([1])
    for name, kind in FIELDS:
        if record[name] is None:
            buffer += struct.pack(">I", 0xFFFFFFFF)
            continue
        field = content(kind, record[name])
        buffer += struct.pack(">I", len(field)) + field
    return bytes(buffer)


def sha256(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def mac(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256, spelled out (RFC 2104); no key here is longer than a block of 64 bytes."""
    if len(key) > 64:
        raise ValueError("a key longer than a block would have to be hashed first")
    block = key.ljust(64, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in block), *parts)
    return sha256(bytes(byte ^ 0x5C for byte in block), inner)


def hkdf_32(key_material: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869) where 32 bytes are asked for: extract, then a single block of expand."""
    return mac(mac(salt, key_material), info, b"\x01")


def genesis(controller: str, subject_id: str) -> bytes:
    return sha256(b"consent-ledger:1\x00", controller.encode(), b"\x00", str(UUID(subject_id)).encode())


def salt_of(subject_key: bytes, record_id: str, field: str) -> bytes:
    return hkdf_32(subject_key, UUID(record_id).bytes, field.encode("ascii"))


def commitment(subject_key: bytes, record_id: str, field: str, value: str) -> bytes:
    return mac(salt_of(subject_key, record_id, field), value.encode("utf-8"))


class Refused(Exception):
    """Its text is the field at fault: `type` or `value`."""


def normal_form(kind: str, value: str) -> str:
    if kind not in ("email", "phone", "visitor"):
        prefix, colon, system = kind.partition(":")
        if prefix != "external" or not colon or not 1 <= len(system) <= 40:
            raise Refused("type")
        if set(system) - set("abcdefghijklmnopqrstuvwxyz0123456789-"):
            raise Refused("type")
    if len(value) > 1000:
        raise Refused("value")
    if kind == "email":
        return email(value)
    if kind == "phone":
        return phone(value)
    if kind == "visitor":
        allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
        if not 22 <= len(value) <= 64 or set(value) - allowed:
            raise Refused("value")
        return value
    if not 1 <= len(value) <= 256 or any(unicodedata.category(sign) in ("Cc", "Cs") for sign in value):
        raise Refused("value")
    return value


BLANKS = {0x20, 0x09, 0x0D, 0x0A, 0xA0, 0x2009, 0x202F}
DASHES = {0x2D, 0x2010, 0x2011, 0x2012, 0x2013, 0x2014}
BRACKETS = {0x28, 0x29, 0x5B, 0x5D}
#: Marks that join or select, fillers, a blank: general categories M, L and S.
NOT_DRAWN = (
    *({0x034F}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, range(0x180B, 0x1810), {0x2800}, {0x3164}),
    *(range(0xFE00, 0xFE10), {0xFFA0}, range(0xE0100, 0xE01F0)),
)


def phone(value: str) -> str:
    kept = [sign for sign in value if ord(sign) not in BLANKS | DASHES | BRACKETS]
    digits = kept[1:]
    if kept[:1] != ["+"] or not 8 <= len(digits) <= 15 or digits[0] == "0":
        raise Refused("value")
    if any(sign not in "0123456789" for sign in digits):
        raise Refused("value")
    return "".join(kept)


def email(value: str) -> str:
    while value and ord(value[0]) in BLANKS:
        value = value[1:]
    while value and ord(value[-1]) in BLANKS:
        value = value[:-1]
    lowered = unicodedata.normalize("NFC", value.lower())
    parts = lowered.split("@")
    if len(parts) != 2:
        raise Refused("value")
    local, domain = parts
    if not 1 <= len(local.encode("utf-8", "surrogatepass")) <= 64:
        raise Refused("value")
    for sign in local:
        if ord(sign) < 0x80:
            if sign not in "abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-":
                raise Refused("value")
        elif unicodedata.category(sign)[0] in "CZ" or any(ord(sign) in signs for signs in NOT_DRAWN):
            raise Refused("value")
    result = f"{local}@{ascii_domain(domain)}"
    if len(result.encode("utf-8")) > 254:
        raise Refused("value")
    return result


def ascii_domain(domain: str) -> str:
    try:
        mapped = idna.uts46_remap(domain, std3_rules=True, transitional=False)
        labels = [idna.alabel(label).decode("ascii") for label in mapped.split(".")]
    except UnicodeError:
        raise Refused("value") from None
    name = ".".join(labels)
    if len(labels) < 2 or all(sign in "0123456789" for sign in labels[-1]) or len(name) > 253:
        raise Refused("value")
    return name


def lookup_key(master_key: bytes, controller: str) -> bytes:
    return hkdf_32(master_key, b"", b"consent-lookup:1\x00" + controller.encode())


def described(name: str, record: Json) -> Json:
    encoded = encoding(record)
    return {"name": name, "record": record, "encoding": encoded.hex(), "record_hash": sha256(encoded).hex()}


def chain() -> Json:
    """The records of one subject, each with the hash of the one before it; details become commitments."""
    key = bytes.fromhex(ledger_cases.SUBJECT_KEY)
    start = genesis(ledger_cases.CONTROLLER, ledger_cases.SUBJECT)
    previous, items = start, []
    for sequence, (name, details, fields) in enumerate(ledger_cases.CHAIN, start=1):
        record = ledger_cases.record(**fields)
        record |= {"sequence": sequence, "previous_hash": previous.hex()}
        for field, value in details.items():
            record[f"{field}_commitment"] = commitment(key, record["record_id"], field, value).hex()
        item = described(name, record) | {"details": details}
        previous = bytes.fromhex(item["record_hash"])
        items.append(item)
    return {
        "controller": ledger_cases.CONTROLLER,
        "subject_id": ledger_cases.SUBJECT,
        "subject_key": ledger_cases.SUBJECT_KEY,
        "genesis_hash": start.hex(),
        "records": items,
    }


def ledger() -> Json:
    commitments = []
    for key, record_id, field, value in ledger_cases.COMMITMENTS:
        raw = bytes.fromhex(key)
        commitments.append(
            {
                "subject_key": key,
                "record_id": record_id,
                "field": field,
                "value": value,
                "salt": salt_of(raw, record_id, field).hex(),
                "commitment": commitment(raw, record_id, field, value).hex(),
            }
        )
    return {
        "format": 1,
        "genesis": [
            {
                "controller": controller,
                "subject_id": subject,
                "genesis_hash": genesis(controller, subject).hex(),
            }
            for controller, subject in ledger_cases.GENESIS
        ],
        "times": [{"time": time, "encoded": time_text(time)} for time in ledger_cases.TIMES],
        "preferences": [
            {"preferences": one, "encoded": object_text(one)} for one in ledger_cases.PREFERENCES
        ],
        "commitments": commitments,
        "records": [described(name, ledger_cases.record(**fields)) for name, fields in ledger_cases.RECORDS],
        "chain": chain(),
    }


def accepted(keys: dict[str, bytes]) -> Iterable[Json]:
    for kind, value in identifier_cases.ACCEPTED:
        normal = normal_form(kind, value)
        hashes = {name: mac(key, f"{kind}\0{normal}".encode()).hex() for name, key in keys.items()}
        yield {"type": kind, "value": value, "normal_form": normal, "lookup_hash": hashes}


def refused() -> Iterable[Json]:
    for kind, value, why in identifier_cases.REFUSED:
        try:
            normal = normal_form(kind, value)
        except Refused as refusal:
            yield {"type": kind, "value": value, "field": str(refusal), "why": why}
        else:
            raise AssertionError(f"not refused, though {why}: {normal!a}")


def identifiers() -> Json:
    master_key = bytes.fromhex(identifier_cases.MASTER_KEY)
    keys = {controller: lookup_key(master_key, controller) for controller in identifier_cases.CONTROLLERS}
    return {
        "master_key": identifier_cases.MASTER_KEY,
        "lookup_keys": {controller: key.hex() for controller, key in keys.items()},
        "accepted": list(accepted(keys)),
        "refused": list(refused()),
        "together": [
            {"types": kinds, "accepted": len(kinds) == 1 or "visitor" not in kinds}
            for kinds in identifier_cases.TOGETHER
        ],
    }


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    stale = 0
    for name, vectors in (("ledger.json", ledger()), ("identifiers.json", identifiers())):
        path = FOLDER / name
        text = json.dumps(vectors, indent=2) + "\n"
        if not arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{name} is not what compute.py writes\n")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
