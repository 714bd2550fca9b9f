"""Whose record a subject is in the recipient's own system: asked for once, kept sealed, known also after an erasure.

A row is found by HMAC-SHA-256 of the subject's id and sealed with AES-256-GCM, both under keys derived from one of the
user's: without it the store tells neither who is in it nor what.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consent_client.errors import ConsentError
from consent_client.recipient.store import SealedRecord, Store

_NONCE_BYTES = 12


class AskIdentifiers(Protocol):
    """What of ConsentClient the mapping needs: `identifiers`, with a token of the scope identifiers:read."""

    def identifiers(self, subject_id: UUID) -> Awaitable[Sequence[Any]]: ...


class MappingKey(msgspec.Struct, frozen=True):
    """32 secret bytes from your own key store. `key_id` names them in the store, so that they can be replaced."""

    key_id: str
    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != 32:
            raise ValueError(f"the mapping key {self.key_id} has {len(self.secret)} bytes; it needs 32")

    def __repr__(self) -> str:
        return f"MappingKey({self.key_id!r})"


class MappingUnreadable(ConsentError):
    """A record of the mapping cannot be opened: the key it was sealed with is missing, or it was tampered with."""


class _Lock:
    """One key at work, for one recipient."""

    def __init__(self, key: MappingKey, owner: str) -> None:
        self.key_id = key.key_id
        self._lookup = _derived(key.secret, f"lookup {owner}")
        self._cipher = AESGCM(_derived(key.secret, f"seal {owner}"))

    def hash(self, subject_id: UUID) -> bytes:
        return hmac.digest(self._lookup, subject_id.bytes, "sha256")

    def seal(self, subject_id: UUID, own_id: str) -> SealedRecord:
        subject_hash, nonce = self.hash(subject_id), secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, own_id.encode(), subject_hash)
        return SealedRecord(subject_hash, self.key_id, sealed)

    def open(self, record: SealedRecord) -> str:
        nonce, sealed = record.sealed[:_NONCE_BYTES], record.sealed[_NONCE_BYTES:]
        return self._cipher.decrypt(nonce, sealed, record.subject_hash).decode()


class OwnRecords:
    """`keys`: the first seals, all open. What an older one sealed is sealed anew when it is next used."""

    def __init__(self, store: Store, keys: Sequence[MappingKey], owner: str) -> None:
        self._store = store
        self._locks = [_Lock(key, owner) for key in keys]

    async def remember(self, subject_id: UUID, own_id: str) -> None:
        first, *older = self._ready()
        await self._store.write_record(
            first.seal(subject_id, own_id), [lock.hash(subject_id) for lock in older]
        )

    async def recall(self, subject_id: UUID) -> str | None:
        """Raises MappingUnreadable."""
        locks = self._ready()
        by_hash = {lock.hash(subject_id): lock for lock in locks}
        record = await self._store.read_record(list(by_hash))
        if record is None:
            return None
        lock = by_hash[record.subject_hash]
        try:
            own_id = lock.open(record)
        except (InvalidTag, ValueError) as error:
            raise MappingUnreadable("a record of the mapping was not sealed by any of the keys") from error
        if lock is not locks[0]:
            await self.remember(subject_id, own_id)
        return own_id

    async def forget(self, subject_id: UUID) -> None:
        await self._store.drop_record([lock.hash(subject_id) for lock in self._ready()])

    def _ready(self) -> list[_Lock]:
        if not self._locks:
            raise ConsentError("a mapping needs a key: run(..., mapping_keys=[MappingKey('k1', secret)])")
        return self._locks


def _derived(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"consent recipient {purpose}".encode()).derive(secret)
